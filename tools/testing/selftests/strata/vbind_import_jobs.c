// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs of /dev/strata-vbind on buffers of other drivers that are used by others too, or
 * whose owners go away meanwhile.
 */

#include <signal.h>
#include <sys/time.h>

#include "vbind_share.h"

#define PAGES	4
/* Long enough for a job that does not wait as it should. */
#define A_WHILE	(50ull * 1000 * 1000)

FIXTURE(jobs)
{
	struct world world;
	/* Another client, with a queue that hangs when it is told to. */
	struct world other;
	int buffer;
	size_t size;
	int files;
	struct vbind_totals before;
};

/* A foreign buffer, mapped at the beginning of the address spaces of both. */
FIXTURE_SETUP(jobs)
{
	self->files = open_files();
	ASSERT_EQ(vbind_totals(&self->before), 0);
	self->size = PAGES * page_size();
	self->buffer = heap_buffer(self->size);
	if (self->buffer == -ENOENT)
		SKIP(return, "this kernel has no " HEAP);
	ASSERT_GE(self->buffer, 0);
	ASSERT_EQ(world_open(&self->world, 0, 64), 0);
	ASSERT_EQ(world_open(&self->other, 0, 64), 0);
	ASSERT_EQ(world_import(&self->other, self->buffer), 0);
	ASSERT_EQ(world_bind(&self->other, BINDS(op_map(0, self->size, id_of(&self->other, 0), 0))), 0);
	ASSERT_EQ(world_import(&self->world, self->buffer), 0);
	ASSERT_EQ(world_bind(&self->world, BINDS(op_map(0, self->size, id_of(&self->world, 0), 0))), 0);
}

FIXTURE_TEARDOWN(jobs)
{
	world_close(&self->world);
	world_close(&self->other);
	close(self->buffer);
	EXPECT_EQ(vbind_settles(&self->before), 0);
	EXPECT_EQ(open_files(), self->files);
}

/* A job that never ends, and has named the buffer. */
static int hangs_on(struct __test_metadata *_metadata, const struct world *world, uint32_t queue)
{
	uint32_t id = id_of(world, 0);
	int fence;

	EXPECT_EQ(vbind_exec(world->fd, queue, OPS(op_hang()), JOB(USING(id), .fence = &fence)), 0);
	return fence;
}

static int fills(const struct world *world, uint32_t queue, uint64_t value, int *fence)
{
	uint32_t id = id_of(world, 0);

	return vbind_exec(world->fd, queue, OPS(op_fill(0, world->buffer[0].names.size, value)),
			  JOB(USING(id), .fence = fence));
}

static bool is_full_of(const struct world *world, uint64_t value)
{
	size_t i, words = world->buffer[0].names.size / WORD;

	for (i = 0; i < words && world->buffer[0].real[i] == value; i++)
		;
	return i == words;
}

