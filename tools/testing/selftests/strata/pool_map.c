// SPDX-License-Identifier: GPL-2.0
/* What may be done to a mapping of a buffer, and what is refused. */

#include <setjmp.h>
#include <signal.h>

#include "pool_debugfs.h"
#include "kselftest_harness.h"

#define PAGES	4

FIXTURE(map)
{
	int fd;
	size_t page, size;
	struct strata_pool_create buffer;
	uint8_t *map;
	uint32_t crc;
};

FIXTURE_SETUP(map)
{
	self->page = page_size();
	self->size = PAGES * self->page;
	self->fd = pool_open();
	ASSERT_GE(self->fd, 0);
	self->map = pool_new(self->fd, self->size, &self->buffer);
	ASSERT_NE(self->map, MAP_FAILED);
	fill(self->map, self->size, 5);
	self->crc = crc32c(self->map, self->size);
}

FIXTURE_TEARDOWN(map)
{
	uint32_t crc;

	/* Nothing that is done to a mapping may change the buffer. */
	EXPECT_EQ(pool_checksum(self->fd, self->buffer.id, 0, self->size, &crc), 0);
	EXPECT_EQ(crc, self->crc);
	close(self->fd);
}

/* Whether mmap() fails, and how: 0 or the negative errno. */
static int try_map(int fd, size_t length, int prot, int flags, uint64_t offset)
{
	void *map = mmap(NULL, length, prot, flags, fd, offset);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, length);
	return 0;
}

TEST_F(map, wants_to_be_shared)
{
	const uint64_t offset = self->buffer.map_offset;
	const int rw = PROT_READ | PROT_WRITE;

	EXPECT_EQ(try_map(self->fd, self->size, rw, MAP_SHARED, offset), 0);
	EXPECT_EQ(try_map(self->fd, self->size, rw, MAP_SHARED | MAP_POPULATE, offset), 0);
	EXPECT_EQ(try_map(self->fd, self->size, rw, MAP_PRIVATE, offset), -EINVAL);
	EXPECT_EQ(try_map(self->fd, self->size, PROT_READ, MAP_PRIVATE, offset), -EINVAL);
	/* The file promises nothing about synchronous faults. */
	EXPECT_EQ(try_map(self->fd, self->size, rw, MAP_SHARED_VALIDATE | MAP_SYNC, offset),
		  -EOPNOTSUPP);
}

TEST_F(map, wants_the_whole_buffer)
{
	const uint64_t offset = self->buffer.map_offset;

	EXPECT_EQ(try_map(self->fd, self->page, PROT_READ, MAP_SHARED, offset), -EINVAL);
	EXPECT_EQ(try_map(self->fd, self->size - self->page, PROT_READ, MAP_SHARED, offset), -EINVAL);
	EXPECT_EQ(try_map(self->fd, self->size + self->page, PROT_READ, MAP_SHARED, offset), -EINVAL);
	EXPECT_EQ(try_map(self->fd, 1ul << 32, PROT_READ, MAP_SHARED, offset), -EINVAL);
	/* mmap() rounds lengths up: this is the whole. */
	EXPECT_EQ(try_map(self->fd, self->size - 1, PROT_READ, MAP_SHARED, offset), 0);
}

