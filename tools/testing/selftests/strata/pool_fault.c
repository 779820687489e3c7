// SPDX-License-Identifier: GPL-2.0
/*
 * Every operation of the pool, with each of its allocations failing in turn.
 *
 * What reports an error changed nothing, and goes well when nothing fails any more.
 * What cannot run out of memory goes well whatever fails. What the kernel says
 * meanwhile and what is leaked is for the runner to see.
 */

#include <sched.h>

#include "fault.h"
#include "pool_scene_export.h"

#define MOST		5000
#define TIMEOUT		300

struct state {
	struct strata_pool_stat file;
	struct pool_totals totals;
	struct limit limit;
	long long count;
};

static int look(struct scene *scene, struct state *state)
{
	memset(state, 0, sizeof(*state));
	state->count = pool_count();
	return pool_stat(scene->fd, &state->file) ?: pool_totals(&state->totals) ?:
	       pool_limit(&state->limit);
}

/* It has nothing to allocate, or does without. */
#define CERTAIN		1
/* It may let others' pages go and then fail. */
#define EVICTS		2
#define SWAP		4
#define CGROUP		8
/* It may leave the pages held and then fail. */
#define HOLDS		16

/*
 * Others' buffers may have been let go for an operation that failed, or its own pages be
 * held for the next time; nothing else.
 */
static bool unchanged(const struct state *a, const struct state *b, int flags)
{
	if (a->limit.soft != b->limit.soft || a->limit.hard != b->limit.hard ||
	    a->file.buffers != b->file.buffers || a->file.bytes != b->file.bytes ||
	    a->file.pinned != b->file.pinned || a->file.purgeable != b->file.purgeable)
		return false;
	if (flags & HOLDS)
		return b->limit.used - a->limit.used <= PAGES;
	return flags & EVICTS ? b->limit.used <= a->limit.used :
	       !memcmp(&a->file, &b->file, sizeof(a->file)) && same_totals(&a->totals, &b->totals) &&
	       a->limit.used == b->limit.used && a->count == b->count;
}

FIXTURE(pool)
{
	struct fault fault;
	struct scene scene;
};

/* The text is for an operation that takes one. */
FIXTURE_VARIANT(pool)
{
	step prepare;
	step act;
	step check;
	int flags;
	const char *text;
};

FIXTURE_VARIANT_ADD(pool, open) { NULL, do_open, NULL, 0, NULL };
FIXTURE_VARIANT_ADD(pool, close) { make_other_file, do_close, NULL, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, create) { NULL, do_create, NULL, 0, NULL };
FIXTURE_VARIANT_ADD(pool, create_in_a_new_cgroup) { enter_group, do_create, NULL, CGROUP, NULL };
FIXTURE_VARIANT_ADD(pool, destroy) { make_idle, do_destroy, NULL, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, destroy_pinned) { make_pinned, do_destroy, NULL, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, pin_new) { make_empty, do_pin, is_pinned, 0, NULL };
FIXTURE_VARIANT_ADD(pool, pin_idle) { make_idle, do_pin, is_pinned, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, pin_again) { make_pinned, do_pin, is_pinned, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, pin_swapped) { make_swapped, do_pin, is_pinned, SWAP, NULL };
FIXTURE_VARIANT_ADD(pool, pin_over_the_limit) {
	make_full, do_pin_other, other_is_pinned, EVICTS, NULL
};
FIXTURE_VARIANT_ADD(pool, unpin) { make_pinned, do_unpin, is_idle, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, checksum_new) { make_empty, do_checksum, is_intact, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, checksum_idle) { make_idle, do_checksum, is_idle, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, checksum_swapped) { make_swapped, do_checksum, is_intact, SWAP, NULL };
FIXTURE_VARIANT_ADD(pool, checksum_exported) {
	make_exported, do_checksum, is_exported, CERTAIN, NULL
};
FIXTURE_VARIANT_ADD(pool, export_new) { make_empty, do_export, is_exported, HOLDS, NULL };
FIXTURE_VARIANT_ADD(pool, export_idle) { make_idle, do_export, is_exported, 0, NULL };
FIXTURE_VARIANT_ADD(pool, export_pinned) { make_pinned, do_export, is_exported, 0, NULL };
FIXTURE_VARIANT_ADD(pool, export_swapped) {
	make_swapped, do_export, is_exported, SWAP | HOLDS, NULL
};
FIXTURE_VARIANT_ADD(pool, export_again) { make_exported, do_export, is_exported, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, close_export) {
	make_local, do_close_export, nothing_is_exported, CERTAIN, NULL
};
FIXTURE_VARIANT_ADD(pool, copy_into_nothing) { make_to_copy, do_copy, is_copied, 0, NULL };
FIXTURE_VARIANT_ADD(pool, copy_into_exported) {
	make_two_exported, do_copy, is_copied, CERTAIN, NULL
};
FIXTURE_VARIANT_ADD(pool, copy_out) {
	make_two_exported, do_copy_out, NULL, CERTAIN, NULL
};
FIXTURE_VARIANT_ADD(pool, move_local) { make_exported, do_move, is_local, EVICTS, "local" };
FIXTURE_VARIANT_ADD(pool, move_home) { make_local, do_move, is_at_home, 0, "home" };
FIXTURE_VARIANT_ADD(pool, read_move) { make_local, read_file, is_local, 0, POOL_MOVE };
FIXTURE_VARIANT_ADD(pool, mmap) { make, do_map, do_read, 0, NULL };
FIXTURE_VARIANT_ADD(pool, touch) { make_mapped, do_touch, was_touched, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, touch_swapped) {
	make_mapped_swapped, do_read, is_intact, CERTAIN | SWAP, NULL
};
FIXTURE_VARIANT_ADD(pool, dont_need) { make_idle, do_not_needed, is_purgeable, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, will_need) { make_purgeable, do_needed, is_intact, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, will_need_purged) {
	make_purged, do_needed_again, is_intact, CERTAIN, NULL
};
FIXTURE_VARIANT_ADD(pool, stat) { make_pinned, do_stat, is_pinned, CERTAIN, NULL };
FIXTURE_VARIANT_ADD(pool, read_stat) { make_idle, read_file, is_idle, 0, POOL_STAT };
FIXTURE_VARIANT_ADD(pool, read_count) { make_idle, read_file, is_idle, 0, POOL_COUNT };
FIXTURE_VARIANT_ADD(pool, read_limit) { make_idle, read_file, is_idle, 0, POOL_LIMIT };
FIXTURE_VARIANT_ADD(pool, read_drop_caches) { make_idle, read_file, is_idle, 0, POOL_DROP };
FIXTURE_VARIANT_ADD(pool, read_drop_stats) { make_idle, read_file, is_idle, 0, POOL_DROP_STATS };
FIXTURE_VARIANT_ADD(pool, set_limit) { make_idle, set_limit, limit_is_set, EVICTS, NULL };
FIXTURE_VARIANT_ADD(pool, drop_purge) {
	make_purgeable_idle_and_pinned, drop, dropped_all, 0, "purge"
};
FIXTURE_VARIANT_ADD(pool, drop_idle) {
	make_purgeable_idle_and_pinned, drop, dropped_all, 0, "idle"
};
FIXTURE_VARIANT_ADD(pool, drop_active) {
	make_purgeable_idle_and_pinned, drop, dropped_all, 0, "active"
};
FIXTURE_VARIANT_ADD(pool, drop_all) {
	make_purgeable_idle_and_pinned, drop, dropped_all, 0, "all"
};
FIXTURE_VARIANT_ADD(pool, write_back) {
	make_purgeable_idle_and_pinned, drop, dropped_all, SWAP, "idle writeback"
};

