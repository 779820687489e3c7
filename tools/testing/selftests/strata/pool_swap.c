// SPDX-License-Identifier: GPL-2.0
/* Buffers in swap: that they get there, that they come back, and that they leave it. */

#include "pool_fixture.h"

#define SIZE	(8ull << 20)
#define NO_SWAP	"needs 32 MiB of free swap (swapon), and there is less"

/* KiB of swap that are used; -1 where there is none. */
static long long swap_used(void)
{
	long long total = number_in("/proc/meminfo", "SwapTotal");

	return total > 0 ? total - number_in("/proc/meminfo", "SwapFree") : -1;
}

/* For what is to get there, and what may be there already. */
static bool enough_swap(void)
{
	return number_in("/proc/meminfo", "SwapFree") >= (long long)(4 * SIZE / 1024);
}

static long long pages_swapped_out(void)
{
	return number_in("/proc/vmstat", "pswpout");
}

/* KiB of a mapping that /proc/self/smaps finds in swap. */
static long long mapping_in_swap(const void *map)
{
	char head[32], line[256];
	FILE *file = fopen("/proc/self/smaps", "r");
	long long kib = -1;
	bool ours = false;

	snprintf(head, sizeof(head), "%lx-", (unsigned long)map);
	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, head, strlen(head)))
			ours = true;
		if (ours && sscanf(line, "Swap: %lld kB", &kib) == 1)
			break;
	}
	if (file)
		fclose(file);
	return kib;
}

/*
 * Asks for pages to be swapped out until most of them were: what is under IO or
 * was touched just now stays at the first time. Returns KiB of it in swap.
 */
static long long page_out(void *map, size_t size)
{
	long long kib = 0;
	int tries;

	for (tries = 0; tries < 50 && kib < (long long)size / 1024 * 3 / 4; tries++) {
		if (madvise(map, size, MADV_PAGEOUT))
			return -errno;
		kib = mapping_in_swap(map);
		usleep(10000);
	}
	return kib;
}

TEST_F_TIMEOUT(pool, contents_survive_page_out, 120)
{
	struct strata_pool_create buffer;
	long long before;
	uint32_t crc;
	void *map;

	if (!enough_swap())
		SKIP(return, NO_SWAP);
	map = pool_new_filled(self->fd, SIZE, 1, &buffer, &crc);
	ASSERT_NE(map, MAP_FAILED);
	before = pages_swapped_out();
	EXPECT_GE(page_out(map, SIZE), SIZE / 1024 * 3 / 4);
	EXPECT_GE(pages_swapped_out() - before, SIZE / self->page * 3 / 4);

	/* The kernel's way to it, and then ours. Only what is mapped can be paged out. */
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
	EXPECT_EQ(crc32c(map, SIZE), crc);
	EXPECT_GE(page_out(map, SIZE), SIZE / 1024 * 3 / 4);
	EXPECT_EQ(crc32c(map, SIZE), crc);
	munmap(map, SIZE);
}

TEST_F_TIMEOUT(pool, pinned_and_idle_stay_in_memory, 120)
{
	struct strata_pool_create buffer;
	uint32_t crc;
	void *map;
	int i;

	if (!enough_swap())
		SKIP(return, NO_SWAP);
	map = pool_new_filled(self->fd, SIZE, 2, &buffer, &crc);
	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(madvise(map, SIZE, MADV_PAGEOUT), 0);
		EXPECT_EQ(mapping_in_swap(map), 0);
		EXPECT_EQ(crc32c(map, SIZE), crc);
		EXPECT_EQ(pool_unpin(self->fd, buffer.id), i ? -EINVAL : 0);
	}
	/* Let go, they are memory like any other. */
	ASSERT_EQ(pool_drop("idle"), 0);
	EXPECT_GE(page_out(map, SIZE), SIZE / 1024 * 3 / 4);
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
	munmap(map, SIZE);
}

