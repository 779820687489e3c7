// SPDX-License-Identifier: GPL-2.0
/* Pins: what they count, what they hold, how they end, and the limit. */

#include <sched.h>
#include <signal.h>

#include "pool_fixture.h"

#define PAGES	8

/* How many pages of a mapping are in memory. */
static int resident(void *map, size_t size)
{
	unsigned char present[256];
	int pages = size / page_size(), found = 0, i;

	if (pages > ARRAY_SIZE(present) || mincore(map, size, present))
		return -1;
	for (i = 0; i < pages; i++)
		found += present[i] & 1;
	return found;
}

TEST_F(pool, pins_are_counted)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	int i;

	ASSERT_EQ(pool_create(self->fd, size, &buffer), 0);
	EXPECT_STAT(self->fd, 0, 0, 0);
	EXPECT_EQ(pool_unpin(self->fd, buffer.id), -EINVAL);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
		EXPECT_STAT(self->fd, size, 0, 0);
		EXPECT_EQ(pool_used(), self->limit.used + PAGES);
	}
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(pool_not_needed(self->fd, buffer.id), -EBUSY);
		EXPECT_EQ(pool_needed(self->fd, buffer.id), 1);
		EXPECT_STAT(self->fd, size, 0, 0);
		ASSERT_EQ(pool_unpin(self->fd, buffer.id), 0);
	}
	/* Held on, until somebody needs the memory. */
	EXPECT_STAT(self->fd, 0, size, 0);
	EXPECT_EQ(pool_unpin(self->fd, buffer.id), -EINVAL);
	EXPECT_STAT(self->fd, 0, size, 0);
	EXPECT_EQ(pool_used(), self->limit.used + PAGES);
	EXPECT_EQ(pool_count(), self->count + PAGES);
	EXPECT_EQ(pool_not_needed(self->fd, buffer.id), 1);
	EXPECT_EQ(pool_pin(self->fd, buffer.id), -ENODATA);
	EXPECT_EQ(pool_needed(self->fd, buffer.id), 1);
	EXPECT_EQ(pool_pin(self->fd, buffer.id), 0);
	EXPECT_STAT(self->fd, size, 0, 0);
}

TEST_F(pool, pin_makes_resident)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	void *map = pool_new(self->fd, size, &buffer);

	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(resident(map, size), 0);
	ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
	EXPECT_EQ(resident(map, size), PAGES);
	EXPECT_EQ(crc32c(map, size), crc32c_zeros(size));
	/* What is counted is pinned, and not to be had. */
	EXPECT_EQ(pool_count(), self->count);
	EXPECT_EQ(pool_drop("all"), 0);
	EXPECT_EQ(resident(map, size), PAGES);
	EXPECT_STAT(self->fd, size, 0, 0);
	munmap(map, size);
}

TEST_F(pool, second_pin_is_cheap)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	struct limit limit;
	uint32_t crc;
	void *map;
	int i;

	ASSERT_EQ(pool_filled(self->fd, size, 1, &buffer, &crc), 0);
	map = pool_map(self->fd, &buffer, PROT_READ);
	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(pool_hold(self->fd, buffer.id), 0);
	/* No room for another page: what is held already needs none. */
	ASSERT_EQ(pool_limit(&limit), 0);
	ASSERT_EQ(pool_set_limit(limit.used, limit.used ?: 1), 0);
	for (i = 0; i < 1000; i++) {
		ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
		ASSERT_EQ(pool_used(), limit.used);
		ASSERT_EQ(resident(map, size), PAGES);
		ASSERT_EQ(pool_unpin(self->fd, buffer.id), 0);
	}
	EXPECT_STAT(self->fd, 0, size, 0);
	EXPECT_EQ(crc32c(map, size), crc);
	munmap(map, size);
}

