// SPDX-License-Identifier: GPL-2.0
/*
 * What else a driver could keep its mappings in: an interval tree over the
 * kernel's rbtree with a list in the same order, whose node is embedded in the
 * value, as drm_gpuvm has it; and an xarray.
 *
 * Ranges of an xarray are powers of two: its key is the number of the slot, and
 * a slot has one index. It has no gaps to search. Both take a spinlock for each
 * step.
 */
#include <linux/interval_tree_generic.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "work.h"

/* What a driver keeps for each mapping, and what links it: three words, two and one. */
struct mapping {
	u64 id;
	struct rb_node node;
	struct list_head link;
	unsigned long first;
	unsigned long last;
	unsigned long subtree_last;
	u8 rest[VALUE_SIZE - sizeof(u64) - 2 * sizeof(unsigned long)];
};

#define FIRST(mapping) ((mapping)->first)
#define LAST(mapping) ((mapping)->last)

INTERVAL_TREE_DEFINE(struct mapping, node, unsigned long, subtree_last, FIRST, LAST,
		     static __maybe_unused, mappings)

static struct rb_root_cached root;
static struct list_head list;
static DEFINE_SPINLOCK(root_lock);

static int rbtree_create(const char *mode, unsigned long size)
{
	BUILD_BUG_ON(sizeof(struct mapping) != VALUE_SIZE + 6 * sizeof(long));
	root = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&list);
	return 0;
}

static void rbtree_destroy(void)
{
	struct mapping *mapping, *next;

	list_for_each_entry_safe(mapping, next, &list, link)
		kfree(mapping);
}

static void link_mapping(struct mapping *mapping)
{
	struct rb_node *before;

	mappings_insert(mapping, &root);
	before = rb_prev(&mapping->node);
	list_add(&mapping->link, before ? &rb_entry(before, struct mapping, node)->link : &list);
}

static void unlink_mapping(struct mapping *mapping)
{
	mappings_remove(mapping, &root);
	list_del(&mapping->link);
}

/* The mapping at an index. */
static __always_inline struct mapping *mapping_at(unsigned long index)
{
	return mappings_iter_first(&root, index, index);
}

static __always_inline int rbtree_insert_one(struct work *work, u32 slot, void *value)
{
	struct mapping *mapping = value;
	bool taken;

	mapping->first = slot_first(slot);
	mapping->last = slot_last(slot);
	spin_lock(&root_lock);
	taken = mappings_iter_first(&root, mapping->first, mapping->last);
	if (!taken)
		link_mapping(mapping);
	spin_unlock(&root_lock);
	return taken ? -EEXIST : 0;
}
EACH_VALUE(rbtree_insert)

static __always_inline int rbtree_hit_one(struct work *work, u32 slot)
{
	struct mapping *mapping;

	spin_lock(&root_lock);
	mapping = mapping_at(slot_middle(slot));
	if (mapping)
		work->sum += mapping->id;
	spin_unlock(&root_lock);
	return mapping ? 0 : -ENOENT;
}
EACH_SLOT(rbtree_hit)

static __always_inline int rbtree_miss_one(struct work *work, u32 slot)
{
	struct mapping *mapping;

	spin_lock(&root_lock);
	mapping = mapping_at(slot_gap(slot));
	spin_unlock(&root_lock);
	work->sum++;
	return mapping ? -EEXIST : 0;
}
EACH_SLOT(rbtree_miss)

static int rbtree_iterate(struct work *work, unsigned long from, unsigned long count)
{
	unsigned long first = slot_first(from);
	struct mapping *mapping;

	spin_lock(&root_lock);
	mapping = mappings_iter_first(&root, first, ULONG_MAX);
	if (mapping) {
		list_for_each_entry_from(mapping, &list, link) {
			work->sum += mapping->id ^ mapping->first;
			if (!--count)
				break;
		}
	}
	spin_unlock(&root_lock);
	return count ? -ENOENT : 0;
}

