// SPDX-License-Identifier: GPL-2.0
/* ioctls that must fail, each in its own way, and change nothing. */

#include "pool_bad.h"

#define MAX	STRATA_POOL_MAX_SIZE

/* Whose id the call is to have. */
enum whose { AS_IT_IS, OURS, DESTROYED, FOREIGN };

struct bad_call {
	const char *what;
	union {
		struct strata_pool_create create;
		struct strata_pool_destroy destroy;
		struct strata_pool_checksum checksum;
		struct strata_pool_stat stat;
		struct strata_pool_pin pin;
		struct strata_pool_madvise madvise;
	} arg;
	enum whose id;
	int error;
};

static const struct bad_call creates[] = {
	{ "size 0", { .create = { .size = 0 } }, AS_IT_IS, EINVAL },
	{ "size 1", { .create = { .size = 1 } }, AS_IT_IS, EINVAL },
	{ "one less than a page", { .create = { .size = 4095 } }, AS_IT_IS, EINVAL },
	{ "one more than a page", { .create = { .size = 4097 } }, AS_IT_IS, EINVAL },
	{ "half a page more", { .create = { .size = 6144 } }, AS_IT_IS, EINVAL },
	{ "over the maximum", { .create = { .size = MAX + 4096 } }, AS_IT_IS, EINVAL },
	{ "one byte over the maximum", { .create = { .size = MAX + 1 } }, AS_IT_IS, EINVAL },
	{ "unaligned below the maximum", { .create = { .size = MAX - 1 } }, AS_IT_IS, EINVAL },
	{ "2^63", { .create = { .size = 1ull << 63 } }, AS_IT_IS, EINVAL },
	{ "2^64 - 4096", { .create = { .size = -4096ull } }, AS_IT_IS, EINVAL },
	{ "2^64 - 1", { .create = { .size = -1ull } }, AS_IT_IS, EINVAL },
	{ "2^44: its pages need 32 bits", { .create = { .size = 1ull << 44 } }, AS_IT_IS, EINVAL },
	{ "flag 0", { .create = { .size = 4096, .flags = 1 } }, AS_IT_IS, EINVAL },
	{ "flag 31", { .create = { .size = 4096, .flags = 1u << 31 } }, AS_IT_IS, EINVAL },
	{ "all flags", { .create = { .size = 4096, .flags = -1u } }, AS_IT_IS, EINVAL },
};

static const struct bad_call destroys[] = {
	{ "id 0", { .destroy = { .id = 0 } }, AS_IT_IS, ENOENT },
	{ "id never given out", { .destroy = { .id = 1000 } }, AS_IT_IS, ENOENT },
	{ "largest id", { .destroy = { .id = -1u } }, AS_IT_IS, ENOENT },
	{ "destroyed", {}, DESTROYED, ENOENT },
	{ "of another file", {}, FOREIGN, ENOENT },
	{ "flag 0", { .destroy = { .flags = 1 } }, OURS, EINVAL },
	{ "flag 31", { .destroy = { .flags = 1u << 31 } }, OURS, EINVAL },
};

static const struct bad_call checksums[] = {
	{ "id 0", { .checksum = { .length = 1, .id = 0 } }, AS_IT_IS, ENOENT },
	{ "id never given out", { .checksum = { .length = 1, .id = 1000 } }, AS_IT_IS, ENOENT },
	{ "largest id", { .checksum = { .length = 1, .id = -1u } }, AS_IT_IS, ENOENT },
	{ "destroyed", { .checksum = { .length = 1 } }, DESTROYED, ENOENT },
	{ "of another file", { .checksum = { .length = 1 } }, FOREIGN, ENOENT },
	{ "flag 0", { .checksum = { .length = 1, .flags = 1 } }, OURS, EINVAL },
	{ "flag 31", { .checksum = { .length = 1, .flags = 1u << 31 } }, OURS, EINVAL },
	{ "reserved", { .checksum = { .length = 1, .reserved = 1 } }, OURS, EINVAL },
	{ "length 0", { .checksum = { .length = 0 } }, OURS, EINVAL },
	{ "length 0 at the end", { .checksum = { .offset = 8192, .length = 0 } }, OURS, EINVAL },
	{ "one byte too long", { .checksum = { .length = 8193 } }, OURS, EINVAL },
	{ "begins at the end", { .checksum = { .offset = 8192, .length = 1 } }, OURS, EINVAL },
	{ "ends one byte behind", { .checksum = { .offset = 8191, .length = 2 } }, OURS, EINVAL },
	{ "length 2^64 - 1", { .checksum = { .length = -1ull } }, OURS, EINVAL },
	{ "sum wraps to 0", { .checksum = { .offset = -1ull, .length = 1 } }, OURS, EINVAL },
	{ "sum wraps into the buffer", { .checksum = { .offset = -4096ull, .length = 8192 } }, OURS, EINVAL },
	{ "offset 2^63", { .checksum = { .offset = 1ull << 63, .length = 1ull << 63 } }, OURS, EINVAL },
	{ "offset of another page number", { .checksum = { .offset = 1ull << 44, .length = 1 } }, OURS, EINVAL },
};

