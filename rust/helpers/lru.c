// SPDX-License-Identifier: GPL-2.0
/*
 * Objects of one slab cache on several list_lrus, all of which know memory
 * cgroups.
 */

#include <linux/list_lru.h>
#include <linux/memcontrol.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "helpers.h"

struct strata_lrus {
	struct kmem_cache *cache;
	unsigned int count;
	struct list_lru lru[];
};

/**
 * strata_helper_lrus_create - a slab cache and lists for its objects
 * @name: of the cache; copied
 * @size: of an object
 * @align: of an object
 * @count: how many lists
 * @shrinker: what memory cgroups are to call for them; not registered yet
 *
 * Context: Process context. Allocates with %GFP_KERNEL.
 *
 * Return: NULL where there is no memory.
 */
struct strata_lrus *strata_helper_lrus_create(const char *name, size_t size, size_t align,
					      unsigned int count, struct shrinker *shrinker)
{
	struct strata_lrus *lrus = kzalloc_flex(*lrus, lru, count);

	if (!lrus)
		return NULL;
	lrus->cache = kmem_cache_create(name, size, align, SLAB_ACCOUNT, NULL);
	if (!lrus->cache)
		goto error;
	for (; lrus->count < count; lrus->count++)
		if (list_lru_init_memcg(&lrus->lru[lrus->count], shrinker))
			goto error;
	return lrus;

error:
	strata_helper_lrus_destroy(lrus);
	return NULL;
}

/* All objects must be gone. */
void strata_helper_lrus_destroy(struct strata_lrus *lrus)
{
	while (lrus->count--)
		list_lru_destroy(&lrus->lru[lrus->count]);
	kmem_cache_destroy(lrus->cache);
	kfree(lrus);
}

struct list_lru *strata_helper_lrus_first(struct strata_lrus *lrus)
{
	return lrus->lru;
}

/**
 * strata_helper_lrus_alloc - memory for an object that can stand on any of the lists
 * @lrus: whose
 *
 * A cgroup's list heads are made where an object is allocated for that list;
 * memcg_list_lru_alloc() itself is not exported.  So there is an allocation for
 * each list, all for the same cgroup wherever the task moves meanwhile, and the
 * first one is kept.
 *
 * Context: May sleep. Allocates with %GFP_KERNEL.
 *
 * Return: NULL where there is no memory.
 */
void *strata_helper_lrus_alloc(struct strata_lrus *lrus)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(current->mm);
	struct mem_cgroup *old = set_active_memcg(memcg);
	void *object = kmem_cache_alloc_lru(lrus->cache, &lrus->lru[0], GFP_KERNEL);
	unsigned int i;

	for (i = 1; object && i < lrus->count; i++) {
		void *other = kmem_cache_alloc_lru(lrus->cache, &lrus->lru[i], GFP_KERNEL);

		/* Either may be the one that failed. */
		if (!other) {
			kmem_cache_free(lrus->cache, object);
			object = NULL;
		} else {
			kmem_cache_free(lrus->cache, other);
		}
	}
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return object;
}

void strata_helper_lrus_free(struct strata_lrus *lrus, void *object)
{
	kmem_cache_free(lrus->cache, object);
}

/* On no list, unlocked, and with one reference. */
void strata_helper_lru_init(struct strata_object *object, const char *name,
			    struct lock_class_key *key)
{
	INIT_LIST_HEAD(&object->link);
	__mutex_init(&object->lock, name, key);
	refcount_set(&object->refs, 1);
	object->pages = 0;
}

void strata_helper_lru_link(struct list_lru *lru, struct strata_object *object,
			    struct strata_total *total, size_t pages)
{
	/* A walk that finds it locked reads it all the same. */
	WRITE_ONCE(object->pages, pages);
	atomic_long_inc(&total->objects);
	atomic_long_add(pages, &total->pages);
	list_lru_add_obj(lru, &object->link);
}

void strata_helper_lru_unlink(struct list_lru *lru, struct strata_object *object,
			      struct strata_total *total)
{
	strata_helper_lru_taken(total, 1, object->pages);
	list_lru_del_obj(lru, &object->link);
}

/* Objects were taken off a list. */
void strata_helper_lru_taken(struct strata_total *total, size_t objects, size_t pages)
{
	atomic_long_sub(objects, &total->objects);
	atomic_long_sub(pages, &total->pages);
}

/*
 * What follows runs for each object that is scanned, and is in C since nearly
 * all of it is inlined here (make bench).
 */

/**
 * strata_helper_lru_claim - take an object off its list, if that is possible at once
 * @list: the list, locked
 * @object: on it
 *
 * Return: &enum strata_claim, which says whether the list is still locked and
 * whether the caller now has a reference.
 */
int strata_helper_lru_claim(struct list_lru_one *list, struct strata_object *object)
{
	/* Its last user is waiting for us to unlock the list. */
	if (unlikely(!refcount_inc_not_zero(&object->refs)))
		return STRATA_CLAIM_DYING;
	if (unlikely(!mutex_trylock(&object->lock)))
		return STRATA_CLAIM_BUSY;
	list_lru_isolate(list, &object->link);
	spin_unlock(&list->lock);
	return STRATA_CLAIM_TAKEN;
}

/**
 * strata_helper_lru_pass - leave an object alone that is busy
 * @list: the list, locked
 * @object: on it, with a reference of the caller
 *
 * Return: true if the reference is gone. False if it was the last one: then the
 * caller still has it, and the list is unlocked.
 */
bool strata_helper_lru_pass(struct list_lru_one *list, struct strata_object *object)
{
	if (refcount_dec_not_one(&object->refs))
		return true;
	spin_unlock(&list->lock);
	return false;
}

/* Unlocks an object and lets go of it. True if that was the last reference. */
bool strata_helper_lru_release(struct strata_object *object)
{
	mutex_unlock(&object->lock);
	return refcount_dec_and_test(&object->refs);
}

/* A task that is being killed need not go on with a walk that it began by itself. */
bool strata_helper_is_killed(void)
{
	return fatal_signal_pending(current);
}

void strata_helper_lru_unlock(struct list_lru_one *list)
{
	spin_unlock(&list->lock);
}