static void end_queue(struct __test_metadata *_metadata, const struct world *world, uint32_t queue)
{
	EXPECT_EQ(vbind_destroy(world->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
}

TEST_F(jobs, fences_are_seen_by_its_exporter)
{
	uint32_t queue = new_queue(_metadata, &self->world, LONG_MS);
	int fence, all;

	EXPECT_TRUE(buffer_is_free(self->buffer, POLLOUT));
	fence = hangs_on(_metadata, &self->world, queue);
	EXPECT_FALSE(buffer_is_free(self->buffer, POLLIN));
	EXPECT_FALSE(buffer_is_free(self->buffer, POLLOUT));
	all = buffer_fence(self->buffer, DMA_BUF_SYNC_READ);
	ASSERT_GE(all, 0);
	EXPECT_EQ(fence_status(all), 0);
	end_queue(_metadata, &self->world, queue);
	EXPECT_EQ(fence_end(all), -ECANCELED);
	EXPECT_EQ(fence_end(fence), -ECANCELED);
	EXPECT_TRUE(buffer_is_free(self->buffer, POLLOUT));
}

/* Jobs of one file are in the order of their own fences: the call does not wait for any. */
TEST_F(jobs, jobs_of_a_file_do_not_wait_for_each_other)
{
	uint32_t queue = new_queue(_metadata, &self->world, LONG_MS);
	int hung = hangs_on(_metadata, &self->world, queue), fence, i;

	for (i = 1; i <= 50; i++) {
		ASSERT_EQ(fills(&self->world, self->world.queue, i, &fence), 0);
		ASSERT_EQ(fence_end(fence), 0);
		ASSERT_TRUE(is_full_of(&self->world, i));
	}
	EXPECT_EQ(fence_status(hung), 0);
	end_queue(_metadata, &self->world, queue);
	EXPECT_EQ(fence_end(hung), -ECANCELED);
}

/* The first to use it waits in the call, and a signal ends that: nothing was done then. */
TEST_F(jobs, the_call_waits_for_others)
{
	const struct itimerval often = { .it_interval.tv_usec = 20000, .it_value.tv_usec = 20000 };
	struct sigaction ignore = { .sa_handler = (void (*)(int))getpid }, old;
	uint32_t queue = new_queue(_metadata, &self->other, LONG_MS);
	int hung = hangs_on(_metadata, &self->other, queue), fence;
	struct vbind_totals before = TOTALS(), after;

	ASSERT_EQ(pinned_settles(self->before.pinned + 1), 0);
	ASSERT_EQ(sigaction(SIGALRM, &ignore, &old), 0);
	ASSERT_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	EXPECT_EQ(fills(&self->world, self->world.queue, 1, &fence), -EINTR);
	ASSERT_EQ(setitimer(ITIMER_REAL, &(struct itimerval){}, NULL), 0);
	ASSERT_EQ(sigaction(SIGALRM, &old, NULL), 0);
	after = TOTALS();
	EXPECT_EQ(after.submitted, before.submitted);
	EXPECT_EQ(after.jobs, before.jobs);
	EXPECT_EQ(after.pinned, self->before.pinned + 1);
	EXPECT_EQ(fence_status(hung), 0);
	EXPECT_FALSE(is_full_of(&self->world, 1));
	end_queue(_metadata, &self->other, queue);
	ASSERT_EQ(fills(&self->world, self->world.queue, 2, &fence), 0);
	EXPECT_EQ(fence_end(fence), 0);
	EXPECT_TRUE(is_full_of(&self->world, 2));
	EXPECT_EQ(fence_end(hung), -ECANCELED);
}

/* Who joins a job of its own file is not stopped in the call, but its job is. */
TEST_F(jobs, a_job_that_joins_waits_for_others)
{
	uint32_t own = new_queue(_metadata, &self->world, LONG_MS);
	uint32_t queue = new_queue(_metadata, &self->other, LONG_MS);
	int first = hangs_on(_metadata, &self->world, own), hung, fence;

	/* Of a job that has not named it, and so has no fence there but this. */
	hung = hangs(_metadata, self->other.fd, queue);
	ASSERT_EQ(buffer_add_fence(self->buffer, DMA_BUF_SYNC_READ, hung), 0);
	ASSERT_EQ(fills(&self->world, self->world.queue, 3, &fence), 0);
	EXPECT_EQ(vbind_wait(self->world.fd, self->world.queue, A_WHILE), -ETIME);
	EXPECT_EQ(fence_status(fence), 0);
	EXPECT_FALSE(is_full_of(&self->world, 3));
	end_queue(_metadata, &self->other, queue);
	/* Implicit order is no more than order: the error of the other is not its own. */
	EXPECT_EQ(fence_end(fence), 0);
	EXPECT_TRUE(is_full_of(&self->world, 3));
	EXPECT_EQ(fence_status(first), 0);
	end_queue(_metadata, &self->world, own);
	EXPECT_EQ(fence_end(first), -ECANCELED);
	EXPECT_EQ(fence_end(hung), -ECANCELED);
}

/* Fences of this file that somebody puts there are no order for it. */
TEST_F(jobs, own_fences_that_were_put_there)
{
	uint32_t queue = new_queue(_metadata, &self->world, LONG_MS);
	int first = hangs_on(_metadata, &self->world, queue), fence;

	ASSERT_EQ(buffer_add_fence(self->buffer, DMA_BUF_SYNC_WRITE, first), 0);
	ASSERT_EQ(fills(&self->world, self->world.queue, 4, &fence), 0);
	EXPECT_EQ(fence_end(fence), 0);
	EXPECT_TRUE(is_full_of(&self->world, 4));
	end_queue(_metadata, &self->world, queue);
	EXPECT_EQ(fence_end(first), -ECANCELED);
}

TEST_F(jobs, it_is_destroyed_while_a_job_runs)
{
	uint32_t queue = new_queue(_metadata, &self->world, LONG_MS);
	int hung = hangs_on(_metadata, &self->world, queue);

	ASSERT_EQ(vbind_bind_now(self->world.fd, self->world.queue, BINDS(op_unmap(0, self->size)), JOB()), 0);
	ASSERT_EQ(vbind_destroy(self->world.fd, STRATA_VBIND_BUFFER_DESTROY, id_of(&self->world, 0)), 0);
	EXPECT_EQ(TOTALS().imported, self->before.imported + 2);
	EXPECT_EQ(TOTALS().pinned, self->before.pinned + 1);
	end_queue(_metadata, &self->world, queue);
	EXPECT_EQ(fence_end(hung), -ECANCELED);
	EXPECT_EQ(pinned_settles(self->before.pinned), 0);
	while (TOTALS().imported != self->before.imported + 1)
		usleep(1000);
}

TEST_F(jobs, a_queue_is_reset)
{
	uint32_t queue = new_queue(_metadata, &self->world, 20);
	int hung = hangs_on(_metadata, &self->world, queue), fence;

	EXPECT_EQ(fence_end(hung), -ETIME);
	EXPECT_EQ(pinned_settles(self->before.pinned), 0);
	ASSERT_EQ(fills(&self->world, queue, 5, &fence), 0);
	EXPECT_EQ(fence_end(fence), 0);
	EXPECT_TRUE(is_full_of(&self->world, 5));
}

/* Those that never ran let go of it, too. */
TEST_F(jobs, jobs_are_cancelled)
{
	uint32_t queue = new_queue(_metadata, &self->world, LONG_MS);
	int hung = hangs_on(_metadata, &self->world, queue), fences[50], i;

	for (i = 0; i < 50; i++)
		ASSERT_EQ(fills(&self->world, queue, i + 1, &fences[i]), 0);
	end_queue(_metadata, &self->world, queue);
	for (i = 0; i < 50; i++)
		EXPECT_EQ(fence_end(fences[i]), -ECANCELED);
	EXPECT_EQ(fence_end(hung), -ECANCELED);
	EXPECT_EQ(pinned_settles(self->before.pinned), 0);
}

/* By two names, of one import, or of two files. */
TEST_F(jobs, it_is_named_twice)
{
	struct strata_vbind_buffer_import again;
	uint32_t id = id_of(&self->world, 0);
	int i;

	ASSERT_EQ(vbind_import(self->world.fd, self->buffer, &again), 0);
	ASSERT_EQ(vbind_bind_now(self->world.fd, self->world.queue,
				 BINDS(op_map(at(&self->world, 10), self->size, again.id, 0)), JOB()), 0);
	ASSERT_EQ(vbind_exec_now(self->world.fd, self->world.queue,
				 OPS(op_fill(0, self->size, 1), op_add(at(&self->world, 10), 0, self->size)),
				 JOB(USING(again.id, id, again.id))), 0);
	EXPECT_TRUE(is_full_of(&self->world, 2));
	/* One waits for the other in turn. */
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(fills(&self->world, self->world.queue, 2 * i, NULL), 0);
		ASSERT_EQ(fills(&self->other, self->other.queue, 2 * i + 1, NULL), 0);
	}
	ASSERT_EQ(vbind_wait(self->other.fd, self->other.queue, FOREVER), 0);
	EXPECT_TRUE(is_full_of(&self->world, 99));
}

/* A client is killed with jobs under way; the buffer is as good as before. */
TEST_F(jobs, a_client_is_killed)
{
	int ready[2], i, fence;
	char byte;
	pid_t child;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(pipe(ready), 0);
		child = fork();
		ASSERT_GE(child, 0);
		if (!child) {
			struct world world;
			uint32_t queue;

			if (world_open(&world, 0, 64) || world_import(&world, self->buffer) ||
			    vbind_queue(world.fd, world.vm, LONG_MS, &queue) ||
			    vbind_bind(world.fd, queue, BINDS(op_map(0, self->size, id_of(&world, 0), 0)), JOB()))
				_exit(1);
			hangs_on(_metadata, &world, queue);
			if (i % 2)
				fills(&world, queue, i, NULL);
			if (write(ready[1], "", 1) != 1)
				_exit(2);
			while (1)
				fills(&world, world.queue, i, NULL);
		}
		ASSERT_EQ(read(ready[0], &byte, 1), 1);
		EXPECT_EQ(kill(child, SIGKILL), 0);
		EXPECT_TRUE(WIFSIGNALED(wait_for(child)));
		close(ready[0]);
		close(ready[1]);
		ASSERT_EQ(fills(&self->world, self->world.queue, 100 + i, &fence), 0);
		ASSERT_EQ(fence_end(fence), 0);
		ASSERT_TRUE(is_full_of(&self->world, 100 + i));
	}
}

