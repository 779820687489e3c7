// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that use /dev/strata-vbind and are killed, whatever they are doing: nobody
 * waits for anything that will not come, nothing is left, and who still holds one of
 * their fences is told what became of it.
 */

#include <signal.h>

#include "sw_sync.h"
#include "vbind_fixture.h"

/* What a process that is to be killed has, and by what it says that it is ready. */
struct victim {
	struct world world;
	uint64_t address;
	uint32_t buffer;
	int ready;
	int socket;
	/* A fence that is never signalled, or -1. */
	int foreign;
	uint64_t random;
};

/* Says so, and is killed there or later. */
static void is_ready(struct victim *victim)
{
	if (write(victim->ready, "", 1) != 1)
		_exit(1);
}

static void need(int ret)
{
	if (ret < 0)
		_exit(2);
}

static int submit(struct victim *victim, uint32_t queue, int wait, int *fence)
{
	return vbind_exec(victim->world.fd, queue, OPS(op_fill(victim->address, 4 * page_size(), 1)),
			  JOB(USING(victim->buffer), .waits = &wait, .wait_count = wait >= 0,
			      .fence = fence));
}

static void hang(struct victim *victim)
{
	uint32_t queue;
	int i;

	need(vbind_queue(victim->world.fd, victim->world.vm, STRATA_VBIND_TIMEOUT_MAX_MS, &queue));
	need(vbind_exec(victim->world.fd, queue, OPS(op_hang()), JOB()));
	for (i = 0; i < 20; i++)
		need(submit(victim, queue, -1, NULL));
	victim->world.queue = queue;
}

/* --- what it does when it is killed */

static void hung(struct victim *victim)
{
	hang(victim);
	is_ready(victim);
	pause();
}

static void in_wait(struct victim *victim)
{
	hang(victim);
	is_ready(victim);
	need(vbind_wait(victim->world.fd, victim->world.queue, FOREVER));
}

static void in_poll(struct victim *victim)
{
	int fence;

	hang(victim);
	need(submit(victim, victim->world.queue, -1, &fence));
	is_ready(victim);
	fence_wait(fence);
}

static void behind_a_foreign_fence(struct victim *victim)
{
	int fence = victim->foreign, next, i;

	for (i = 0; i < 200; i++) {
		need(submit(victim, victim->world.queue, fence, &next));
		fence = next;
	}
	need(vbind_bind(victim->world.fd, victim->world.queue, BINDS(op_unmap(victim->address, page_size())),
			JOB(AFTER(fence))));
	is_ready(victim);
	need(vbind_wait(victim->world.fd, victim->world.queue, FOREVER));
}

static void in_long_jobs(struct victim *victim)
{
	const size_t page = page_size();
	struct strata_vbind_exec_op ops[STRATA_VBIND_OPS_MAX];
	uint32_t queues[3];
	int i, k;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = op_copy(victim->address + WORD, victim->address, 64 * page - WORD);
	for (i = 0; i < 3; i++) {
		need(vbind_queue(victim->world.fd, victim->world.vm, 0, &queues[i]));
		for (k = 0; k < 5; k++)
			need(vbind_exec(victim->world.fd, queues[i], OPS_OF(ops, ARRAY_SIZE(ops)),
					JOB(USING(victim->buffer))));
	}
	is_ready(victim);
	pause();
}

static void submitting(struct victim *victim)
{
	const size_t page = page_size();
	int fence = -1, next, ret;

	is_ready(victim);
	for (;;) {
		ret = submit(victim, victim->world.queue, fence, &next);
		if (ret == -EAGAIN)
			continue;
		need(ret);
		close(fence);
		fence = next;
		ret = vbind_bind(victim->world.fd, victim->world.queue, BINDS(
			op_unmap(victim->address, page), op_sparse(victim->address + page, page),
			op_map(victim->address, 2 * page, victim->buffer, 0)), JOB());
		need(ret == -EAGAIN ? 0 : ret);
	}
}

static void making_and_destroying(struct victim *victim)
{
	struct strata_vbind_buffer_create buffer;
	uint32_t vm, queue;
	int fd = victim->world.fd;

	is_ready(victim);
	for (;;) {
		need(vbind_vm(fd, 0, 1ull << 30, &vm));
		need(vbind_queue(fd, vm, 100, &queue));
		need(vbind_buffer(fd, 16 * page_size(), &buffer));
		need(vbind_bind(fd, queue, BINDS(op_map(0, buffer.size, buffer.id, 0)), JOB()));
		need(vbind_exec(fd, queue, OPS(op_fill(0, buffer.size, 1), op_hang()), JOB(USING(buffer.id))));
		need(vbind_destroy(fd, STRATA_VBIND_BUFFER_DESTROY, buffer.id));
		need(vbind_destroy(fd, STRATA_VBIND_QUEUE_DESTROY, queue));
		need(vbind_destroy(fd, STRATA_VBIND_VM_DESTROY, vm));
	}
}

