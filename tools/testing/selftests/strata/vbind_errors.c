// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs of /dev/strata-vbind that fail: whom it concerns, whom not, and what their
 * fences say.
 */

#include <pthread.h>

#include "vbind_fixture.h"

/* A job that touches what is not mapped, after it was as good as any other. */
#define FAULTS(area) \
	OPS(op_fill((area)->address, WORD, 1), op_fill((area)->address + (area)->size, WORD, 1), \
	    op_fill((area)->address + WORD, WORD, 1))

static int fails(struct __test_metadata *_metadata, struct world *world, const struct area *area)
{
	int fence;

	EXPECT_EQ(vbind_exec(world->fd, world->queue, FAULTS(area), JOB(USING(area->id), .fence = &fence)), 0);
	return fence;
}

TEST_F(vbind, a_fault_is_its_fences_error)
{
	struct sync_fence_info fences[1] = {};
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = (uintptr_t)fences };
	struct area area = AREA(0, 1);
	int fence = fails(_metadata, &self->world, &area);

	EXPECT_EQ(fence_wait(fence), -EFAULT);
	EXPECT_EQ(area.words[0], 1);
	EXPECT_EQ(area.words[1], 0);
	/* It is signalled all the same, with a name and a time. */
	ASSERT_EQ(ioctl(fence, SYNC_IOC_FILE_INFO, &info), 0);
	EXPECT_EQ(info.status, -EFAULT);
	EXPECT_EQ(info.num_fences, 1);
	EXPECT_EQ(fences[0].status, -EFAULT);
	EXPECT_GT(fences[0].timestamp_ns, 0);
	EXPECT_GT(strlen(fences[0].driver_name), 0);
	EXPECT_GT(strlen(fences[0].obj_name), 0);
	close(fence);
	munmap(area.words, area.size);
}

/* Whether it is alone or one of a few, in the same file or in another. */
TEST_F(vbind, who_waits_for_a_failed_job_does_nothing)
{
	struct area area = AREA(0, 1);
	struct world other;
	struct area there;
	int failed, good, chain[5], i;

	ASSERT_EQ(world_open(&other, self->world.start, SPACE_PAGES), 0);
	there = area_at(_metadata, &other, 0, 1);
	failed = fails(_metadata, &self->world, &area);
	ASSERT_EQ(vbind_exec(self->fd, self->queue, OPS(op_fill(area.address, WORD, 5)),
			     JOB(USING(area.id), .fence = &good)), 0);
	/* The next ones wait for the one before, and no longer for the first. */
	ASSERT_EQ(vbind_exec(other.fd, other.queue, OPS(op_fill(there.address, WORD, 1)),
			     JOB(USING(there.id), AFTER(good, failed, good), .fence = &chain[0])), 0);
	ASSERT_EQ(vbind_bind(other.fd, other.queue, BINDS(op_unmap(there.address, there.size)),
			     JOB(AFTER(failed), .fence = &chain[1])), 0);
	for (i = 2; i < ARRAY_SIZE(chain); i++)
		ASSERT_EQ(vbind_exec(i & 1 ? self->fd : other.fd, i & 1 ? self->queue : other.queue,
				     OPS(op_fill(at(&self->world, 0), WORD, 3)),
				     JOB(AFTER(chain[i - 1]), .fence = &chain[i])), 0);
	for (i = 0; i < ARRAY_SIZE(chain); i++)
		EXPECT_EQ(fence_end(chain[i]), -EFAULT) TH_LOG("link %d", i);
	EXPECT_EQ(there.words[0], 0);

	/* What came before it in their queue is nothing to those that do not wait for it. */
	EXPECT_EQ(fence_end(good), 0);
	EXPECT_EQ(area.words[0], 5);
	EXPECT_EQ(fence_end(failed), -EFAULT);
	EXPECT_EQ(vbind_exec_now(other.fd, other.queue, OPS(op_fill(there.address, WORD, 4)),
				 JOB(USING(there.id))), 0);
	EXPECT_EQ(there.words[0], 4);
	munmap(there.words, there.size);
	munmap(area.words, area.size);
	world_close(&other);
}