TEST_F(map, wants_the_right_offset)
{
	const uint64_t offset = self->buffer.map_offset;
	const uint64_t wrong[] = {
		offset + self->page, offset + self->size, offset - self->page,
		offset + STRATA_POOL_MAX_SIZE - self->page, self->page,
	};
	const uint64_t unknown[] = {
		0, offset + STRATA_POOL_MAX_SIZE, offset + 1000 * STRATA_POOL_MAX_SIZE,
		INT64_MAX / STRATA_POOL_MAX_SIZE * STRATA_POOL_MAX_SIZE,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		EXPECT_EQ(try_map(self->fd, self->size, PROT_READ, MAP_SHARED, wrong[i]), -EINVAL);
	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		EXPECT_EQ(try_map(self->fd, self->size, PROT_READ, MAP_SHARED, unknown[i]), -ENOENT);
}

TEST_F(map, follows_the_mode_of_the_file)
{
	const uint64_t offset = self->buffer.map_offset;
	char path[64];
	int other;
	void *map;

	/* Opening it anew would be another file, without this buffer. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	other = open(path, O_RDONLY);
	ASSERT_GE(other, 0);
	EXPECT_EQ(try_map(other, self->size, PROT_READ, MAP_SHARED, offset), -ENOENT);
	EXPECT_EQ(try_map(other, self->size, PROT_WRITE, MAP_SHARED, offset), -EACCES);
	close(other);

	map = pool_map(self->fd, &self->buffer, PROT_READ);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(mprotect(map, self->size, PROT_READ | PROT_WRITE), 0);
	EXPECT_EQ(mprotect(map, self->size, PROT_NONE), 0);
	EXPECT_EQ(munmap(map, self->size), 0);
}

TEST_F(map, of_a_file_for_reading_is_for_reading)
{
	struct strata_pool_create buffer;
	int fd = open(POOL_DEVICE, O_RDONLY);
	uint8_t *map;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(pool_create(fd, self->size, &buffer), 0);
	EXPECT_EQ(try_map(fd, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer.map_offset),
		  -EACCES);
	map = pool_map(fd, &buffer, PROT_READ);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(map[0], 0);
	EXPECT_EQ(mprotect(map, self->size, PROT_READ | PROT_WRITE), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(madvise(map, self->size, MADV_REMOVE), -1);
	EXPECT_EQ(munmap(map, self->size), 0);
	close(fd);
}

TEST_F(map, may_be_unmapped_in_parts)
{
	uint8_t *map = pool_map(self->fd, &self->buffer, PROT_READ);

	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(munmap(map + self->page, self->page), 0);
	EXPECT_EQ(memcmp(map, self->map, self->page), 0);
	EXPECT_EQ(memcmp(map + 2 * self->page, self->map + 2 * self->page, 2 * self->page), 0);
	EXPECT_EQ(munmap(map, self->size), 0);
}

TEST_F(map, may_be_moved)
{
	void *room = mmap(NULL, self->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *map = pool_map(self->fd, &self->buffer, PROT_READ | PROT_WRITE);

	ASSERT_NE(room, MAP_FAILED);
	ASSERT_NE(map, MAP_FAILED);
	map = mremap(map, self->size, self->size, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_EQ(map, room);
	EXPECT_EQ(crc32c(map, self->size), self->crc);
	EXPECT_EQ(mremap(map, self->size, self->page, 0), map);
	EXPECT_EQ(memcmp(map, self->map, self->page), 0);
	EXPECT_EQ(munmap(map, self->page), 0);
}

static sigjmp_buf fault;

static void on_sigbus(int signal)
{
	siglongjmp(fault, 1);
}

/* Whether there is memory at @address that can be read. */
static bool readable(const volatile uint8_t *address)
{
	struct sigaction action = { .sa_handler = on_sigbus };

	sigaction(SIGBUS, &action, NULL);
	if (sigsetjmp(fault, 1))
		return false;
	(void)*address;
	return true;
}

TEST_F(map, ends_where_the_buffer_ends)
{
	uint8_t *map = pool_map(self->fd, &self->buffer, PROT_READ);
	uint8_t *grown;

	ASSERT_NE(map, MAP_FAILED);
	EXPECT_TRUE(readable(map + self->size - 1));
	grown = mremap(map, self->size, 2 * self->size, MREMAP_MAYMOVE);
	if (grown != MAP_FAILED) {
		/* There may be addresses behind the end, but never memory. */
		EXPECT_TRUE(readable(grown + self->size - 1));
		EXPECT_FALSE(readable(grown + self->size));
		EXPECT_FALSE(readable(grown + 2 * self->size - 1));
		EXPECT_EQ(munmap(grown, 2 * self->size), 0);
	} else {
		EXPECT_EQ(munmap(map, self->size), 0);
	}
}

TEST_F(map, may_be_duplicated)
{
	uint8_t *map = pool_map(self->fd, &self->buffer, PROT_READ);
	uint8_t *other;

	/* What an old size of 0 asks for. */
	ASSERT_NE(map, MAP_FAILED);
	other = mremap(map, 0, self->size, MREMAP_MAYMOVE);
	if (other != MAP_FAILED) {
		EXPECT_EQ(crc32c(other, self->size), self->crc);
		EXPECT_EQ(munmap(other, self->size), 0);
	}
	EXPECT_EQ(crc32c(map, self->size), self->crc);
	EXPECT_EQ(munmap(map, self->size), 0);
}

TEST_F(map, loses_no_data_when_dropped)
{
	uint8_t *map = pool_map(self->fd, &self->buffer, PROT_READ | PROT_WRITE);

	ASSERT_NE(map, MAP_FAILED);
	/* The pages leave this mapping, and come back when they are touched. */
	EXPECT_EQ(crc32c(map, self->size), self->crc);
	ASSERT_EQ(madvise(map, self->size, MADV_DONTNEED), 0);
	EXPECT_TRUE(readable(map + self->page));
	EXPECT_EQ(crc32c(map, self->size), self->crc);
	EXPECT_EQ(munmap(map, self->size), 0);
}

TEST_F(map, advice_of_every_kind_is_harmless)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,
		MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_FREE, MADV_WIPEONFORK,
		MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT, 22 /* MADV_POPULATE_READ */,
		23 /* MADV_POPULATE_WRITE */, 25 /* MADV_COLLAPSE */,
	};
	void *map = pool_map(self->fd, &self->buffer, PROT_READ | PROT_WRITE);
	int i, pinned;

	ASSERT_NE(map, MAP_FAILED);
	for (pinned = 0; pinned < 2; pinned++) {
		for (i = 0; i < ARRAY_SIZE(advice); i++) {
			madvise(map, self->size, advice[i]);
			ASSERT_EQ(crc32c(map, self->size), self->crc) TH_LOG("advice %d", advice[i]);
		}
		ASSERT_EQ(pool_pin(self->fd, self->buffer.id), 0);
	}
	mlock(map, self->size);
	msync(map, self->size, MS_SYNC);
	EXPECT_EQ(crc32c(map, self->size), self->crc);
	EXPECT_EQ(munmap(map, self->size), 0);
}

