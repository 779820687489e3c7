// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of the kernel's exporters that our devices take: the pool copies from them
 * and to them, and what /dev/strata-vbind maps of them its jobs work on.
 */

#include <kselftest_harness.h>

#include "exporters.h"
#include "vbind_steps.h"

/* Several pieces of the heaps' memory, and vivid's picture. */
#define PAGES	300

/* --- the pool */

/* A buffer of somebody else, and one of the pool's. */
struct pair {
	struct buffer foreign;
	int fd;
	struct strata_pool_create own;
	void *map;
};

FIXTURE(copy) {
	struct pair pair;
};

FIXTURE_VARIANT(copy) {
	const struct exporter *exporter;
	size_t pages;
};

FIXTURE_VARIANT_ADD(copy, udmabuf) { &udmabuf, UDMABUF_PAGES };
FIXTURE_VARIANT_ADD(copy, heap) { &heap, PAGES };
FIXTURE_VARIANT_ADD(copy, cma_heap) { &cma_heap, PAGES };
FIXTURE_VARIANT_ADD(copy, vgem) { &vgem, PAGES };
FIXTURE_VARIANT_ADD(copy, vivid) { &vivid, PAGES };
FIXTURE_VARIANT_ADD(copy, pool) { &pool, PAGES };
FIXTURE_VARIANT_ADD(copy, vbind) { &vbind, PAGES };

FIXTURE_SETUP(copy)
{
	struct pair *pair = &self->pair;

	ASSERT_EQ(buffer_new(variant->exporter, variant->pages * page_size(), &pair->foreign), 0);
	pair->fd = pool_open();
	ASSERT_GE(pair->fd, 0);
	pair->map = pool_new(pair->fd, pair->foreign.size, &pair->own);
	ASSERT_NE(pair->map, MAP_FAILED);
}

FIXTURE_TEARDOWN(copy)
{
	struct pair *pair = &self->pair;

	munmap(pair->map, pair->own.size);
	close(pair->fd);
	buffer_end(&pair->foreign);
}

static int copy(const struct pair *pair, uint64_t offset, uint64_t foreign_offset,
		uint64_t length, uint32_t flags)
{
	struct strata_pool_copy call = {
		.offset = offset, .foreign_offset = foreign_offset, .length = length,
		.id = pair->own.id, .fd = pair->foreign.fd, .flags = flags,
	};

	return pool_copy(pair->fd, &call);
}

#define PIECES	8

struct piece {
	uint64_t offset, foreign_offset, length;
};

/* All of it, and pieces that begin and end anywhere. */
static struct piece piece_of(size_t size, int number)
{
	struct piece pieces[PIECES] = {
		{ 0, 0, size },
		{ 0, 0, 1 },
		{ 1, 0, 4096 },
		{ 0, 4095, 3 },
		{ 4095, 4097, 8193 },
		{ size - 1, 0, 1 },
		{ 0, size - 1, 1 },
		{ size / 3 + 1, size / 2 - 1, size / 2 + 1 },
	};

	return pieces[number];
}

/* Each byte that was named arrives, and no other changes, on either side. */
TEST_F(copy, brings_each_byte)
{
	const struct pair *pair = &self->pair;
	size_t size = pair->own.size;
	uint8_t *here = malloc(size), *there = malloc(size);
	int i;

	for (i = 0; i < PIECES; i++) {
		struct piece piece = piece_of(size, i);

		fill(here, size, 100 + i);
		memcpy(pair->map, here, size);
		fill(there, size, 200 + i);
		ASSERT_EQ(buffer_fill(&pair->foreign, 200 + i), 0);
		ASSERT_EQ(copy(pair, piece.offset, piece.foreign_offset, piece.length, 0), 0)
			TH_LOG("piece %d", i);
		memcpy(here + piece.offset, there + piece.foreign_offset, piece.length);
		EXPECT_EQ(memcmp(pair->map, here, size), 0)
			TH_LOG("piece %d", i);
		EXPECT_EQ(buffer_differs(&pair->foreign, there, 0, size), size);
	}
	free(here);
	free(there);
}