static void opening_and_closing(struct victim *victim)
{
	struct world world;

	is_ready(victim);
	for (;;) {
		need(world_open(&world, 0, 64));
		need(world_add(&world, 16));
		need(vbind_bind(world.fd, world.queue, BINDS(op_map(0, 16 * page_size(), id_of(&world, 0), 0)),
				JOB()));
		need(vbind_exec(world.fd, world.queue, OPS(op_fill(0, 16 * page_size(), 1)),
				JOB(USING(id_of(&world, 0)))));
		world_close(&world);
	}
}

struct passed {
	/* Of a job that is to be cancelled, or of one that is done. */
	bool hangs;
};

/* Its fences are with somebody else. */
static void passing_fences(struct victim *victim)
{
	struct passed passed = {};
	int fence;

	need(submit(victim, victim->world.queue, -1, &fence));
	need(fence_wait(fence));
	need(send_fd(victim->socket, fence, &passed, sizeof(passed)) ? 0 : -1);
	hang(victim);
	need(submit(victim, victim->world.queue, -1, &fence));
	passed.hangs = true;
	need(send_fd(victim->socket, fence, &passed, sizeof(passed)) ? 0 : -1);
	is_ready(victim);
	pause();
}

FIXTURE_VARIANT(vbind)
{
	void (*act)(struct victim *victim);
	/* How long it lives once it is ready, in microseconds, if that is to be left to chance. */
	int life;
};

FIXTURE_VARIANT_ADD(vbind, hung) { hung, 0 };
FIXTURE_VARIANT_ADD(vbind, in_wait) { in_wait, 2000 };
FIXTURE_VARIANT_ADD(vbind, in_poll) { in_poll, 2000 };
FIXTURE_VARIANT_ADD(vbind, behind_a_foreign_fence) { behind_a_foreign_fence, 2000 };
FIXTURE_VARIANT_ADD(vbind, in_long_jobs) { in_long_jobs, 20000 };
FIXTURE_VARIANT_ADD(vbind, submitting) { submitting, 20000 };
FIXTURE_VARIANT_ADD(vbind, making_and_destroying) { making_and_destroying, 20000 };
FIXTURE_VARIANT_ADD(vbind, opening_and_closing) { opening_and_closing, 20000 };
FIXTURE_VARIANT_ADD(vbind, passing_fences) { passing_fences, 0 };

static void live(struct victim *victim, void (*act)(struct victim *victim))
{
	need(world_open(&victim->world, 0, 1024));
	need(world_add(&victim->world, 64));
	victim->buffer = id_of(&victim->world, 0);
	need(vbind_bind_now(victim->world.fd, victim->world.queue, BINDS(
		op_map(0, 64 * page_size(), victim->buffer, 0)), JOB()));
	act(victim);
	_exit(3);
}

/* Starts one, and waits until it is ready. */
static pid_t start(struct __test_metadata *_metadata, struct victim *victim,
		   void (*act)(struct victim *victim), int socket)
{
	int ready[2];
	pid_t child;
	char byte;

	EXPECT_EQ(pipe(ready), 0);
	child = fork();
	EXPECT_GE(child, 0);
	if (!child) {
		victim->ready = ready[1];
		victim->socket = socket;
		live(victim, act);
	}
	close(ready[1]);
	EXPECT_EQ(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

TEST_F_TIMEOUT(vbind, killed, 300)
{
	const int rounds = debug_kernel() ? 8 : 30;
	struct victim victim = { .foreign = -1 };
	int sockets[2], timeline = -1, fences[2], i, round;
	struct passed passed;
	uint64_t random = 17;
	pid_t child;

	if (variant->act == behind_a_foreign_fence) {
		timeline = sw_sync_open();
		if (timeline == -ENOENT)
			SKIP(return, NO_SW_SYNC);
		victim.foreign = sw_sync_fence(timeline, 1);
		ASSERT_GE(victim.foreign, 0);
	}
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	for (round = 0; round < rounds; round++) {
		child = start(_metadata, &victim, variant->act, sockets[1]);
		for (i = 0; variant->act == passing_fences && i < 2; i++) {
			fences[i] = receive_fd(sockets[0], &passed, sizeof(passed));
			ASSERT_GE(fences[i], 0);
			ASSERT_EQ(passed.hangs, i);
		}
		if (variant->life)
			usleep(next_random(&random) % variant->life);
		ASSERT_EQ(kill(child, SIGKILL), 0);
		ASSERT_EQ(wait_for(child), SIGKILL) TH_LOG("round %d", round);
		for (i = 0; variant->act == passing_fences && i < 2; i++)
			EXPECT_EQ(fence_end(fences[i]), i ? -ECANCELED : 0);
		/* Its file is closed, and all that it had goes. The fixture's own stays. */
		self->before.vms++;
		self->before.queues++;
		ASSERT_EQ(vbind_settles(&self->before), 0);
		self->before.vms--;
		self->before.queues--;
	}
	/* Only now does it come; nobody is there. */
	if (timeline >= 0) {
		EXPECT_EQ(sw_sync_inc(timeline, 1), 0);
		close(victim.foreign);
		close(timeline);
	}
	close(sockets[0]);
	close(sockets[1]);
}

TEST_HARNESS_MAIN
