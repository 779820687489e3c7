// SPDX-License-Identifier: GPL-2.0
/*
 * How much a file or an address space of /dev/strata-vbind may have: up to that it
 * gets all, over it an error that changes nothing, and what goes makes room.
 */

#include "vbind_fixture.h"

/* More than this a file may not have queued: then it has to wait, and nothing was changed. */
TEST_F_TIMEOUT(vbind, a_file_may_queue_so_much, 240)
{
	struct area area = AREA(0, 1);
	uint32_t queue = new_queue(_metadata, &self->world, LONG_MS);
	struct strata_vbind_bind_op ops[STRATA_VBIND_OPS_MAX];
	int hung = hangs(_metadata, self->fd, queue), binds, i, fence;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = op_sparse(at(&self->world, i), self->page);
	for (binds = 0; binds < STRATA_VBIND_BINDS_MAX; binds += ARRAY_SIZE(ops))
		ASSERT_EQ(vbind_bind(self->fd, queue, BINDS_OF(ops, ARRAY_SIZE(ops)), JOB()), 0);
	EXPECT_EQ(vbind_bind(self->fd, queue, BINDS_OF(ops, 1), JOB(.fence = &fence)), -EAGAIN);
	EXPECT_EQ(vbind_bind(self->fd, self->queue, BINDS_OF(ops, ARRAY_SIZE(ops)), JOB(.fence = &fence)), -EAGAIN);
	for (i = STAT(self->fd).jobs; i < STRATA_VBIND_JOBS_MAX; i++)
		ASSERT_EQ(vbind_exec(self->fd, queue, OPS(op_fill(area.address, WORD, 1)),
				     JOB(USING(area.id))), 0) TH_LOG("job %d", i);
	EXPECT_EQ(STAT(self->fd).jobs, STRATA_VBIND_JOBS_MAX);
	/* Not in any of its queues. */
	EXPECT_EQ(vbind_exec(self->fd, queue, OPS(op_fill(area.address, WORD, 1)),
			     JOB(USING(area.id), .fence = &fence)), -EAGAIN);
	EXPECT_EQ(vbind_exec(self->fd, self->queue, OPS(op_fill(area.address, WORD, 1)),
			     JOB(USING(area.id), .fence = &fence)), -EAGAIN);
	EXPECT_EQ(STAT(self->fd).jobs, STRATA_VBIND_JOBS_MAX);
	EXPECT_EQ(STAT(self->fd).mappings, 1);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(fence_end(hung), -ECANCELED);
	SETTLES(self->fd, jobs, 0);
	EXPECT_EQ(STAT(self->fd).mappings, 1);
	EXPECT_EQ(vbind_bind_now(self->fd, self->queue, BINDS_OF(ops, ARRAY_SIZE(ops)), JOB()), 0);
	EXPECT_EQ(area.words[0], 0);
	munmap(area.words, area.size);
}

TEST_F_TIMEOUT(vbind, a_space_may_have_so_many_queues, 120)
{
	uint32_t queues[STRATA_VBIND_QUEUES_MAX], more, vm;
	int i;

	/* One is there already. */
	for (i = 1; i < ARRAY_SIZE(queues); i++)
		ASSERT_EQ(vbind_queue(self->fd, self->world.vm, 0, &queues[i]), 0);
	EXPECT_EQ(vbind_queue(self->fd, self->world.vm, 0, &more), -ENOSPC);
	EXPECT_EQ(STAT(self->fd).queues, STRATA_VBIND_QUEUES_MAX);
	ASSERT_EQ(vbind_vm(self->fd, 0, self->page, &vm), 0);
	EXPECT_EQ(vbind_queue(self->fd, vm, 0, &more), 0);
	/* One that hangs makes room for another when it is destroyed. */
	for (i = 1; i < ARRAY_SIZE(queues); i++)
		ASSERT_EQ(vbind_exec(self->fd, queues[i], OPS(op_hang()), JOB()), 0);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queues[7]), 0);
	SETTLES(self->fd, queues, STRATA_VBIND_QUEUES_MAX);
	EXPECT_EQ(vbind_queue(self->fd, self->world.vm, 0, &queues[7]), 0);
	EXPECT_EQ(vbind_queue(self->fd, self->world.vm, 0, &more), -ENOSPC);
}