static const struct bad_call stats[] = {
	{ "flag 0", { .stat = { .flags = 1 } }, AS_IT_IS, EINVAL },
	{ "flag 31", { .stat = { .flags = 1u << 31 } }, AS_IT_IS, EINVAL },
	{ "reserved", { .stat = { .reserved = 1 } }, AS_IT_IS, EINVAL },
	{ "all of reserved", { .stat = { .reserved = -1u } }, AS_IT_IS, EINVAL },
};

static const struct bad_call pins[] = {
	{ "id 0", { .pin = { .id = 0 } }, AS_IT_IS, ENOENT },
	{ "id never given out", { .pin = { .id = 1000 } }, AS_IT_IS, ENOENT },
	{ "largest id", { .pin = { .id = -1u } }, AS_IT_IS, ENOENT },
	{ "destroyed", {}, DESTROYED, ENOENT },
	{ "of another file", {}, FOREIGN, ENOENT },
	{ "flag 0", { .pin = { .flags = 1 } }, OURS, EINVAL },
	{ "flag 31", { .pin = { .flags = 1u << 31 } }, OURS, EINVAL },
};

static const struct bad_call unpins[] = {
	{ "id 0", { .pin = { .id = 0 } }, AS_IT_IS, ENOENT },
	{ "id never given out", { .pin = { .id = 1000 } }, AS_IT_IS, ENOENT },
	{ "largest id", { .pin = { .id = -1u } }, AS_IT_IS, ENOENT },
	{ "destroyed", {}, DESTROYED, ENOENT },
	{ "of another file", {}, FOREIGN, ENOENT },
	{ "flag 0", { .pin = { .flags = 1 } }, OURS, EINVAL },
	{ "flag 31", { .pin = { .flags = 1u << 31 } }, OURS, EINVAL },
	{ "not pinned", {}, OURS, EINVAL },
};

static const struct bad_call madvises[] = {
	{ "id 0", { .madvise = { .id = 0 } }, AS_IT_IS, ENOENT },
	{ "id never given out", { .madvise = { .id = 1000, .advice = 1 } }, AS_IT_IS, ENOENT },
	{ "largest id", { .madvise = { .id = -1u } }, AS_IT_IS, ENOENT },
	{ "destroyed", { .madvise = { .advice = 1 } }, DESTROYED, ENOENT },
	{ "of another file", { .madvise = { .advice = 1 } }, FOREIGN, ENOENT },
	{ "flag 0", { .madvise = { .advice = 1, .flags = 1 } }, OURS, EINVAL },
	{ "flag 31", { .madvise = { .advice = 1, .flags = 1u << 31 } }, OURS, EINVAL },
	{ "advice 2", { .madvise = { .advice = 2 } }, OURS, EINVAL },
	{ "advice 2^31", { .madvise = { .advice = 1u << 31 } }, OURS, EINVAL },
	{ "advice 2^32 - 1", { .madvise = { .advice = -1u } }, OURS, EINVAL },
};

/* One after the other, through a copy that the call may write to. */
static void each(struct __test_metadata *_metadata, const struct _test_data_bad *self,
		 unsigned int request, size_t id_at, const struct bad_call *calls, int count)
{
	const uint32_t ids[] = {
		[OURS] = self->buffer.id, [DESTROYED] = self->destroyed.id,
		[FOREIGN] = self->foreign.id,
	};
	struct bad_call call, sent;
	int i;

	for (i = 0; i < count; i++) {
		call = calls[i];
		if (call.id != AS_IT_IS)
			memcpy((void *)&call.arg + id_at, &ids[call.id], sizeof(ids[0]));
		sent = call;
		BAD(result(ioctl(self->fd, request, &call.arg)), call.error, call.what);
		EXPECT_EQ(memcmp(&sent.arg, &call.arg, sizeof(call.arg)), 0)
			TH_LOG("wrote to the argument of: %s", call.what);
	}
}

