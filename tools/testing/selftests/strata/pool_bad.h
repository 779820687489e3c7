/* SPDX-License-Identifier: GPL-2.0 */
/* A buffer of the pool, and one of each kind that is none, which no bad call may change. */
#ifndef STRATA_POOL_BAD_H
#define STRATA_POOL_BAD_H

#include "bad_calls.h"
#include "pool_debugfs.h"

FIXTURE(bad)
{
	int fd;
	/* One that is there, one that is not any more, and one of another file. */
	struct strata_pool_create buffer;
	struct strata_pool_create destroyed;
	struct strata_pool_create foreign;
	int other;
	uint32_t crc;
	struct pool_totals before;
	struct limit limit;
	long long count;
};

FIXTURE_SETUP(bad)
{
	int i;

	self->fd = pool_open();
	self->other = pool_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_GE(self->other, 0);
	ASSERT_EQ(pool_filled(self->fd, 8192, 11, &self->buffer, &self->crc), 0);
	ASSERT_EQ(pool_create(self->fd, 8192, &self->destroyed), 0);
	ASSERT_EQ(pool_destroy(self->fd, self->destroyed.id), 0);
	/* Its id is none that this file has. */
	for (i = 0; i < 10; i++)
		ASSERT_EQ(pool_create(self->other, 8192, &self->foreign), 0);
	ASSERT_EQ(pool_hold(self->fd, self->buffer.id), 0);
	ASSERT_EQ(pool_totals(&self->before), 0);
	ASSERT_EQ(pool_limit(&self->limit), 0);
	self->count = pool_count();
	if (page_size() != 4096)
		SKIP(return, "the sizes of these calls are for pages of 4096 bytes");
}

FIXTURE_TEARDOWN(bad)
{
	struct strata_pool_stat stat;
	struct pool_totals after;
	struct limit limit;

	/* Whatever failed must have changed nothing. */
	EXPECT_EQ(pool_stat(self->fd, &stat), 0);
	EXPECT_EQ(stat.buffers, 1);
	EXPECT_EQ(stat.bytes, 8192);
	EXPECT_EQ(pool_totals(&after), 0);
	EXPECT_TRUE(same_totals(&after, &self->before));
	EXPECT_EQ(after.purged, self->before.purged);
	EXPECT_EQ(pool_limit(&limit), 0);
	EXPECT_EQ(limit.soft, self->limit.soft);
	EXPECT_EQ(limit.hard, self->limit.hard);
	EXPECT_EQ(limit.used, self->limit.used);
	EXPECT_EQ(pool_count(), self->count);
	EXPECT_TRUE(pool_contains(self->fd, &self->buffer, self->crc));
	close(self->fd);
	close(self->other);
}

#endif /* STRATA_POOL_BAD_H */
