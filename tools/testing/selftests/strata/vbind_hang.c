// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs of /dev/strata-vbind that never end by themselves: the watchdog finds them and
 * resets their queue, and nobody else's. Nothing here says how long that takes.
 */

#include "vbind_fixture.h"

#define SHORT_MS	20

/* What was submitted before the reset; false if it came in between. */
static bool hang_before(struct __test_metadata *_metadata, struct world *world, uint32_t queue,
			const struct area *area, int *hung, int behind[4])
{
	int i;

	EXPECT_EQ(vbind_bind_now(world->fd, queue, BINDS(op_map(area->address, area->size, area->id, 0)),
				 JOB()), 0);
	memset(area->words, 0, area->size);
	/* What it does before it hangs is done. */
	EXPECT_EQ(vbind_exec(world->fd, queue, OPS(
		op_fill(area->address + 10 * WORD, WORD, 10), op_hang(),
		op_fill(area->address + 11 * WORD, WORD, 1)), JOB(USING(area->id), .fence = hung)), 0);
	for (i = 0; i < 3; i++)
		behind[i] = writes(_metadata, world->fd, queue, area, i, -1);
	EXPECT_EQ(vbind_bind(world->fd, queue, BINDS(op_unmap(area->address, area->size)),
			     JOB(.fence = &behind[3])), 0);
	return !fence_status(*hung);
}

TEST_F_TIMEOUT(vbind, a_hang_is_found, 120)
{
	struct area area = AREA(0, 1);
	uint32_t queue = new_queue(_metadata, &self->world, 20 * SHORT_MS);
	struct vbind_totals before, after;
	int hung, behind[4], i, round, resets = 0;
	bool in_time;

	ASSERT_EQ(vbind_totals(&before), 0);
	for (round = 0; round < 3; round += in_time) {
		in_time = hang_before(_metadata, &self->world, queue, &area, &hung, behind);
		resets++;
		EXPECT_EQ(fence_end(hung), -ETIME);
		for (i = 0; i < 4; i++) {
			int ret = fence_end(behind[i]);

			EXPECT_TRUE(ret == -ECANCELED || !in_time) TH_LOG("job %d: %d", i, ret);
		}
		EXPECT_EQ(area.words[10], 10);
		EXPECT_EQ(area.words[11], 0);
		if (!in_time)
			continue;
		EXPECT_EQ(area.words[0] + area.words[1] + area.words[2], 0);
		/* It takes new jobs as before, which find the space as it was. */
		EXPECT_EQ(fence_end(writes(_metadata, self->fd, queue, &area, 20 + round, -1)), 0);
		EXPECT_EQ(area.words[20 + round], 21 + round);
	}
	SETTLES(self->fd, jobs, 0);
	ASSERT_EQ(vbind_totals(&after), 0);
	EXPECT_EQ(after.resets - before.resets, resets);
	munmap(area.words, area.size);
}

/* The default timeout, and one that is the next queue's. */
TEST_F_TIMEOUT(vbind, other_queues_go_on, 120)
{
	struct area area = AREA(0, 1);
	uint32_t good = new_queue(_metadata, &self->world, LONG_MS);
	uint32_t second = new_queue(_metadata, &self->world, SHORT_MS);
	int hung[2], depends, rounds = 0;

	hung[0] = hangs(_metadata, self->fd, self->queue);
	hung[1] = hangs(_metadata, self->fd, second);
	/* Who waits for it gets its error, whatever queue that is in, and no reset. */
	ASSERT_EQ(vbind_exec(self->fd, good, OPS(op_fill(area.address + 100 * WORD, WORD, 1)),
			     JOB(USING(area.id), AFTER(hung[1]), .fence = &depends)), 0);
	EXPECT_EQ(fence_end(depends), -ETIME);
	do {
		ASSERT_EQ(vbind_exec_now(self->fd, good, OPS(
			op_add(area.address, area.address + WORD, WORD),
			op_fill(area.address + WORD, WORD, 1)), JOB(USING(area.id))), 0);
		ASSERT_EQ(vbind_bind_now(self->fd, good, BINDS(
			op_map(at(&self->world, 100), self->page, area.id, 0)), JOB()), 0);
		ASSERT_EQ(area.words[0], rounds++);
	} while (!fence_status(hung[0]));
	EXPECT_EQ(fence_end(hung[0]), -ETIME);
	EXPECT_EQ(fence_end(hung[1]), -ETIME);
	EXPECT_EQ(area.words[100], 0);
	EXPECT_GT(rounds, 1);
	TH_LOG("%d rounds beside it", rounds);
	munmap(area.words, area.size);
}