static __always_inline int rbtree_replace_one(struct work *work, u32 slot, void *value)
{
	struct mapping *mapping = value, *old;

	mapping->first = slot_first(slot);
	mapping->last = slot_last(slot);
	spin_lock(&root_lock);
	old = mapping_at(mapping->first);
	if (old && (old->first != mapping->first || old->last != mapping->last))
		old = NULL;
	if (old) {
		rb_replace_node_cached(&old->node, &mapping->node, &root);
		mapping->subtree_last = old->subtree_last;
		list_replace(&old->link, &mapping->link);
	}
	spin_unlock(&root_lock);
	if (!old)
		return -ENOENT;
	spare_push(work, old);
	return 0;
}
EACH_VALUE(rbtree_replace)

static __always_inline int rbtree_erase_one(struct work *work, u32 slot)
{
	struct mapping *old;

	spin_lock(&root_lock);
	old = mapping_at(slot_first(slot));
	if (old)
		unlink_mapping(old);
	spin_unlock(&root_lock);
	if (!old)
		return -ENOENT;
	spare_push(work, old);
	return 0;
}
EACH_SLOT(rbtree_erase)

static const struct verb rbtree_verbs[] = {
	{ "insert", rbtree_insert },
	{ "hit", rbtree_hit },
	{ "miss", rbtree_miss },
	{ "iterate", rbtree_iterate },
	{ "replace", rbtree_replace },
	{ "erase", rbtree_erase },
	{ }
};

struct contender rbtree = {
	.name = "strata-bench-maple-rbtree",
	.value_size = sizeof(struct mapping),
	.create = rbtree_create,
	.destroy = rbtree_destroy,
	.verbs = rbtree_verbs,
};

static DEFINE_XARRAY(array);

static int xarray_create(const char *mode, unsigned long size)
{
	return 0;
}

static void xarray_destroy(void)
{
	struct value *value;
	unsigned long slot;

	xa_for_each(&array, slot, value)
		kfree(value);
	xa_destroy(&array);
}

static __always_inline int xarray_insert_one(struct work *work, u32 slot, void *value)
{
	return xa_insert(&array, slot, value, GFP_NOWAIT);
}
EACH_VALUE(xarray_insert)

static __always_inline int xarray_hit_one(struct work *work, u32 slot)
{
	struct value *value;

	xa_lock(&array);
	value = xa_load(&array, slot);
	if (value)
		work->sum += value->id;
	xa_unlock(&array);
	return value ? 0 : -ENOENT;
}
EACH_SLOT(xarray_hit)

static int xarray_iterate(struct work *work, unsigned long from, unsigned long count)
{
	struct value *value;
	unsigned long slot;
	XA_STATE(xas, &array, from);

	xa_lock(&array);
	xas_for_each(&xas, value, ULONG_MAX) {
		slot = xas.xa_index;
		work->sum += value->id ^ slot_first(slot);
		if (!--count)
			break;
	}
	xa_unlock(&array);
	return count ? -ENOENT : 0;
}

static __always_inline int xarray_replace_one(struct work *work, u32 slot, void *value)
{
	void *old = xa_store(&array, slot, value, GFP_NOWAIT);

	if (xa_is_err(old))
		return xa_err(old);
	if (old)
		spare_push(work, old);
	return 0;
}
EACH_VALUE(xarray_replace)

static __always_inline int xarray_erase_one(struct work *work, u32 slot)
{
	void *old = xa_erase(&array, slot);

	if (!old)
		return -ENOENT;
	spare_push(work, old);
	return 0;
}
EACH_SLOT(xarray_erase)

static const struct verb xarray_verbs[] = {
	{ "insert", xarray_insert },
	{ "hit", xarray_hit },
	{ "iterate", xarray_iterate },
	{ "replace", xarray_replace },
	{ "erase", xarray_erase },
	{ }
};

struct contender xarray = {
	.name = "strata-bench-maple-xarray",
	.value_size = sizeof(struct value),
	.create = xarray_create,
	.destroy = xarray_destroy,
	.verbs = xarray_verbs,
};
