// SPDX-License-Identifier: GPL-2.0
/*
 * Every operation of /dev/strata-vbind, with each of its allocations failing in turn.
 *
 * What reports an error changed nothing, and goes well when nothing fails any more.
 * What cannot run out of memory goes well whatever fails. That a job has all that it
 * needs when it is submitted is what vbind_published.c is about.
 */

#include "fault.h"
#include "vbind_scene.h"

#define MOST		5000
#define TIMEOUT		300

struct state {
	struct strata_vbind_stat file;
	struct vbind_totals totals;
	struct limit limit;
	int files;
};

static int look(struct scene *scene, struct state *state)
{
	memset(state, 0, sizeof(*state));
	state->files = open_files();
	return vbind_stat(scene->world.fd, &state->file) ?: vbind_totals(&state->totals) ?:
	       vbind_limit(&state->limit);
}

/* What a job would have used may stay in memory, idle, until somebody is short of it; nothing else. */
static bool unchanged(const struct state *a, struct state *b, bool brings_in)
{
	if (brings_in && b->file.held > a->file.held) {
		const uint64_t more = b->file.held - a->file.held;

		b->file.held -= more;
		b->totals.held -= more;
		b->limit.used -= more / page_size();
	}
	return !memcmp(&a->file, &b->file, sizeof(a->file)) && same_vbind_totals(&a->totals, &b->totals) &&
	       a->totals.submitted == b->totals.submitted && a->limit.soft == b->limit.soft &&
	       a->limit.hard == b->limit.hard && a->limit.used == b->limit.used && a->files == b->files;
}

/* It has nothing to allocate, or does without. */
#define CERTAIN		1
#define SWAP		2
/* What is there hangs, and goes on doing so. */
#define HANGS		4
/* It may have brought buffers in and then fail. */
#define BRINGS_IN	8
/* It takes a buffer of the system's heap. */
#define HEAPS		16

FIXTURE(vbind)
{
	struct fault fault;
	struct scene scene;
	struct vbind_totals before;
};

/* The text is for an operation that takes one. */
FIXTURE_VARIANT(vbind)
{
	step prepare;
	step act;
	step check;
	int flags;
	const char *text;
};

