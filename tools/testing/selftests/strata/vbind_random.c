// SPDX-License-Identifier: GPL-2.0
/*
 * Random calls to /dev/strata-vbind, good ones, bad ones and those on the edge, by
 * several threads to several files. Whatever comes of them, each error is one that the
 * call may have, nobody else is harmed, and nothing is left at the end.
 *
 * The same numbers in each run; STRATA_SEED takes others. Who is first is decided by
 * the machine all the same.
 */

#include <pthread.h>

#include "vbind_share.h"

#define FILES		3
#define THREADS		4
#define SLOTS		12
#define FENCES		48
#define PAGES		64

enum kind { VM, BUFFER, QUEUE, KINDS };

/* What the threads know of a file: ids, some of them of what is gone. */
struct file {
	int fd;
	uint32_t ids[KINDS][SLOTS];
};

struct shared {
	struct file files[FILES];
	/* Of all files; -1 where there is none. */
	int fences[FENCES];
	/* A buffer of another driver, or -1. */
	int foreign;
	int64_t left;
	uint64_t good;
};

struct actor {
	pthread_t thread;
	struct shared *shared;
	uint64_t random;
	/* A call with an error that it may not have. */
	unsigned int request;
	int error;
};

/* With lockdep, more would take longer than a program may. */
static uint64_t ioctls(void)
{
	return debug_kernel() ? 20000 : 100000;
}

static uint64_t pick(struct actor *actor, uint64_t below)
{
	return (next_random(&actor->random) >> 16) % below;
}

static bool one_in(struct actor *actor, int count)
{
	return !pick(actor, count);
}

/* What is wrong by a little, or by a lot. */
static uint64_t odd(struct actor *actor)
{
	const uint64_t page = page_size(), numbers[] = {
		0, 1, 2, 4, 7, 8, 9, page - 8, page - 1, page, page + 1, page + 8, PAGES * page,
		STRATA_VBIND_OPS_MAX, STRATA_VBIND_OPS_MAX + 1, STRATA_VBIND_BUFFER_MAX + page,
		STRATA_VBIND_ADDRESS_MAX - page, STRATA_VBIND_ADDRESS_MAX, 1ull << 31, 1ull << 32,
		1ull << 63, -page, -8ull, -1ull,
	};

	return one_in(actor, 3) ? next_random(&actor->random) : numbers[pick(actor, ARRAY_SIZE(numbers))];
}

/* What is asked for, but now and then something else. */
static uint64_t mostly(struct actor *actor, uint64_t value)
{
	return one_in(actor, 500) ? odd(actor) : value;
}

static uint64_t pages(struct actor *actor, uint64_t below)
{
	return pick(actor, below) * page_size();
}

static uint32_t an_id(struct actor *actor, struct file *file, enum kind kind)
{
	uint32_t id = 0, tries;

	for (tries = 0; !id && tries < SLOTS; tries++)
		id = __atomic_load_n(&file->ids[kind][pick(actor, SLOTS)], __ATOMIC_RELAXED);
	return mostly(actor, id);
}

/* Whether an error is one of those that the header names. */
static bool may_be(unsigned int request, int error)
{
	static const struct { unsigned int request; int errors[10]; } known[] = {
		{ STRATA_VBIND_VM_CREATE, { EINVAL, ENOMEM, ENOSPC } },
		{ STRATA_VBIND_VM_DESTROY, { ENOENT, EBUSY, EINVAL } },
		{ STRATA_VBIND_BUFFER_CREATE, { EINVAL, ENOMEM, ENOSPC } },
		{ STRATA_VBIND_BUFFER_DESTROY, { ENOENT, EINVAL } },
		{ STRATA_VBIND_QUEUE_CREATE, { ENOENT, EINVAL, ENOMEM, ENOSPC } },
		{ STRATA_VBIND_QUEUE_DESTROY, { ENOENT, EINVAL } },
		{ STRATA_VBIND_BIND, { ENOENT, E2BIG, EAGAIN, EINVAL, ENOMEM, ENOSPC, EFAULT } },
		{ STRATA_VBIND_EXEC, { ENOENT, E2BIG, EAGAIN, EINVAL, ENOMEM, ENOSPC, EFAULT } },
		{ STRATA_VBIND_WAIT, { ENOENT, ETIME, EINVAL } },
		{ STRATA_VBIND_STAT, { EINVAL } },
		{ STRATA_VBIND_BUFFER_EXPORT, { ENOENT, EINVAL, ENOMEM, ENOSPC } },
		{ STRATA_VBIND_BUFFER_IMPORT, { EBADF, EINVAL, ENOMEM, ENOSPC } },
	};
	int i, k;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		for (k = 0; known[i].request == request && known[i].errors[k]; k++)
			if (known[i].errors[k] == error)
				return true;
	return false;
}