#define EACH(calls, request, type) \
	each(_metadata, self, request, offsetof(type, id), calls, ARRAY_SIZE(calls))

TEST_F(bad, create)
{
	EACH(creates, STRATA_POOL_CREATE, struct strata_pool_create);
}

TEST_F(bad, destroy)
{
	EACH(destroys, STRATA_POOL_DESTROY, struct strata_pool_destroy);
}

TEST_F(bad, checksum)
{
	EACH(checksums, STRATA_POOL_CHECKSUM, struct strata_pool_checksum);
}

TEST_F(bad, stat)
{
	/* It names no buffer. */
	each(_metadata, self, STRATA_POOL_STAT, 0, stats, ARRAY_SIZE(stats));
}

TEST_F(bad, pin)
{
	EACH(pins, STRATA_POOL_PIN, struct strata_pool_pin);
}

TEST_F(bad, unpin)
{
	EACH(unpins, STRATA_POOL_UNPIN, struct strata_pool_pin);
}

TEST_F(bad, madvise)
{
	EACH(madvises, STRATA_POOL_MADVISE, struct strata_pool_madvise);
}

TEST_F(bad, in_this_state)
{
	const int fd = self->fd;
	const uint32_t id = self->buffer.id;
	uint32_t crc;

	ASSERT_EQ(pool_pin(fd, id), 0);
	BAD(pool_not_needed(fd, id), EBUSY, "giving up what is pinned");
	ASSERT_EQ(pool_unpin(fd, id), 0);
	BAD(pool_unpin(fd, id), EINVAL, "one unpin more than pins");
	ASSERT_EQ(pool_not_needed(fd, id), 1);
	BAD(pool_pin(fd, id), ENODATA, "pinning what was given up");
	BAD(pool_unpin(fd, id), EINVAL, "unpinning what was given up");
	BAD(pool_checksum(fd, id, 0, 8192, &crc), ENODATA, "summing up what was given up");
	ASSERT_EQ(pool_needed(fd, id), 1);
	ASSERT_EQ(pool_hold(fd, id), 0);
}

#define TYPE	STRATA_POOL_IOC_TYPE

static const struct bad_request commands[] = {
	IOC(RW, TYPE, 0, sizeof(struct strata_pool_create) - 8),
	IOC(RW, TYPE, 0, sizeof(struct strata_pool_create) + 8),
	IOC(RW, TYPE, 0, 0),
	IOC(RW, TYPE, 0, 0x3fff),
	IOC(_IOC_READ, TYPE, 0, sizeof(struct strata_pool_create)),
	IOC(_IOC_WRITE, TYPE, 0, sizeof(struct strata_pool_create)),
	IOC(RW, TYPE, 1, sizeof(struct strata_pool_destroy)),
	IOC(_IOC_WRITE, TYPE, 1, 4),
	IOC(RW, TYPE, 2, 24),
	IOC(RW, TYPE, 2, 40),
	IOC(_IOC_READ, TYPE, 3, sizeof(struct strata_pool_stat)),
	IOC(RW, TYPE, 3, 16),
	/* What it was before pins were counted. */
	IOC(RW, TYPE, 3, 24),
	IOC(RW, TYPE, 4, sizeof(struct strata_pool_pin)),
	IOC(_IOC_WRITE, TYPE, 4, 4),
	IOC(_IOC_WRITE, TYPE, 4, 16),
	IOC(RW, TYPE, 5, sizeof(struct strata_pool_pin)),
	IOC(_IOC_WRITE, TYPE, 5, 0),
	IOC(_IOC_WRITE, TYPE, 6, sizeof(struct strata_pool_madvise)),
	IOC(RW, TYPE, 6, 8),
	IOC(RW, TYPE, 6, 12),
	IOC(RW, TYPE, 9, sizeof(struct strata_pool_madvise)),
	IOC(RW, TYPE, 255, sizeof(struct strata_pool_stat)),
	IOC(RW, TYPE + 1, 0, sizeof(struct strata_pool_create)),
	IOC(RW, 0, 0, sizeof(struct strata_pool_create)),
	IOC(_IOC_NONE, TYPE, 0, 0),
	{ "0", 0 },
	{ "all bits", -1u },
	{ "TCGETS", 0x5401 },
};

