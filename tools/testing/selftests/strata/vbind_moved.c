// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of /dev/strata-pool that are imported by /dev/strata-vbind, and that the pool
 * moves to other pages and back: never under a job, and always to where the next job
 * finds them.
 */

#include "pool_export.h"
#include "vbind_share.h"

#define PAGES	8

FIXTURE(moved)
{
	struct world world;
	int pool;
	/* The dma-buf of what the pool has. */
	int buffer;
	size_t size;
	int files;
	struct vbind_totals before;
	struct moves moves;
};

/* Buffer 0 is the pool's, at the beginning of the address space; buffer 1 is an own one, behind it. */
FIXTURE_SETUP(moved)
{
	struct strata_pool_create create;

	self->files = open_files();
	self->size = PAGES * page_size();
	self->pool = pool_open();
	if (self->pool < 0)
		SKIP(return, "there is no " POOL_DEVICE);
	ASSERT_EQ(vbind_totals(&self->before), 0);
	ASSERT_EQ(pool_move("home"), 0);
	ASSERT_EQ(pool_moves(&self->moves), 0);
	if (self->moves.exported)
		SKIP(return, "somebody else uses the pool");
	self->buffer = pool_new_exported(self->pool, self->size, &create);
	ASSERT_GE(self->buffer, 0);
	ASSERT_EQ(world_open(&self->world, 0, 64), 0);
	ASSERT_EQ(world_import(&self->world, self->buffer), 0);
	ASSERT_EQ(world_add(&self->world, PAGES), 1);
	ASSERT_EQ(world_bind(&self->world, BINDS(op_map(0, self->size, id_of(&self->world, 0), 0),
						op_map(self->size, self->size, id_of(&self->world, 1), 0))), 0);
}

FIXTURE_TEARDOWN(moved)
{
	world_close(&self->world);
	close(self->buffer);
	close(self->pool);
	EXPECT_EQ(vbind_settles(&self->before), 0);
	EXPECT_EQ(open_files(), self->files);
}

static struct moves moves_of(struct __test_metadata *_metadata)
{
	struct moves moves;

	EXPECT_EQ(pool_moves(&moves), 0);
	return moves;
}

/* Across both, with something new in each. */
static int works(struct world *world, uint64_t value)
{
	const uint64_t size = world->buffer[0].names.size, page = page_size();

	return world_exec(world, OPS(op_add(0, size, size), op_copy(size + page, page / 2, page),
				     op_fill(page + 8, 3 * page, value), op_checksum(size, 0, size),
				     op_checksum(16, size, size)));
}

TEST_F(moved, the_next_job_finds_it)
{
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(works(&self->world, i), 0);
		/* Also for who looks at it without us. */
		ASSERT_TRUE(world_is_right(&self->world));
		ASSERT_EQ(pinned_settles(self->before.pinned), 0);
		ASSERT_EQ(pool_move(i % 2 ? "home" : "local"), 0);
		ASSERT_EQ(moves_of(_metadata).moved - self->moves.moved, i + 1);
		ASSERT_EQ(moves_of(_metadata).local, !(i % 2));
		ASSERT_EQ(TOTALS().told - self->before.told, i + 1);
		ASSERT_TRUE(world_is_right(&self->world));
	}
	ASSERT_EQ(works(&self->world, i), 0);
	ASSERT_TRUE(world_is_right(&self->world));
	EXPECT_EQ(moves_of(_metadata).refused, self->moves.refused);
}

/* A job that has it at hand: it stays where it is, and is not told of anything. */
TEST_F(moved, not_under_a_job)
{
	uint32_t queue = new_queue(_metadata, &self->world, LONG_MS);
	uint32_t id = id_of(&self->world, 0);
	int fence;

	ASSERT_EQ(vbind_exec(self->world.fd, queue, OPS(op_hang()), JOB(USING(id), .fence = &fence)), 0);
	pool_move("local");
	EXPECT_EQ(moves_of(_metadata).moved, self->moves.moved);
	EXPECT_EQ(moves_of(_metadata).refused - self->moves.refused, 1);
	EXPECT_EQ(moves_of(_metadata).local, 0);
	EXPECT_EQ(TOTALS().told, self->before.told);
	ASSERT_EQ(works(&self->world, 1), 0);
	EXPECT_TRUE(world_is_right(&self->world));
	ASSERT_EQ(vbind_destroy(self->world.fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(fence_end(fence), -ECANCELED);
	ASSERT_EQ(pinned_settles(self->before.pinned), 0);
	ASSERT_EQ(pool_move("local"), 0);
	EXPECT_EQ(moves_of(_metadata).moved - self->moves.moved, 1);
	EXPECT_EQ(TOTALS().told - self->before.told, 1);
	ASSERT_EQ(works(&self->world, 2), 0);
	EXPECT_TRUE(world_is_right(&self->world));
}

/* Jobs and moves as they come: each job works on what there is, wherever that is. */
TEST_F_TIMEOUT(moved, at_any_time, 120)
{
	const int rounds = debug_kernel() ? 300 : 2000;
	int ready[2], status, i;
	pid_t mover;
	char byte;

	ASSERT_EQ(pipe(ready), 0);
	mover = fork();
	ASSERT_GE(mover, 0);
	if (!mover) {
		close(ready[1]);
		/* Until the other end is closed. */
		fcntl(ready[0], F_SETFL, O_NONBLOCK);
		for (i = 0; read(ready[0], &byte, 1) < 0; i++)
			pool_move(i % 2 ? "home" : "local");
		_exit(0);
	}
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(works(&self->world, i), 0);
		if (i % 16 == 0)
			ASSERT_TRUE(world_is_right(&self->world));
	}
	close(ready[0]);
	close(ready[1]);
	status = wait_for(mover);
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(world_is_right(&self->world));
	TH_LOG("%lld moves, %lld refused", moves_of(_metadata).moved - self->moves.moved,
	       moves_of(_metadata).refused - self->moves.refused);
	EXPECT_GT(moves_of(_metadata).moved, self->moves.moved);
}

/* It is where it was moved to when the pool is done with it. */
TEST_F(moved, its_pool_is_closed)
{
	ASSERT_EQ(works(&self->world, 1), 0);
	ASSERT_EQ(pinned_settles(self->before.pinned), 0);
	ASSERT_EQ(pool_move("local"), 0);
	EXPECT_EQ(moves_of(_metadata).local, 1);
	close(self->pool);
	self->pool = -1;
	ASSERT_EQ(works(&self->world, 2), 0);
	EXPECT_TRUE(world_is_right(&self->world));
}

TEST_HARNESS_MAIN
