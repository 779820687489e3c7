// SPDX-License-Identifier: GPL-2.0
/*
 * The C twin of shrinker.rs: what a careful driver in C does with the same
 * objects on the same lists.
 *
 * Objects come from a slab cache, belong to the cgroup of who makes them, and
 * stand on one of three lists or on none: an object's place changes under its
 * own lock. The shrinker takes an object off its list with a reference and its
 * lock, drops the list's lock, and then evicts it. It first takes what was given
 * up, then what is idle, then waits for what is in use, then writes out what it
 * had let go of: each only while less was freed than was asked for.
 *
 *   /sys/kernel/debug/strata-bench-shrinker-c/fill   takes "PLACE OBJECTS PAGES",
 *                                    PLACE one of purgeable, idle, kept
 *
 * Lock order: object->mutex, then the list's lock. The walk takes them the other
 * way round, by trylock.
 */
#include <linux/debugfs.h>
#include <linux/list_lru.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

enum place { PURGEABLE, IDLE, UNBOUND, LISTS, NOWHERE = LISTS };

/* How long one scan may wait, in all. */
#define PATIENCE 10

struct pool {
	struct shrinker *shrinker;
	struct kmem_cache *cache;
	struct list_lru lists[LISTS];
	/* What the objects on each list stand for. */
	atomic_long_t pages[LISTS];

	/* Protects the objects that the pool was filled with. */
	struct mutex lock;
	struct object **objects;
	unsigned long count;
};

struct object {
	/* On the list that `place` names, or empty. */
	struct list_head link;
	/* Protects `place`, `kept` and `evicted`. */
	struct mutex mutex;
	refcount_t refs;
	enum place place;
	unsigned long pages;
	bool kept;
	bool evicted;
	u64 id;
	struct pool *pool;
};

static struct pool pool;
static struct dentry *dir;

/* --- objects --- */

/*
 * A cgroup's list heads are made where an object is allocated for that list,
 * hence an allocation for each.
 */
static struct object *object_alloc(struct pool *pool)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(current->mm);
	struct mem_cgroup *old = set_active_memcg(memcg);
	struct object *object, *other;
	enum place place;

	object = kmem_cache_alloc_lru(pool->cache, &pool->lists[0], GFP_KERNEL);
	for (place = 1; object && place < LISTS; place++) {
		other = kmem_cache_alloc_lru(pool->cache, &pool->lists[place], GFP_KERNEL);
		kmem_cache_free(pool->cache, other ?: object);
		if (!other)
			object = NULL;
	}
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return object;
}

static struct object *object_new(struct pool *pool, u64 id, bool kept)
{
	struct object *object = object_alloc(pool);

	if (!object)
		return NULL;
	INIT_LIST_HEAD(&object->link);
	mutex_init(&object->mutex);
	refcount_set(&object->refs, 1);
	object->place = NOWHERE;
	object->pages = 0;
	object->kept = kept;
	object->evicted = false;
	object->id = id;
	object->pool = pool;
	return object;
}

/* The caller holds the object's lock, or the last reference. */
static void object_leave(struct object *object)
{
	struct pool *pool = object->pool;

	if (object->place == NOWHERE)
		return;
	atomic_long_sub(object->pages, &pool->pages[object->place]);
	list_lru_del_obj(&pool->lists[object->place], &object->link);
	object->place = NOWHERE;
}

static void object_put_on(struct object *object, enum place place, unsigned long pages)
{
	struct pool *pool = object->pool;

	object_leave(object);
	object->pages = pages;
	atomic_long_add(pages, &pool->pages[place]);
	list_lru_add_obj(&pool->lists[place], &object->link);
	object->place = place;
}

static void object_put(struct object *object)
{
	if (!refcount_dec_and_test(&object->refs))
		return;
	object_leave(object);
	kmem_cache_free(object->pool->cache, object);
}

/* --- the shrinker --- */

struct walk {
	struct pool *pool;
	enum place place;
	/* Whether objects that are locked are waited for, and how long still. */
	bool wait;
	int patience;
	unsigned long wanted;
	unsigned long scanned;
	unsigned long freed;
	/* Taken off the list, and yet to be taken off what is on it. */
	unsigned long taken;
};