/* MADV_REMOVE takes pages out of the buffer itself, those that are pinned as well. */
TEST_F(map, pages_may_be_removed)
{
	struct strata_pool_create buffer;
	uint8_t *map;
	int pinned;

	for (pinned = 0; pinned < 2; pinned++) {
		map = pool_new(self->fd, self->size, &buffer);
		ASSERT_NE(map, MAP_FAILED);
		fill(map, self->size, 9);
		if (pinned)
			ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
		ASSERT_EQ(madvise(map, self->size, MADV_REMOVE), 0);
		EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c_zeros(self->size)));
		EXPECT_EQ(crc32c(map, self->size), crc32c_zeros(self->size));
		fill(map, self->size, 10);
		EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c(map, self->size)));
		if (pinned)
			EXPECT_EQ(pool_unpin(self->fd, buffer.id), 0);
		EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c(map, self->size)));
		/* What it holds now is what is there, or it holds nothing. */
		EXPECT_EQ(pool_hold(self->fd, buffer.id), 0);
		EXPECT_EQ(pool_not_needed(self->fd, buffer.id), 1);
		EXPECT_EQ(munmap(map, self->size), 0);
		EXPECT_EQ(pool_destroy(self->fd, buffer.id), 0);
	}
}

TEST_F(map, many_mappings_of_one_buffer)
{
	const int count = debug_kernel() ? 200 : 2000;
	uint8_t **maps = calloc(count, sizeof(*maps));
	int i;

	ASSERT_NE(maps, NULL);
	for (i = 0; i < count; i++) {
		maps[i] = pool_map(self->fd, &self->buffer, PROT_READ);
		ASSERT_NE(maps[i], MAP_FAILED);
	}
	for (i = 0; i < count; i++)
		ASSERT_EQ(maps[i][i % self->size], self->map[i % self->size]);
	for (i = 0; i < count; i++)
		ASSERT_EQ(munmap(maps[i], self->size), 0);
	free(maps);
}

TEST_HARNESS_MAIN
