// SPDX-License-Identifier: GPL-2.0
/*
 * Counts and sizes of the real world. STRATA_BUFFERS overrides how many buffers;
 * a kernel with lockdep gets a tenth.
 */

#include <time.h>

#include "strata.h"
#include "kselftest_harness.h"

#define BUFFERS		100000
#define LARGE		(256ull << 20)
#define TIMEOUT		300

/* Bytes of memory that can be had without swapping. */
static uint64_t available_memory(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long long kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib << 10;
}

static int buffer_count(void)
{
	const char *chosen = getenv("STRATA_BUFFERS");

	if (chosen)
		return atoi(chosen);
	return debug_kernel() ? BUFFERS / 10 : BUFFERS;
}

FIXTURE(large)
{
	int fd;
	size_t page;
	struct pool_totals before;
};

FIXTURE_SETUP(large)
{
	self->page = page_size();
	ASSERT_EQ(pool_totals(&self->before), 0);
	self->fd = pool_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(large)
{
	struct pool_totals after;

	close(self->fd);
	EXPECT_EQ(pool_totals(&after), 0);
	EXPECT_EQ(after.buffers, self->before.buffers);
	EXPECT_EQ(after.bytes, self->before.bytes);
}

TEST_F_TIMEOUT(large, many_buffers, TIMEOUT)
{
	struct strata_pool_create *buffers;
	uint64_t count, bytes, state = 4711;
	int n = buffer_count(), i, other;
	uint32_t crc, zeros;
	uint32_t *map;

	/* A page each, and what it takes to know them. */
	if (available_memory() < n * (self->page + 1024) + (64 << 20))
		SKIP(return, "not enough memory for %d buffers", n);
	buffers = calloc(n, sizeof(*buffers));
	ASSERT_NE(buffers, NULL);
	for (i = 0; i < n; i++)
		ASSERT_EQ(pool_create(self->fd, self->page, &buffers[i]), 0);
	ASSERT_EQ(pool_stat(self->fd, &count, &bytes), 0);
	EXPECT_EQ(count, n);
	EXPECT_EQ(bytes, n * self->page);

	/* Each is a memory of its own: write an id here and there, and find it. */
	zeros = crc32c_zeros(self->page - 4);
	for (i = 0; i < n; i += 97) {
		map = pool_map(self->fd, &buffers[i], PROT_READ | PROT_WRITE);
		ASSERT_NE(map, MAP_FAILED);
		ASSERT_EQ(*map, 0);
		*map = buffers[i].id;
		munmap(map, self->page);
	}
	for (i = 0; i < n; i += 97) {
		ASSERT_EQ(pool_checksum(self->fd, buffers[i].id, 0, 4, &crc), 0);
		ASSERT_EQ(crc, crc32c(&buffers[i].id, 4));
		ASSERT_EQ(pool_checksum(self->fd, buffers[i].id, 4, self->page - 4, &crc), 0);
		ASSERT_EQ(crc, zeros);
	}

	/* Half of them go one by one, in no order; the file takes the others. */
	for (i = n - 1; i > 0; i--) {
		struct strata_pool_create swapped = buffers[i];

		other = next_random(&state) % (i + 1);
		buffers[i] = buffers[other];
		buffers[other] = swapped;
	}
	for (i = 0; i < n / 2; i++)
		ASSERT_EQ(pool_destroy(self->fd, buffers[i].id), 0);
	ASSERT_EQ(pool_stat(self->fd, &count, &bytes), 0);
	EXPECT_EQ(count, n - n / 2);
	for (i = 0; i < n; i += 101)
		ASSERT_EQ(pool_checksum(self->fd, buffers[i].id, 0, 1, &crc),
			  i < n / 2 ? -ENOENT : 0);
	free(buffers);
}

TEST_F_TIMEOUT(large, one_large_buffer, TIMEOUT)
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
	for (offset = (8 << 20) - self->page; offset < size; offset += 8 << 20) {
		ASSERT_EQ(pool_checksum(self->fd, buffer.id, offset, self->page, &crc), 0);
		ASSERT_EQ(crc, crc32c(map + offset, self->page));
	}
	ASSERT_EQ(munmap(map, size), 0);
	ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
}

TEST_HARNESS_MAIN