TEST_F(bad, command)
{
	bad_commands(_metadata, self->fd, commands, ARRAY_SIZE(commands));
}

static const struct bad_request requests[] = {
	{ "CREATE", STRATA_POOL_CREATE }, { "DESTROY", STRATA_POOL_DESTROY },
	{ "CHECKSUM", STRATA_POOL_CHECKSUM }, { "STAT", STRATA_POOL_STAT },
	{ "PIN", STRATA_POOL_PIN }, { "UNPIN", STRATA_POOL_UNPIN },
	{ "MADVISE", STRATA_POOL_MADVISE },
};

TEST_F(bad, pointer)
{
	bad_pointers(_metadata, self->fd, requests, ARRAY_SIZE(requests));
}

TEST_F(bad, answer_cannot_be_written)
{
	struct strata_pool_create *create;
	struct strata_pool_checksum *checksum;
	struct strata_pool_stat *stat;
	struct strata_pool_madvise *madvise;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pool_totals totals;
	int i;

	ASSERT_NE(page, MAP_FAILED);
	create = page;
	checksum = page + 1024;
	stat = page + 2048;
	madvise = page + 3072;
	create->size = 16 * 4096;
	checksum->id = self->buffer.id;
	checksum->length = 1;
	madvise->id = self->buffer.id;
	madvise->advice = STRATA_POOL_DONTNEED;
	ASSERT_EQ(mprotect(page, 4096, PROT_READ), 0);
	/* There was a buffer before the answer failed: it must be gone. */
	BAD(result(ioctl(self->fd, STRATA_POOL_CREATE, create)), EFAULT, "read-only CREATE");
	for (i = 0; i < 10; i++)
		EXPECT_EQ(result(ioctl(self->fd, STRATA_POOL_CREATE, create)), -EFAULT);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_TRUE(same_totals(&totals, &self->before));
	BAD(result(ioctl(self->fd, STRATA_POOL_CHECKSUM, checksum)), EFAULT, "read-only CHECKSUM");
	BAD(result(ioctl(self->fd, STRATA_POOL_STAT, stat)), EFAULT, "read-only STAT");
	/* What its caller does not know to be given up is still wanted. */
	BAD(result(ioctl(self->fd, STRATA_POOL_MADVISE, madvise)), EFAULT, "read-only MADVISE");
	EXPECT_TRUE(pool_contains(self->fd, &self->buffer, self->crc));
}

#ifdef __x86_64__
TEST_F(bad, compat_calls_are_checked_too)
{
	struct strata_pool_checksum *sum;
	struct strata_pool_create *create;

	create = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(create, MAP_FAILED);
	if (!has_compat())
		SKIP(return, "no 32 bit system calls");

	sum = (void *)(create + 1);
	*sum = (struct strata_pool_checksum){ .id = self->buffer.id, .length = 8192 };
	EXPECT_EQ(compat_ioctl(self->fd, STRATA_POOL_CHECKSUM, sum), 0);
	EXPECT_EQ(sum->crc32c, self->crc);
	create->size = 4097;
	BAD(compat_ioctl(self->fd, STRATA_POOL_CREATE, create), EINVAL, "compat CREATE");
	BAD(compat_ioctl(self->fd, STRATA_POOL_CREATE, (void *)8), EFAULT, "compat CREATE at 8");
	BAD(compat_ioctl(self->fd, STRATA_POOL_STAT, NULL), EFAULT, "compat STAT at NULL");
	BAD(compat_ioctl(self->fd, STRATA_POOL_UNPIN, NULL), EFAULT, "compat UNPIN at NULL");
	BAD(compat_ioctl(self->fd, 0, create), ENOTTY, "compat 0");
}
#endif

/* The last one: whether the tests before it made enough of them. */
TEST_F(bad, calls_are_many)
{
	TH_LOG("%d distinct bad calls", *bad_calls);
	EXPECT_GE(*bad_calls, 60);
}

TEST_HARNESS_MAIN
