// SPDX-License-Identifier: GPL-2.0
/*
 * The life of locks, and lockdep maps of a driver's own.
 */
#include <linux/lockdep.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "corpus.h"

/* The object is freed by a function that still holds its lock. */
static int lock_freed_while_held(void)
{
	struct mutex *lock = kmalloc(sizeof(*lock), GFP_KERNEL);

	if (!lock)
		return -ENOMEM;
	mutex_init(lock);
	mutex_lock(lock);
	kfree(lock);
	return 0;
}

#ifdef CONFIG_LOCKDEP
/* The key of a lock class lives in memory that lockdep has not been told of. */
static int lock_key_not_registered(void)
{
	struct {
		struct mutex lock;
		struct lock_class_key key;
	} *object = kzalloc(sizeof(*object), GFP_KERNEL);

	if (!object)
		return -ENOMEM;
	mutex_init(&object->lock);
	lockdep_set_class(&object->lock, &object->key);
	corpus_lock_unlock(&object->lock);
	kfree(object);
	return 0;
}

static int lock_key_registered(void)
{
	struct {
		struct mutex lock;
		struct lock_class_key key;
	} *object = kzalloc(sizeof(*object), GFP_KERNEL);

	if (!object)
		return -ENOMEM;
	lockdep_register_key(&object->key);
	mutex_init(&object->lock);
	lockdep_set_class(&object->lock, &object->key);
	corpus_lock_unlock(&object->lock);
	mutex_destroy(&object->lock);
	lockdep_unregister_key(&object->key);
	kfree(object);
	return 0;
}

static struct lockdep_map own_map = STATIC_LOCKDEP_MAP_INIT("own_map", &own_map);

static int take_own_map(void)
{
	lock_map_acquire(&own_map);
	lock_map_release(&own_map);
	return 0;
}

/*
 * A rule of one's own gets a map of its own: entered in reclaim here ...
 */
static int own_map_in_order(void)
{
	return inside_reclaim(take_own_map);
}

/* ... and held over an allocation there. */
static int own_map_against_order(void)
{
	int err = inside_reclaim(take_own_map);

	lock_map_acquire(&own_map);
	err = err ?: corpus_alloc(GFP_KERNEL);
	lock_map_release(&own_map);
	return err;
}
#else
static int needs_lockdep(void)
{
	return -EOPNOTSUPP;
}
#define lock_key_not_registered	needs_lockdep
#define lock_key_registered	needs_lockdep
#define own_map_in_order	needs_lockdep
#define own_map_against_order	needs_lockdep
#endif

/* Zeroed memory is not a lock: lockdep needs to be told its class. */
static int lock_never_initialised(void)
{
	spinlock_t *lock = kzalloc(sizeof(*lock), GFP_KERNEL);

	if (!lock)
		return -ENOMEM;
	spin_lock(lock);
	spin_unlock(lock);
	kfree(lock);
	return 0;
}

const struct corpus_case lifetime_cases[] = {
	STORY(lock_freed_while_held),
	STORY(lock_key_not_registered),
	STORY(lock_key_registered),
	STORY(lock_never_initialised),
	STORY(own_map_in_order),
	STORY(own_map_against_order),
	{}
};