TEST_F(copy, takes_each_byte_back)
{
	const struct pair *pair = &self->pair;
	size_t size = pair->own.size;
	uint8_t *here = malloc(size), *there = malloc(size);
	int i;

	for (i = 0; i < PIECES; i++) {
		struct piece piece = piece_of(size, i);

		fill(here, size, 300 + i);
		memcpy(pair->map, here, size);
		fill(there, size, 400 + i);
		ASSERT_EQ(buffer_fill(&pair->foreign, 400 + i), 0);
		ASSERT_EQ(copy(pair, piece.offset, piece.foreign_offset, piece.length,
			       STRATA_POOL_COPY_OUT), 0)
			TH_LOG("piece %d", i);
		memcpy(there + piece.foreign_offset, here + piece.offset, piece.length);
		EXPECT_EQ(buffer_differs(&pair->foreign, there, 0, size), size)
			TH_LOG("piece %d", i);
		EXPECT_EQ(memcmp(pair->map, here, size), 0);
	}
	free(here);
	free(there);
}

TEST_F(copy, stays_within_both)
{
	const struct pair *pair = &self->pair;
	uint64_t size = pair->own.size;
	uint32_t flags;

	fill(pair->map, size, 1);
	ASSERT_EQ(buffer_fill(&pair->foreign, 2), 0);
	for (flags = 0; flags <= STRATA_POOL_COPY_OUT; flags++) {
		EXPECT_EQ(copy(pair, 0, 0, size + 1, flags), -EINVAL);
		EXPECT_EQ(copy(pair, 1, 0, size, flags), -EINVAL);
		EXPECT_EQ(copy(pair, 0, 1, size, flags), -EINVAL);
		EXPECT_EQ(copy(pair, size, 0, 1, flags), -EINVAL);
		EXPECT_EQ(copy(pair, 0, size, 1, flags), -EINVAL);
		EXPECT_EQ(copy(pair, 0, ~0ull, 2, flags), -EINVAL);
		EXPECT_EQ(copy(pair, ~0ull, 0, 2, flags), -EINVAL);
	}
	EXPECT_TRUE(buffer_contains(&pair->foreign, 2));
	EXPECT_EQ(buffer_fill(&pair->foreign, 1), 0);
	EXPECT_EQ(buffer_differs(&pair->foreign, pair->map, 0, size), size);
}

/* It waits for who writes what it reads and for all who use what it writes, and for nobody else. */
TEST_F(copy, waits_for_fences)
{
	const struct pair *pair = &self->pair;
	const struct { uint32_t fence, flags; } waits[] = {
		{ VGEM_FENCE_WRITE, 0 },
		{ VGEM_FENCE_WRITE, STRATA_POOL_COPY_OUT },
		{ 0, STRATA_POOL_COPY_OUT },
	};
	int card = drm_open("vgem"), i;
	uint32_t handle, fence;
	pid_t child;

	ASSERT_GE(card, 0);
	ASSERT_EQ(drm_fd_to_handle(card, pair->foreign.fd, &handle), 0);
	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		ASSERT_EQ(vgem_attach(card, handle, waits[i].fence, &fence), 0);
		child = fork();
		if (!child)
			_exit(copy(pair, 0, 0, pair->own.size, waits[i].flags) ? 1 :
			      buffer_ready(pair->foreign.fd, POLLOUT) ? 0 : 2);
		ASSERT_GT(child, 0);
		EXPECT_TRUE(sleeps_in(child, __NR_ioctl))
			TH_LOG("wait %d", i);
		EXPECT_EQ(vgem_signal(card, fence), 0);
		EXPECT_EQ(wait_for(child), 0)
			TH_LOG("wait %d", i);
	}
	ASSERT_EQ(vgem_attach(card, handle, 0, &fence), 0);
	EXPECT_EQ(copy(pair, 0, 0, pair->own.size, 0), 0);
	/* Not because vgem lost its patience. */
	EXPECT_FALSE(buffer_ready(pair->foreign.fd, POLLOUT));
	EXPECT_EQ(vgem_signal(card, fence), 0);
	close(card);
}

