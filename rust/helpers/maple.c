// SPDX-License-Identifier: GPL-2.0
/*
 * Maple trees: what their header has as inlines and macros, and nodes that are
 * reserved before anybody knows where they will be stored.
 */

#include <linux/maple_tree.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "helpers.h"

/* An empty tree; its lock is still to be initialised. */
void strata_helper_maple_init(struct maple_tree *tree, unsigned int flags)
{
	memset(tree, 0, sizeof(*tree));
	tree->ma_flags = flags;
}

/* What guards a tree that has no lock of its own, as far as lockdep knows. */
void strata_helper_maple_set_lock(struct maple_tree *tree, struct mutex *lock)
{
	mt_on_stack(*tree);
	if (lock)
		mt_set_external_lock(tree, lock);
}

/* A tree that @lock guards, or whose owner has it to itself if that is NULL. */
void strata_helper_maple_init_extern(struct maple_tree *tree, unsigned int flags,
				     struct mutex *lock)
{
	strata_helper_maple_init(tree, flags | MT_FLAGS_LOCK_EXTERN);
	strata_helper_maple_set_lock(tree, lock);
}

/* From here on the caller has @tree to itself, and lockdep is not to ask for its lock. */
void strata_helper_maple_disown(struct maple_tree *tree)
{
	tree->ma_flags |= MT_FLAGS_LOCK_EXTERN;
	mt_on_stack(*tree);
}

void strata_helper_maple_lock(struct maple_tree *tree)
{
	mtree_lock(tree);
}

void strata_helper_maple_lock_nested(struct maple_tree *tree)
{
	spin_lock_nested(&tree->ma_lock, SINGLE_DEPTH_NESTING);
}

bool strata_helper_maple_trylock(struct maple_tree *tree)
{
	return spin_trylock(&tree->ma_lock);
}

void strata_helper_maple_unlock(struct maple_tree *tree)
{
	mtree_unlock(tree);
}

unsigned int strata_helper_maple_height(struct maple_tree *tree)
{
	return mt_height(tree);
}

/* Has the kernel look for what is wrong with @tree, where it can; it reports that itself. */
void strata_helper_maple_validate(struct maple_tree *tree)
{
#ifdef CONFIG_DEBUG_MAPLE_TREE
	mt_validate(tree);
#endif
}

/*
 * Reserving. mas_preallocate() takes what one store into one tree of now needs.
 * What is wanted is the worst case of any store into any tree of some height,
 * and without that tree's lock. The nodes that a state holds are tied to no
 * tree, so they are asked for with a tree of our own: a store that spans two
 * children of its root needs three nodes for each level below the root and one
 * more, and the height is what the flags of the tree say.
 *
 * Nothing but the size of the reservation rests on this: a commit asks
 * mas_preallocate() again, which counts what is there.
 */
static struct maple_tree template;

/* As many single entries, with gaps between them, as do not fit in one node. */
#define TEMPLATE_ENTRIES 20

/**
 * strata_helper_maple_template_create - make the tree that reservations are made with
 *
 * Context: Process context. May sleep. Once, before any reservation.
 *
 * Return: 0, or -ENOMEM; then there is nothing to destroy.
 */
int strata_helper_maple_template_create(void)
{
	unsigned long i;
	int ret;

	strata_helper_maple_init_extern(&template, 0, NULL);
	for (i = 0; i < TEMPLATE_ENTRIES; i++) {
		MA_STATE(mas, &template, 2 * i, 2 * i);

		ret = mas_store_gfp(&mas, xa_mk_value(i), GFP_KERNEL);
		if (ret) {
			__mt_destroy(&template);
			return ret;
		}
	}
	return 0;
}

void strata_helper_maple_template_destroy(void)
{
	__mt_destroy(&template);
}

/**
 * strata_helper_maple_reserve - take the nodes that any store may need
 * @mas: what holds them; they are given back by mas_destroy()
 * @height: of the highest tree that is stored to, 1 to %MAPLE_HEIGHT_MAX
 * @gfp: how to allocate
 *
 * Context: Any that @gfp allows. Takes no lock of a tree.
 *
 * Return: 0; -ENOMEM, and @mas holds nothing.
 */
int strata_helper_maple_reserve(struct ma_state *mas, unsigned int height, gfp_t gfp)
{
	/* The root and the flags of it; nobody stores to the template any more. */
	struct maple_tree tree = template;
	int ret;

	tree.ma_flags &= ~MT_FLAGS_HEIGHT_MASK;
	tree.ma_flags |= height << MT_FLAGS_HEIGHT_OFFSET;
	mas_init(mas, &tree, 0);
	/* Up to the last index it would be a new root, not a store that spans. */
	mas_set_range(mas, 0, ULONG_MAX - 1);
	ret = mas_preallocate(mas, xa_mk_value(0), gfp);
	mas_reset(mas);
	mas->tree = NULL;
	return ret;
}