/* Each may come to be two, so that there is room for half of them at a time. */
TEST_F_TIMEOUT(vbind, a_space_may_have_so_many_mappings, 240)
{
	struct strata_vbind_bind_op ops[STRATA_VBIND_OPS_MAX];
	uint32_t vm, queue;
	uint64_t next = 0;
	int i, ret;

	if (debug_kernel())
		SKIP(return, "a million mappings take too long here");
	ASSERT_EQ(vbind_vm(self->fd, 0, STRATA_VBIND_ADDRESS_MAX, &vm), 0);
	ASSERT_EQ(vbind_queue(self->fd, vm, 0, &queue), 0);
	do {
		for (i = 0; i < ARRAY_SIZE(ops); i++, next += 2 * self->page)
			ops[i] = op_sparse(next, self->page);
		ret = vbind_bind_now(self->fd, queue, BINDS_OF(ops, ARRAY_SIZE(ops)), JOB());
		ASSERT_TRUE(!ret || ret == -ENOSPC);
		ASSERT_LT(next / self->page, 8ull * STRATA_VBIND_MAPPINGS_MAX);
	} while (!ret);
	EXPECT_LE(STAT(self->fd).mappings, STRATA_VBIND_MAPPINGS_MAX);
	EXPECT_GT(STAT(self->fd).mappings, STRATA_VBIND_MAPPINGS_MAX - 3 * STRATA_VBIND_OPS_MAX);
	TH_LOG("%llu mappings", (unsigned long long)STAT(self->fd).mappings);
	/* Fewer are welcome, and one operation takes all away. */
	ASSERT_EQ(vbind_bind_now(self->fd, queue, BINDS(op_unmap(0, STRATA_VBIND_ADDRESS_MAX)), JOB()), 0);
	EXPECT_EQ(STAT(self->fd).mappings, 0);
	EXPECT_EQ(vbind_bind_now(self->fd, queue, BINDS_OF(ops, ARRAY_SIZE(ops)), JOB()), 0);
}

TEST_F(vbind, a_call_may_do_so_much)
{
	struct strata_vbind_exec_op ops[STRATA_VBIND_OPS_MAX];
	const uint64_t most = STRATA_VBIND_WORK_MAX;
	uint32_t vm, queue;
	int i, fence;

	ASSERT_EQ(vbind_vm(self->fd, 0, STRATA_VBIND_ADDRESS_MAX, &vm), 0);
	ASSERT_EQ(vbind_queue(self->fd, vm, 0, &queue), 0);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = op_fill(i * most, most / ARRAY_SIZE(ops), i);
	/* Nothing is mapped, so that what is accepted ends at once. */
	EXPECT_EQ(vbind_exec_now(self->fd, queue, OPS_OF(ops, ARRAY_SIZE(ops)), JOB()), -EFAULT);
	EXPECT_EQ(vbind_exec_now(self->fd, queue, OPS(op_fill(0, most, 1)), JOB()), -EFAULT);
	EXPECT_EQ(vbind_exec(self->fd, queue, OPS(op_fill(0, most + WORD, 1)), JOB(.fence = &fence)), -E2BIG);
	ops[7].length += WORD;
	EXPECT_EQ(vbind_exec(self->fd, queue, OPS_OF(ops, ARRAY_SIZE(ops)), JOB(.fence = &fence)), -E2BIG);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = op_fill(0, STRATA_VBIND_ADDRESS_MAX, i);
	EXPECT_EQ(vbind_exec(self->fd, queue, OPS_OF(ops, ARRAY_SIZE(ops)), JOB(.fence = &fence)), -E2BIG);
}

TEST_HARNESS_MAIN
