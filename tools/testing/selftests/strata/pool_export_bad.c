// SPDX-License-Identifier: GPL-2.0
/* Bad calls around dma-bufs: exports, copies, mappings of what is exported, and moves. */

#include <sys/resource.h>

#include "pool_bad.h"
#include "pool_export.h"

#define EXPORT(...)	((struct strata_pool_export){ __VA_ARGS__ })
#define COPY(...)	((struct strata_pool_copy){ __VA_ARGS__ })

TEST_F(bad, export)
{
	const uint32_t id = self->buffer.id;
	const struct { const char *what; struct strata_pool_export export; int error; } calls[] = {
		{ "export with a flag", EXPORT(.id = id, .flags = 1), EINVAL },
		{ "export with O_CLOEXEC", EXPORT(.id = id, .flags = O_CLOEXEC), EINVAL },
		{ "export with all flags", EXPORT(.id = id, .flags = -1), EINVAL },
		{ "export with a descriptor", EXPORT(.id = id, .fd = 1), EINVAL },
		{ "export with no descriptor", EXPORT(.id = id, .fd = -1), EINVAL },
		{ "export, reserved", EXPORT(.id = id, .reserved = 1), EINVAL },
		{ "export, all reserved", EXPORT(.id = id, .reserved = -1), EINVAL },
		{ "export of 0", EXPORT(.id = 0), ENOENT },
		{ "export of the last id", EXPORT(.id = -1), ENOENT },
		{ "export of the next id", EXPORT(.id = self->destroyed.id + 1), ENOENT },
		{ "export, destroyed", EXPORT(.id = self->destroyed.id), ENOENT },
		{ "export, of another file", EXPORT(.id = self->foreign.id), ENOENT },
	};
	const int files = open_files();
	int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		struct strata_pool_export export = calls[i].export;

		BAD(result(ioctl(self->fd, STRATA_POOL_EXPORT, &export)), calls[i].error,
		    calls[i].what);
		EXPECT_EQ(memcmp(&export, &calls[i].export, sizeof(export)), 0);
	}
	EXPECT_EQ(open_files(), files);
}

/* Whatever is wrong, nothing is given away: not by a descriptor, and not as a pin. */
TEST_F(bad, export_that_cannot_be_told)
{
	struct strata_pool_export *export, good = { .id = self->buffer.id };
	const int files = open_files();
	struct moves before, after;
	struct rlimit limit, none;
	int i;

	ASSERT_EQ(pool_moves(&before), 0);
	export = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE((void *)export, MAP_FAILED);
	*export = good;
	ASSERT_EQ(mprotect(export, 4096, PROT_READ), 0);
	for (i = 0; i < 3; i++)
		BAD(result(ioctl(self->fd, STRATA_POOL_EXPORT, export)), EFAULT, "export to read only");
	munmap(export, 4096);

	ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	BAD(result(ioctl(self->fd, STRATA_POOL_EXPORT, &good)), EMFILE, "export without descriptors");
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	EXPECT_EQ(open_files(), files);
	ASSERT_EQ(pool_moves(&after), 0);
	EXPECT_EQ(after.exported, before.exported);
}

TEST_F(bad, pointer)
{
	static const struct bad_request requests[] = {
		{ "export", STRATA_POOL_EXPORT }, { "copy", STRATA_POOL_COPY },
	};

	bad_pointers(_metadata, self->fd, requests, ARRAY_SIZE(requests));
}

TEST_F(bad, number)
{
	static const struct bad_request commands[] = {
		IOC(_IOC_READ, STRATA_POOL_IOC_TYPE, 7, 16), IOC(_IOC_WRITE, STRATA_POOL_IOC_TYPE, 7, 16),
		IOC(_IOC_NONE, STRATA_POOL_IOC_TYPE, 7, 0), IOC(RW, STRATA_POOL_IOC_TYPE, 7, 12),
		IOC(RW, STRATA_POOL_IOC_TYPE, 7, 24), IOC(RW, STRATA_POOL_IOC_TYPE, 8, 40),
		IOC(_IOC_READ, STRATA_POOL_IOC_TYPE, 8, 40), IOC(_IOC_WRITE, STRATA_POOL_IOC_TYPE, 8, 32),
		IOC(_IOC_WRITE, STRATA_POOL_IOC_TYPE, 8, 48), IOC(RW, STRATA_POOL_IOC_TYPE, 9, 16),
	};

	bad_commands(_metadata, self->fd, commands, ARRAY_SIZE(commands));
}