TEST_F(pool, contents_stay)
{
	const size_t size = 64 * self->page;
	struct strata_pool_create buffer;
	uint32_t crc;
	int i;

	ASSERT_EQ(pool_filled(self->fd, size, 2, &buffer, &crc), 0);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
		EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
		ASSERT_EQ(pool_unpin(self->fd, buffer.id), 0);
		EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
		ASSERT_EQ(pool_drop("idle"), 0);
		EXPECT_STAT(self->fd, 0, 0, 0);
		EXPECT_EQ(pool_used(), self->limit.used);
		EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
	}
	/* What was let go was not given up. */
	EXPECT_EQ(pool_needed(self->fd, buffer.id), 1);
}

TEST_F(pool, pins_end_with_the_buffer)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	uint32_t crc;
	void *map;

	ASSERT_EQ(pool_filled(self->fd, size, 3, &buffer, &crc), 0);
	map = pool_map(self->fd, &buffer, PROT_READ);
	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
	ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
	ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
	EXPECT_STAT(self->fd, 0, 0, 0);
	EXPECT_EQ(pool_used(), self->limit.used);
	EXPECT_EQ(pool_unpin(self->fd, buffer.id), -ENOENT);
	EXPECT_EQ(crc32c(map, size), crc);
	munmap(map, size);
}

TEST_F(pool, pins_end_with_the_file)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	struct pool_totals totals;
	int fd = pool_open(), same;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(pool_create(fd, size, &buffer), 0);
	ASSERT_EQ(pool_pin(fd, buffer.id), 0);
	same = dup(fd);
	close(fd);
	/* A duplicate is the same file. */
	EXPECT_EQ(pool_pin(same, buffer.id), 0);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_EQ(totals.pinned, self->before.pinned + size);
	close(same);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_EQ(totals.pinned, self->before.pinned);
	EXPECT_EQ(pool_used(), self->limit.used);
}

TEST_F(pool, pins_end_with_the_process)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	struct pool_totals totals;
	int pipes[2], i;
	pid_t child;
	char byte;

	ASSERT_EQ(pipe(pipes), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		int fd = pool_open();

		for (i = 0; i < 20; i++)
			if (pool_create(fd, size, &buffer) || pool_pin(fd, buffer.id) ||
			    pool_pin(fd, buffer.id))
				_exit(1);
		if (write(pipes[1], "x", 1) != 1)
			_exit(2);
		for (;;)
			pool_hold(fd, buffer.id);
	}
	ASSERT_EQ(read(pipes[0], &byte, 1), 1);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_EQ(totals.pinned, self->before.pinned + 20 * size);
	ASSERT_EQ(kill(child, SIGKILL), 0);
	EXPECT_EQ(wait_for(child), SIGKILL);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_TRUE(same_totals(&totals, &self->before));
	EXPECT_EQ(pool_used(), self->limit.used);
}

/* For a test of the limit alone on one node and one processor, and with nobody else in the pool. */
static bool alone(const struct limit *limit)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	return !limit->used && !sched_setaffinity(0, sizeof(one), &one);
}

TEST_F(pool, hard_limit_refuses)
{
	struct strata_pool_create first, second;
	struct pool_totals before, after;
	struct limit limit;
	uint32_t crc, other;

	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	ASSERT_EQ(pool_filled(self->fd, 60 * self->page, 4, &first, &crc), 0);
	ASSERT_EQ(pool_filled(self->fd, 8 * self->page, 5, &second, &other), 0);
	ASSERT_EQ(pool_set_limit(64, 64), 0);
	ASSERT_EQ(pool_pin(self->fd, first.id), 0);
	ASSERT_EQ(pool_totals(&before), 0);

	EXPECT_EQ(pool_pin(self->fd, second.id), -ENOSPC);
	ASSERT_EQ(pool_totals(&after), 0);
	EXPECT_TRUE(same_totals(&before, &after));
	ASSERT_EQ(pool_limit(&limit), 0);
	EXPECT_EQ(limit.used, 60);
	EXPECT_TRUE(pool_contains(self->fd, &second, other));
	EXPECT_EQ(pool_unpin(self->fd, second.id), -EINVAL);
	/* A pin of what is pinned needs no room. */
	EXPECT_EQ(pool_pin(self->fd, first.id), 0);
	EXPECT_EQ(pool_unpin(self->fd, first.id), 0);

	/* What is idle makes room. */
	ASSERT_EQ(pool_unpin(self->fd, first.id), 0);
	EXPECT_EQ(pool_pin(self->fd, second.id), 0);
	EXPECT_STAT(self->fd, 8 * self->page, 0, 0);
	EXPECT_EQ(pool_used(), 8);
	EXPECT_TRUE(pool_contains(self->fd, &first, crc));
	EXPECT_EQ(pool_unpin(self->fd, second.id), 0);

	/* Larger than the limit will never fit, and nobody has to go for it. */
	ASSERT_EQ(pool_create(self->fd, 65 * self->page, &first), 0);
	EXPECT_EQ(pool_pin(self->fd, first.id), -ENOSPC);
	EXPECT_STAT(self->fd, 0, 8 * self->page, 0);
}