/* A job that takes longer than the timeout and does something all the time does not hang. */
TEST_F_TIMEOUT(vbind, long_is_not_hung, 120)
{
	struct area area = AREA(0, 256);
	uint32_t queue = new_queue(_metadata, &self->world, SHORT_MS);
	struct vbind_totals before, after;
	struct strata_vbind_exec_op ops[STRATA_VBIND_OPS_MAX];
	int i;

	ASSERT_EQ(vbind_totals(&before), 0);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = op_copy(area.address + WORD, area.address, area.size - WORD);
	area.words[0] = 3;
	EXPECT_EQ(vbind_exec_now(self->fd, queue, OPS_OF(ops, debug_kernel() ? 100 : ARRAY_SIZE(ops)),
				 JOB(USING(area.id))), 0);
	EXPECT_EQ(area.words[area.size / WORD - 1], 3);
	ASSERT_EQ(vbind_totals(&after), 0);
	EXPECT_EQ(after.resets, before.resets);
	munmap(area.words, area.size);
}

TEST_F(vbind, destroying_a_queue_that_hangs)
{
	struct area area = AREA(0, 1);
	struct vbind_totals before, after;
	int hung, behind, round;
	uint32_t queue;

	ASSERT_EQ(vbind_totals(&before), 0);
	for (round = 0; round < 20; round++) {
		queue = new_queue(_metadata, &self->world, LONG_MS);
		hung = hangs(_metadata, self->fd, queue);
		behind = writes(_metadata, self->fd, queue, &area, 0, -1);
		/* Now it has begun, now it has not. */
		if (round & 1)
			usleep(1000 << round / 2 % 4);
		ASSERT_EQ(vbind_wait(self->fd, queue, 1), -ETIME);
		ASSERT_EQ(vbind_wait(self->fd, queue, 0), -ETIME);
		ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
		EXPECT_EQ(fence_end(hung), -ECANCELED);
		EXPECT_EQ(fence_end(behind), -ECANCELED);
	}
	EXPECT_EQ(area.words[0], 0);
	SETTLES(self->fd, queues, 1);
	ASSERT_EQ(vbind_totals(&after), 0);
	EXPECT_EQ(after.resets, before.resets);
	munmap(area.words, area.size);
}

/* The error of a part is that of the whole, if the part was not over before. */
TEST_F(vbind, an_error_in_a_merged_fence)
{
	struct area area = AREA(0, 1);
	uint32_t queue = new_queue(_metadata, &self->world, LONG_MS);
	int hung = hangs(_metadata, self->fd, queue), good, merged, fence;

	good = writes(_metadata, self->fd, self->queue, &area, 0, -1);
	merged = fence_merge(good, hung);
	ASSERT_GE(merged, 0);
	fence = writes(_metadata, self->fd, self->queue, &area, 1, merged);
	EXPECT_EQ(fence_end(good), 0);
	EXPECT_EQ(fence_status(merged), 0);
	EXPECT_EQ(fence_status(fence), 0);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(fence_end(hung), -ECANCELED);
	EXPECT_EQ(fence_end(merged), -ECANCELED);
	EXPECT_EQ(fence_end(fence), -ECANCELED);
	EXPECT_EQ(area.words[0], 1);
	EXPECT_EQ(area.words[1], 0);
	munmap(area.words, area.size);
}

TEST_F(vbind, closing_a_file_that_hangs)
{
	struct area area = AREA(0, 1);
	struct world other;
	int hung[4], depends, i, round;
	uint32_t queue;

	for (round = 0; round < 5; round++) {
		ASSERT_EQ(world_open(&other, 0, 16), 0);
		for (i = 0; i < 4; i++) {
			queue = new_queue(_metadata, &other, LONG_MS);
			hung[i] = hangs(_metadata, other.fd, queue);
		}
		ASSERT_EQ(vbind_exec(self->fd, self->queue, OPS(op_fill(area.address, WORD, 1)),
				     JOB(USING(area.id), AFTER(hung[3]), .fence = &depends)), 0);
		world_close(&other);
		for (i = 0; i < 4; i++)
			EXPECT_EQ(fence_end(hung[i]), -ECANCELED);
		EXPECT_EQ(fence_end(depends), -ECANCELED);
	}
	EXPECT_EQ(area.words[0], 0);
	munmap(area.words, area.size);
}

/* Several queues of several files hang at once, and are all found. */
TEST_F_TIMEOUT(vbind, all_that_hang_are_found, 120)
{
	struct world others[4];
	int fences[4][4], i, k;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(world_open(&others[i], 0, 16), 0);
		for (k = 0; k < 4; k++)
			fences[i][k] = hangs(_metadata, others[i].fd,
					     new_queue(_metadata, &others[i], SHORT_MS * (1 + k)));
	}
	for (i = 0; i < 4; i++) {
		for (k = 0; k < 4; k++)
			EXPECT_EQ(fence_end(fences[i][k]), -ETIME);
		world_close(&others[i]);
	}
}

TEST_HARNESS_MAIN