TEST_F_TIMEOUT(pool, pin_reads_back, 120)
{
	struct strata_pool_create buffer;
	uint32_t crc;
	void *map;
	int i;

	if (!enough_swap())
		SKIP(return, NO_SWAP);
	map = pool_new_filled(self->fd, SIZE, 3, &buffer, &crc);
	ASSERT_NE(map, MAP_FAILED);
	for (i = 0; i < 3; i++) {
		EXPECT_GE(page_out(map, SIZE), SIZE / 1024 * 3 / 4);
		ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
		EXPECT_STAT(self->fd, SIZE, 0, 0);
		EXPECT_EQ(mapping_in_swap(map), 0);
		EXPECT_EQ(crc32c(map, SIZE), crc);
		ASSERT_EQ(pool_unpin(self->fd, buffer.id), 0);
		ASSERT_EQ(pool_drop("idle"), 0);
	}
	munmap(map, SIZE);
}

TEST_F_TIMEOUT(pool, trigger_writes_back, 120)
{
	const int buffers = 16;
	struct strata_pool_create buffer[16];
	struct drop_stats last;
	uint32_t crcs[16];
	long long before, used;
	int i;

	if (!enough_swap())
		SKIP(return, NO_SWAP);
	for (i = 0; i < buffers; i++) {
		ASSERT_EQ(pool_filled(self->fd, SIZE / buffers, i + 10, &buffer[i], &crcs[i]), 0);
		ASSERT_EQ(pool_hold(self->fd, buffer[i].id), 0);
	}
	used = swap_used();
	before = pages_swapped_out();
	/* What is held is not written; it is let go first. */
	ASSERT_EQ(pool_drop("writeback"), 0);
	ASSERT_EQ(drop_stats(&last, DROP_LAST), 0);
	EXPECT_EQ(last.written_back, 0);
	ASSERT_EQ(pool_drop("idle writeback"), 0);
	ASSERT_EQ(drop_stats(&last, DROP_LAST), 0);
	EXPECT_EQ(last.idle, SIZE / self->page);
	EXPECT_GE(last.written_back, SIZE / self->page * 3 / 4);
	EXPECT_EQ(last.freed, last.idle);
	EXPECT_GE(pages_swapped_out() - before, SIZE / self->page * 3 / 4);
	EXPECT_GE(swap_used() - used, SIZE / 1024 / 2);
	for (i = 0; i < buffers; i++)
		EXPECT_TRUE(pool_contains(self->fd, &buffer[i], crcs[i])) TH_LOG("buffer %d", i);
}

TEST_F_TIMEOUT(pool, no_io_where_it_is_not_allowed, 120)
{
	struct strata_pool_create buffer;
	struct drop_stats last;
	uint32_t crc;

	if (!enough_swap())
		SKIP(return, NO_SWAP);
	ASSERT_EQ(pool_filled(self->fd, SIZE, 4, &buffer, &crc), 0);
	ASSERT_EQ(pool_hold(self->fd, buffer.id), 0);
	ASSERT_EQ(pool_drop("idle"), 0);
	ASSERT_EQ(pool_drop("writeback as_nofs"), 0);
	ASSERT_EQ(drop_stats(&last, DROP_LAST), 0);
	EXPECT_EQ(last.written_back, 0);
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
}

TEST_F_TIMEOUT(pool, swap_is_given_back, 120)
{
	struct strata_pool_create buffer;
	long long before, full, empty;
	void *map;
	int i;

	if (!enough_swap())
		SKIP(return, NO_SWAP);
	/* Purged, and destroyed: either way its swap is free again. */
	for (i = 0; i < 2; i++) {
		before = swap_used();
		map = pool_new(self->fd, SIZE, &buffer);
		ASSERT_NE(map, MAP_FAILED);
		fill(map, SIZE, 5);
		EXPECT_GE(page_out(map, SIZE), SIZE / 1024 * 3 / 4);
		full = swap_used();
		EXPECT_GE(full - before, SIZE / 1024 / 2);
		if (i == 0) {
			/* Some of it in memory, so that there is something to be had. */
			((volatile uint8_t *)map)[0] = 1;
			ASSERT_EQ(pool_not_needed(self->fd, buffer.id), 1);
			ASSERT_EQ(pool_drop("purge"), 0);
			EXPECT_EQ(pool_needed(self->fd, buffer.id), 0);
			EXPECT_EQ(crc32c(map, SIZE), crc32c_zeros(SIZE));
		}
		munmap(map, SIZE);
		ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
		empty = swap_used();
		EXPECT_GE(full - empty, SIZE / 1024 / 2);
	}
}

TEST_HARNESS_MAIN
