// SPDX-License-Identifier: GPL-2.0
/* Calls that must fail, each in its own way, and change nothing. */

#include <poll.h>
#include <signal.h>
#include <sys/uio.h>

#include "strata.h"
#include "kselftest_harness.h"

#define MAX	STRATA_POOL_MAX_SIZE

/* A call with an argument of up to 32 bytes; what is `known` gets the id of a buffer. */
struct bad_create { const char *what; struct strata_pool_create arg; int error; };
struct bad_destroy { const char *what; struct strata_pool_destroy arg; bool known; int error; };
struct bad_checksum { const char *what; struct strata_pool_checksum arg; bool known; int error; };
struct bad_stat { const char *what; struct strata_pool_stat arg; int error; };

static const struct bad_create creates[] = {
	{ "size 0", { .size = 0 }, EINVAL },
	{ "size 1", { .size = 1 }, EINVAL },
	{ "one less than a page", { .size = 4095 }, EINVAL },
	{ "one more than a page", { .size = 4097 }, EINVAL },
	{ "half a page more", { .size = 6144 }, EINVAL },
	{ "over the maximum", { .size = MAX + 4096 }, EINVAL },
	{ "one byte over the maximum", { .size = MAX + 1 }, EINVAL },
	{ "unaligned below the maximum", { .size = MAX - 1 }, EINVAL },
	{ "2^63", { .size = 1ull << 63 }, EINVAL },
	{ "2^64 - 4096", { .size = -4096ull }, EINVAL },
	{ "2^64 - 1", { .size = -1ull }, EINVAL },
	{ "2^44: pages times their size overflow 32 bits", { .size = 1ull << 44 }, EINVAL },
	{ "flag 0", { .size = 4096, .flags = 1 }, EINVAL },
	{ "flag 31", { .size = 4096, .flags = 1u << 31 }, EINVAL },
	{ "all flags", { .size = 4096, .flags = -1u }, EINVAL },
};

static const struct bad_destroy destroys[] = {
	{ "id 0", { .id = 0 }, false, ENOENT },
	{ "id never given out", { .id = 1000 }, false, ENOENT },
	{ "largest id", { .id = -1u }, false, ENOENT },
	{ "flag 0", { .flags = 1 }, true, EINVAL },
	{ "flag 31", { .flags = 1u << 31 }, true, EINVAL },
};

static const struct bad_checksum checksums[] = {
	{ "id 0", { .length = 1, .id = 0 }, false, ENOENT },
	{ "id never given out", { .length = 1, .id = 1000 }, false, ENOENT },
	{ "largest id", { .length = 1, .id = -1u }, false, ENOENT },
	{ "flag 0", { .length = 1, .flags = 1 }, true, EINVAL },
	{ "flag 31", { .length = 1, .flags = 1u << 31 }, true, EINVAL },
	{ "reserved", { .length = 1, .reserved = 1 }, true, EINVAL },
	{ "length 0", { .length = 0 }, true, EINVAL },
	{ "length 0 at the end", { .offset = 8192, .length = 0 }, true, EINVAL },
	{ "one byte too long", { .length = 8193 }, true, EINVAL },
	{ "begins at the end", { .offset = 8192, .length = 1 }, true, EINVAL },
	{ "ends one byte behind", { .offset = 8191, .length = 2 }, true, EINVAL },
	{ "length 2^64 - 1", { .length = -1ull }, true, EINVAL },
	{ "offset 2^64 - 1", { .offset = -1ull, .length = 1 }, true, EINVAL },
	{ "sum wraps to 0", { .offset = -1ull, .length = 1 }, true, EINVAL },
	{ "sum wraps into the buffer", { .offset = -4096ull, .length = 8192 }, true, EINVAL },
	{ "offset 2^63", { .offset = 1ull << 63, .length = 1ull << 63 }, true, EINVAL },
	{ "offset of another page number", { .offset = 1ull << 44, .length = 1 }, true, EINVAL },
};

static const struct bad_stat stats[] = {
	{ "flag 0", { .flags = 1 }, EINVAL },
	{ "flag 31", { .flags = 1u << 31 }, EINVAL },
	{ "reserved", { .reserved = 1 }, EINVAL },
};