TEST_F(bad, copy)
{
	struct strata_pool_create target, source;
	const uint64_t last = UINT64_MAX, max = STRATA_POOL_MAX_SIZE;
	int own = pool_open(), buf, pipes[2], file, closed, i;
	uint32_t crc, other;

	buf = pool_filled_exported(own, 8192, 1, &source, &crc);
	ASSERT_GE(buf, 0);
	/* Smaller than the dma-buf. */
	ASSERT_EQ(pool_filled(own, 4096, 2, &target, &other), 0);
	ASSERT_EQ(pipe(pipes), 0);
	file = memfd_create("no dma-buf", 0);
	closed = dup(buf);
	close(closed);

	const uint32_t id = target.id;
	const struct { const char *what; struct strata_pool_copy copy; int error; } calls[] = {
		{ "copy with a flag", COPY(.id = id, .fd = buf, .length = 1, .flags = 2), EINVAL },
		{ "copy with two", COPY(.id = id, .fd = buf, .length = 1, .flags = 3), EINVAL },
		{ "copy with all", COPY(.id = id, .fd = buf, .length = 1, .flags = -1), EINVAL },
		{ "copy, reserved", COPY(.id = id, .fd = buf, .length = 1, .reserved = 1), EINVAL },
		{ "copy to 0", COPY(.id = 0, .fd = buf, .length = 1), ENOENT },
		{ "copy to the last id", COPY(.id = -1, .fd = buf, .length = 1), ENOENT },
		{ "copy to the next id", COPY(.id = id + 1, .fd = buf, .length = 1), ENOENT },
		{ "copy of nothing", COPY(.id = id, .fd = buf), EINVAL },
		{ "copy of all there is", COPY(.id = id, .fd = buf, .length = last), EINVAL },
		{ "copy, too long", COPY(.id = id, .fd = buf, .length = 4097), EINVAL },
		{ "copy, a page too long", COPY(.id = id, .fd = buf, .length = 8192), EINVAL },
		{ "copy of the largest size", COPY(.id = id, .fd = buf, .length = max), EINVAL },
		{ "copy, at the end", COPY(.id = id, .fd = buf, .offset = 4096, .length = 1), EINVAL },
		{ "copy, over the end", COPY(.id = id, .fd = buf, .offset = 4095, .length = 2), EINVAL },
		{ "copy, far out", COPY(.id = id, .fd = buf, .offset = 1ull << 40, .length = 1), EINVAL },
		{ "copy at -1", COPY(.id = id, .fd = buf, .offset = last, .length = 1), EINVAL },
		{ "copy, overflow", COPY(.id = id, .fd = buf, .offset = last, .length = 2), EINVAL },
		{ "copy, overflow to 1", COPY(.id = id, .fd = buf, .offset = 2, .length = last), EINVAL },
		{ "copy from the end",
		  COPY(.id = id, .fd = buf, .foreign_offset = 8192, .length = 1), EINVAL },
		{ "copy from over the end",
		  COPY(.id = id, .fd = buf, .foreign_offset = 8191, .length = 2), EINVAL },
		{ "copy from -1",
		  COPY(.id = id, .fd = buf, .foreign_offset = last, .length = 1), EINVAL },
		{ "copy, overflow there",
		  COPY(.id = id, .fd = buf, .foreign_offset = last - 1, .length = 4), EINVAL },
		{ "copy from far out",
		  COPY(.id = id, .fd = buf, .foreign_offset = 1ull << 32, .length = 1), EINVAL },
		{ "copy from -1", COPY(.id = id, .fd = -1, .length = 1), EBADF },
		{ "copy from AT_FDCWD", COPY(.id = id, .fd = AT_FDCWD, .length = 1), EBADF },
		{ "copy from the last number", COPY(.id = id, .fd = INT32_MAX, .length = 1), EBADF },
		{ "copy from the least number", COPY(.id = id, .fd = INT32_MIN, .length = 1), EBADF },
		{ "copy from what is closed", COPY(.id = id, .fd = closed, .length = 1), EBADF },
		{ "copy from a pipe", COPY(.id = id, .fd = pipes[0], .length = 1), EINVAL },
		{ "copy from a file", COPY(.id = id, .fd = file, .length = 1), EINVAL },
		{ "copy from the device", COPY(.id = id, .fd = own, .length = 1), EINVAL },
	};

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		struct strata_pool_copy copy = calls[i].copy;
		char what[64];

		BAD(pool_copy(own, &copy), calls[i].error, calls[i].what);
		if (copy.flags)
			continue;
		copy.flags = STRATA_POOL_COPY_OUT;
		snprintf(what, sizeof(what), "%s, out", calls[i].what);
		BAD(pool_copy(own, &copy), calls[i].error, what);
	}
	EXPECT_TRUE(pool_contains(own, &target, other));
	EXPECT_TRUE(buf_contains(buf, 8192, crc));
	close(file);
	close(pipes[0]);
	close(pipes[1]);
	close(buf);
	close(own);
}

/* Whether mmap() fails, and how: 0 or the negative errno. */
static int try_map(int fd, size_t length, int prot, int flags, uint64_t offset)
{
	void *map = mmap(NULL, length, prot, flags, fd, offset);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, length);
	return 0;
}