static bool evict(struct walk *walk, struct object *object)
{
	if (object->kept)
		return false;
	object->evicted = true;
	if (walk->place == IDLE)
		object_put_on(object, UNBOUND, object->pages);
	return true;
}

/* The object is on no list, and locked. */
static void offer(struct walk *walk, struct object *object)
{
	walk->scanned += max(object->pages, 1UL);
	if (evict(walk, object))
		walk->freed += object->pages;
	else
		object_put_on(object, walk->place, object->pages);
	mutex_unlock(&object->mutex);
}

static noinline void wait_for(struct walk *walk, struct object *object)
{
	while (!mutex_trylock(&object->mutex)) {
		if (!walk->patience || fatal_signal_pending(current)) {
			walk->wait = false;
			walk->scanned += max(READ_ONCE(object->pages), 1UL);
			return;
		}
		walk->patience--;
		schedule_timeout_killable(1);
	}
	if (object->place == walk->place) {
		object_leave(object);
		offer(walk, object);
	} else {
		mutex_unlock(&object->mutex);
	}
}

static enum lru_status visit_busy(struct walk *walk, struct object *object,
				  struct list_lru_one *list)
{
	if (!walk->wait && refcount_dec_not_one(&object->refs)) {
		walk->scanned += max(READ_ONCE(object->pages), 1UL);
		return LRU_ROTATE;
	}
	spin_unlock(&list->lock);
	if (walk->wait)
		wait_for(walk, object);
	object_put(object);
	return LRU_RETRY;
}

static enum lru_status visit(struct list_head *item, struct list_lru_one *list, void *arg)
{
	struct object *object = container_of(item, struct object, link);
	struct walk *walk = arg;

	if (walk->scanned >= walk->wanted) {
		spin_unlock(&list->lock);
		return LRU_STOP;
	}
	/* Its last user is about to take it off. */
	if (!refcount_inc_not_zero(&object->refs))
		return LRU_SKIP;
	if (!mutex_trylock(&object->mutex))
		return visit_busy(walk, object, list);

	list_lru_isolate(list, item);
	spin_unlock(&list->lock);
	walk->taken += object->pages;
	object->place = NOWHERE;
	offer(walk, object);
	object_put(object);
	return LRU_REMOVED_RETRY;
}

/* Returns the pages that it freed. */
static unsigned long walk_list(struct walk *walk, struct shrink_control *sc, enum place place)
{
	struct list_lru *lru = &walk->pool->lists[place];
	unsigned long before = walk->freed;
	unsigned long visits;

	if (walk->scanned >= walk->wanted)
		return 0;
	/* None is come to twice, and each stands for a page at least. */
	visits = min(list_lru_shrink_count(lru, sc), walk->wanted - walk->scanned);
	walk->place = place;
	walk->taken = 0;
	list_lru_walk_one(lru, sc->nid, sc->memcg, visit, walk, &visits);
	atomic_long_sub(walk->taken, &walk->pool->pages[place]);
	return walk->freed - before;
}

/* Asks for what is missing. */
static bool more(struct walk *walk, struct shrink_control *sc)
{
	if (walk->freed >= sc->nr_to_scan)
		return false;
	walk->wanted = walk->scanned + sc->nr_to_scan - walk->freed;
	return true;
}

static unsigned long pool_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct walk walk = {
		.pool = shrinker->private_data,
		.patience = PATIENCE,
	};

	if (!(sc->gfp_mask & __GFP_FS))
		return SHRINK_STOP;
	if (more(&walk, sc))
		walk_list(&walk, sc, PURGEABLE);
	if (more(&walk, sc))
		walk_list(&walk, sc, IDLE);
	if (!current_is_kswapd() && more(&walk, sc)) {
		walk.wait = true;
		walk_list(&walk, sc, PURGEABLE);
		walk_list(&walk, sc, IDLE);
		walk.wait = false;
	}
	/* What was let go was counted then. */
	if (sc->gfp_mask & __GFP_IO && more(&walk, sc))
		walk.freed -= walk_list(&walk, sc, UNBOUND);

	sc->nr_scanned = walk.scanned;
	/* To have scanned nothing and say anything else is to be called for ever. */
	return walk.scanned ? walk.freed : SHRINK_STOP;
}

