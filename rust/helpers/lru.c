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

/**
 * strata_helper_lru_claim - take an object off its list, if that is possible at once
 * @list: the list, locked
 * @item: the object's link in it
 * @refs: the object's count of references
 * @lock: the object's own lock
 * @wait: the caller is ready to wait for the object's lock
 *
 * In one piece, since nearly all of it is inlined: this runs for each object that
 * is scanned.
 *
 * Return: &enum strata_claim, which says whether the list is still locked and
 * whether the caller now has a reference.
 */
int strata_helper_lru_claim(struct list_lru_one *list, struct list_head *item,
			    refcount_t *refs, struct mutex *lock, bool wait)
{
	/* Its last user is waiting for us to unlock the list. */
	if (unlikely(!refcount_inc_not_zero(refs)))
		return STRATA_CLAIM_DYING;
	if (likely(mutex_trylock(lock))) {
		list_lru_isolate(list, item);
		spin_unlock(&list->lock);
		return STRATA_CLAIM_TAKEN;
	}
	if (!wait && refcount_dec_not_one(refs))
		return STRATA_CLAIM_BUSY;
	spin_unlock(&list->lock);
	return wait ? STRATA_CLAIM_WAIT : STRATA_CLAIM_LAST;
}

void strata_helper_lru_unlock(struct list_lru_one *list)
{
	spin_unlock(&list->lock);
}