/* --- the device that binds */

/* A buffer of somebody else in an address space, and one of the device behind it. */
struct bound {
	struct buffer foreign;
	struct world world;
	struct area area;
	uint32_t id;
	uint64_t address;
};

FIXTURE(bind) {
	struct bound bound;
};

FIXTURE_VARIANT(bind) {
	const struct exporter *exporter;
	size_t pages;
};

FIXTURE_VARIANT_ADD(bind, udmabuf) { &udmabuf, UDMABUF_PAGES };
FIXTURE_VARIANT_ADD(bind, heap) { &heap, PAGES };
FIXTURE_VARIANT_ADD(bind, cma_heap) { &cma_heap, PAGES };
FIXTURE_VARIANT_ADD(bind, vgem) { &vgem, PAGES };
FIXTURE_VARIANT_ADD(bind, vivid) { &vivid, PAGES };
FIXTURE_VARIANT_ADD(bind, pool) { &pool, PAGES };

FIXTURE_SETUP(bind)
{
	struct bound *bound = &self->bound;
	struct world *world = &bound->world;
	struct strata_vbind_buffer_import import = {};

	ASSERT_EQ(buffer_new(variant->exporter, variant->pages * page_size(), &bound->foreign), 0);
	ASSERT_EQ(world_open(world, FIRST_PAGE * page_size(), SPACE_PAGES), 0);
	import.fd = bound->foreign.fd;
	ASSERT_EQ(result(ioctl(world->fd, STRATA_VBIND_BUFFER_IMPORT, &import)), 0);
	EXPECT_EQ(import.size, bound->foreign.size);
	bound->id = import.id;
	bound->address = at(world, 0);
	bound->area = area_at(_metadata, world, variant->pages, variant->pages);
	ASSERT_EQ(vbind_bind_now(world->fd, world->queue,
				 BINDS(op_map(bound->address, import.size, import.id, 0)), JOB()), 0);
}

FIXTURE_TEARDOWN(bind)
{
	struct bound *bound = &self->bound;

	munmap(bound->area.words, bound->area.size);
	world_close(&bound->world);
	buffer_end(&bound->foreign);
}

static int exec_now(const struct bound *bound, struct execs execs)
{
	int fence, ret = vbind_exec(bound->world.fd, bound->world.queue, execs,
				    JOB(USING(bound->id, bound->area.id), .fence = &fence));

	return ret ?: fence_end(fence);
}

/* Jobs read what others wrote into it, and others what jobs wrote. */
TEST_F_TIMEOUT(bind, jobs_work_on_it, 120)
{
	const struct bound *bound = &self->bound;
	size_t size = bound->foreign.size, begin = 5 * 4096 + 8, length = 9 * 4096 + 16;
	uint64_t *words = filled(size, 3);

	ASSERT_NE(words, NULL);
	ASSERT_EQ(buffer_fill(&bound->foreign, 1), 0);
	ASSERT_EQ(exec_now(bound, OPS(op_copy(bound->area.address, bound->address, size))), 0);
	EXPECT_EQ(buffer_differs(&bound->foreign, bound->area.words, 0, size), size);
	EXPECT_TRUE(buffer_contains(&bound->foreign, 1));
	/* A part of it, and back; what is around that stays. */
	fill(bound->area.words, size, 2);
	ASSERT_EQ(buffer_fill(&bound->foreign, 3), 0);
	memcpy(words + begin / WORD, bound->area.words, length);
	ASSERT_EQ(exec_now(bound, OPS(op_copy(bound->address + begin, bound->area.address, length))), 0);
	EXPECT_EQ(buffer_differs(&bound->foreign, words, 0, size), size);
	ASSERT_EQ(exec_now(bound, OPS(op_checksum(bound->area.address, bound->address, size))), 0);
	EXPECT_EQ(bound->area.words[0], crc32c(words, size));
	free(words);
}

