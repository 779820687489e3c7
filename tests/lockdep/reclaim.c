// SPDX-License-Identifier: GPL-2.0
/*
 * Inside reclaim, as the count and scan functions of a shrinker are: under
 * fs_reclaim. Not under PF_MEMALLOC, which real reclaim sets as well and which
 * makes the allocator take back its check: see shrinker.c.
 */
#include <linux/sched/mm.h>
#include <linux/spinlock.h>

#include "corpus.h"

int inside_reclaim(int (*run)(void))
{
	int err;

	fs_reclaim_acquire(GFP_KERNEL);
	err = run();
	fs_reclaim_release(GFP_KERNEL);
	return err;
}

static DEFINE_SPINLOCK(lru_lock);

static int lock_lru(void)
{
	spin_lock(&lru_lock);
	spin_unlock(&lru_lock);
	return 0;
}

/* The spinlock of the shrinker's list, held over an allocation elsewhere. */
static int reclaim_spinlock_held_over_alloc(void)
{
	int err = inside_reclaim(lock_lru);

	spin_lock(&lru_lock);
	err = err ?: corpus_alloc(GFP_KERNEL);
	spin_unlock(&lru_lock);
	return err;
}

const struct corpus_case reclaim_cases[] = {
	/* GFP_KERNEL may reclaim, and so call the very shrinker that asks for it. */
	CELL(reclaim, alloc_kernel),
	CELL(reclaim, mempool_kernel),
	CELL(reclaim, vmalloc),
	CELL(reclaim, kthread_create),
	CELL(reclaim, shrinker_register),

	/* What does not come back here is allowed. */
	CELL(reclaim, alloc_nofs),
	CELL(reclaim, alloc_noio),
	CELL(reclaim, alloc_nowait),
	CELL(reclaim, alloc_atomic),
	CELL(reclaim, alloc_scoped_nofs),
	CELL(reclaim, mempool_noio),
	CELL(reclaim, mempool_atomic),
	CELL(reclaim, mempool_preallocated),

	/* The check can be switched off, or never be reached. */
	CELL(reclaim, alloc_pf_memalloc),
	CELL(reclaim, alloc_nolockdep),
	CELL(reclaim, xarray_store),
	CELL(reclaim, maple_store),
	CELL(reclaim, maple_reserve),
	CELL(reclaim, cma_alloc),

	/* Locks that are held over GFP_KERNEL somewhere: the order runs the other way. */
	CELL(reclaim, mutex_process),
	CELL(reclaim, mutex_process_trylock),
	CELL(reclaim, mutex_reclaim),
	CELL(reclaim, mutex_notifier),
	CELL(reclaim, mutex_signalling),
	CELL(reclaim, resv_lock),
	CELL(reclaim, resv_trylock),
	CELL(reclaim, ww_acquire_init),
	CELL(reclaim, dma_buf_attach),
	CELL(reclaim, dma_buf_detach),
	CELL(reclaim, dma_buf_access),
	CELL(reclaim, dma_buf_pin),
	CELL(reclaim, dma_buf_map_unlocked),
	CELL(reclaim, dma_buf_vmap_unlocked),
	CELL(reclaim, dma_buf_map),
	CELL(reclaim, dma_buf_vmap),
	CELL(reclaim, dma_buf_move),
	CELL(reclaim, mmap_read_lock),
	CELL(reclaim, mmap_trylock),
	CELL(reclaim, copy_user),
	CELL(reclaim, shmem_purge),
	CELL(reclaim, interval_insert),
	CELL(reclaim, interval_remove),
	CELL(reclaim, interval_read_begin),
	CELL(reclaim, hmm_fault),
	CELL(reclaim, hmm_fault_trylock),
	STORY(reclaim_spinlock_held_over_alloc),

	/* Fences come after reclaim in the order. */
	CELL(reclaim, fence_wait),
	CELL(reclaim, fence_signal),

	/* Waiting for others, who may themselves be waiting for memory. */
	CELL(reclaim, flush_work),
	CELL(reclaim, cancel_work),
	CELL(reclaim, flush_idle_work),
	CELL(reclaim, shrinker_free),
	CELL(reclaim, synchronize_rcu),
	CELL(reclaim, rcu_barrier),
	CELL(reclaim, completion_wait),
	{}
};