#define IOC(direction, type, number, size) \
	{ #direction " " #type " " #number " " #size, _IOC(direction, type, number, size) }
#define RW	(_IOC_READ | _IOC_WRITE)

static const struct { const char *what; unsigned int command; } commands[] = {
	IOC(RW, STRATA_POOL_IOC_TYPE, 0, sizeof(struct strata_pool_create) - 8),
	IOC(RW, STRATA_POOL_IOC_TYPE, 0, sizeof(struct strata_pool_create) + 8),
	IOC(RW, STRATA_POOL_IOC_TYPE, 0, 0),
	IOC(RW, STRATA_POOL_IOC_TYPE, 0, 0x3fff),
	IOC(_IOC_READ, STRATA_POOL_IOC_TYPE, 0, sizeof(struct strata_pool_create)),
	IOC(_IOC_WRITE, STRATA_POOL_IOC_TYPE, 0, sizeof(struct strata_pool_create)),
	IOC(RW, STRATA_POOL_IOC_TYPE, 1, sizeof(struct strata_pool_destroy)),
	IOC(_IOC_WRITE, STRATA_POOL_IOC_TYPE, 1, 4),
	IOC(RW, STRATA_POOL_IOC_TYPE, 2, 24),
	IOC(RW, STRATA_POOL_IOC_TYPE, 2, 40),
	IOC(_IOC_READ, STRATA_POOL_IOC_TYPE, 3, sizeof(struct strata_pool_stat)),
	IOC(RW, STRATA_POOL_IOC_TYPE, 3, 16),
	IOC(RW, STRATA_POOL_IOC_TYPE, 4, sizeof(struct strata_pool_stat)),
	IOC(RW, STRATA_POOL_IOC_TYPE, 255, sizeof(struct strata_pool_stat)),
	IOC(RW, STRATA_POOL_IOC_TYPE + 1, 0, sizeof(struct strata_pool_create)),
	IOC(RW, 0, 0, sizeof(struct strata_pool_create)),
	IOC(_IOC_NONE, STRATA_POOL_IOC_TYPE, 0, 0),
	{ "0", 0 },
	{ "all bits", -1u },
	{ "TCGETS", 0x5401 },
};

FIXTURE(bad)
{
	int fd;
	struct strata_pool_create buffer;
	struct pool_totals before;
};

FIXTURE_SETUP(bad)
{
	self->fd = pool_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(pool_create(self->fd, 8192, &self->buffer), 0);
	ASSERT_EQ(pool_totals(&self->before), 0);
	if (page_size() != 4096)
		SKIP(return, "the sizes of these calls are for pages of 4096 bytes");
}

FIXTURE_TEARDOWN(bad)
{
	struct pool_totals after;
	uint64_t count, bytes;
	uint32_t crc;

	/* Whatever failed must have changed nothing. */
	EXPECT_EQ(pool_stat(self->fd, &count, &bytes), 0);
	EXPECT_EQ(count, 1);
	EXPECT_EQ(bytes, 8192);
	EXPECT_EQ(pool_totals(&after), 0);
	EXPECT_EQ(after.buffers, self->before.buffers);
	EXPECT_EQ(after.bytes, self->before.bytes);
	EXPECT_EQ(pool_checksum(self->fd, self->buffer.id, 0, 8192, &crc), 0);
	EXPECT_EQ(crc, crc32c_zeros(8192));
	close(self->fd);
}

/* One after the other, through a copy that the call may write to. */
#define EACH(type, table, request, set_id)					\
	for (int i = 0; i < ARRAY_SIZE(table); i++) {				\
		type arg = table[i].arg, sent;					\
										\
		set_id;								\
		sent = arg;							\
		EXPECT_EQ(ioctl(self->fd, request, &arg), -1)			\
			TH_LOG("%s", table[i].what);				\
		EXPECT_EQ(errno, table[i].error) TH_LOG("%s", table[i].what);	\
		EXPECT_EQ(memcmp(&arg, &sent, sizeof(arg)), 0)			\
			TH_LOG("%s: wrote to the argument", table[i].what);	\
	}

#define OF_A_BUFFER(table) \
	do { if (table[i].known) arg.id = self->buffer.id; } while (0)

TEST_F(bad, create)
{
	EACH(struct strata_pool_create, creates, STRATA_POOL_CREATE, (void)0);
}

TEST_F(bad, destroy)
{
	EACH(struct strata_pool_destroy, destroys, STRATA_POOL_DESTROY, OF_A_BUFFER(destroys));
}

TEST_F(bad, checksum)
{
	EACH(struct strata_pool_checksum, checksums, STRATA_POOL_CHECKSUM, OF_A_BUFFER(checksums));
}

TEST_F(bad, stat)
{
	EACH(struct strata_pool_stat, stats, STRATA_POOL_STAT, (void)0);
}

TEST_F(bad, command)
{
	uint8_t arg[1 << 14] = {};
	int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_EQ(ioctl(self->fd, commands[i].command, arg), -1)
			TH_LOG("%s", commands[i].what);
		EXPECT_EQ(errno, ENOTTY) TH_LOG("%s", commands[i].what);
	}
}