FIXTURE_VARIANT_ADD(vbind, open) { NULL, do_open, NULL, 0, NULL };
FIXTURE_VARIANT_ADD(vbind, close) { make_other_file, do_close, NULL, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(vbind, vm_create) { NULL, make_vm, NULL, 0, NULL };
FIXTURE_VARIANT_ADD(vbind, vm_destroy) { make_vm, do_vm_destroy, NULL, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(vbind, buffer_create) { NULL, make_buffer, NULL, 0, NULL };
FIXTURE_VARIANT_ADD(vbind, buffer_destroy) {
	make_buffer, do_buffer_destroy, NULL, CERTAIN, NULL
};
FIXTURE_VARIANT_ADD(vbind, queue_create) { NULL, make_queue, NULL, 0, NULL };
FIXTURE_VARIANT_ADD(vbind, queue_destroy) { make_queue, do_queue_destroy, NULL, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(vbind, queue_destroy_hung) {
	make_hung_queue, do_queue_destroy, NULL, CERTAIN | HANGS, NULL
};
FIXTURE_VARIANT_ADD(vbind, bind) { make_one, do_bind, is_done, 0, NULL };
FIXTURE_VARIANT_ADD(vbind, many_binds) { make_many, do_many_binds, is_done, 0, NULL };
FIXTURE_VARIANT_ADD(vbind, exec_new) { make_one, do_exec, is_done, BRINGS_IN, NULL };
FIXTURE_VARIANT_ADD(vbind, many_execs) { make_many, do_many_execs, is_done, BRINGS_IN, NULL };
FIXTURE_VARIANT_ADD(vbind, many_execs_held) { make_held, do_many_execs, is_done, 0, NULL };
FIXTURE_VARIANT_ADD(vbind, many_execs_evicted) {
	make_evicted, do_many_execs, is_done, BRINGS_IN, NULL
};
FIXTURE_VARIANT_ADD(vbind, many_execs_swapped) {
	make_swapped, do_many_execs, is_done, SWAP | BRINGS_IN, NULL
};
FIXTURE_VARIANT_ADD(vbind, export) { make_buffer, do_export, is_given, BRINGS_IN, NULL };
FIXTURE_VARIANT_ADD(vbind, export_again) { make_given, do_export, is_given, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(vbind, import_own) { make_given, do_import, is_taken, 0, NULL };
FIXTURE_VARIANT_ADD(vbind, import_foreign) { make_heap_buffer, do_import, is_taken, HEAPS, NULL };
FIXTURE_VARIANT_ADD(vbind, exec_foreign) {
	make_foreign, do_exec_foreign, is_done, BRINGS_IN | HEAPS | HANGS, NULL
};
FIXTURE_VARIANT_ADD(vbind, wait) { make_held, do_wait, is_intact, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(vbind, wait_in_vain) {
	make_hung_queue, do_wait_in_vain, NULL, CERTAIN | HANGS, NULL
};
FIXTURE_VARIANT_ADD(vbind, stat) { make_held, do_stat, is_intact, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(vbind, read_stat) { make_held, read_file, is_intact, 0, "stat" };
FIXTURE_VARIANT_ADD(vbind, read_map) { make_held, read_file, is_intact, 0, "map" };
FIXTURE_VARIANT_ADD(vbind, read_queues) { make_held, read_file, is_intact, 0, "queues" };
FIXTURE_VARIANT_ADD(vbind, read_fences) { make_held, read_file, is_intact, 0, "fences" };
FIXTURE_VARIANT_ADD(vbind, read_timings) { make_held, read_file, is_intact, 0, "timings" };
FIXTURE_VARIANT_ADD(vbind, drop_idle) { make_held, drop, is_intact, 0, "idle" };
FIXTURE_VARIANT_ADD(vbind, drop_all) { make_held, drop, is_intact, 0, "all" };

FIXTURE_SETUP(vbind)
{
	if ((variant->flags & SWAP) && number_in("/proc/meminfo", "SwapTotal") <= 0)
		SKIP(return, "no swap");
	if ((variant->flags & HEAPS) && access(HEAP, F_OK))
		SKIP(return, "this kernel has no " HEAP);
	ASSERT_EQ(vbind_totals(&self->before), 0);
	/* Nearly all of a round is waiting for RCU. */
	write_text("/sys/kernel/rcu_expedited", "1");
	ASSERT_TRUE(fault_begin(&self->fault));
	self->scene.text = variant->text;
}

FIXTURE_TEARDOWN(vbind)
{
	fault_end(&self->fault);
	write_text("/sys/kernel/rcu_expedited", "0");
}

/* A file of its own for each time: what a failed operation leaves must go with it. */
static int set(struct scene *scene, step prepare, bool hangs, struct state *state)
{
	const char *text = scene->text;
	int ret;

	*scene = (struct scene){ .text = text, .other_fd = -1, .fence = -1 };
	ret = world_open(&scene->world, 0, 1024) ?: (prepare ? prepare(scene) : 0);
	/* Nothing is under way that would change what is looked at. */
	do
		ret = ret ?: look(scene, state);
	while (!ret && !hangs && state->file.jobs);
	return ret;
}

static int clear(struct scene *scene, const struct vbind_totals *before)
{
	while (scene->wait_count)
		close(scene->waits[--scene->wait_count]);
	if (scene->other_fd >= 0)
		close(scene->other_fd);
	world_close(&scene->world);
	return vbind_settles(before);
}

TEST_F_TIMEOUT(vbind, each_allocation_fails, TIMEOUT)
{
	struct scene *scene = &self->scene;
	int nth, ret, errors = 0;
	struct state state, then;
	bool failed = true;

	for (nth = 1; failed && nth < MOST; nth++) {
		ASSERT_EQ(set(scene, variant->prepare, variant->flags & HANGS, &state), 0);
		fault_arm(&self->fault, nth);
		ret = variant->act(scene);
		failed = fault_disarm(&self->fault);
		if (ret) {
			errors++;
			EXPECT_FALSE(variant->flags & CERTAIN);
			EXPECT_TRUE(ret == -ENOMEM || ((variant->flags & SWAP) && ret == -EIO))
				TH_LOG("allocation %d: error %d", nth, -ret);
			ASSERT_TRUE(failed);
			ASSERT_EQ(look(scene, &then), 0);
			ASSERT_TRUE(unchanged(&state, &then, variant->flags & BRINGS_IN))
				TH_LOG("allocation %d changed something", nth);
			ASSERT_TRUE(world_is_right(&scene->world));
			ASSERT_EQ(variant->act(scene), 0);
		}
		ASSERT_EQ(variant->check ? variant->check(scene) : 0, 0)
			TH_LOG("allocation %d, error %d", nth, -ret);
		ASSERT_EQ(clear(scene, &self->before), 0);
	}
	EXPECT_FALSE(failed);
	if (!(variant->flags & CERTAIN))
		EXPECT_GT(errors, 0);
	TH_LOG("%d allocations, %d errors", nth - 2, errors);
}

int main(int argc, char **argv)
{
	return fault_harness(argc, argv, NULL);
}
