// SPDX-License-Identifier: GPL-2.0
/*
 * Counts and sizes of the real world. STRATA_BUFFERS overrides how many buffers; a
 * kernel with lockdep gets a few, and a machine with little memory what it can.
 */

#include "pool_fixture.h"

#define BUFFERS		300000
#define LARGE		(256ull << 20)
#define TIMEOUT		400
/* What a buffer takes of the kernel's memory, apart from its pages, and of ours. */
#define COST		(debug_kernel() ? 6144 : 1600)
/* One in so many gets a page. */
#define TOUCHED		6

/* Bytes of memory that can be had without swapping. */
static uint64_t available_memory(void)
{
	return number_in("/proc/meminfo", "MemAvailable") << 10;
}

/* So many that they take most of what there is. */
static int buffer_count(void)
{
	const char *chosen = getenv("STRATA_BUFFERS");
	uint64_t most = available_memory() / 8 * 7 / (COST + page_size() / TOUCHED);
	int wanted = debug_kernel() ? BUFFERS / 30 : BUFFERS;

	if (chosen)
		return atoi(chosen);
	return most < wanted ? most : wanted;
}

/* What becomes of the nth buffer. */
enum fate { IDLE, GIVEN_UP, PINNED, UNTOUCHED };

static enum fate fate(int n)
{
	return n % TOUCHED ? UNTOUCHED : n / TOUCHED % UNTOUCHED;
}

static uint64_t how_many(int n, enum fate which)
{
	uint64_t found = 0;

	while (n--)
		found += fate(n) == which;
	return found;
}

/* Writes a buffer's id into it, and brings it into its state. */
static int touch(int fd, int n, const struct strata_pool_create *buffer)
{
	uint32_t *map;
	int ret;

	if (fate(n) == UNTOUCHED)
		return 0;
	map = pool_map(fd, buffer, PROT_READ | PROT_WRITE);
	if (map == MAP_FAILED)
		return -errno;
	*map = buffer->id;
	munmap(map, buffer->size);
	ret = pool_pin(fd, buffer->id);
	if (ret || fate(n) == PINNED)
		return ret;
	ret = pool_unpin(fd, buffer->id);
	if (ret || fate(n) == IDLE)
		return ret;
	ret = pool_not_needed(fd, buffer->id);
	return ret == 1 ? 0 : ret ?: -ENODATA;
}

/* Whether a buffer has what it must have after everything was dropped. */
static bool has_its_contents(int fd, int n, const struct strata_pool_create *buffer)
{
	uint32_t id = fate(n) == PINNED || fate(n) == IDLE ? buffer->id : 0;
	uint32_t crc;

	if (pool_needed(fd, buffer->id) != (fate(n) != GIVEN_UP))
		return false;
	return !pool_checksum(fd, buffer->id, 0, 4, &crc) && crc == crc32c(&id, 4) &&
	       !pool_checksum(fd, buffer->id, 4, buffer->size - 4, &crc) &&
	       crc == crc32c_zeros(buffer->size - 4);
}

TEST_F_TIMEOUT(pool, many_buffers, TIMEOUT)
{
	const int n = buffer_count();
	struct strata_pool_create *buffers = calloc(n, sizeof(*buffers));
	uint64_t pinned, idle, given_up, state = 4711;
	struct strata_pool_stat stat;
	struct pool_totals totals;
	struct drop_stats last;
	uint32_t crc;
	int i, other;

	TH_LOG("%d buffers", n);
	ASSERT_NE(buffers, NULL);
	/* Memory is the limit here, not a number. */
	ASSERT_EQ(pool_set_limit(1ll << 40, 0), 0);
	for (i = 0; i < n; i++)
		ASSERT_EQ(pool_create(self->fd, self->page, &buffers[i]), 0);
	ASSERT_EQ(pool_stat(self->fd, &stat), 0);
	EXPECT_EQ(stat.buffers, n);
	EXPECT_EQ(stat.bytes, n * self->page);
	EXPECT_EQ(stat.pinned + stat.idle + stat.purgeable, 0);

	for (i = 0; i < n; i++)
		ASSERT_EQ(touch(self->fd, i, &buffers[i]), 0) TH_LOG("buffer %d", i);
	pinned = how_many(n, PINNED);
	idle = how_many(n, IDLE);
	given_up = how_many(n, GIVEN_UP);
	EXPECT_STAT(self->fd, pinned * self->page, idle * self->page, given_up * self->page);
	EXPECT_EQ(pool_count(), self->count + idle + given_up);

	ASSERT_EQ(pool_drop("all"), 0);
	ASSERT_EQ(drop_stats(&last, DROP_LAST), 0);
	EXPECT_EQ(last.purged, given_up);
	EXPECT_EQ(last.idle + last.active, idle);
	EXPECT_EQ(last.count_before - last.count_after, last.freed);
	EXPECT_EQ(last.stuck, 0);
	EXPECT_GT(last.ns, 0);
	TH_LOG("all of them dropped in %lld ms", last.ns / 1000000);
	EXPECT_STAT(self->fd, pinned * self->page, 0, 0);
	EXPECT_EQ(pool_used(), self->limit.used + pinned);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_EQ(totals.purged, self->before.purged + given_up);
	for (i = 0; i < n; i += 7)
		ASSERT_TRUE(has_its_contents(self->fd, i, &buffers[i])) TH_LOG("buffer %d", i);

	/* Half of them go one by one, in no order; the file takes the others. */
	for (i = n - 1; i > 0; i--) {
		struct strata_pool_create swapped = buffers[i];

		other = next_random(&state) % (i + 1);
		buffers[i] = buffers[other];
		buffers[other] = swapped;
	}
	for (i = 0; i < n / 2; i++)
		ASSERT_EQ(pool_destroy(self->fd, buffers[i].id), 0);
	ASSERT_EQ(pool_stat(self->fd, &stat), 0);
	EXPECT_EQ(stat.buffers, n - n / 2);
	for (i = 0; i < n / 2; i += 101)
		ASSERT_EQ(pool_checksum(self->fd, buffers[i].id, 0, 1, &crc), -ENOENT);
	free(buffers);
}

TEST_F_TIMEOUT(pool, one_large_buffer, TIMEOUT)
{
	uint64_t size = LARGE, offset;
	struct strata_pool_create buffer;
	uint32_t crc;
	uint8_t *map;

	if (debug_kernel())
		size /= 4;
	if (available_memory() < size + size / 4 + (64 << 20))
		SKIP(return, "not enough memory for %llu MiB", (unsigned long long)size >> 20);
	map = pool_new(self->fd, size, &buffer);
	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(pool_checksum(self->fd, buffer.id, 0, size, &crc), 0);
	EXPECT_EQ(crc, crc32c_zeros(size));

	/* A page in each 8 MiB, the last one of the buffer among them. */
	for (offset = (8 << 20) - self->page; offset < size; offset += 8 << 20)
		fill(map + offset, self->page, offset);
	ASSERT_EQ(pool_hold(self->fd, buffer.id), 0);
	EXPECT_EQ(pool_count(), self->count + size / self->page);
	ASSERT_EQ(pool_drop("idle"), 0);
	EXPECT_EQ(pool_count(), self->count);
	for (offset = (8 << 20) - self->page; offset < size; offset += 8 << 20) {
		ASSERT_EQ(pool_checksum(self->fd, buffer.id, offset, self->page, &crc), 0);
		ASSERT_EQ(crc, crc32c(map + offset, self->page));
	}
	ASSERT_EQ(munmap(map, size), 0);
	ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
}

TEST_HARNESS_MAIN
