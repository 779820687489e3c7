// SPDX-License-Identifier: GPL-2.0
/* Copies between buffers of the pool and dma-bufs. */

#include <signal.h>

#include "pool_export.h"
#include "pool_fixture.h"

#define PAGES	8

/* What a copy is from and to: two buffers, and memory that says what must be in them. */
struct both {
	struct strata_pool_create own, foreign;
	int buf;
	uint8_t *own_model, *foreign_model;
	size_t size;
};

/* Into @buffer what @model has, by a dma-buf that nobody else sees. */
static int store(int fd, uint32_t id, const uint8_t *model, size_t size)
{
	struct strata_pool_create other;
	int buf = pool_new_exported(fd, size, &other), ret;
	void *map;

	if (buf < 0)
		return buf;
	map = buf_map(buf, size, PROT_WRITE);
	if (map == MAP_FAILED)
		return -errno;
	memcpy(map, model, size);
	munmap(map, size);
	ret = pool_copy_all(fd, id, buf, size, 0);
	close(buf);
	return ret ?: pool_destroy(fd, other.id);
}

static int make_both(int fd, struct both *both, size_t size, bool own_exported)
{
	int ret;

	both->size = size;
	both->own_model = malloc(size);
	both->foreign_model = malloc(size);
	both->buf = pool_new_exported(fd, size, &both->foreign);
	if (both->buf < 0)
		return both->buf;
	fill(both->own_model, size, 1);
	fill(both->foreign_model, size, 2);
	ret = pool_create(fd, size, &both->own) ?:
	      store(fd, both->own.id, both->own_model, size) ?:
	      store(fd, both->foreign.id, both->foreign_model, size);
	if (!ret && own_exported) {
		ret = pool_export(fd, both->own.id);
		if (ret >= 0)
			ret = result(close(ret));
	}
	return ret;
}

static void free_both(struct both *both)
{
	close(both->buf);
	free(both->own_model);
	free(both->foreign_model);
}

static bool as_the_models(int fd, const struct both *both)
{
	return pool_contains(fd, &both->own, crc32c(both->own_model, both->size)) &&
	       pool_contains(fd, &both->foreign, crc32c(both->foreign_model, both->size)) &&
	       buf_contains(both->buf, both->size, crc32c(both->foreign_model, both->size));
}

static int copy_part(int fd, const struct both *both, uint64_t offset, uint64_t foreign_offset,
		     uint64_t length, uint32_t flags)
{
	const struct strata_pool_copy copy = {
		.id = both->own.id, .fd = both->buf, .offset = offset,
		.foreign_offset = foreign_offset, .length = length, .flags = flags,
	};

	if (flags)
		memcpy(both->foreign_model + foreign_offset, both->own_model + offset, length);
	else
		memcpy(both->own_model + offset, both->foreign_model + foreign_offset, length);
	return pool_copy(fd, &copy);
}

TEST_F(pool, parts_of_every_kind)
{
	const size_t size = PAGES * self->page, page = self->page;
	const struct { uint64_t offset, foreign_offset, length; } parts[] = {
		{ 0, 0, 1 }, { size - 1, 0, 1 }, { 0, size - 1, 1 }, { size - 1, size - 1, 1 },
		{ page - 1, 0, 2 }, { 0, page - 1, 2 }, { page - 1, 2 * page - 1, 2 },
		{ 3, 5, 2 * page + 7 }, { page, 0, page }, { 0, 3 * page, 4 * page },
		{ 1, 2, size - 2 }, { 0, 0, size },
	};
	struct both both;
	int exported, i, flags;

	for (exported = 0; exported < 2; exported++) {
		ASSERT_EQ(make_both(self->fd, &both, size, exported), 0);
		ASSERT_TRUE(as_the_models(self->fd, &both));
		for (i = 0; i < ARRAY_SIZE(parts); i++)
			for (flags = 0; flags <= STRATA_POOL_COPY_OUT; flags++) {
				ASSERT_EQ(copy_part(self->fd, &both, parts[i].offset,
						    parts[i].foreign_offset, parts[i].length, flags), 0);
				ASSERT_TRUE(as_the_models(self->fd, &both))
					TH_LOG("part %d, flags %d", i, flags);
			}
		free_both(&both);
	}
}

TEST_F(pool, random_parts)
{
	const size_t size = PAGES * self->page;
	const int count = debug_kernel() ? 300 : 3000;
	uint64_t state = 77, offset, foreign_offset, length;
	struct both both;
	int exported, i;

	for (exported = 0; exported < 2; exported++) {
		ASSERT_EQ(make_both(self->fd, &both, size, exported), 0);
		for (i = 0; i < count; i++) {
			offset = next_random(&state) % size;
			foreign_offset = next_random(&state) % size;
			length = size - (offset > foreign_offset ? offset : foreign_offset);
			length = 1 + next_random(&state) % length;
			ASSERT_EQ(copy_part(self->fd, &both, offset, foreign_offset, length,
					    next_random(&state) % 2), 0);
			if (i % 50 == 0)
				ASSERT_TRUE(as_the_models(self->fd, &both)) TH_LOG("copy %d", i);
		}
		ASSERT_TRUE(as_the_models(self->fd, &both));
		free_both(&both);
	}
}

