// SPDX-License-Identifier: GPL-2.0
/*
 * Fences of another driver that jobs of /dev/strata-vbind wait for, and fences of its
 * jobs that others hold. What is foreign may never come.
 */

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "sw_sync.h"
#include "vbind_fixture.h"

/* Long enough for a job that does not wait as it should. */
#define A_WHILE		(50ull * 1000 * 1000)

/* Both of a test: a timeline that this process moves, and a page to see jobs in. */
struct foreign {
	int timeline;
	struct area area;
};

/* Without a timeline where this kernel has none. */
static struct foreign begin(struct __test_metadata *_metadata, struct world *world)
{
	struct foreign foreign = { .timeline = sw_sync_open() };

	if (foreign.timeline >= 0)
		foreign.area = area_at(_metadata, world, 0, 1);
	else
		EXPECT_EQ(foreign.timeline, -ENOENT);
	return foreign;
}

static void end(struct __test_metadata *_metadata, struct foreign *foreign)
{
	EXPECT_EQ(close(foreign->timeline), 0);
	EXPECT_EQ(munmap(foreign->area.words, foreign->area.size), 0);
}

static int fence_at(struct __test_metadata *_metadata, const struct foreign *foreign, uint32_t value)
{
	int fence = sw_sync_fence(foreign->timeline, value);

	EXPECT_TRUE(fence >= 0 || foreign->timeline < 0);
	return fence;
}

TEST_F(vbind, a_job_waits_and_is_let_go)
{
	struct foreign foreign = begin(_metadata, &self->world);
	int wait = fence_at(_metadata, &foreign, 1), first, next;

	if (foreign.timeline < 0)
		SKIP(return, NO_SW_SYNC);
	first = writes(_metadata, self->fd, self->queue, &foreign.area, 0, wait);
	/* Whose turn it is not yet waits too. */
	next = writes(_metadata, self->fd, self->queue, &foreign.area, 1, -1);
	close(wait);
	EXPECT_EQ(vbind_wait(self->fd, self->queue, A_WHILE), -ETIME);
	EXPECT_EQ(fence_status(first), 0);
	EXPECT_EQ(fence_status(next), 0);
	EXPECT_EQ(poll(&(struct pollfd){ .fd = next, .events = POLLIN }, 1, 0), 0);
	EXPECT_EQ(STAT(self->fd).jobs, 2);
	EXPECT_EQ(foreign.area.words[0] + foreign.area.words[1], 0);
	ASSERT_EQ(sw_sync_inc(foreign.timeline, 1), 0);
	EXPECT_EQ(fence_end(next), 0);
	EXPECT_EQ(fence_end(first), 0);
	EXPECT_EQ(foreign.area.words[0], 1);
	EXPECT_EQ(foreign.area.words[1], 2);
	EXPECT_EQ(vbind_wait(self->fd, self->queue, FOREVER), 0);
	SETTLES(self->fd, jobs, 0);
	end(_metadata, &foreign);
}

TEST_F(vbind, each_step_lets_one_go)
{
	struct foreign foreign = begin(_metadata, &self->world);
	uint32_t queues[20];
	int waits[20], fences[20], i, k;

	if (foreign.timeline < 0)
		SKIP(return, NO_SW_SYNC);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(vbind_queue(self->fd, self->world.vm, 0, &queues[i]), 0);
		waits[i] = fence_at(_metadata, &foreign, i + 1);
		fences[i] = writes(_metadata, self->fd, queues[i], &foreign.area, i, waits[i]);
	}
	for (i = 0; i < 20; i++) {
		for (k = i; k < 20; k++) {
			ASSERT_EQ(fence_status(fences[k]), 0);
			ASSERT_EQ(foreign.area.words[k], 0);
		}
		ASSERT_EQ(sw_sync_inc(foreign.timeline, 1), 0);
		ASSERT_EQ(fence_end(fences[i]), 0);
		ASSERT_EQ(foreign.area.words[i], i + 1);
		close(waits[i]);
	}
	end(_metadata, &foreign);
}