/* A job waits for what others do with it. */
TEST_F_TIMEOUT(bind, waits_for_fences, 120)
{
	const struct bound *bound = &self->bound;
	const struct buffer *foreign = &bound->foreign;
	int card = drm_open("vgem");
	uint32_t handle, fence;
	pid_t child;

	ASSERT_GE(card, 0);
	ASSERT_EQ(drm_fd_to_handle(card, foreign->fd, &handle), 0);
	ASSERT_EQ(vgem_attach(card, handle, VGEM_FENCE_WRITE, &fence), 0);
	child = fork();
	if (!child)
		_exit(exec_now(bound, OPS(op_copy(bound->area.address, bound->address,
						  foreign->size))) ? 1 :
		      buffer_ready(foreign->fd, POLLOUT) ? 0 : 2);
	ASSERT_GT(child, 0);
	EXPECT_TRUE(sleeps_in(child, __NR_ioctl));
	EXPECT_EQ(vgem_signal(card, fence), 0);
	EXPECT_EQ(wait_for(child), 0);
	close(card);
}

/* Others wait for a job, and whose buffer it is leaves it in its place meanwhile. */
TEST_F_TIMEOUT(bind, others_wait_for_jobs, 120)
{
	int (*move)(const char *) = variant->exporter->move;
	const struct bound *bound = &self->bound;
	const struct buffer *foreign = &bound->foreign;
	uint32_t queue = new_queue(_metadata, &bound->world, LONG_MS), handle, refused;
	int card = drm_open("vgem"), fence, ret;

	ASSERT_GE(card, 0);
	ASSERT_EQ(drm_fd_to_handle(card, foreign->fd, &handle), 0);
	ASSERT_EQ(buffer_fill(foreign, 6), 0);
	ASSERT_EQ(vbind_exec(bound->world.fd, queue, OPS(op_hang()),
			     JOB(USING(bound->id), .fence = &fence)), 0);
	EXPECT_FALSE(buffer_ready(foreign->fd, POLLIN));
	EXPECT_EQ(vgem_attach(card, handle, 0, &refused), -EBUSY);
	if (move)
		EXPECT_EQ(move("local"), -EBUSY);
	ASSERT_EQ(vbind_destroy(bound->world.fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(fence_end(fence), -ECANCELED);
	EXPECT_TRUE(buffer_ready(foreign->fd, POLLOUT));
	EXPECT_TRUE(buffer_contains(foreign, 6));
	if (move) {
		/* It is let go a little after the job's end. */
		do
			ret = move("local");
		while (ret == -EBUSY);
		EXPECT_EQ(ret, 0);
		EXPECT_TRUE(buffer_contains(foreign, 6));
		EXPECT_EQ(move("home"), 0);
	}
	close(card);
}

/* The last that knows of it is the mapping. */
TEST_F_TIMEOUT(bind, mapped_it_stays, 120)
{
	struct bound *bound = &self->bound;
	size_t size = bound->foreign.size;
	void *expected = filled(size, 4);

	ASSERT_NE(expected, NULL);
	ASSERT_EQ(buffer_fill(&bound->foreign, 4), 0);
	buffer_end(&bound->foreign);
	bound->foreign = (struct buffer){ .fd = -1, .owner = -1, .map = MAP_FAILED };
	ASSERT_EQ(exec_now(bound, OPS(op_copy(bound->area.address, bound->address, size))), 0);
	EXPECT_EQ(memcmp(bound->area.words, expected, size), 0);
	free(expected);
}

TEST_HARNESS_MAIN
