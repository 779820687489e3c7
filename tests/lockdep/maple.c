// SPDX-License-Identifier: GPL-2.0
/*
 * Maple trees: stores that need memory, and who may use a tree when. Then what
 * their interface lets a driver do, and what comes of it.
 */
#include <linux/maple_tree.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "corpus.h"

static void *const entry = (void *)0x1000;

/* --- actions: on trees that their caller has to itself --- */

static struct maple_tree own;
static struct ma_state prepared;

static int own_tree(void)
{
	memset(&own, 0, sizeof(own));
	mt_init_flags(&own, MT_FLAGS_LOCK_EXTERN);
	return 0;
}

static void end_own_tree(void)
{
	__mt_destroy(&own);
}

/* The first try is GFP_NOWAIT: GFP_KERNEL is reached only when that fails. */
static int do_store(void)
{
	MA_STATE(mas, &own, 10, 19);

	return mas_store_gfp(&mas, entry, GFP_KERNEL);
}
const struct corpus_action act_maple_store = {
	.prepare = own_tree,
	.run = do_store,
	.finish = end_own_tree,
};

/* A range into an empty tree: that takes a node. */
static int do_reserve(void)
{
	MA_STATE(mas, &own, 10, 19);
	int err = mas_preallocate(&mas, entry, GFP_KERNEL);

	mas_destroy(&mas);
	return err;
}
const struct corpus_action act_maple_reserve = {
	.prepare = own_tree,
	.run = do_reserve,
	.finish = end_own_tree,
};

static int prepare_store(void)
{
	own_tree();
	mas_init(&prepared, &own, 10);
	mas_set_range(&prepared, 10, 19);
	return mas_preallocate(&prepared, entry, GFP_KERNEL);
}

static int do_commit(void)
{
	mas_store_prealloc(&prepared, entry);
	return 0;
}
const struct corpus_action act_maple_commit = {
	.prepare = prepare_store,
	.run = do_commit,
	.finish = end_own_tree,
};

static int prepare_load(void)
{
	return prepare_store() ?: do_commit();
}

static int do_read(void)
{
	int err;

	rcu_read_lock();
	err = mtree_load(&own, 15) == entry ? 0 : -EINVAL;
	rcu_read_unlock();
	return err;
}
const struct corpus_action act_maple_read = {
	.prepare = prepare_load,
	.run = do_read,
	.finish = end_own_tree,
};

/*
 * A space: a tree that readers see at one moment. They wait for a writer, who
 * must not be whom they interrupted.
 */
static DEFINE_SPINLOCK(space_lock);
static seqcount_spinlock_t space_sequence = SEQCNT_SPINLOCK_ZERO(space_sequence, &space_lock);

static void store_in_space(void)
{
	write_seqcount_begin(&space_sequence);
	do_commit();
	write_seqcount_end(&space_sequence);
}

static int prepare_space(void)
{
	unsigned long flags;
	int err = prepare_store();

	if (err)
		return err;
	spin_lock(&space_lock);
	local_irq_save(flags);
	store_in_space();
	local_irq_restore(flags);
	spin_unlock(&space_lock);
	return 0;
}

static int prepare_irq_unsafe_space(void)
{
	int err = prepare_store();

	if (err)
		return err;
	spin_lock(&space_lock);
	store_in_space();
	spin_unlock(&space_lock);
	return 0;
}

static int do_find(void)
{
	unsigned int moment;
	void *found;

	rcu_read_lock();
	do {
		moment = read_seqcount_begin(&space_sequence);
		found = mtree_load(&own, 15);
	} while (read_seqcount_retry(&space_sequence, moment));
	rcu_read_unlock();
	return found == entry ? 0 : -EINVAL;
}
const struct corpus_action act_va_find = {
	.prepare = prepare_space,
	.run = do_find,
	.finish = end_own_tree,
};
const struct corpus_action act_va_find_irq_unsafe = {
	.prepare = prepare_irq_unsafe_space,
	.run = do_find,
	.finish = end_own_tree,
};

/* --- who may use a tree --- */

/* As many single entries, with gaps between them, as take a few nodes. */
static int fill(struct maple_tree *tree, unsigned long entries)
{
	unsigned long i;
	int err = 0;

	for (i = 0; i < entries && !err; i++)
		err = mtree_store(tree, 2 * i, xa_mk_value(i), GFP_KERNEL);
	return err;
}

static DEFINE_MTREE(guarded);

static int maple_store_without_lock(void)
{
	MA_STATE(mas, &guarded, 4, 4);
	int err = fill(&guarded, 40);

	return err ?: mas_store_gfp(&mas, entry, GFP_KERNEL);
}

static int maple_read_without_lock(void)
{
	MA_STATE(mas, &guarded, 4, 4);
	int err = fill(&guarded, 40);

	return err ?: mas_walk(&mas) ? 0 : -ENOENT;
}