/* Every third job faults; all that the others do is done. */
TEST_F_TIMEOUT(vbind, nobody_else_is_concerned, 120)
{
	const int jobs = debug_kernel() ? 300 : 1500;
	struct area area = AREA(0, 8);
	struct vbind_totals before, after;
	uint32_t queues[4];
	int *fences = calloc(jobs, sizeof(*fences)), i;

	ASSERT_NE(fences, NULL);
	allow_files(_metadata, 4096);
	for (i = 0; i < ARRAY_SIZE(queues); i++)
		ASSERT_EQ(vbind_queue(self->fd, self->world.vm, 0, &queues[i]), 0);
	ASSERT_EQ(vbind_totals(&before), 0);
	for (i = 0; i < jobs; i++)
		ASSERT_EQ(i % 3 ? vbind_exec(self->fd, queues[i % 4], OPS(
					op_fill(area.address + i * WORD, WORD, i)),
					JOB(USING(area.id), .fence = &fences[i])) :
				  vbind_exec(self->fd, queues[i % 4], FAULTS(&area),
					     JOB(USING(area.id), .fence = &fences[i])), 0);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(vbind_wait(self->fd, queues[i], FOREVER), 0);
	for (i = 0; i < jobs; i++) {
		ASSERT_EQ(fence_end(fences[i]), i % 3 ? 0 : -EFAULT) TH_LOG("job %d", i);
		if (i % 3)
			ASSERT_EQ(area.words[i], i);
	}
	SETTLES(self->fd, jobs, 0);
	ASSERT_EQ(vbind_totals(&after), 0);
	EXPECT_EQ(after.submitted - before.submitted, jobs);
	EXPECT_EQ(after.failed - before.failed, jobs / 3);
	EXPECT_EQ(after.completed - before.completed, jobs - jobs / 3);
	EXPECT_EQ(after.resets, before.resets);
	free(fences);
	munmap(area.words, area.size);
}

/* Threads that all wait for the same fence, each in a way of its own. */
struct waiter {
	pthread_t thread;
	struct world *world;
	int fence, how, ret;
	struct area area;
};

static void *waits(void *arg)
{
	struct waiter *waiter = arg;
	int fence, merged;

	switch (waiter->how % 4) {
	case 0:
		waiter->ret = fence_wait(waiter->fence);
		break;
	case 1:
		merged = fence_merge(waiter->fence, waiter->fence);
		waiter->ret = merged < 0 ? merged : fence_end(merged);
		break;
	case 2:
		fence = dup(waiter->fence);
		waiter->ret = fence < 0 ? -errno : fence_end(fence);
		break;
	default:
		waiter->ret = vbind_wait(waiter->world->fd, waiter->world->queue, FOREVER);
		/* That waits for the jobs, however they end. */
		waiter->ret = waiter->ret ?: fence_status(waiter->fence);
		waiter->ret = waiter->ret == 1 ? 0 : waiter->ret;
	}
	return NULL;
}

TEST_F_TIMEOUT(vbind, all_who_wait_are_told, 120)
{
	struct waiter waiters[16] = {};
	struct area area = AREA(0, 64);
	struct strata_vbind_exec_op ops[100];
	int round, fence, i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = op_copy(area.address + WORD, area.address, area.size - WORD);
	for (round = 0; round < 6; round++) {
		/* The last of them leaves the buffer when all the others were done. */
		ops[99] = op_fill(area.address + (round & 1 ? area.size : 0), WORD, round);
		ASSERT_EQ(vbind_exec(self->fd, self->queue, OPS_OF(ops, ARRAY_SIZE(ops)),
				     JOB(USING(area.id), .fence = &fence)), 0);
		for (i = 0; i < ARRAY_SIZE(waiters); i++) {
			waiters[i] = (struct waiter){ .world = &self->world, .fence = fence, .how = i };
			ASSERT_EQ(pthread_create(&waiters[i].thread, NULL, waits, &waiters[i]), 0);
		}
		for (i = 0; i < ARRAY_SIZE(waiters); i++) {
			ASSERT_EQ(pthread_join(waiters[i].thread, NULL), 0);
			EXPECT_EQ(waiters[i].ret, round & 1 ? -EFAULT : 0) TH_LOG("waiter %d", i);
		}
		close(fence);
	}
	munmap(area.words, area.size);
}

/* What one job did is to be seen by whoever was told so, and by the next job. */
TEST_F_TIMEOUT(vbind, what_is_signalled_is_done, 120)
{
	const int rounds = debug_kernel() ? 100 : 1000;
	struct area area = AREA(0, 4);
	int round, fence;
	size_t i;

	for (round = 1; round <= rounds; round++) {
		ASSERT_EQ(vbind_exec(self->fd, self->queue, OPS(op_fill(area.address, area.size, round)),
				     JOB(USING(area.id), .fence = &fence)), 0);
		ASSERT_EQ(fence_end(fence), 0);
		for (i = 0; i < area.size / WORD; i += 511)
			ASSERT_EQ(area.words[i], round);
		/* And the other way round. */
		area.words[area.size / WORD - 1] = ~(uint64_t)round;
		ASSERT_EQ(vbind_exec_now(self->fd, self->queue, OPS(
			op_copy(area.address, area.address + area.size - WORD, WORD)), JOB(USING(area.id))), 0);
		ASSERT_EQ(area.words[0], ~(uint64_t)round);
	}
	munmap(area.words, area.size);
}

TEST_F(vbind, waiting_for_nothing)
{
	uint32_t queue;

	ASSERT_EQ(vbind_queue(self->fd, self->world.vm, 0, &queue), 0);
	EXPECT_EQ(vbind_wait(self->fd, queue, 0), 0);
	EXPECT_EQ(vbind_wait(self->fd, queue, 1), 0);
	EXPECT_EQ(vbind_wait(self->fd, queue, FOREVER), 0);
}

TEST_HARNESS_MAIN
