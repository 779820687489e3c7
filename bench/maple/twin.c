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
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "work.h"

/* What may be in two slots: each may have been cut in three. */
#define SEEN 6
/* How many reservations may wait. */
#define HELD 4096

static struct maple_tree tree;
static bool rcu;
static struct ma_state *held;
static unsigned long holding;

/* The greatest height of a tree with so many entries, of whichever mode. */
static unsigned int worst_height(unsigned long entries)
{
	unsigned long above = 8;
	unsigned int levels = 1;

	while (entries >= above - 1 && levels < MAPLE_HEIGHT_MAX) {
		above *= 5;
		levels++;
	}
	return levels;
}

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

	held = kvmalloc_array(HELD, sizeof(*held), GFP_KERNEL);
	if (!held)
		return -ENOMEM;
	mt_init_flags(&tree, flags);
	return 0;
}

static void destroy(void)
{
	MA_STATE(mas, &tree, 0, 0);
	void *value;

	while (holding)
		mas_destroy(&held[--holding]);
	kvfree(held);
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

static int insert(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	for (i = 0; i < count; i++) {
		MA_STATE(mas, &tree, slot_first(order[i]), slot_last(order[i]));
		void *value = spare_pop(work);
		int err = -EEXIST;

		if (!value)
			return -ENOENT;
		mtree_lock(&tree);
		if (vacant(&mas))
			err = mas_store_gfp(&mas, value, GFP_NOWAIT);
		mtree_unlock(&tree);
		if (err) {
			spare_push(work, value);
			return err;
		}
	}
	return 0;
}

/* The same without a look at what is there. */
static int store(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	for (i = 0; i < count; i++) {
		MA_STATE(mas, &tree, slot_first(order[i]), slot_last(order[i]));
		void *value = spare_pop(work);
		int err;

		if (!value)
			return -ENOENT;
		mtree_lock(&tree);
		err = mas_store_gfp(&mas, value, GFP_NOWAIT);
		mtree_unlock(&tree);
		if (err) {
			spare_push(work, value);
			return err;
		}
	}
	return 0;
}

/* The same by the call that takes the lock itself, and which looks while it walks. */
static int mtree(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	for (i = 0; i < count; i++) {
		void *value = spare_pop(work);
		int err;

		if (!value)
			return -ENOENT;
		err = mtree_insert_range(&tree, slot_first(order[i]), slot_last(order[i]),
					 value, GFP_NOWAIT);
		if (err) {
			spare_push(work, value);
			return err;
		}
	}
	return 0;
}

/* What is at the middle of each slot. */
static int hit_locked(struct work *work, const u32 *order, unsigned long count)
{
	unsigned long i;

	for (i = 0; i < count; i++) {
		MA_STATE(mas, &tree, slot_middle(order[i]), slot_middle(order[i]));
		struct value *value;

		mtree_lock(&tree);
		value = mas_walk(&mas);
		if (value)
			work->sum += value->id;
		mtree_unlock(&tree);
		if (!value)
			return -ENOENT;
	}
	return 0;
}

static int hit_rcu(struct work *work, const u32 *order, unsigned long count)
{
	unsigned long i;

	for (i = 0; i < count; i++) {
		MA_STATE(mas, &tree, slot_middle(order[i]), slot_middle(order[i]));
		struct value *value;

		rcu_read_lock();
		value = mas_walk(&mas);
		if (value)
			work->sum += value->id;
		rcu_read_unlock();
		if (!value)
			return -ENOENT;
	}
	return 0;
}

static int hit(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;

	return rcu ? hit_rcu(work, order, count) : hit_locked(work, order, count);
}

/* What is in the gap after each slot: nothing. */
static int miss(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	for (i = 0; i < count; i++) {
		MA_STATE(mas, &tree, slot_gap(order[i]), slot_gap(order[i]));
		void *value;

		mtree_lock(&tree);
		value = mas_walk(&mas);
		mtree_unlock(&tree);
		if (value)
			return -EEXIST;
		work->sum++;
	}
	return 0;
}

/* As hit, by the call that needs no lock where the tree is not stored to. */
static int load(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	for (i = 0; i < count; i++) {
		struct value *value = mtree_load(&tree, slot_middle(order[i]));

		if (!value)
			return -ENOENT;
		work->sum += value->id;
	}
	return 0;
}

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
static int replace(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	for (i = 0; i < count; i++) {
		MA_STATE(mas, &tree, slot_first(order[i]), slot_first(order[i]));
		unsigned long first = slot_first(order[i]), last = slot_last(order[i]);
		void *value = spare_pop(work), *old;

		if (!value)
			return -ENOENT;
		mtree_lock(&tree);
		old = mas_walk(&mas);
		if (mas.index != first || mas.last != last)
			old = NULL;
		if (old)
			mas_store(&mas, value);
		mtree_unlock(&tree);
		if (!old) {
			spare_push(work, value);
			return -ENOENT;
		}
		displaced(work, old);
	}
	return 0;
}

static int erase(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	for (i = 0; i < count; i++) {
		MA_STATE(mas, &tree, slot_first(order[i]), slot_first(order[i]));
		void *old;
		int err = -ENOENT;

		mtree_lock(&tree);
		old = mas_walk(&mas);
		if (old)
			err = mas_store_gfp(&mas, NULL, GFP_NOWAIT);
		mtree_unlock(&tree);
		if (err)
			return err;
		displaced(work, old);
	}
	return 0;
}

/* A value for each two slots, whatever is there: what is displaced is seen first. */
static int over(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	for (i = 0; i < count; i++) {
		MA_STATE(mas, &tree, slot_first(order[i] & ~1), slot_first(order[i] & ~1));
		unsigned long first = mas.index, last = slot_last(order[i] | 1);
		void *value = spare_pop(work), *old, *seen[SEEN];
		unsigned int j, found = 0;
		int err = 0;

		if (!value)
			return -ENOENT;
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
		if (err) {
			spare_push(work, value);
			return err;
		}
		for (j = 0; j < found; j++)
			displaced(work, seen[j]);
	}
	return 0;
}

/* A value for the middle of what is at a slot, and one for each rest of that. */
static int cut(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	for (i = 0; i < count; i++) {
		MA_STATE(mas, &tree, slot_first(order[i]) + LENGTH / 4, 0);
		unsigned long first = mas.index, last = first + LENGTH / 2 - 1;
		struct value *low = kmalloc_obj(*low);
		struct value *high = kmalloc_obj(*high);
		void *value = spare_pop(work);
		struct value *old = NULL;
		int err = -ENOENT;

		if (!low || !high || !value)
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
			continue;
		}
out:
		kfree(low);
		kfree(high);
		if (value)
			spare_push(work, value);
		return err;
	}
	return 0;
}

