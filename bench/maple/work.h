/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the contenders of the workload `maple` share: the order in which slots
 * are visited, the values that stand in no tree, and the file `work`.
 *
 * Slot I of a tree are the indices from 32 I to 32 I + 15, so that there is a
 * gap after each. Values are allocated before a measure and freed after it:
 * what is counted is the tree.
 */
#ifndef STRATA_BENCH_MAPLE_WORK_H
#define STRATA_BENCH_MAPLE_WORK_H

#include <linux/errno.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#define STRIDE 32UL
#define LENGTH 16UL
/* A gap between two slots is not enough for it, and a slot that was erased is. */
#define GAP 40UL
/* What a driver keeps for each mapping, besides what links it. */
#define VALUE_SIZE 120

struct contender;
struct dentry;
struct ma_state;

struct value {
	u64 id;
	struct rcu_head rcu;
	u8 rest[VALUE_SIZE - sizeof(u64) - sizeof(struct rcu_head)];
};

struct work {
	/* How many slots there are. */
	unsigned long size;
	/* Slots in the order in which they are visited. */
	u32 *order;
	/* A stack of values that are in no tree. */
	void **spare;
	unsigned long spares;
	/* Of what the last verb saw. */
	u64 sum;
};

/* Does a step for each of `count` slots in order, from the place `from` on. */
struct verb {
	const char *name;
	int (*run)(struct work *work, unsigned long from, unsigned long count);
};

struct contender {
	/* Of its directory. */
	const char *name;
	size_t value_size;
	/* Makes an empty tree. `mode` is the first word of `prepare`. */
	int (*create)(const char *mode, unsigned long size);
	/* Frees the tree and all that is in it. */
	void (*destroy)(void);
	const struct verb *verbs;

	/* Protects the tree and the rest. */
	struct mutex lock;
	bool created;
	struct work work;
	struct dentry *dir;
};

static inline unsigned long slot_first(u32 slot)
{
	return slot * STRIDE;
}

static inline unsigned long slot_last(u32 slot)
{
	return slot * STRIDE + LENGTH - 1;
}

static inline unsigned long slot_middle(u32 slot)
{
	return slot_first(slot) + LENGTH / 2;
}

/* In the gap after it. */
static inline unsigned long slot_gap(u32 slot)
{
	return slot_last(slot) + LENGTH / 2;
}

/* A value to store, or NULL. */
static inline void *spare_pop(struct work *work)
{
	return work->spares ? work->spare[--work->spares] : NULL;
}

/* A value that was in a tree. There are never more than were made. */
static inline void spare_push(struct work *work, void *value)
{
	work->spare[work->spares++] = value;
}

/*
 * What the verbs have in common. The steps are inlined, so that a side is
 * measured without a call for each of them.
 */
static __always_inline int each_slot(struct work *work, unsigned long from, unsigned long count,
				     int (*step)(struct work *work, u32 slot))
{
	const u32 *order = work->order + from;
	unsigned long i;
	int err = 0;

	for (i = 0; i < count && !err; i++)
		err = step(work, order[i]);
	return err;
}

/* The same with a value for each slot, which is in a tree after a step that returns 0. */
static __always_inline int each_value(struct work *work, unsigned long from, unsigned long count,
				      int (*step)(struct work *work, u32 slot, void *value))
{
	const u32 *order = work->order + from;
	unsigned long i;
	int err = 0;

	for (i = 0; i < count && !err; i++) {
		void *value = spare_pop(work);

		if (!value)
			return -ENOENT;
		err = step(work, order[i], value);
		if (err)
			spare_push(work, value);
	}
	return err;
}

/* The verbs `name` of the step `name_one`. */
#define EACH_SLOT(name)								\
static int name(struct work *work, unsigned long from, unsigned long count)	\
{										\
	return each_slot(work, from, count, name##_one);			\
}
#define EACH_VALUE(name)							\
static int name(struct work *work, unsigned long from, unsigned long count)	\
{										\
	return each_value(work, from, count, name##_one);			\
}

extern struct contender twin;
extern struct contender rbtree;
extern struct contender xarray;

/* What reservations are made with. */
int twin_start(void);
void twin_stop(void);

/* Those of the twin that wait. */
extern struct ma_state *twin_held;
extern unsigned long twin_holding;

int twin_held_create(void);
void twin_held_destroy(void);
int twin_reserve(struct work *work, unsigned long from, unsigned long count);

#endif