/* Each of 256 is needed, whichever is the last. */
TEST_F_TIMEOUT(vbind, all_of_many_are_needed, 120)
{
	struct foreign foreign = begin(_metadata, &self->world);
	int timelines[STRATA_VBIND_WAITS_MAX], waits[STRATA_VBIND_WAITS_MAX], fence, i;
	uint64_t state = 31;

	if (foreign.timeline < 0)
		SKIP(return, NO_SW_SYNC);
	allow_files(_metadata, 2048);
	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		timelines[i] = sw_sync_open();
		ASSERT_GE(timelines[i], 0);
		waits[i] = sw_sync_fence(timelines[i], 1);
		ASSERT_GE(waits[i], 0);
	}
	ASSERT_EQ(vbind_exec(self->fd, self->queue, OPS(op_fill(foreign.area.address, WORD, 1)),
			     JOB(USING(foreign.area.id), .waits = waits, .wait_count = ARRAY_SIZE(waits),
				 .fence = &fence)), 0);
	for (i = ARRAY_SIZE(waits); i > 0; i--) {
		int chosen = next_random(&state) % i;

		ASSERT_EQ(fence_status(fence), 0);
		ASSERT_EQ(foreign.area.words[0], 0);
		ASSERT_EQ(sw_sync_inc(timelines[chosen], 1), 0);
		close(timelines[chosen]);
		timelines[chosen] = timelines[i - 1];
		close(waits[i - 1]);
	}
	EXPECT_EQ(fence_end(fence), 0);
	EXPECT_EQ(foreign.area.words[0], 1);
	end(_metadata, &foreign);
}

/* A timeline that goes signals its fences with ENOENT, and that is the job's error. */
TEST_F(vbind, an_error_from_outside)
{
	struct foreign foreign = begin(_metadata, &self->world);
	int timeline = sw_sync_open(), wait, merged, failed[3], next;

	if (foreign.timeline < 0)
		SKIP(return, NO_SW_SYNC);
	wait = sw_sync_fence(timeline, 1);
	ASSERT_GE(wait, 0);
	failed[0] = writes(_metadata, self->fd, self->queue, &foreign.area, 0, wait);
	failed[1] = writes(_metadata, self->fd, self->queue, &foreign.area, 1, failed[0]);
	merged = fence_merge(wait, failed[0]);
	ASSERT_GE(merged, 0);
	failed[2] = writes(_metadata, self->fd, self->queue, &foreign.area, 2, merged);
	next = writes(_metadata, self->fd, self->queue, &foreign.area, 3, -1);
	ASSERT_EQ(close(timeline), 0);
	EXPECT_EQ(fence_end(failed[0]), -ENOENT);
	EXPECT_EQ(fence_end(failed[1]), -ENOENT);
	EXPECT_EQ(fence_end(failed[2]), -ENOENT);
	EXPECT_EQ(fence_end(next), 0);
	EXPECT_EQ(foreign.area.words[0] + foreign.area.words[1] + foreign.area.words[2], 0);
	EXPECT_EQ(foreign.area.words[3], 4);
	/* One that failed long ago is no different. */
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_fill(foreign.area.address, WORD, 1)),
				 JOB(USING(foreign.area.id), AFTER(wait))), -ENOENT);
	close(wait);
	close(merged);
	end(_metadata, &foreign);
}

/* Closing the file waits for nobody; what it had queued is cancelled, and those behind it. */
TEST_F(vbind, closing_waits_for_nothing_foreign)
{
	struct foreign foreign = begin(_metadata, &self->world);
	struct world other;
	struct area there;
	int wait = fence_at(_metadata, &foreign, 1), fences[50], behind, bound, i;

	if (foreign.timeline < 0)
		SKIP(return, NO_SW_SYNC);
	ASSERT_EQ(world_open(&other, 0, 16), 0);
	there = area_at(_metadata, &other, 0, 1);
	for (i = 0; i < ARRAY_SIZE(fences); i++)
		fences[i] = writes(_metadata, other.fd, other.queue, &there, i, i % 2 ? -1 : wait);
	ASSERT_EQ(vbind_bind(other.fd, other.queue, BINDS(op_unmap(0, there.size)),
			     JOB(AFTER(wait), .fence = &bound)), 0);
	behind = writes(_metadata, self->fd, self->queue, &foreign.area, 0, bound);
	world_close(&other);
	for (i = 0; i < ARRAY_SIZE(fences); i++)
		EXPECT_EQ(fence_end(fences[i]), -ECANCELED) TH_LOG("job %d", i);
	EXPECT_EQ(fence_end(bound), -ECANCELED);
	EXPECT_EQ(fence_end(behind), -ECANCELED);
	EXPECT_EQ(vbind_wait(self->fd, self->queue, FOREVER), 0);
	/* Now that it comes, there is nobody. */
	ASSERT_EQ(sw_sync_inc(foreign.timeline, 1), 0);
	EXPECT_EQ(fence_end(wait), 0);
	for (i = 0; i < ARRAY_SIZE(fences); i++)
		EXPECT_EQ(there.words[i], 0);
	EXPECT_EQ(foreign.area.words[0], 0);
	munmap(there.words, there.size);
	end(_metadata, &foreign);
}