TEST_F(pool, soft_limit_is_passed_when_all_is_pinned)
{
	struct strata_pool_create buffer;
	int i;

	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	ASSERT_EQ(pool_set_limit(16, 0), 0);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(pool_create(self->fd, 8 * self->page, &buffer), 0);
		ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
	}
	EXPECT_STAT(self->fd, 32 * self->page, 0, 0);
	EXPECT_EQ(pool_used(), 32);
}

/* Memory is not short: no limit is a reason to throw contents away. */
TEST_F(pool, limits_purge_nothing)
{
	struct strata_pool_create given, pinned, more;
	uint32_t crc;
	int i;

	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	ASSERT_EQ(pool_filled(self->fd, 64 * self->page, 13, &given, &crc), 0);
	ASSERT_EQ(pool_not_needed(self->fd, given.id), 1);
	ASSERT_EQ(pool_create(self->fd, 16 * self->page, &pinned), 0);
	ASSERT_EQ(pool_create(self->fd, 8 * self->page, &more), 0);
	ASSERT_EQ(pool_pin(self->fd, pinned.id), 0);

	/* Over the soft limit, at the hard one, and when one is lowered. */
	ASSERT_EQ(pool_set_limit(16, 0), 0);
	EXPECT_EQ(pool_pin(self->fd, more.id), 0);
	EXPECT_EQ(pool_unpin(self->fd, more.id), 0);
	ASSERT_EQ(pool_set_limit(16, 16), 0);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(pool_pin(self->fd, more.id), -ENOSPC);
	ASSERT_EQ(pool_set_limit(4, 4), 0);
	EXPECT_EQ(pool_used(), 16);

	EXPECT_STAT(self->fd, 16 * self->page, 0, 64 * self->page);
	EXPECT_EQ(pool_needed(self->fd, given.id), 1);
	EXPECT_TRUE(pool_contains(self->fd, &given, crc));
}

/* Buffers of 1, 2, 4, ... pages: what is idle says by its bits which of them are. */
#define SIZES	6

TEST_F(pool, soft_limit_evicts_the_oldest_idle_first)
{
	struct strata_pool_create buffers[SIZES], last;
	/* In the order of their last unpin. */
	static const int order[SIZES] = { 3, 0, 5, 1, 4, 2 };
	long long left = (1 << SIZES) - 1;
	uint32_t crcs[SIZES];
	int i;

	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	for (i = 0; i < SIZES; i++) {
		ASSERT_EQ(pool_filled(self->fd, self->page << i, i + 6, &buffers[i], &crcs[i]), 0);
		ASSERT_EQ(pool_hold(self->fd, buffers[i].id), 0);
	}
	for (i = 0; i < SIZES; i++)
		ASSERT_EQ(pool_hold(self->fd, buffers[order[i]].id), 0);
	EXPECT_STAT(self->fd, 0, left * self->page, 0);
	ASSERT_EQ(pool_set_limit(left, 0), 0);

	/* Each new page costs the oldest buffer, if the one before left no room. */
	for (i = 0; i < SIZES; i++) {
		ASSERT_EQ(pool_create(self->fd, self->page << order[i], &last), 0);
		ASSERT_EQ(pool_pin(self->fd, last.id), 0);
		left &= ~(1ll << order[i]);
		EXPECT_STAT(self->fd, ((1 << SIZES) - 1 - left) * self->page,
			    left * self->page, 0);
		EXPECT_EQ(pool_used(), (1 << SIZES) - 1);
	}
	for (i = 0; i < SIZES; i++)
		EXPECT_TRUE(pool_contains(self->fd, &buffers[i], crcs[i]));
}

