// SPDX-License-Identifier: GPL-2.0
/*
 * Real shrinkers with a mistake in them, and the ways to make them run. Each
 * shrinker case registers one; a trigger, or a command in the shell, runs it.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shrinker.h>

#include "corpus.h"

/* How often a scan that never ends is called before it is put out of its misery. */
#define LIVELOCK_CALLS 100000

static struct shrinker *live;

static unsigned long count_some(struct shrinker *s, struct shrink_control *sc)
{
	return 1000;
}

static int install_counting(unsigned long (*count)(struct shrinker *,
						   struct shrink_control *),
			    unsigned long (*scan)(struct shrinker *,
						  struct shrink_control *))
{
	live = shrinker_alloc(0, "%s", "strata_corpus_live");
	if (!live)
		return -ENOMEM;
	live->count_objects = count;
	live->scan_objects = scan;
	shrinker_register(live);
	return 0;
}

static int install(unsigned long (*scan)(struct shrinker *,
					 struct shrink_control *))
{
	return install_counting(count_some, scan);
}

static unsigned long scan_allocates(struct shrinker *s,
				    struct shrink_control *sc)
{
	atomic_inc(&corpus_calls);
	corpus_alloc(GFP_KERNEL);
	return sc->nr_to_scan;
}

/* Needs memory to free memory. */
static int shrinker_that_allocates(void)
{
	return install(scan_allocates);
}

static DEFINE_MUTEX(cache_lock);

static unsigned long scan_locks(struct shrinker *s, struct shrink_control *sc)
{
	atomic_inc(&corpus_calls);
	corpus_lock_unlock(&cache_lock);
	return sc->nr_to_scan;
}

/* Takes a mutex under which the rest of the driver allocates. */
static int shrinker_that_locks(void)
{
	mutex_lock(&cache_lock);
	corpus_alloc(GFP_KERNEL);
	mutex_unlock(&cache_lock);
	return install(scan_locks);
}

static unsigned long scan_returns_errno(struct shrinker *s,
					struct shrink_control *sc)
{
	atomic_inc(&corpus_calls);
	return -EBUSY;
}

/* An error code is a number of pages freed, and a very large one. */
static int shrinker_that_returns_errno(void)
{
	return install(scan_returns_errno);
}

static unsigned long scan_returns_empty(struct shrinker *s,
					struct shrink_control *sc)
{
	atomic_inc(&corpus_calls);
	return SHRINK_EMPTY;
}

/* SHRINK_EMPTY is an answer of count; out of scan it is 2^64 - 2 pages. */
static int shrinker_that_returns_empty(void)
{
	return install(scan_returns_empty);
}

static unsigned long scan_never_progresses(struct shrinker *s,
					   struct shrink_control *sc)
{
	if (atomic_inc_return(&corpus_calls) > LIVELOCK_CALLS ||
	    fatal_signal_pending(current))
		return SHRINK_STOP;
	sc->nr_scanned = 0;
	return 0;
}

/* Says that it has scanned nothing, and not that it wants to stop: called for ever. */
static int shrinker_that_never_progresses(void)
{
	return install(scan_never_progresses);
}

static unsigned long scan_frees_itself(struct shrinker *s,
				       struct shrink_control *sc)
{
	atomic_inc(&corpus_calls);
	shrinker_free(live);
	return SHRINK_STOP;
}

/* shrinker_free() waits for the last scan to end, which is this one. */
static int shrinker_that_frees_itself(void)
{
	return install(scan_frees_itself);
}

/* GFP_NOFS is not a bit but several, some of which every caller has. */
static unsigned long count_tests_gfp(struct shrinker *s,
				     struct shrink_control *sc)
{
	return sc->gfp_mask & GFP_NOFS ? SHRINK_EMPTY : 1000;
}

static int shrinker_that_tests_gfp_flags(void)
{
	return install_counting(count_tests_gfp, scan_allocates);
}

static int scan_live(void)
{
	struct shrink_control sc = {
		.gfp_mask = GFP_KERNEL,
		.nr_to_scan = 10,
		.nr_scanned = 10,
	};

	live->scan_objects(live, &sc);
	return 0;
}

/* A driver's own drop-caches file: calls scan the way lockdep can follow. */
static int trigger(void)
{
	return inside_reclaim(scan_live);
}

/* The same with PF_MEMALLOC, as i915 does and as real reclaim looks. */
static int trigger_pf_memalloc(void)
{
	unsigned int flags;
	int err;

	fs_reclaim_acquire(GFP_KERNEL);
	flags = memalloc_noreclaim_save();
	err = scan_live();
	memalloc_noreclaim_restore(flags);
	fs_reclaim_release(GFP_KERNEL);
	return err;
}

/* Takes pages until the shrinker was called, and gives them all back. */
static int press_until_called(gfp_t gfp)
{
	struct page *page, *next;
	LIST_HEAD(pages);

	while (!atomic_read(&corpus_calls)) {
		page = alloc_page(gfp | __GFP_NORETRY | __GFP_NOWARN);
		if (!page)
			break;
		list_add(&page->lru, &pages);
		cond_resched();
	}
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
	return atomic_read(&corpus_calls) ? 0 : -EAGAIN;
}

/* Whoever reclaims: this task or kswapd. */
static int memory_pressure(void)
{
	return press_until_called(GFP_KERNEL);
}

static struct task_struct *cache_holder;

/*
 * Would take cache_lock, and so wait for its own task. It only counts that,
 * and leaves out kswapd, which would wait for somebody else.
 */
static unsigned long scan_looks_for_holder(struct shrinker *s,
					   struct shrink_control *sc)
{
	if (READ_ONCE(cache_holder) == current && !(sc->gfp_mask & __GFP_FS))
		atomic_inc(&corpus_calls);
	return SHRINK_STOP;
}

static int lock_cache(void)
{
	return corpus_lock_unlock(&cache_lock);
}

/* lockdep knows that cache_lock is taken in reclaim; then reclaim comes under it. */
static int press_under_cache_lock(gfp_t gfp)
{
	int err = inside_reclaim(lock_cache);

	err = err ?: install(scan_looks_for_holder);
	if (err)
		return err;
	mutex_lock(&cache_lock);
	WRITE_ONCE(cache_holder, current);
	err = press_until_called(gfp);
	WRITE_ONCE(cache_holder, NULL);
	mutex_unlock(&cache_lock);
	return err;
}

static int nofs_calls_shrinker_under_its_lock(void)
{
	return press_under_cache_lock(GFP_NOFS);
}

static int noio_calls_shrinker_under_its_lock(void)
{
	return press_under_cache_lock(GFP_NOIO);
}

const struct corpus_case shrinker_cases[] = {
	STORY(shrinker_that_allocates),
	STORY(shrinker_that_locks),
	STORY(shrinker_that_returns_errno),
	STORY(shrinker_that_returns_empty),
	STORY(shrinker_that_never_progresses),
	STORY(shrinker_that_frees_itself),
	STORY(shrinker_that_tests_gfp_flags),
	STORY(trigger),
	STORY(trigger_pf_memalloc),
	STORY(memory_pressure),
	STORY(nofs_calls_shrinker_under_its_lock),
	STORY(noio_calls_shrinker_under_its_lock),
	{}
};