TEST_F(vbind, destroying_a_queue_that_waits)
{
	struct foreign foreign = begin(_metadata, &self->world);
	int wait = fence_at(_metadata, &foreign, 1), fences[2];
	uint32_t queue;

	if (foreign.timeline < 0)
		SKIP(return, NO_SW_SYNC);
	ASSERT_EQ(vbind_queue(self->fd, self->world.vm, 0, &queue), 0);
	fences[0] = writes(_metadata, self->fd, queue, &foreign.area, 0, wait);
	fences[1] = writes(_metadata, self->fd, queue, &foreign.area, 1, -1);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(vbind_wait(self->fd, queue, 0), -ENOENT);
	EXPECT_EQ(fence_end(fences[0]), -ECANCELED);
	EXPECT_EQ(fence_end(fences[1]), -ECANCELED);
	SETTLES(self->fd, queues, 1);
	SETTLES(self->fd, jobs, 0);
	ASSERT_EQ(sw_sync_inc(foreign.timeline, 1), 0);
	EXPECT_EQ(fence_end(wait), 0);
	EXPECT_EQ(foreign.area.words[0] + foreign.area.words[1], 0);
	end(_metadata, &foreign);
}

struct waiter {
	pthread_t thread;
	int fd;
	uint32_t queue;
	volatile bool begun;
	int ret;
};

static void *waits(void *arg)
{
	struct waiter *waiter = arg;

	waiter->begun = true;
	waiter->ret = vbind_wait(waiter->fd, waiter->queue, FOREVER);
	return NULL;
}

/* Whoever waits for a queue that is destroyed waits for nothing any more. */
TEST_F(vbind, destroying_a_queue_that_is_waited_for)
{
	struct foreign foreign = begin(_metadata, &self->world);
	int wait = fence_at(_metadata, &foreign, 1), fence, round, i;
	struct waiter waiters[4];

	if (foreign.timeline < 0)
		SKIP(return, NO_SW_SYNC);
	for (round = 0; round < 10; round++) {
		uint32_t queue = new_queue(_metadata, &self->world, 0);

		fence = writes(_metadata, self->fd, queue, &foreign.area, 0, wait);
		for (i = 0; i < ARRAY_SIZE(waiters); i++) {
			waiters[i] = (struct waiter){ .fd = self->fd, .queue = queue };
			ASSERT_EQ(pthread_create(&waiters[i].thread, NULL, waits, &waiters[i]), 0);
		}
		for (i = 0; i < ARRAY_SIZE(waiters); i++)
			while (!waiters[i].begun)
				usleep(1000);
		/* Now they all wait, now some do not yet. */
		usleep(round % 2 * 10000);
		ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
		EXPECT_EQ(fence_end(fence), -ECANCELED);
		for (i = 0; i < ARRAY_SIZE(waiters); i++) {
			ASSERT_EQ(pthread_join(waiters[i].thread, NULL), 0);
			EXPECT_TRUE(!waiters[i].ret || waiters[i].ret == -ENOENT);
		}
	}
	SETTLES(self->fd, queues, 1);
	EXPECT_EQ(foreign.area.words[0], 0);
	close(wait);
	end(_metadata, &foreign);
}