/*
 * rcu_read_lock() satisfies the check, though this tree is not in RCU mode: its
 * stores change the nodes that a reader walks.
 */
static int maple_read_under_rcu_only(void)
{
	MA_STATE(mas, &guarded, 4, 4);
	int err = fill(&guarded, 40);

	if (err)
		return err;
	rcu_read_lock();
	err = mas_walk(&mas) ? 0 : -ENOENT;
	rcu_read_unlock();
	return err;
}

static DEFINE_MUTEX(outer_mutex);

static int store_extern(struct mutex *lock, struct mutex *held)
{
	MA_STATE(mas, &own, 10, 19);
	int err;

	own_tree();
	if (lock)
		mt_set_external_lock(&own, lock);
	if (held)
		mutex_lock(held);
	err = mas_store_gfp(&mas, entry, GFP_KERNEL);
	if (held)
		mutex_unlock(held);
	mt_on_stack(own);
	end_own_tree();
	return err;
}

/* Another lock guards the tree, which knows it; and it is not held. */
static int maple_store_without_external_lock(void)
{
	return store_extern(&outer_mutex, NULL);
}

static int maple_store_with_external_lock(void)
{
	return store_extern(&outer_mutex, &outer_mutex);
}

/* Another lock guards the tree, and nobody told the tree which. */
static int maple_store_with_lock_unknown(void)
{
	return store_extern(NULL, NULL);
}

/* The functions with mtree_ in their names take a spinlock, which this tree does not have. */
static int maple_spinlock_of_extern_tree(void)
{
	int err;

	own_tree();
	err = mtree_store(&own, 10, entry, GFP_KERNEL);
	end_own_tree();
	return err;
}

static void make_tree(struct maple_tree *tree)
{
	mt_init(tree);
}

/* A tree of trees, always locked in this order. Their locks have one class, that of make_tree(). */
static int maple_trees_nest(void)
{
	static struct maple_tree outer, inner;

	make_tree(&outer);
	make_tree(&inner);
	mtree_lock(&outer);
	mtree_lock(&inner);
	mtree_unlock(&inner);
	mtree_unlock(&outer);
	return 0;
}

/* --- memory under the lock --- */

static int preallocate_under_lock(void)
{
	MA_STATE(mas, &guarded, 3, 60);
	int err;

	mtree_lock(&guarded);
	err = mas_preallocate(&mas, entry, GFP_KERNEL);
	if (!err)
		mas_store_prealloc(&mas, entry);
	mtree_unlock(&guarded);
	return err;
}

/* One node, for the first range of a tree: it is allocated. */
static int maple_preallocate_one_under_lock(void)
{
	return preallocate_under_lock();
}

/* Several nodes: they come from a sheaf of the slab's, if there is one. */
static int maple_preallocate_many_under_lock(void)
{
	return fill(&guarded, 40) ?: preallocate_under_lock();
}

/* No node, where an entry has just that range. */
static int maple_preallocate_none_under_lock(void)
{
	int err = mtree_store_range(&guarded, 3, 60, entry, GFP_KERNEL);

	return err ?: preallocate_under_lock();
}

static int store_first_range(void)
{
	return mtree_store_range(&guarded, 3, 60, entry, GFP_KERNEL);
}

/* Whether allocations of this task fail that the shell wants to fail. */
static void fail_allocations(bool fail)
{
#ifdef CONFIG_FAULT_INJECTION
	current->make_it_fail = fail;
#endif
}

/* The first try is GFP_NOWAIT, and finds memory unless the shell sees to it. */
static int maple_store_in_section(void)
{
	int err;

	fail_allocations(true);
	err = inside_signalling(store_first_range);
	fail_allocations(false);
	return err;
}

/* --- memory for a tree that is no more as it was --- */

/* Between mas_preallocate() and mas_store_prealloc() others use the tree. */
static int maple_store_into_tree_of_before(void)
{
	int err = prepare_load();

	if (err)
		return err;
	mas_init(&prepared, &own, 15);
	err = mas_preallocate(&prepared, NULL, GFP_KERNEL);
	if (err)
		return err;
	end_own_tree();
	rcu_barrier();
	return do_commit();
}

const struct corpus_case maple_cases[] = {
	STORY(maple_store_without_lock),
	STORY(maple_read_without_lock),
	STORY(maple_read_under_rcu_only),
	STORY(maple_store_without_external_lock),
	STORY(maple_store_with_external_lock),
	STORY(maple_store_with_lock_unknown),
	STORY(maple_spinlock_of_extern_tree),
	STORY(maple_trees_nest),
	STORY(maple_preallocate_one_under_lock),
	STORY(maple_preallocate_many_under_lock),
	STORY(maple_preallocate_none_under_lock),
	STORY(maple_store_in_section),
	STORY(maple_store_into_tree_of_before),
	{}
};