static int call(struct actor *actor, struct file *file, unsigned int request, void *arg)
{
	int ret = result(ioctl(file->fd, request, arg));

	__atomic_fetch_add(&actor->shared->good, !ret, __ATOMIC_RELAXED);
	if (ret && !may_be(request, -ret)) {
		actor->request = request;
		actor->error = -ret;
	}
	return ret;
}

/* --- calls that make and destroy */

static void create(struct actor *actor, struct file *file, enum kind kind)
{
	struct strata_vbind_vm_create vm = {
		.start = mostly(actor, 0), .size = mostly(actor, PAGES * page_size()),
		.flags = mostly(actor, 0),
	};
	struct strata_vbind_buffer_create buffer = {
		.size = mostly(actor, 4 * page_size() + pages(actor, 12)), .flags = mostly(actor, 0),
	};
	/* Short, so that what hangs does not stop all. */
	struct strata_vbind_queue_create queue = {
		.vm = an_id(actor, file, VM), .flags = mostly(actor, 0),
		.timeout_ms = 1 + pick(actor, 20),
	};
	const unsigned int requests[] = {
		STRATA_VBIND_VM_CREATE, STRATA_VBIND_BUFFER_CREATE, STRATA_VBIND_QUEUE_CREATE,
	}, undo[] = {
		STRATA_VBIND_VM_DESTROY, STRATA_VBIND_BUFFER_DESTROY, STRATA_VBIND_QUEUE_DESTROY,
	};
	void *args[] = { &vm, &buffer, &queue };
	const uint32_t *ids[] = { &vm.id, &buffer.id, &queue.id };
	uint32_t *slot = &file->ids[kind][pick(actor, SLOTS)], old;
	int i;

	if (call(actor, file, requests[kind], args[kind]))
		return;
	/* Of what was there nobody would know any more: it goes, with its queues if it is a VM. */
	old = __atomic_exchange_n(slot, *ids[kind], __ATOMIC_RELAXED);
	while (old && vbind_destroy(file->fd, undo[kind], old) == -EBUSY)
		for (i = 0; i < SLOTS; i++)
			vbind_destroy(file->fd, undo[QUEUE], file->ids[QUEUE][i]);
}

