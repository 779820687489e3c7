// SPDX-License-Identifier: GPL-2.0
/*
 * Inside an mmu notifier's invalidation: a real one, of a page that is mapped
 * and unmapped for it.
 */
#include <linux/completion.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "corpus.h"

static struct mmu_interval_notifier notifier;
static int (*in_invalidation)(void);
static int invalidation_result;

static bool invalidate(struct mmu_interval_notifier *mni,
		       const struct mmu_notifier_range *range,
		       unsigned long seq)
{
	int (*run)(void) = in_invalidation;

	mmu_interval_set_seq(mni, seq);
	if (run) {
		in_invalidation = NULL;
		invalidation_result = run();
	}
	return true;
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate = invalidate,
};

int inside_notifier(int (*run)(void))
{
	unsigned long page = corpus_map_page();
	int err;

	if (IS_ERR_VALUE(page))
		return page;
	err = put_user(1, (int __user *)page);
	if (err)
		return err;
	err = mmu_interval_notifier_insert(&notifier, current->mm, page,
					   PAGE_SIZE, &notifier_ops);
	if (err)
		return err;

	invalidation_result = -ENODATA;
	in_invalidation = run;
	err = vm_munmap(page, PAGE_SIZE);
	in_invalidation = NULL;
	mmu_interval_notifier_remove(&notifier);
	return err ?: invalidation_result;
}

/* The lock is held for writing by whoever unmaps: only lockdep's half of it. */
static int might_mmap_read(void)
{
	might_lock_read(&current->mm->mmap_lock);
	return 0;
}

static int notifier_mmap_read(void)
{
	return inside_notifier(might_mmap_read);
}

static int own_read_begin(void)
{
	mmu_interval_read_begin(&notifier);
	return 0;
}

/* Waits for the end of the invalidation that it is part of. */
static int notifier_own_read_begin(void)
{
	return inside_notifier(own_read_begin);
}

static int sleep_in_oom_reaper(void)
{
	int err;

	non_block_start();
	err = act_completion_wait.run();
	non_block_end();
	return err;
}

/* The OOM reaper's invalidations say that they cannot wait; this one waits. */
static int notifier_sleeps_where_told_not_to(void)
{
	return act_completion_wait.prepare() ?: inside_notifier(sleep_in_oom_reaper);
}

const struct corpus_case notifier_cases[] = {
	/* Any allocation that may wait may also wait for notifiers. */
	CELL(notifier, alloc_kernel),
	CELL(notifier, alloc_nofs),
	CELL(notifier, alloc_noio),
	CELL(notifier, alloc_scoped_noio),
	CELL(notifier, mempool_kernel),
	CELL(notifier, mempool_noio),
	CELL(notifier, vmalloc),
	CELL(notifier, kthread_create),
	CELL(notifier, shrinker_register),
	CELL(notifier, alloc_nowait),
	CELL(notifier, alloc_atomic),
	CELL(notifier, mempool_atomic),
	CELL(notifier, mempool_preallocated),

	/* The check can be switched off, or never be reached. */
	CELL(notifier, alloc_pf_memalloc),
	CELL(notifier, alloc_nolockdep),
	CELL(notifier, xarray_store),
	CELL(notifier, maple_store),
	CELL(notifier, maple_reserve),
	CELL(notifier, cma_alloc),

	/* Locks: only those of the notifier and below. */
	CELL(notifier, mutex_process),
	CELL(notifier, mutex_reclaim),
	CELL(notifier, mutex_notifier),
	CELL(notifier, mutex_signalling),
	CELL(notifier, resv_lock),
	CELL(notifier, resv_trylock),
	CELL(notifier, ww_acquire_init),
	CELL(notifier, copy_user),
	CELL(notifier, shmem_purge),
	CELL(notifier, interval_read_begin),
	CELL(notifier, interval_remove),
	CELL(notifier, interval_insert),
	STORY(notifier_mmap_read),
	STORY(notifier_own_read_begin),

	/* Waiting: for fences, and for nobody else. */
	CELL(notifier, fence_wait),
	CELL(notifier, fence_signal),
	CELL(notifier, flush_work),
	CELL(notifier, cancel_work),
	CELL(notifier, flush_idle_work),
	CELL(notifier, shrinker_free),
	CELL(notifier, rcu_barrier),
	CELL(notifier, synchronize_rcu),
	CELL(notifier, completion_wait),
	STORY(notifier_sleeps_where_told_not_to),
	{}
};
