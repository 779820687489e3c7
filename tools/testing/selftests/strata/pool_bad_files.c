// SPDX-License-Identifier: GPL-2.0
/* Bad calls that are no ioctls: mappings, file operations, writes to debugfs. */

#include <poll.h>
#include <sys/uio.h>

#include "pool_bad.h"

/* Whether mmap() fails, and how: 0 or the negative errno. */
static int try_map(int fd, size_t length, int prot, int flags, uint64_t offset)
{
	void *map = mmap(NULL, length, prot, flags, fd, offset);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, length);
	return 0;
}

TEST_F(bad, mapping)
{
	const uint64_t offset = self->buffer.map_offset, max = STRATA_POOL_MAX_SIZE;
	const int rw = PROT_READ | PROT_WRITE;
	const struct { const char *what; size_t length; int prot, flags; uint64_t at; int error; }
	maps[] = {
		{ "private", 8192, rw, MAP_PRIVATE, offset, EINVAL },
		{ "private, for reading", 8192, PROT_READ, MAP_PRIVATE, offset, EINVAL },
		{ "private, of nothing", 8192, PROT_NONE, MAP_PRIVATE, offset, EINVAL },
		{ "the first page", 4096, rw, MAP_SHARED, offset, EINVAL },
		{ "a page too much", 12288, rw, MAP_SHARED, offset, EINVAL },
		{ "the largest size", max, rw, MAP_SHARED, offset, EINVAL },
		{ "nothing", 0, rw, MAP_SHARED, offset, EINVAL },
		{ "the second page", 4096, rw, MAP_SHARED, offset + 4096, EINVAL },
		{ "from the second page", 8192, rw, MAP_SHARED, offset + 4096, EINVAL },
		{ "behind the end", 8192, rw, MAP_SHARED, offset + 8192, EINVAL },
		{ "before the beginning", 8192, rw, MAP_SHARED, offset - 4096, EINVAL },
		{ "offset of no page", 8192, rw, MAP_SHARED, offset + 1, EINVAL },
		{ "offset 0", 8192, rw, MAP_SHARED, 0, ENOENT },
		{ "destroyed", 8192, rw, MAP_SHARED, self->destroyed.map_offset, ENOENT },
		{ "of another file", 8192, rw, MAP_SHARED, self->foreign.map_offset, ENOENT },
		{ "never given out", 8192, rw, MAP_SHARED, offset + 1000 * max, ENOENT },
		{ "the last offset", 8192, rw, MAP_SHARED, INT64_MAX / max * max, ENOENT },
		{ "a negative offset", 8192, rw, MAP_SHARED, 1ull << 63, ENOENT },
		{ "synchronous", 8192, rw, MAP_SHARED_VALIDATE | MAP_SYNC, offset, EOPNOTSUPP },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(maps); i++)
		BAD(try_map(self->fd, maps[i].length, maps[i].prot, maps[i].flags, maps[i].at),
		    maps[i].error, maps[i].what);
}

TEST_F(bad, file_operation)
{
	struct pollfd poll_fd = { .fd = self->fd, .events = POLLIN };
	char byte = 0;

	BAD(result(read(self->fd, &byte, 1)), EINVAL, "read");
	BAD(result(write(self->fd, &byte, 1)), EINVAL, "write");
	EXPECT_EQ(pread(self->fd, &byte, 1, 0), -1);
	EXPECT_EQ(fallocate(self->fd, 0, 0, 4096), -1);
	EXPECT_EQ(ftruncate(self->fd, 4096), -1);
	/* A file without poll is always ready, as a regular one is. */
	EXPECT_EQ(poll(&poll_fd, 1, 0), 1);
}

/* What both files refuse with EINVAL. */
static const char *const nonsense[] = {
	" ", "\n", " \t\n ", "-1", "+1", "1.5", "1e3", "0b1", "12monkeys", "0x", "0xg", "99999999999",
	"18446744073709551615", "18446744073709551616", "0x10000000000000000", "nonsense", "\xff\xfe",
	"\x01\x02\x03\x04", "'1'", "1;2", "soft hard", "%s%n", "purgeable", "soft=1",
};

/* Numbers that are no masks, but limits. */
static bool good_for_limit(const char *text)
{
	return !strcmp(text, "99999999999") || !strcmp(text, "18446744073709551615");
}

static const char *const no_mask[] = {
	"0", "0x0", "00", "0x4000", "16384", "0x80000000", "0x100000000", "0x100000001", "-0x1",
	"purge -idle", "purge 2", "1 2", "0x1 0x2", "purge idl", "purges", "purge=1", "purge;idle",
	"bound", "drop", "as_nofs", "fail_trylock|random_order", "0x200", "all nothing", "| , |",
};

static const char *const unsupported_masks[] = {
	"retire", "wait_idle", "purge retire", "0x20", "0x40", "96", "RETIRE|ALL",
};

static const char *const no_limit[] = {
	"soft", "hard", "soft 1 hard", "soft hard 1", "soft -1", "hard -1", "soft +1", "soft 0x10",
	"soft 1 soft 2", "hard 1 hard 1", "1 2", "soft 1 2", "1 hard 2 3", "soft 2 hard 1",
	"used 5", "peak 0", "soft 18446744073709551616", "hard 99999999999999999999",
	"soft 1,hard 2", "soft\t", "softer 1", "soft 1.0",
};