/* More than is copied at once, at offsets that are no multiples of anything. */
TEST_F(pool, large)
{
	const size_t size = 24 << 20;
	struct both both;
	int flags;

	ASSERT_EQ(make_both(self->fd, &both, size, true), 0);
	for (flags = 0; flags <= STRATA_POOL_COPY_OUT; flags++) {
		ASSERT_EQ(copy_part(self->fd, &both, 12345, 678, size - 23456, flags), 0);
		EXPECT_TRUE(as_the_models(self->fd, &both));
	}
	free_both(&both);
}

/* Only what is written becomes pages, and what is mapped shows it. */
TEST_F(pool, mapped_and_sparse)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create own, foreign;
	struct strata_pool_copy copy;
	unsigned char there[PAGES];
	int buf, i, pages = 0;
	uint32_t crc;
	uint8_t *map;

	map = pool_new(self->fd, size, &own);
	ASSERT_NE(map, MAP_FAILED);
	buf = pool_filled_exported(self->fd, size, 3, &foreign, &crc);
	ASSERT_GE(buf, 0);
	copy = (struct strata_pool_copy){
		.id = own.id, .fd = buf, .offset = 2 * self->page + 1, .length = self->page,
	};
	ASSERT_EQ(pool_copy(self->fd, &copy), 0);
	ASSERT_EQ(mincore(map, size, there), 0);
	for (i = 0; i < PAGES; i++)
		pages += there[i] & 1;
	EXPECT_EQ(pages, 2);
	EXPECT_EQ(crc32c(map, 2 * self->page + 1), crc32c_zeros(2 * self->page + 1));
	EXPECT_NE(crc32c(map, size), crc32c_zeros(size));
	ASSERT_EQ(pool_copy_all(self->fd, own.id, buf, size, 0), 0);
	EXPECT_EQ(crc32c(map, size), crc);

	/* Holes are copied as the zeros that they are. */
	munmap(map, size);
	ASSERT_EQ(pool_create(self->fd, size, &own), 0);
	ASSERT_EQ(pool_copy_all(self->fd, own.id, buf, size, STRATA_POOL_COPY_OUT), 0);
	EXPECT_TRUE(buf_contains(buf, size, crc32c_zeros(size)));
	EXPECT_STAT(self->fd, size, 0, 0);
	close(buf);
}

/* A buffer and its own dma-buf: apart, as any two; upon itself, what it was; overlapping, safe. */
TEST_F(pool, upon_itself)
{
	const size_t size = PAGES * self->page, half = size / 2;
	struct strata_pool_copy copy = {};
	struct strata_pool_create buffer;
	uint32_t crc;
	uint8_t *map;
	int buf;

	buf = pool_filled_exported(self->fd, size, 4, &buffer, &crc);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(pool_copy_all(self->fd, buffer.id, buf, size, 0), 0);
	ASSERT_EQ(pool_copy_all(self->fd, buffer.id, buf, size, STRATA_POOL_COPY_OUT), 0);
	EXPECT_TRUE(buf_contains(buf, size, crc));

	copy = (struct strata_pool_copy){
		.id = buffer.id, .fd = buf, .offset = half, .length = half,
	};
	ASSERT_EQ(pool_copy(self->fd, &copy), 0);
	map = buf_map(buf, size, PROT_READ);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(memcmp(map, map + half, half), 0);

	copy.offset = self->page / 2;
	copy.length = size - self->page / 2;
	EXPECT_EQ(pool_copy(self->fd, &copy), 0);
	copy.flags = STRATA_POOL_COPY_OUT;
	EXPECT_EQ(pool_copy(self->fd, &copy), 0);
	munmap(map, size);
	close(buf);
}

TEST_F(pool, contents_have_to_be_there)
{
	struct strata_pool_create own, foreign;
	uint32_t crc;
	int buf;

	buf = pool_filled_exported(self->fd, self->page, 5, &foreign, &crc);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(pool_create(self->fd, self->page, &own), 0);
	ASSERT_EQ(pool_not_needed(self->fd, own.id), 1);
	EXPECT_EQ(pool_copy_all(self->fd, own.id, buf, self->page, 0), -ENODATA);
	EXPECT_EQ(pool_copy_all(self->fd, own.id, buf, self->page, STRATA_POOL_COPY_OUT), -ENODATA);
	EXPECT_TRUE(buf_contains(buf, self->page, crc));
	EXPECT_EQ(pool_needed(self->fd, own.id), 1);
	EXPECT_EQ(pool_copy_all(self->fd, own.id, buf, self->page, 0), 0);
	EXPECT_TRUE(pool_contains(self->fd, &own, crc));
	close(buf);
}

/* Whose task is killed copies no further, and leaves nothing locked. */
TEST_F(pool, killed)
{
	const size_t size = debug_kernel() ? 16 << 20 : 64 << 20;
	struct strata_pool_create own, foreign;
	uint32_t crc;
	int buf, round;
	pid_t child;

	buf = pool_filled_exported(self->fd, size, 6, &foreign, &crc);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(pool_create(self->fd, size, &own), 0);
	for (round = 0; round < 5; round++) {
		child = fork();
		ASSERT_GE(child, 0);
		if (!child)
			for (;;)
				pool_copy_all(self->fd, own.id, buf, size, 0);
		usleep(1000 + 9000 * round);
		ASSERT_EQ(kill(child, SIGKILL), 0);
		ASSERT_EQ(wait_for(child), SIGKILL);
	}
	ASSERT_EQ(pool_copy_all(self->fd, own.id, buf, size, 0), 0);
	EXPECT_TRUE(pool_contains(self->fd, &own, crc));
	close(buf);
}

TEST_HARNESS_MAIN