TEST_F(bad, pointer)
{
	static const unsigned int requests[] = {
		STRATA_POOL_CREATE, STRATA_POOL_DESTROY, STRATA_POOL_CHECKSUM, STRATA_POOL_STAT,
	};
	uint8_t *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i, j;

	ASSERT_NE(two, MAP_FAILED);
	ASSERT_EQ(munmap(two + 4096, 4096), 0);
	void *const pointers[] = {
		NULL, (void *)8, none, two + 4096, two + 4096 - 4, two + 4096 - 7,
		(void *)(1ul << 47), (void *)(-1ul << 47), (void *)-8ul, (void *)-4096ul,
	};

	for (i = 0; i < ARRAY_SIZE(requests); i++)
		for (j = 0; j < ARRAY_SIZE(pointers); j++) {
			EXPECT_EQ(ioctl(self->fd, requests[i], pointers[j]), -1)
				TH_LOG("request %d at %p", i, pointers[j]);
			EXPECT_EQ(errno, EFAULT) TH_LOG("request %d at %p", i, pointers[j]);
		}
}

TEST_F(bad, answer_cannot_be_written)
{
	struct strata_pool_create *create;
	struct strata_pool_checksum *checksum;
	struct strata_pool_stat *stat;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	ASSERT_NE(page, MAP_FAILED);
	create = page;
	checksum = page + 1024;
	stat = page + 2048;
	create->size = 16 * 4096;
	checksum->id = self->buffer.id;
	checksum->length = 1;
	ASSERT_EQ(mprotect(page, 4096, PROT_READ), 0);
	/* Memory was allocated before the answer failed: it must be gone. */
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(ioctl(self->fd, STRATA_POOL_CREATE, create), -1);
		EXPECT_EQ(errno, EFAULT);
	}
	EXPECT_EQ(ioctl(self->fd, STRATA_POOL_CHECKSUM, checksum), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ioctl(self->fd, STRATA_POOL_STAT, stat), -1);
	EXPECT_EQ(errno, EFAULT);
}

TEST_F(bad, file_operation)
{
	struct pollfd poll_fd = { .fd = self->fd, .events = POLLIN };
	char byte = 0;

	EXPECT_EQ(read(self->fd, &byte, 1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(write(self->fd, &byte, 1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(pread(self->fd, &byte, 1, 0), -1);
	EXPECT_EQ(fallocate(self->fd, 0, 0, 4096), -1);
	EXPECT_EQ(ftruncate(self->fd, 4096), -1);
	/* A file without poll is always ready, as a regular one is. */
	EXPECT_EQ(poll(&poll_fd, 1, 0), 1);
}

#ifdef __x86_64__
/* The entry of 32 bit programs; what it points to must lie below 4 GiB. */
static long compat_ioctl(int fd, unsigned int command, void *arg)
{
	long ret;

	asm volatile("int $0x80" : "=a"(ret)
		     : "a"(54), "b"(fd), "c"(command), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

TEST_F(bad, compat_calls_are_checked_too)
{
	struct strata_pool_checksum *sum;
	struct strata_pool_create *create;
	pid_t child;
	int status;

	create = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(create, MAP_FAILED);
	/* Where the kernel has no such entry, this is a fault. */
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		compat_ioctl(-1, 0, NULL);
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	if (status)
		SKIP(return, "no 32 bit system calls");

	sum = (void *)(create + 1);
	*sum = (struct strata_pool_checksum){ .id = self->buffer.id, .length = 8192 };
	EXPECT_EQ(compat_ioctl(self->fd, STRATA_POOL_CHECKSUM, sum), 0);
	EXPECT_EQ(sum->crc32c, crc32c_zeros(8192));
	create->size = 4097;
	EXPECT_EQ(compat_ioctl(self->fd, STRATA_POOL_CREATE, create), -EINVAL);
	EXPECT_EQ(compat_ioctl(self->fd, STRATA_POOL_CREATE, (void *)8), -EFAULT);
	EXPECT_EQ(compat_ioctl(self->fd, STRATA_POOL_STAT, NULL), -EFAULT);
	EXPECT_EQ(compat_ioctl(self->fd, 0, create), -ENOTTY);
}
#endif

TEST_HARNESS_MAIN