/* The lowest gap that is wide enough, from a slot up. */
static int gap_up(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	for (i = 0; i < count; i++) {
		MA_STATE(mas, &tree, 0, 0);
		int err;

		mtree_lock(&tree);
		err = mas_empty_area(&mas, slot_first(order[i]), ULONG_MAX, GAP);
		mtree_unlock(&tree);
		if (err)
			return err;
		work->sum += mas.index;
	}
	return 0;
}

/* The highest gap that is wide enough, from a slot down. */
static int gap_down(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	for (i = 0; i < count; i++) {
		MA_STATE(mas, &tree, 0, 0);
		int err;

		mtree_lock(&tree);
		err = mas_empty_area_rev(&mas, 0, slot_first(order[i]) + GAP, GAP);
		mtree_unlock(&tree);
		/* There may be none below. */
		work->sum += err ? 1 : mas.index;
	}
	return 0;
}

/*
 * Reservations by hand. Nodes that a state holds are tied to no tree: they are
 * asked for with one whose flags claim the height, and for a store that spans
 * two children of its root, which is the worst there is.
 */
static struct maple_tree template;

#define TEMPLATE_ENTRIES 20

int twin_start(void)
{
	unsigned long i;
	int err;

	mt_init_flags(&template, MT_FLAGS_LOCK_EXTERN);
	for (i = 0; i < TEMPLATE_ENTRIES; i++) {
		MA_STATE(mas, &template, 2 * i, 2 * i);

		err = mas_store_gfp(&mas, xa_mk_value(i), GFP_KERNEL);
		if (err) {
			__mt_destroy(&template);
			return err;
		}
	}
	return 0;
}

void twin_stop(void)
{
	__mt_destroy(&template);
}

static int reserve(struct work *work, unsigned long from, unsigned long count)
{
	unsigned long i;

	if (count > HELD - holding)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		struct ma_state *mas = &held[holding];
		unsigned int height = worst_height(work->size);
		struct maple_tree claim = template;
		int err;

		claim.ma_flags &= ~MT_FLAGS_HEIGHT_MASK;
		claim.ma_flags |= height << MT_FLAGS_HEIGHT_OFFSET;
		mas_init(mas, &claim, 0);
		mas_set_range(mas, 0, ULONG_MAX - 1);
		err = mas_preallocate(mas, xa_mk_value(0), GFP_KERNEL);
		if (err)
			return err;
		mas->tree = NULL;
		mas_reset(mas);
		holding++;
	}
	return 0;
}

/* As insert, with what was reserved. */
static int commit(struct work *work, unsigned long from, unsigned long count)
{
	const u32 *order = work->order + from;
	unsigned long i;

	if (count > holding)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		struct ma_state *mas = &held[--holding];
		void *value = spare_pop(work);
		int err = -EEXIST;

		if (!value) {
			mas_destroy(mas);
			return -ENOENT;
		}
		mtree_lock(&tree);
		mas->tree = &tree;
		mas_set_range(mas, slot_first(order[i]), slot_last(order[i]));
		if (vacant(mas))
			err = mas_preallocate(mas, value, GFP_NOWAIT);
		if (!err)
			mas_store_prealloc(mas, value);
		mtree_unlock(&tree);
		if (err) {
			mas_destroy(mas);
			spare_push(work, value);
			return err;
		}
	}
	return 0;
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
	{ "reserve", reserve },
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
