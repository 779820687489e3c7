// SPDX-License-Identifier: GPL-2.0
/* What is given up, what is purged, and what user space gets to know of it. */

#include "pool_fixture.h"

#define PAGES	8

/* How many buffers were ever purged. */
static long long purged(void)
{
	struct pool_totals totals;

	return pool_totals(&totals) ?: totals.purged;
}

TEST_F(pool, unpurged_contents_are_retained)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	long long before = purged();
	uint32_t crc, seen;
	int i;

	ASSERT_EQ(pool_filled(self->fd, size, 1, &buffer, &crc), 0);
	EXPECT_EQ(pool_needed(self->fd, buffer.id), 1);
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(pool_not_needed(self->fd, buffer.id), 1);
		EXPECT_STAT(self->fd, 0, 0, size);
		EXPECT_EQ(pool_not_needed(self->fd, buffer.id), 1);
		EXPECT_STAT(self->fd, 0, 0, size);
		EXPECT_EQ(pool_checksum(self->fd, buffer.id, 0, size, &seen), -ENODATA);
		EXPECT_EQ(pool_needed(self->fd, buffer.id), 1);
		EXPECT_STAT(self->fd, 0, 0, 0);
		EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
	}
	/* What is needed is not purged. */
	EXPECT_EQ(pool_drop("all"), 0);
	EXPECT_EQ(pool_needed(self->fd, buffer.id), 1);
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
	EXPECT_EQ(purged(), before);
}

TEST_F(pool, purged_says_so_once)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	long long before = purged();
	uint32_t crc;

	ASSERT_EQ(pool_filled(self->fd, size, 2, &buffer, &crc), 0);
	ASSERT_EQ(pool_not_needed(self->fd, buffer.id), 1);
	EXPECT_EQ(pool_count(), self->count + PAGES);
	ASSERT_EQ(pool_drop("purge"), 0);
	EXPECT_EQ(pool_count(), self->count);
	EXPECT_EQ(purged(), before + 1);
	EXPECT_STAT(self->fd, 0, 0, 0);
	EXPECT_EQ(pool_not_needed(self->fd, buffer.id), 0);
	EXPECT_EQ(pool_pin(self->fd, buffer.id), -ENODATA);
	EXPECT_EQ(pool_checksum(self->fd, buffer.id, 0, 1, &crc), -ENODATA);

	EXPECT_EQ(pool_needed(self->fd, buffer.id), 0);
	EXPECT_EQ(pool_needed(self->fd, buffer.id), 1);
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c_zeros(size)));
	EXPECT_EQ(pool_not_needed(self->fd, buffer.id), 1);
	EXPECT_EQ(pool_needed(self->fd, buffer.id), 1);
}

TEST_F(pool, purged_memory_is_given_back)
{
	const size_t size = debug_kernel() ? 16 << 20 : 64 << 20;
	struct strata_pool_create buffer;
	long long full, empty;
	uint32_t crc;

	ASSERT_EQ(pool_filled(self->fd, size, 3, &buffer, &crc), 0);
	full = number_in("/proc/meminfo", "Shmem");
	ASSERT_EQ(pool_hold(self->fd, buffer.id), 0);
	ASSERT_EQ(pool_not_needed(self->fd, buffer.id), 1);
	ASSERT_EQ(pool_drop("purge"), 0);
	empty = number_in("/proc/meminfo", "Shmem");
	EXPECT_GT(full - empty, (long long)size / 1024 * 7 / 8);
	EXPECT_EQ(pool_used(), self->limit.used);
}

TEST_F(pool, purge_while_mapped)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	uint8_t *map, *reader;
	size_t i;

	map = pool_new(self->fd, size, &buffer);
	reader = pool_map(self->fd, &buffer, PROT_READ);
	ASSERT_NE(map, MAP_FAILED);
	ASSERT_NE(reader, MAP_FAILED);
	fill(map, size, 4);
	ASSERT_EQ(pool_not_needed(self->fd, buffer.id), 1);
	ASSERT_EQ(pool_drop("purge"), 0);
	for (i = 0; i < size; i++)
		ASSERT_EQ(reader[i], 0);
	EXPECT_EQ(pool_needed(self->fd, buffer.id), 0);

	/* Both are mappings of what the buffer is from now on. */
	fill(map, size, 5);
	EXPECT_EQ(crc32c(reader, size), crc32c(map, size));
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c(map, size)));
	munmap(map, size);
	munmap(reader, size);
}

