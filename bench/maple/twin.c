// SPDX-License-Identifier: GPL-2.0
/*
 * The C twin of maple.rs: the calls of the maple tree that a careful author
 * writes there, under the tree's own spinlock, which is taken for each step.
 *
 * Values of a tree in RCU mode go after a grace period; those of others are
 * used again.
 *
 * Modes: plain, gaps, rcu. Verbs: insert, store, mtree, hit, miss, load, iterate,
 * replace, erase, over, cut, up, down, reserve, commit.
 */
#include <linux/maple_tree.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "work.h"

/* What may be in two slots: each may have been cut in three. */
#define SEEN 6

static struct maple_tree tree;
static bool rcu;

static int create(const char *mode, unsigned long size)
{
	unsigned int flags = 0;

	rcu = !strcmp(mode, "rcu");
	if (rcu)
		flags = MT_FLAGS_ALLOC_RANGE | MT_FLAGS_USE_RCU;
	else if (!strcmp(mode, "gaps"))
		flags = MT_FLAGS_ALLOC_RANGE;
	else if (strcmp(mode, "plain"))
		return -EINVAL;

	mt_init_flags(&tree, flags);
	return twin_held_create();
}

static void destroy(void)
{
	MA_STATE(mas, &tree, 0, 0);
	void *value;

	twin_held_destroy();
	mtree_lock(&tree);
	mas_for_each(&mas, value, ULONG_MAX)
		kfree(value);
	__mt_destroy(&tree);
	mtree_unlock(&tree);
}

/* A value that is not in the tree any more. */
static __always_inline void displaced(struct work *work, struct value *value)
{
	if (rcu)
		kfree_rcu(value, rcu);
	else
		spare_push(work, value);
}

/* Whether the range is free. If so, the state stands where it is to be stored. */
static __always_inline bool vacant(struct ma_state *mas)
{
	unsigned long first = mas->index, last = mas->last;

	if (mas_walk(mas) || mas->last < last)
		return false;
	__mas_set_range(mas, first, last);
	return true;
}

static __always_inline int insert_one(struct work *work, u32 slot, void *value)
{
	MA_STATE(mas, &tree, slot_first(slot), slot_last(slot));
	int err = -EEXIST;

	mtree_lock(&tree);
	if (vacant(&mas))
		err = mas_store_gfp(&mas, value, GFP_NOWAIT);
	mtree_unlock(&tree);
	return err;
}
EACH_VALUE(insert)

/* The same without a look at what is there. */
static __always_inline int store_one(struct work *work, u32 slot, void *value)
{
	MA_STATE(mas, &tree, slot_first(slot), slot_last(slot));
	int err;

	mtree_lock(&tree);
	err = mas_store_gfp(&mas, value, GFP_NOWAIT);
	mtree_unlock(&tree);
	return err;
}
EACH_VALUE(store)

/* The same by the call that takes the lock itself, and which looks while it walks. */
static __always_inline int mtree_one(struct work *work, u32 slot, void *value)
{
	return mtree_insert_range(&tree, slot_first(slot), slot_last(slot), value, GFP_NOWAIT);
}
EACH_VALUE(mtree)

/* What is at the middle of each slot. */
static __always_inline int hit_locked_one(struct work *work, u32 slot)
{
	MA_STATE(mas, &tree, slot_middle(slot), slot_middle(slot));
	struct value *value;

	mtree_lock(&tree);
	value = mas_walk(&mas);
	if (value)
		work->sum += value->id;
	mtree_unlock(&tree);
	return value ? 0 : -ENOENT;
}
EACH_SLOT(hit_locked)

static __always_inline int hit_rcu_one(struct work *work, u32 slot)
{
	MA_STATE(mas, &tree, slot_middle(slot), slot_middle(slot));
	struct value *value;

	rcu_read_lock();
	value = mas_walk(&mas);
	if (value)
		work->sum += value->id;
	rcu_read_unlock();
	return value ? 0 : -ENOENT;
}
EACH_SLOT(hit_rcu)

static int hit(struct work *work, unsigned long from, unsigned long count)
{
	return rcu ? hit_rcu(work, from, count) : hit_locked(work, from, count);
}

/* What is in the gap after each slot: nothing. */
static __always_inline int miss_one(struct work *work, u32 slot)
{
	MA_STATE(mas, &tree, slot_gap(slot), slot_gap(slot));
	void *value;

	mtree_lock(&tree);
	value = mas_walk(&mas);
	mtree_unlock(&tree);
	work->sum++;
	return value ? -EEXIST : 0;
}
EACH_SLOT(miss)

/* As hit, by the call that needs no lock where the tree is not stored to. */
static __always_inline int load_one(struct work *work, u32 slot)
{
	struct value *value = mtree_load(&tree, slot_middle(slot));

	if (!value)
		return -ENOENT;
	work->sum += value->id;
	return 0;
}
EACH_SLOT(load)

/* So many entries from a slot on, in one hold of the lock. */
static int iterate(struct work *work, unsigned long from, unsigned long count)
{
	MA_STATE(mas, &tree, slot_first(from), slot_first(from));
	struct value *value;

	mtree_lock(&tree);
	mas_for_each(&mas, value, ULONG_MAX) {
		work->sum += value->id ^ mas.index;
		if (!--count)
			break;
	}
	mtree_unlock(&tree);
	return count ? -ENOENT : 0;
}