/* The clock of a queue does not run while a job waits for others. */
TEST_F(vbind, waiting_is_not_hanging)
{
	struct foreign foreign = begin(_metadata, &self->world);
	int wait = fence_at(_metadata, &foreign, 1), fences[2];
	struct vbind_totals before, after;
	uint32_t queue;

	if (foreign.timeline < 0)
		SKIP(return, NO_SW_SYNC);
	ASSERT_EQ(vbind_totals(&before), 0);
	ASSERT_EQ(vbind_queue(self->fd, self->world.vm, 1, &queue), 0);
	fences[0] = writes(_metadata, self->fd, queue, &foreign.area, 0, wait);
	fences[1] = writes(_metadata, self->fd, queue, &foreign.area, 1, -1);
	/* Many times what a job may take. */
	EXPECT_EQ(vbind_wait(self->fd, queue, 10 * A_WHILE), -ETIME);
	ASSERT_EQ(sw_sync_inc(foreign.timeline, 1), 0);
	EXPECT_EQ(fence_end(fences[0]), 0);
	EXPECT_EQ(fence_end(fences[1]), 0);
	ASSERT_EQ(vbind_totals(&after), 0);
	EXPECT_EQ(after.resets, before.resets);
	close(wait);
	end(_metadata, &foreign);
}

static void ignore(int signal)
{
}

TEST_F(vbind, signals_end_a_wait)
{
	struct foreign foreign = begin(_metadata, &self->world);
	const struct itimerval often = { { 0, 10000 }, { 0, 10000 } }, never = {};
	struct sigaction action = { .sa_handler = ignore };
	int wait = fence_at(_metadata, &foreign, 1), fence;

	if (foreign.timeline < 0)
		SKIP(return, NO_SW_SYNC);
	fence = writes(_metadata, self->fd, self->queue, &foreign.area, 0, wait);
	ASSERT_EQ(sigaction(SIGALRM, &action, NULL), 0);
	ASSERT_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	EXPECT_EQ(vbind_wait(self->fd, self->queue, FOREVER), -EINTR);
	EXPECT_EQ(vbind_wait(self->fd, self->queue, FOREVER), -EINTR);
	ASSERT_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
	ASSERT_EQ(sw_sync_inc(foreign.timeline, 1), 0);
	EXPECT_EQ(vbind_wait(self->fd, self->queue, FOREVER), 0);
	EXPECT_EQ(fence_end(fence), 0);
	close(wait);
	end(_metadata, &foreign);
}

/* What has been destroyed meanwhile was there when the job was submitted. */
TEST_F(vbind, a_job_keeps_its_buffers)
{
	struct foreign foreign = begin(_metadata, &self->world);
	int wait = fence_at(_metadata, &foreign, 1), fence;

	if (foreign.timeline < 0)
		SKIP(return, NO_SW_SYNC);
	fence = writes(_metadata, self->fd, self->queue, &foreign.area, 0, wait);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_BUFFER_DESTROY, foreign.area.id), 0);
	EXPECT_EQ(STAT(self->fd).held, foreign.area.size);
	ASSERT_EQ(sw_sync_inc(foreign.timeline, 1), 0);
	EXPECT_EQ(fence_end(fence), 0);
	EXPECT_EQ(foreign.area.words[0], 1);
	close(wait);
	end(_metadata, &foreign);
}

/* Ours and theirs as one fence, which others wait for. */
TEST_F(vbind, others_hold_our_fences)
{
	struct foreign foreign = begin(_metadata, &self->world);
	int theirs = fence_at(_metadata, &foreign, 1), late = fence_at(_metadata, &foreign, 2);
	int ours, both, last;

	if (foreign.timeline < 0)
		SKIP(return, NO_SW_SYNC);
	ours = writes(_metadata, self->fd, self->queue, &foreign.area, 0, late);
	both = fence_merge(theirs, ours);
	ASSERT_GE(both, 0);
	last = fence_merge(both, late);
	ASSERT_GE(last, 0);
	ASSERT_EQ(sw_sync_inc(foreign.timeline, 1), 0);
	EXPECT_EQ(fence_end(theirs), 0);
	EXPECT_EQ(fence_status(both), 0);
	ASSERT_EQ(sw_sync_inc(foreign.timeline, 1), 0);
	EXPECT_EQ(fence_end(both), 0);
	EXPECT_EQ(fence_end(last), 0);
	EXPECT_EQ(fence_end(ours), 0);
	EXPECT_EQ(fence_end(late), 0);
	EXPECT_EQ(foreign.area.words[0], 1);
	end(_metadata, &foreign);
}

TEST_HARNESS_MAIN