TEST_F(pool, written_while_given_up)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	uint8_t *map = pool_new(self->fd, size, &buffer);

	ASSERT_NE(map, MAP_FAILED);
	fill(map, size, 6);
	ASSERT_EQ(pool_not_needed(self->fd, buffer.id), 1);
	fill(map, size, 7);
	ASSERT_EQ(pool_needed(self->fd, buffer.id), 1);
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c(map, size)));

	/* Purged, written to, and given up again: what is there then may go as well. */
	ASSERT_EQ(pool_not_needed(self->fd, buffer.id), 1);
	ASSERT_EQ(pool_drop("purge"), 0);
	fill(map, size, 8);
	EXPECT_EQ(pool_needed(self->fd, buffer.id), 0);
	EXPECT_EQ(pool_not_needed(self->fd, buffer.id), 1);
	ASSERT_EQ(pool_drop("purge"), 0);
	EXPECT_EQ(pool_needed(self->fd, buffer.id), 0);
	EXPECT_EQ(crc32c(map, size), crc32c_zeros(size));
	munmap(map, size);
}

TEST_F(pool, pin_after_purge)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	uint32_t crc;
	int i;

	ASSERT_EQ(pool_filled(self->fd, size, 9, &buffer, &crc), 0);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(pool_hold(self->fd, buffer.id), 0);
		ASSERT_EQ(pool_not_needed(self->fd, buffer.id), 1);
		ASSERT_EQ(pool_drop("purge"), 0);
		EXPECT_EQ(pool_used(), self->limit.used);
		EXPECT_EQ(pool_pin(self->fd, buffer.id), -ENODATA);
		EXPECT_EQ(pool_needed(self->fd, buffer.id), 0);
		ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
		EXPECT_STAT(self->fd, size, 0, 0);
		EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c_zeros(size)));
		ASSERT_EQ(pool_unpin(self->fd, buffer.id), 0);
	}
}

TEST_F(pool, only_what_was_given_up)
{
	struct strata_pool_create buffers[64];
	long long before = purged();
	uint32_t crcs[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(buffers); i++) {
		ASSERT_EQ(pool_filled(self->fd, (1 + i % 4) * self->page, i, &buffers[i], &crcs[i]), 0);
		if (i % 3 == 0)
			ASSERT_EQ(pool_hold(self->fd, buffers[i].id), 0);
		if (i % 5 == 0)
			ASSERT_EQ(pool_not_needed(self->fd, buffers[i].id), 1);
	}
	ASSERT_EQ(pool_drop("purge"), 0);
	EXPECT_EQ(purged(), before + 13);
	for (i = 0; i < ARRAY_SIZE(buffers); i++) {
		EXPECT_EQ(pool_needed(self->fd, buffers[i].id), i % 5 != 0) TH_LOG("buffer %d", i);
		EXPECT_TRUE(pool_contains(self->fd, &buffers[i],
					  i % 5 ? crcs[i] : crc32c_zeros(buffers[i].size)))
			TH_LOG("buffer %d", i);
	}
}

TEST_F(pool, untouched_buffer_given_up)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	int written;
	void *map;

	/* There is nothing yet, but there may be. */
	for (written = 0; written < 2; written++) {
		map = pool_new(self->fd, size, &buffer);
		ASSERT_NE(map, MAP_FAILED);
		ASSERT_EQ(pool_not_needed(self->fd, buffer.id), 1);
		EXPECT_GT(pool_count(), self->count);
		EXPECT_STAT(self->fd, 0, 0, size);
		if (written)
			fill(map, size, 10);
		ASSERT_EQ(pool_drop("all"), 0);
		EXPECT_EQ(pool_count(), self->count);
		EXPECT_STAT(self->fd, 0, 0, 0);
		EXPECT_EQ(pool_needed(self->fd, buffer.id), 0);
		EXPECT_EQ(crc32c(map, size), crc32c_zeros(size));
		munmap(map, size);
	}
}

TEST_F(pool, destroyed_while_given_up)
{
	struct strata_pool_create buffer;
	uint32_t crc;
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(pool_filled(self->fd, PAGES * self->page, i, &buffer, &crc), 0);
		if (i & 1)
			ASSERT_EQ(pool_hold(self->fd, buffer.id), 0);
		ASSERT_EQ(pool_not_needed(self->fd, buffer.id), 1);
		if (i & 2)
			ASSERT_EQ(pool_drop("purge"), 0);
		ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
		EXPECT_EQ(pool_needed(self->fd, buffer.id), -ENOENT);
		EXPECT_EQ(pool_count(), self->count);
		EXPECT_STAT(self->fd, 0, 0, 0);
	}
}

TEST_HARNESS_MAIN