/* Another value for just the range that one has. */
static __always_inline int replace_one(struct work *work, u32 slot, void *value)
{
	MA_STATE(mas, &tree, slot_first(slot), slot_first(slot));
	unsigned long first = slot_first(slot), last = slot_last(slot);
	void *old;

	mtree_lock(&tree);
	old = mas_walk(&mas);
	if (mas.index != first || mas.last != last)
		old = NULL;
	if (old)
		mas_store(&mas, value);
	mtree_unlock(&tree);
	if (!old)
		return -ENOENT;
	displaced(work, old);
	return 0;
}
EACH_VALUE(replace)

static __always_inline int erase_one(struct work *work, u32 slot)
{
	MA_STATE(mas, &tree, slot_first(slot), slot_first(slot));
	int err = -ENOENT;
	void *old;

	mtree_lock(&tree);
	old = mas_walk(&mas);
	if (old)
		err = mas_store_gfp(&mas, NULL, GFP_NOWAIT);
	mtree_unlock(&tree);
	if (err)
		return err;
	displaced(work, old);
	return 0;
}
EACH_SLOT(erase)

/* A value for each two slots, whatever is there: what is displaced is seen first. */
static __always_inline int over_one(struct work *work, u32 slot, void *value)
{
	MA_STATE(mas, &tree, slot_first(slot & ~1), slot_first(slot & ~1));
	unsigned long first = mas.index, last = slot_last(slot | 1);
	void *old, *seen[SEEN];
	unsigned int i, found = 0;
	int err = 0;

	mtree_lock(&tree);
	mas_for_each(&mas, old, last) {
		if (mas.index < first || mas.last > last || found == SEEN) {
			err = -EINVAL;
			break;
		}
		seen[found++] = old;
	}
	if (!err) {
		mas_set_range(&mas, first, last);
		err = mas_store_gfp(&mas, value, GFP_NOWAIT);
	}
	mtree_unlock(&tree);
	if (err)
		return err;
	for (i = 0; i < found; i++)
		displaced(work, seen[i]);
	return 0;
}
EACH_VALUE(over)

/* A value for the middle of what is at a slot, and one for each rest of that. */
static __always_inline int cut_one(struct work *work, u32 slot, void *value)
{
	MA_STATE(mas, &tree, slot_first(slot) + LENGTH / 4, 0);
	unsigned long first = mas.index, last = first + LENGTH / 2 - 1;
	struct value *low = kmalloc_obj(*low);
	struct value *high = kmalloc_obj(*high);
	struct value *old = NULL;
	int err = -ENOENT;

	if (!low || !high)
		goto out;
	mtree_lock(&tree);
	old = mas_walk(&mas);
	if (old) {
		unsigned long start = mas.index, end = mas.last;

		*low = *old;
		*high = *old;
		mas_set_range(&mas, first, last);
		err = mas_store_gfp(&mas, value, GFP_NOWAIT);
		if (!err) {
			mas_set_range(&mas, start, first - 1);
			mas_store(&mas, low);
			mas_set_range(&mas, last + 1, end);
			mas_store(&mas, high);
		}
	}
	mtree_unlock(&tree);
	if (!err) {
		displaced(work, old);
		return 0;
	}
out:
	kfree(low);
	kfree(high);
	return err;
}
EACH_VALUE(cut)

/* The lowest gap that is wide enough, from a slot up. */
static __always_inline int gap_up_one(struct work *work, u32 slot)
{
	MA_STATE(mas, &tree, 0, 0);
	int err;

	mtree_lock(&tree);
	err = mas_empty_area(&mas, slot_first(slot), ULONG_MAX, GAP);
	mtree_unlock(&tree);
	if (err)
		return err;
	work->sum += mas.index;
	return 0;
}
EACH_SLOT(gap_up)

/* The highest gap that is wide enough, from a slot down. */
static __always_inline int gap_down_one(struct work *work, u32 slot)
{
	MA_STATE(mas, &tree, 0, 0);
	int err;

	mtree_lock(&tree);
	err = mas_empty_area_rev(&mas, 0, slot_first(slot) + GAP, GAP);
	mtree_unlock(&tree);
	/* There may be none below. */
	work->sum += err ? 1 : mas.index;
	return 0;
}
EACH_SLOT(gap_down)

/* As insert, with what was reserved. */
static __always_inline int commit_one(struct work *work, u32 slot, void *value)
{
	struct ma_state *mas = &twin_held[--twin_holding];
	int err = -EEXIST;

	mtree_lock(&tree);
	mas->tree = &tree;
	mas_set_range(mas, slot_first(slot), slot_last(slot));
	if (vacant(mas))
		err = mas_preallocate(mas, value, GFP_NOWAIT);
	if (!err)
		mas_store_prealloc(mas, value);
	mtree_unlock(&tree);
	if (err)
		mas_destroy(mas);
	return err;
}

static int commit(struct work *work, unsigned long from, unsigned long count)
{
	return count > twin_holding ? -EINVAL : each_value(work, from, count, commit_one);
}

static const struct verb verbs[] = {
	{ "insert", insert },
	{ "store", store },
	{ "mtree", mtree },
	{ "hit", hit },
	{ "miss", miss },
	{ "load", load },
	{ "iterate", iterate },
	{ "replace", replace },
	{ "erase", erase },
	{ "over", over },
	{ "cut", cut },
	{ "up", gap_up },
	{ "down", gap_down },
	{ "reserve", twin_reserve },
	{ "commit", commit },
	{ }
};

struct contender twin = {
	.name = "strata-bench-maple-C",
	.value_size = sizeof(struct value),
	.create = create,
	.destroy = destroy,
	.verbs = verbs,
};