TEST_F(pool, what_was_given_up_is_not_held)
{
	struct strata_pool_create idle, given_up, pinned;
	uint32_t crc, other;

	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	ASSERT_EQ(pool_filled(self->fd, 8 * self->page, 1, &idle, &crc), 0);
	ASSERT_EQ(pool_filled(self->fd, 8 * self->page, 2, &given_up, &other), 0);
	ASSERT_EQ(pool_hold(self->fd, idle.id), 0);
	ASSERT_EQ(pool_hold(self->fd, given_up.id), 0);
	EXPECT_EQ(pool_used(), 16);
	ASSERT_EQ(pool_set_limit(16, 0), 0);
	ASSERT_EQ(pool_not_needed(self->fd, given_up.id), 1);
	EXPECT_EQ(pool_used(), 8);
	/* It makes room for another one, without being lost. */
	ASSERT_EQ(pool_create(self->fd, 8 * self->page, &pinned), 0);
	ASSERT_EQ(pool_pin(self->fd, pinned.id), 0);
	EXPECT_STAT(self->fd, 8 * self->page, 8 * self->page, 8 * self->page);
	EXPECT_EQ(pool_needed(self->fd, given_up.id), 1);
	EXPECT_TRUE(pool_contains(self->fd, &given_up, other));
	EXPECT_TRUE(pool_contains(self->fd, &idle, crc));
}

TEST_F(pool, lowered_limit_evicts_at_once)
{
	struct strata_pool_create buffer;
	struct limit limit;
	uint32_t crcs[10];
	int i;

	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(pool_filled(self->fd, 4 * self->page, i, &buffer, &crcs[i]), 0);
		ASSERT_EQ(pool_hold(self->fd, buffer.id), 0);
	}
	EXPECT_EQ(pool_used(), 40);
	ASSERT_EQ(write_text(POOL_LIMIT, "12\n"), 0);
	ASSERT_EQ(pool_limit(&limit), 0);
	EXPECT_EQ(limit.soft, 12);
	EXPECT_EQ(limit.hard, self->limit.hard);
	EXPECT_EQ(limit.used, 12);
	EXPECT_GE(limit.peak, 40);
	ASSERT_EQ(write_text(POOL_LIMIT, "hard 20\nsoft 4\n"), 0);
	ASSERT_EQ(pool_limit(&limit), 0);
	EXPECT_EQ(limit.soft, 4);
	EXPECT_EQ(limit.hard, 20);
	EXPECT_EQ(limit.used, 4);
	ASSERT_EQ(write_text(POOL_LIMIT, "hard 0"), 0);
	ASSERT_EQ(write_text(POOL_LIMIT, "soft 0"), 0);
	ASSERT_EQ(pool_limit(&limit), 0);
	EXPECT_EQ(limit.soft, 0);
	EXPECT_EQ(limit.hard, 0);
	EXPECT_EQ(limit.used, 0);
	EXPECT_STAT(self->fd, 0, 0, 0);
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crcs[9]));
	/* Over a soft limit of nothing a pin still works. */
	EXPECT_EQ(pool_pin(self->fd, buffer.id), 0);
	EXPECT_EQ(pool_used(), 4);
}

TEST_HARNESS_MAIN