FIXTURE_SETUP(pool)
{
	cpu_set_t one = {};

	if ((variant->flags & SWAP) && number_in("/proc/meminfo", "SwapTotal") <= 0)
		SKIP(return, "no swap");
	ASSERT_TRUE(fault_begin(&self->fault));
	/* Pages that another processor has not put on the lists yet are not paged out. */
	CPU_SET(0, &one);
	ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	self->scene.size = PAGES * page_size();
	self->scene.text = variant->text;
	ASSERT_EQ(pool_limit(&self->scene.limit), 0);
}

FIXTURE_TEARDOWN(pool)
{
	pool_set_limit(self->scene.limit.soft, self->scene.limit.hard);
	fault_end(&self->fault);
}

/* A file of its own for each time: what a failed operation leaves must go with it. */
static int set(struct scene *scene, step prepare, struct state *state)
{
	scene->map = MAP_FAILED;
	scene->other_fd = -1;
	scene->buf = -1;
	scene->fd = pool_open();
	return scene->fd < 0 ? -errno : (prepare ? prepare(scene) : 0) ?: look(scene, state);
}

static int clear(struct scene *scene)
{
	struct cgroup top = {};

	if (scene->map != MAP_FAILED)
		munmap(scene->map, scene->size);
	if (scene->other_fd >= 0)
		close(scene->other_fd);
	if (scene->buf >= 0)
		close(scene->buf);
	close(scene->fd);
	if (scene->group.path[0]) {
		snprintf(top.path, sizeof(top.path), "%s", cgroup_root());
		if (!cgroup_enter(&top) || !cgroup_remove(&scene->group))
			return -EBUSY;
	}
	return pool_set_limit(scene->limit.soft, scene->limit.hard);
}

TEST_F_TIMEOUT(pool, each_allocation_fails, TIMEOUT)
{
	struct scene *scene = &self->scene;
	struct pool_totals before, after;
	int nth, ret, errors = 0;
	struct state state, then;
	bool failed = true;

	if ((variant->flags & CGROUP) && !cgroup_make(&scene->group, "probe"))
		SKIP(return, "no memory controller");
	if (variant->flags & CGROUP)
		cgroup_remove(&scene->group);
	ASSERT_EQ(pool_totals(&before), 0);
	for (nth = 1; failed && nth < MOST; nth++) {
		ASSERT_EQ(set(scene, variant->prepare, &state), 0);
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
			ASSERT_TRUE(unchanged(&state, &then, variant->flags))
				TH_LOG("allocation %d changed something", nth);
			ASSERT_EQ(variant->act(scene), 0);
		}
		ASSERT_EQ(variant->check ? variant->check(scene) : 0, 0)
			TH_LOG("allocation %d, error %d", nth, -ret);
		ASSERT_EQ(clear(scene), 0);
		ASSERT_EQ(pool_totals(&after), 0);
		ASSERT_TRUE(same_totals(&before, &after));
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
