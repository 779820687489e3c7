/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One open file of the pool, which nobody else uses, for the tests named pool.*.
 * Whatever a test does, the pool is afterwards as it was: nothing is held, nothing
 * is counted, and the limit is the old one.
 */
#ifndef STRATA_POOL_FIXTURE_H
#define STRATA_POOL_FIXTURE_H

#include "pool_debugfs.h"
#include "kselftest_harness.h"

FIXTURE(pool)
{
	int fd;
	size_t page;
	long long count;
	struct pool_totals before;
	struct limit limit;
};

FIXTURE_SETUP(pool)
{
	self->page = page_size();
	self->count = pool_count();
	ASSERT_EQ(pool_totals(&self->before), 0);
	ASSERT_EQ(pool_limit(&self->limit), 0);
	self->fd = pool_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(pool)
{
	struct pool_totals after;

	close(self->fd);
	EXPECT_EQ(pool_totals(&after), 0);
	EXPECT_TRUE(same_totals(&after, &self->before))
		TH_LOG("left: %lld buffers, %lld bytes, pinned %lld, idle %lld, purgeable %lld",
		       after.buffers, after.bytes, after.pinned, after.idle, after.purgeable);
	EXPECT_EQ(pool_count(), self->count);
	EXPECT_EQ(pool_used(), self->limit.used);
	EXPECT_EQ(pool_set_limit(self->limit.soft, self->limit.hard), 0);
}

/* The figures of one open file, in bytes. */
#define EXPECT_STAT(fd, want_pinned, want_idle, want_purgeable) do {		\
	struct strata_pool_stat stat_;						\
										\
	EXPECT_EQ(pool_stat(fd, &stat_), 0);					\
	EXPECT_EQ(stat_.pinned, want_pinned);					\
	EXPECT_EQ(stat_.idle, want_idle);					\
	EXPECT_EQ(stat_.purgeable, want_purgeable);				\
} while (0)

#endif /* STRATA_POOL_FIXTURE_H */
