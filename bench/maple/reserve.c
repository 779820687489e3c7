// SPDX-License-Identifier: GPL-2.0
/*
 * Reservations of the twin in C, by hand. Nodes that a state holds are tied to no
 * tree: they are asked for with one whose flags claim the height, and for a store
 * that spans two children of its root, which is the worst there is.
 */
#include <linux/maple_tree.h>
#include <linux/mm.h>

#include "work.h"

/* How many may wait. */
#define HELD 4096

struct ma_state *twin_held;
unsigned long twin_holding;

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

int twin_held_create(void)
{
	twin_held = kvmalloc_array(HELD, sizeof(*twin_held), GFP_KERNEL);
	return twin_held ? 0 : -ENOMEM;
}

void twin_held_destroy(void)
{
	while (twin_holding)
		mas_destroy(&twin_held[--twin_holding]);
	kvfree(twin_held);
}

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

int twin_reserve(struct work *work, unsigned long from, unsigned long count)
{
	unsigned long i;

	if (count > HELD - twin_holding)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		struct ma_state *mas = &twin_held[twin_holding];
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
		twin_holding++;
	}
	return 0;
}