static void destroy(struct actor *actor, struct file *file)
{
	static const unsigned int requests[] = {
		STRATA_VBIND_VM_DESTROY, STRATA_VBIND_BUFFER_DESTROY, STRATA_VBIND_QUEUE_DESTROY,
	};
	enum kind kind = one_in(actor, 10) ? VM : 1 + pick(actor, 2);
	uint32_t *slot = &file->ids[kind][pick(actor, SLOTS)];
	struct strata_vbind_destroy destroy = { .id = *slot, .flags = mostly(actor, 0) };

	/* Others may still use it, or destroy it as well. */
	if (!call(actor, file, requests[kind], &destroy))
		__atomic_compare_exchange_n(slot, &destroy.id, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* A buffer of one file gets an id in another, or one of another driver does. */
static void share(struct actor *actor, struct file *file)
{
	struct strata_vbind_buffer_export export = {
		.id = an_id(actor, file, BUFFER), .flags = mostly(actor, 0), .fd = mostly(actor, 0),
	};
	struct strata_vbind_buffer_import import = {
		.flags = mostly(actor, 0), .id = mostly(actor, 0), .size = mostly(actor, 0),
	};
	struct file *to = &actor->shared->files[pick(actor, FILES)];
	bool foreign = actor->shared->foreign >= 0 && one_in(actor, 4);
	int buffer = actor->shared->foreign;
	uint32_t *slot = &to->ids[BUFFER][pick(actor, SLOTS)], old;

	if (!foreign) {
		if (call(actor, file, STRATA_VBIND_BUFFER_EXPORT, &export))
			return;
		buffer = export.fd;
	}
	import.fd = mostly(actor, buffer);
	if (!call(actor, to, STRATA_VBIND_BUFFER_IMPORT, &import)) {
		old = __atomic_exchange_n(slot, import.id, __ATOMIC_RELAXED);
		vbind_destroy(to->fd, STRATA_VBIND_BUFFER_DESTROY, old);
	}
	if (!foreign)
		close(buffer);
}

/* --- jobs */

/* Keeps a fence in a slot, and closes the one that was there. */
static void keep(struct actor *actor, int fence)
{
	int old = __atomic_exchange_n(&actor->shared->fences[pick(actor, FENCES)], fence, __ATOMIC_RELAXED);

	if (old >= 0)
		close(old);
}

/* A few of them; those that another thread closes meanwhile are other files, or none. */
static uint32_t some_fences(struct actor *actor, int32_t *fences)
{
	uint32_t count = one_in(actor, 2) ? pick(actor, 4) : 0, i;

	for (i = 0; i < count; i++) {
		fences[i] = __atomic_load_n(&actor->shared->fences[pick(actor, FENCES)], __ATOMIC_RELAXED);
		if (fences[i] < 0)
			return mostly(actor, i);
	}
	return mostly(actor, count);
}

static void bind_some(struct actor *actor, struct file *file)
{
	struct strata_vbind_bind_op ops[16] = {};
	int32_t waits[4] = {};
	uint32_t count = 1 + pick(actor, ARRAY_SIZE(ops)), i;
	struct strata_vbind_bind bind = {
		.ops = mostly(actor, (uintptr_t)ops), .op_count = mostly(actor, count),
		.waits = (uintptr_t)waits, .wait_count = some_fences(actor, waits),
		.queue = an_id(actor, file, QUEUE), .fence = mostly(actor, 0),
		.flags = mostly(actor, pick(actor, 2)), .reserved = mostly(actor, 0),
	};

	for (i = 0; i < count; i++) {
		ops[i].address = mostly(actor, pages(actor, PAGES - 3));
		ops[i].length = mostly(actor, page_size() + pages(actor, 4));
		ops[i].op = mostly(actor, one_in(actor, 8) ? STRATA_VBIND_UNMAP : STRATA_VBIND_MAP);
		if (ops[i].op == STRATA_VBIND_MAP && one_in(actor, 4))
			ops[i].flags = mostly(actor, STRATA_VBIND_SPARSE);
		else if (ops[i].op == STRATA_VBIND_MAP)
			ops[i].buffer = an_id(actor, file, BUFFER);
	}
	if (!call(actor, file, STRATA_VBIND_BIND, &bind) && (bind.flags & STRATA_VBIND_FENCE_OUT))
		keep(actor, bind.fence);
}

static void exec_some(struct actor *actor, struct file *file)
{
	struct strata_vbind_exec_op ops[4] = {};
	uint32_t buffers[SLOTS], count = 1 + pick(actor, ARRAY_SIZE(ops)), i;
	int32_t waits[4] = {};
	struct strata_vbind_exec exec = {
		.ops = mostly(actor, (uintptr_t)ops), .op_count = mostly(actor, count),
		.waits = (uintptr_t)waits, .wait_count = some_fences(actor, waits),
		.buffers = (uintptr_t)buffers, .buffer_count = mostly(actor, SLOTS - pick(actor, 2)),
		.queue = an_id(actor, file, QUEUE), .fence = mostly(actor, 0),
		.flags = mostly(actor, pick(actor, 2)),
	};

	for (i = 0; i < SLOTS; i++)
		buffers[i] = an_id(actor, file, BUFFER);
	for (i = 0; i < count; i++) {
		ops[i].op = mostly(actor, one_in(actor, 300) ? STRATA_VBIND_HANG : 1 + pick(actor, 4));
		if (ops[i].op == STRATA_VBIND_HANG)
			continue;
		ops[i].dst = mostly(actor, pages(actor, PAGES - 2) + pick(actor, 64) * WORD);
		ops[i].length = mostly(actor, WORD + pick(actor, 2 * page_size() / WORD) * WORD);
		if (ops[i].op != STRATA_VBIND_FILL)
			ops[i].src = mostly(actor, pages(actor, PAGES - 2) + pick(actor, 64) * WORD);
	}
	if (!call(actor, file, STRATA_VBIND_EXEC, &exec) && (exec.flags & STRATA_VBIND_FENCE_OUT))
		keep(actor, exec.fence);
}

static void wait_a_little(struct actor *actor, struct file *file)
{
	struct strata_vbind_wait wait = {
		.queue = an_id(actor, file, QUEUE), .timeout_ns = pick(actor, 2000000),
		.flags = mostly(actor, 0),
	};

	call(actor, file, STRATA_VBIND_WAIT, &wait);
}

static void *act(void *arg)
{
	struct actor *actor = arg;
	struct shared *shared = actor->shared;
	struct strata_vbind_stat stat;
	struct file *file;

	while (!actor->request && __atomic_fetch_sub(&shared->left, 1, __ATOMIC_RELAXED) > 0) {
		uint64_t what = pick(actor, 100);

		file = &shared->files[pick(actor, FILES)];
		if (what < 12) {
			create(actor, file, one_in(actor, 20) ? VM : 1 + pick(actor, 2));
		} else if (what < 16) {
			destroy(actor, file);
		} else if (what < 19) {
			share(actor, file);
		} else if (what < 50) {
			bind_some(actor, file);
		} else if (what < 92) {
			exec_some(actor, file);
		} else if (what < 96) {
			wait_a_little(actor, file);
		} else {
			stat = (struct strata_vbind_stat){ .reserved = mostly(actor, 0) };
			call(actor, file, STRATA_VBIND_STAT, &stat);
		}
		if (one_in(actor, 4000))
			vbind_drop("all");
	}
	return NULL;
}

/* Everything of a file that anybody still knows. */
static void destroy_all(struct file *file)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		vbind_destroy(file->fd, STRATA_VBIND_QUEUE_DESTROY, file->ids[QUEUE][i]);
	for (i = 0; i < SLOTS; i++) {
		vbind_destroy(file->fd, STRATA_VBIND_VM_DESTROY, file->ids[VM][i]);
		vbind_destroy(file->fd, STRATA_VBIND_BUFFER_DESTROY, file->ids[BUFFER][i]);
	}
}

/* Of a buffer, others may have had the last id. */
static void settle(struct __test_metadata *_metadata, struct file *file)
{
	SETTLES(file->fd, queues, 0);
	SETTLES(file->fd, jobs, 0);
	SETTLES(file->fd, vms, 0);
	SETTLES(file->fd, mappings, 0);
	SETTLES(file->fd, buffers, 0);
	SETTLES(file->fd, bytes, 0);
	SETTLES(file->fd, held, 0);
}

TEST_F_TIMEOUT(vbind, random_calls, 540)
{
	const char *chosen = getenv("STRATA_SEED");
	const uint64_t seed = chosen ? strtoull(chosen, NULL, 0) : 4711;
	struct world *world = &self->world;
	struct actor actors[THREADS];
	struct shared *shared = calloc(1, sizeof(*shared));
	struct vbind_totals totals;
	int i;

	ASSERT_NE(shared, NULL);
	TH_LOG("%llu calls, seed %llu", (unsigned long long)ioctls(), (unsigned long long)seed);
	/* A bystander. */
	ASSERT_EQ(world_add(world, 16), 0);
	ASSERT_EQ(world_bind(world, BINDS(op_map(at(world, 0), 16 * self->page, id_of(world, 0), 0))), 0);
	for (i = 0; i < FILES; i++) {
		shared->files[i].fd = vbind_open();
		ASSERT_GE(shared->files[i].fd, 0);
		ASSERT_EQ(vbind_vm(shared->files[i].fd, 0, PAGES * self->page, &shared->files[i].ids[VM][0]), 0);
	}
	for (i = 0; i < FENCES; i++)
		shared->fences[i] = -1;
	shared->foreign = heap_buffer(8 * self->page);
	EXPECT_TRUE(shared->foreign >= 0 || shared->foreign == -ENOENT);
	shared->left = ioctls();
	for (i = 0; i < THREADS; i++) {
		actors[i] = (struct actor){ .shared = shared,
					    .random = (seed + i) * 0x9e3779b97f4a7c15ull + 1 };
		ASSERT_EQ(pthread_create(&actors[i].thread, NULL, act, &actors[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(pthread_join(actors[i].thread, NULL), 0);
		EXPECT_EQ(actors[i].request, 0)
			TH_LOG("call 0x%x failed with %d", actors[i].request, actors[i].error);
	}
	for (i = 0; i < FENCES; i++)
		if (shared->fences[i] >= 0)
			fence_end(shared->fences[i]);
	if (shared->foreign >= 0)
		close(shared->foreign);
	for (i = 0; i < FILES; i++)
		destroy_all(&shared->files[i]);
	for (i = 0; i < FILES; i++) {
		settle(_metadata, &shared->files[i]);
		close(shared->files[i].fd);
	}
	/* Much of it was good, or it would have tried nothing. */
	ASSERT_EQ(vbind_totals(&totals), 0);
	TH_LOG("%llu calls were good, %lld jobs done, %lld failed, %lld resets",
	       (unsigned long long)shared->good, totals.completed - self->before.completed,
	       totals.failed - self->before.failed, totals.resets - self->before.resets);
	EXPECT_GT(shared->good, ioctls() / 4);
	EXPECT_GT(totals.completed - self->before.completed, ioctls() / 20);
	EXPECT_EQ(world_exec(world, OPS(op_add(at(world, 0), at(world, 1), 8 * self->page))), 0);
	EXPECT_TRUE(world_is_right(world));
	free(shared);
}

TEST_HARNESS_MAIN