/* The lists know how many objects are whose, but not how large they are. */
static unsigned long count_list(struct pool *pool, struct shrink_control *sc, enum place place,
				unsigned long *pages)
{
	struct list_lru *lru = &pool->lists[place];
	unsigned long objects = list_lru_shrink_count(lru, sc);
	unsigned long all = list_lru_count(lru);
	long total = atomic_long_read(&pool->pages[place]);

	if (total > 0)
		*pages += objects >= all ? total : mult_frac((unsigned long)total, objects, all);
	return objects;
}

static unsigned long pool_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;
	unsigned long objects, pages = 0;

	objects = count_list(pool, sc, PURGEABLE, &pages);
	objects += count_list(pool, sc, IDLE, &pages);
	return objects ? pages : SHRINK_EMPTY;
}

/* --- filling it --- */

static void pool_empty(struct pool *pool)
{
	while (pool->count)
		object_put(pool->objects[--pool->count]);
	kvfree(pool->objects);
	pool->objects = NULL;
}

static int pool_fill(struct pool *pool, enum place place, bool kept, unsigned long count,
		     unsigned long pages)
{
	struct object *object;

	pool_empty(pool);
	pool->objects = kvmalloc_array(count, sizeof(*pool->objects), GFP_KERNEL);
	if (!pool->objects)
		return -ENOMEM;
	while (pool->count < count) {
		object = object_new(pool, pool->count, kept);
		if (!object)
			return -ENOMEM;
		pool->objects[pool->count++] = object;
		mutex_lock(&object->mutex);
		object_put_on(object, place, pages);
		mutex_unlock(&object->mutex);
	}
	return 0;
}

static ssize_t fill_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	static const char *const places[] = { "purgeable", "idle", "kept" };
	unsigned long count, pages;
	char text[64], name[16];
	int kind, err;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, len))
		return -EFAULT;
	text[len] = '\0';
	if (sscanf(text, "%15s %lu %lu", name, &count, &pages) != 3)
		return -EINVAL;
	kind = match_string(places, ARRAY_SIZE(places), name);
	if (kind < 0)
		return kind;
	mutex_lock(&pool.lock);
	err = pool_fill(&pool, kind == IDLE ? IDLE : PURGEABLE, kind > IDLE, count, pages);
	mutex_unlock(&pool.lock);
	return err ?: len;
}

static const struct file_operations fill_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = fill_write,
};

static void pool_destroy(struct pool *pool)
{
	enum place place;

	for (place = 0; place < LISTS; place++)
		list_lru_destroy(&pool->lists[place]);
	kmem_cache_destroy(pool->cache);
}

static int __init twin_init(void)
{
	enum place place;
	int err = -ENOMEM;

	mutex_init(&pool.lock);
	pool.shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE,
				       "strata-bench-shrinker-c");
	if (!pool.shrinker)
		return -ENOMEM;
	pool.cache = kmem_cache_create("strata_bench_shrinker_c", sizeof(struct object), 8,
				       SLAB_ACCOUNT, NULL);
	if (!pool.cache)
		goto err_shrinker;
	for (place = 0; place < LISTS; place++) {
		err = list_lru_init_memcg(&pool.lists[place], pool.shrinker);
		if (err)
			goto err_lists;
	}
	pool.shrinker->count_objects = pool_count;
	pool.shrinker->scan_objects = pool_scan;
	pool.shrinker->private_data = &pool;
	shrinker_register(pool.shrinker);

	dir = debugfs_create_dir("strata-bench-shrinker-c", NULL);
	debugfs_create_file("fill", 0200, dir, NULL, &fill_fops);
	return 0;

err_lists:
	/* Those that were not made are zero, which is nothing to destroy. */
	pool_destroy(&pool);
err_shrinker:
	shrinker_free(pool.shrinker);
	return err;
}
module_init(twin_init);

static void __exit twin_exit(void)
{
	debugfs_remove(dir);
	shrinker_free(pool.shrinker);
	pool_empty(&pool);
	pool_destroy(&pool);
}
module_exit(twin_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Bench: the C twin of a shrinker on Strata");