/* Whoever made it is gone: it lives with those that use it. */
TEST_F(jobs, the_process_that_made_it_is_killed)
{
	int sockets[2], buffer;
	struct world world;
	uint64_t size;
	pid_t child;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		size = self->size;
		if (!send_fd(sockets[1], heap_buffer(size), &size, sizeof(size)))
			_exit(1);
		pause();
	}
	buffer = receive_fd(sockets[0], &size, sizeof(size));
	ASSERT_GE(buffer, 0);
	ASSERT_EQ(world_open(&world, 0, 64), 0);
	ASSERT_EQ(world_import(&world, buffer), 0);
	close(buffer);
	EXPECT_EQ(kill(child, SIGKILL), 0);
	EXPECT_TRUE(WIFSIGNALED(wait_for(child)));
	ASSERT_EQ(world_bind(&world, BINDS(op_map(0, self->size, id_of(&world, 0), 0))), 0);
	EXPECT_EQ(world_exec(&world, OPS(op_add(0, page_size(), page_size()))), 0);
	EXPECT_TRUE(world_is_right(&world));
	world_close(&world);
	close(sockets[0]);
	close(sockets[1]);
}

#define CLIENTS	4
#define ROUNDS	100

/* Each adds 1 to each word, again and again, in jobs that know nothing of each other. */
static int adds(int buffer, size_t size)
{
	struct world world;
	struct area ones = {};
	struct strata_vbind_buffer_create names;
	struct strata_vbind_buffer_import import;
	int i, ret = world_open(&world, 0, 64) ?: vbind_import(world.fd, buffer, &import) ?:
		     vbind_buffer(world.fd, size, &names);

	ones.address = at(&world, 32);
	ret = ret ?: vbind_bind_now(world.fd, world.queue,
				    BINDS(op_map(0, size, import.id, 0),
					  op_map(ones.address, size, names.id, 0)), JOB()) ?:
	      vbind_exec_now(world.fd, world.queue, OPS(op_fill(ones.address, size, 1)), JOB(USING(names.id)));
	for (i = 0; !ret && i < ROUNDS; i++)
		ret = vbind_exec(world.fd, world.queue, OPS(op_add(0, ones.address, size)),
				 JOB(USING(import.id, names.id)));
	ret = ret ?: vbind_wait(world.fd, world.queue, FOREVER);
	world_close(&world);
	return ret;
}

/* The buffer's own order keeps the jobs of different files apart: not one sum is lost. */
TEST_F_TIMEOUT(jobs, clients_are_kept_apart, 120)
{
	pid_t children[CLIENTS];
	int i;

	memset(self->world.buffer[0].real, 0, self->size);
	for (i = 0; i < CLIENTS; i++) {
		children[i] = fork();
		ASSERT_GE(children[i], 0);
		if (!children[i])
			_exit(adds(self->buffer, self->size) ? 1 : 0);
	}
	for (i = 0; i < CLIENTS; i++)
		EXPECT_EQ(wait_for(children[i]), 0);
	EXPECT_TRUE(is_full_of(&self->world, CLIENTS * ROUNDS));
}

TEST_HARNESS_MAIN