TEST_F(bad, mapping_of_a_dma_buf)
{
	const int rw = PROT_READ | PROT_WRITE;
	const struct { const char *what; size_t length; int prot, flags; uint64_t at; int error; }
	maps[] = {
		{ "dma-buf, private", 8192, rw, MAP_PRIVATE, 0, EINVAL },
		{ "dma-buf, private, for reading", 8192, PROT_READ, MAP_PRIVATE, 0, EINVAL },
		{ "dma-buf, private, of nothing", 8192, PROT_NONE, MAP_PRIVATE, 0, EINVAL },
		{ "dma-buf, a page too much", 12288, rw, MAP_SHARED, 0, EINVAL },
		{ "dma-buf, over the end", 8192, rw, MAP_SHARED, 4096, EINVAL },
		{ "dma-buf, behind the end", 4096, rw, MAP_SHARED, 8192, EINVAL },
		{ "dma-buf, far out", 4096, rw, MAP_SHARED, 1ull << 40, EINVAL },
		{ "dma-buf, nothing", 0, rw, MAP_SHARED, 0, EINVAL },
		{ "dma-buf, offset of no page", 4096, rw, MAP_SHARED, 1, EINVAL },
		{ "dma-buf, the largest size", STRATA_POOL_MAX_SIZE, rw, MAP_SHARED, 0, EINVAL },
		{ "dma-buf, synchronous", 8192, rw, MAP_SHARED_VALIDATE | MAP_SYNC, 0, EOPNOTSUPP },
	};
	struct strata_pool_create buffer;
	int own = pool_open(), buf, i;
	uint32_t crc;

	buf = pool_filled_exported(own, 8192, 3, &buffer, &crc);
	ASSERT_GE(buf, 0);
	for (i = 0; i < ARRAY_SIZE(maps); i++)
		BAD(try_map(buf, maps[i].length, maps[i].prot, maps[i].flags, maps[i].at),
		    maps[i].error, maps[i].what);
	/* A part is not bad. */
	EXPECT_EQ(try_map(buf, 4096, rw, MAP_SHARED, 4096), 0);
	EXPECT_TRUE(buf_contains(buf, 8192, crc));
	close(buf);
	close(own);
}

TEST_F(bad, ioctl_of_a_dma_buf)
{
	static const uint64_t flags[] = { 0, 4, 8, 1 << 3, 1ull << 32, -1ull };
	struct dma_buf_export_sync_file export = { .flags = 0 };
	struct dma_buf_import_sync_file import = { .flags = DMA_BUF_SYNC_RW };
	struct strata_pool_create buffer;
	int own = pool_open(), buf, i;
	char name[64], what[64];

	buf = pool_new_exported(own, 8192, &buffer);
	ASSERT_GE(buf, 0);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		snprintf(what, sizeof(what), "sync with %#llx", (unsigned long long)flags[i]);
		BAD(buf_sync(buf, flags[i]), EINVAL, what);
	}
	BAD(result(ioctl(buf, DMA_BUF_IOCTL_SYNC, NULL)), EFAULT, "sync of nothing");
	BAD(result(ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export)), EINVAL, "no fence");
	import.fd = -1;
	BAD(result(ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import)), EINVAL, "fence -1");
	import.fd = buf;
	BAD(result(ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import)), EINVAL, "no fence at all");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	BAD(result(ioctl(buf, DMA_BUF_SET_NAME, name)), EINVAL, "a long name");
	BAD(result(ioctl(buf, DMA_BUF_SET_NAME, (char *)8)), EFAULT, "a name that is nowhere");
	BAD(result(ioctl(buf, STRATA_POOL_EXPORT, &export)), ENOTTY, "an ioctl of the pool");
	close(buf);
	close(own);
}

TEST_F(bad, move)
{
	static const char *const texts[] = {
		" ", "\n", " \t\n", "0", "1", "locals", "loca", "Local", "LOCAL", "home local",
		"local home", "local,home", "home\nhome", "homer", "hom", "away", "local 1", "1 local",
		"\xff", "local\xff", "home;", "local                ", "                home",
		"localhome", "-local", "+home", "all", "move",
	};
	struct moves before, after;
	struct strata_pool_create buffer;
	int own = pool_open(), buf, i;
	char what[64];

	buf = pool_new_exported(own, 8192, &buffer);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(pool_moves(&before), 0);
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		snprintf(what, sizeof(what), "move \"%s\"", texts[i]);
		BAD(pool_move(texts[i]), EINVAL, what);
	}
	BAD(write_bytes(POOL_MOVE, "local\0", 6), EINVAL, "move with a zero");
	BAD(write_bytes(POOL_MOVE, "", 0), EINVAL, "move with nothing");
	BAD(write_bytes(POOL_MOVE, (void *)-4096ul, 4), EFAULT, "move with kernel memory");
	ASSERT_EQ(pool_moves(&after), 0);
	EXPECT_EQ(memcmp(&before, &after, sizeof(before)), 0);
	close(buf);
	close(own);
}

/* The last one: whether the tests before it made enough of them. */
TEST_F(bad, calls_are_many)
{
	TH_LOG("%d distinct bad calls", *bad_calls);
	EXPECT_GE(*bad_calls, 150);
}

TEST_HARNESS_MAIN
