// SPDX-License-Identifier: GPL-2.0
/*
 * The contenders in C of the workload `maple`. Each has a file
 *
 *   /sys/kernel/debug/strata-bench-maple-SIDE/work
 *
 * to which one of these is written:
 *
 *   prepare MODE SIZE SEED   an empty tree, and so many slots to visit: in a random
 *                            order, or one after the other if SEED is 0
 *   spare COUNT              so many values in all that are in no tree
 *   VERB FROM COUNT          a step for COUNT slots, from place FROM of the order
 *   empty 0 0                frees all
 *
 * and which shows the sum of what the last verb saw: the contenders agree on it.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../text.h"
#include "work.h"

#define LONGEST 64
/* Values that there may be: one for each slot, as many to take their places, and rests. */
#define VALUES(size) (3 * (size))

/* The same numbers on all sides. */
static u64 next_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void shuffle(u32 *order, unsigned long size, u64 seed)
{
	unsigned long i, other;

	for (i = size - 1; seed && i; i--) {
		other = (next_random(&seed) >> 32) * (i + 1) >> 32;
		swap(order[i], order[other]);
	}
}

static void empty(struct contender *contender)
{
	struct work *work = &contender->work;

	if (contender->created)
		contender->destroy();
	contender->created = false;
	while (work->spares)
		kfree(spare_pop(work));
	kvfree(work->spare);
	kvfree(work->order);
	memset(work, 0, sizeof(*work));
}

static int prepare(struct contender *contender, const char *mode,
		   unsigned long size, unsigned long seed)
{
	struct work *work = &contender->work;
	unsigned long i;
	int err;

	empty(contender);
	if (!size || size > U32_MAX)
		return -EINVAL;
	work->order = kvmalloc_array(size, sizeof(*work->order), GFP_KERNEL);
	work->spare = kvmalloc_array(VALUES(size), sizeof(*work->spare), GFP_KERNEL);
	err = work->order && work->spare ? contender->create(mode, size) : -ENOMEM;
	if (err) {
		empty(contender);
		return err;
	}
	contender->created = true;
	work->size = size;
	for (i = 0; i < size; i++)
		work->order[i] = i;
	shuffle(work->order, size, seed);
	return 0;
}

static int spare(struct contender *contender, unsigned long count)
{
	struct work *work = &contender->work;

	if (count > work->size)
		return -EINVAL;
	while (work->spares < count) {
		struct value *value = kzalloc(contender->value_size, GFP_KERNEL);

		if (!value)
			return -ENOMEM;
		value->id = work->spares;
		spare_push(work, value);
	}
	return 0;
}

static int run(struct contender *contender, const char *name,
	       unsigned long from, unsigned long count)
{
	struct work *work = &contender->work;
	const struct verb *verb;

	if (from > work->size || count > work->size - from)
		return -EINVAL;
	work->sum = 0;
	for (verb = contender->verbs; verb->name; verb++)
		if (!strcmp(verb->name, name))
			return verb->run(work, from, count);
	return -EINVAL;
}

static int command(struct contender *contender, char *text)
{
	unsigned long first, second;
	char name[16], mode[16];

	if (sscanf(text, "prepare %15s %lu %lu", mode, &first, &second) == 3)
		return prepare(contender, mode, first, second);
	if (sscanf(text, "spare %lu", &first) == 1)
		return spare(contender, first);
	if (sscanf(text, "%15s %lu %lu", name, &first, &second) != 3)
		return -EINVAL;
	if (strcmp(name, "empty"))
		return run(contender, name, first, second);
	empty(contender);
	return 0;
}

static ssize_t work_write(struct file *file, const char __user *from,
			  size_t len, loff_t *pos)
{
	struct seq_file *m = file->private_data;
	struct contender *contender = m->private;
	char text[LONGEST];
	int err;

	err = text_from_user(text, sizeof(text), from, len);
	if (err)
		return err;

	mutex_lock(&contender->lock);
	err = command(contender, text);
	mutex_unlock(&contender->lock);
	return err ?: len;
}

static int work_show(struct seq_file *m, void *unused)
{
	struct contender *contender = m->private;
	u64 sum;

	mutex_lock(&contender->lock);
	sum = contender->work.sum;
	mutex_unlock(&contender->lock);
	seq_printf(m, "%llu\n", sum);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(work);

static void contender_add(struct contender *contender)
{
	mutex_init(&contender->lock);
	contender->dir = debugfs_create_dir(contender->name, NULL);
	debugfs_create_file("work", 0600, contender->dir, contender, &work_fops);
}

static void contender_remove(struct contender *contender)
{
	debugfs_remove(contender->dir);
	empty(contender);
}

static int __init work_init(void)
{
	int err;

	err = twin_start();
	if (err)
		return err;
	contender_add(&twin);
	contender_add(&rbtree);
	contender_add(&xarray);
	return 0;
}
module_init(work_init);

static void __exit work_exit(void)
{
	contender_remove(&xarray);
	contender_remove(&rbtree);
	contender_remove(&twin);
	twin_stop();
}
module_exit(work_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Bench: maple trees in C, and their peers");