TEST_F(bad, drop_caches)
{
	struct drop_stats before, after;
	char what[64];
	int i;

	ASSERT_EQ(drop_stats(&before, DROP_TOTAL), 0);
	for (i = 0; i < ARRAY_SIZE(nonsense); i++) {
		snprintf(what, sizeof(what), "drop_caches \"%s\"", nonsense[i]);
		BAD(pool_drop(nonsense[i]), EINVAL, what);
	}
	for (i = 0; i < ARRAY_SIZE(no_mask); i++) {
		snprintf(what, sizeof(what), "drop_caches \"%s\"", no_mask[i]);
		BAD(pool_drop(no_mask[i]), EINVAL, what);
	}
	for (i = 0; i < ARRAY_SIZE(unsupported_masks); i++) {
		snprintf(what, sizeof(what), "drop_caches \"%s\"", unsupported_masks[i]);
		BAD(pool_drop(unsupported_masks[i]), EOPNOTSUPP, what);
	}
	/* None of them was a trigger. */
	ASSERT_EQ(drop_stats(&after, DROP_TOTAL), 0);
	EXPECT_EQ(after.passes, before.passes);
	EXPECT_EQ(after.ns, before.ns);
}

TEST_F(bad, limit)
{
	char what[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(nonsense); i++) {
		if (good_for_limit(nonsense[i]))
			continue;
		snprintf(what, sizeof(what), "limit \"%s\"", nonsense[i]);
		BAD(write_text(POOL_LIMIT, nonsense[i]), EINVAL, what);
	}
	for (i = 0; i < ARRAY_SIZE(no_limit); i++) {
		snprintf(what, sizeof(what), "limit \"%s\"", no_limit[i]);
		BAD(write_text(POOL_LIMIT, no_limit[i]), EINVAL, what);
	}
}

/* A page that may be neither read nor written. */
static void *no_access(void)
{
	return mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

TEST_F(bad, write_to_debugfs)
{
	static const char *const both[] = { POOL_DROP, POOL_LIMIT };
	static const char *const shown[] = { POOL_STAT, POOL_COUNT, POOL_DROP_STATS };
	static const size_t lengths[] = { 256, 4096, 65536, 1 << 20 };
	char *text = malloc(1 << 20);
	char what[128];
	int i, j, fd;

	ASSERT_NE(text, NULL);
	for (i = 0; i < ARRAY_SIZE(both); i++) {
		fd = open(both[i], O_WRONLY);
		ASSERT_GE(fd, 0);
		snprintf(what, sizeof(what), "nothing to %s", both[i]);
		BAD(result(write(fd, text, 0)), EINVAL, what);
		snprintf(what, sizeof(what), "what has no access to %s", both[i]);
		BAD(result(write(fd, no_access(), 4)), EFAULT, what);
		snprintf(what, sizeof(what), "kernel memory to %s", both[i]);
		BAD(result(write(fd, (void *)-4096ul, 4)), EFAULT, what);
		snprintf(what, sizeof(what), "a zero in the middle to %s", both[i]);
		BAD(result(write(fd, "1\0002", 3)), EINVAL, what);
		snprintf(what, sizeof(what), "zeros to %s", both[i]);
		memset(text, 0, 64);
		BAD(result(write(fd, text, 64)), EINVAL, what);
		for (j = 0; j < ARRAY_SIZE(lengths); j++) {
			memset(text, '1', lengths[j]);
			snprintf(what, sizeof(what), "%zu digits to %s", lengths[j], both[i]);
			BAD(result(write(fd, text, lengths[j])), EINVAL, what);
			/* What is too long is not read as far as it fits. */
			memset(text, ' ', lengths[j]);
			memcpy(text, "1", 1);
			memcpy(text + lengths[j] - 4, "oops", 4);
			snprintf(what, sizeof(what), "%zu bytes to %s", lengths[j], both[i]);
			BAD(result(write(fd, text, lengths[j])), EINVAL, what);
		}
		close(fd);
	}
	free(text);
	for (i = 0; i < ARRAY_SIZE(shown); i++) {
		/* Root may open it so; there is nothing that could be written to. */
		fd = open(shown[i], O_WRONLY);
		if (fd < 0)
			continue;
		(*bad_calls)++;
		EXPECT_EQ(write(fd, "1", 1), -1) TH_LOG("bad call: write to %s", shown[i]);
		close(fd);
	}
}

TEST_F(bad, read_of_debugfs)
{
	static const char *const paths[] = {
		POOL_STAT, POOL_COUNT, POOL_LIMIT, POOL_DROP, POOL_DROP_STATS,
	};
	char what[64];
	int i, fd;

	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		fd = open(paths[i], O_RDONLY);
		ASSERT_GE(fd, 0);
		snprintf(what, sizeof(what), "%s into what has no access", paths[i]);
		BAD(result(read(fd, no_access(), 64)), EFAULT, what);
		snprintf(what, sizeof(what), "%s into kernel memory", paths[i]);
		BAD(result(read(fd, (void *)-4096ul, 64)), EFAULT, what);
		close(fd);
	}
}

/* The last one: whether the tests before it made enough of them. */
TEST_F(bad, calls_are_many)
{
	TH_LOG("%d distinct bad calls", *bad_calls);
	EXPECT_GE(*bad_calls, 60);
}

TEST_HARNESS_MAIN
