// SPDX-License-Identifier: GPL-2.0
/*
 * Scopes of a task: NOFS, NOIO, and annotations that are entered and not left.
 */
#include <linux/sched/mm.h>

#include "corpus.h"

static int inside_nofs(int (*run)(void))
{
	unsigned int flags = memalloc_nofs_save();
	int err = run();

	memalloc_nofs_restore(flags);
	return err;
}

static int inside_noio(int (*run)(void))
{
	unsigned int flags = memalloc_noio_save();
	int err = run();

	memalloc_noio_restore(flags);
	return err;
}

/* Every later allocation of this task is weakened; nothing ever notices. */
static int leak_nofs_scope(void)
{
	memalloc_nofs_save();
	return 0;
}

/* Inner scope closed last: the task leaves with the inner scope's flags set. */
static int restore_scopes_in_wrong_order(void)
{
	unsigned int outer = memalloc_nofs_save();
	unsigned int inner = memalloc_noio_save();

	memalloc_nofs_restore(outer);
	memalloc_noio_restore(inner);
	return 0;
}

/* An early return between the two halves of an annotation. */
static int leak_reclaim_scope(void)
{
	fs_reclaim_acquire(GFP_KERNEL);
	return 0;
}

static int leak_signalling_scope(void)
{
	dma_fence_begin_signalling();
	return 0;
}

/* ... or between locking and unlocking. */
static int leak_mutex(void)
{
	static DEFINE_MUTEX(leaked_lock);

	mutex_lock(&leaked_lock);
	return 0;
}

static int leak_resv_lock(void)
{
	return dma_resv_lock(&corpus_resv, NULL);
}

/* The second of two releases for one entry. */
static int release_reclaim_scope_twice(void)
{
	fs_reclaim_acquire(GFP_KERNEL);
	fs_reclaim_release(GFP_KERNEL);
	fs_reclaim_release(GFP_KERNEL);
	return 0;
}

const struct corpus_case scope_cases[] = {
	/* Scopes weaken the allocation and forbid nothing. */
	CELL(nofs, alloc_kernel),
	CELL(nofs, alloc_nofs),
	CELL(nofs, alloc_noio),
	CELL(nofs, alloc_nowait),
	CELL(nofs, alloc_atomic),
	CELL(nofs, mempool_kernel),
	CELL(nofs, mempool_noio),
	CELL(nofs, mempool_atomic),
	CELL(nofs, mempool_preallocated),
	CELL(nofs, vmalloc),
	CELL(nofs, xarray_store),
	CELL(nofs, maple_store),
	CELL(nofs, maple_reserve),
	CELL(nofs, maple_commit),
	CELL(nofs, maple_read),
	CELL(nofs, va_find),
	CELL(nofs, kthread_create),
	CELL(nofs, cma_alloc),
	CELL(nofs, mutex_process),
	CELL(nofs, mutex_reclaim),
	CELL(nofs, mutex_notifier),
	CELL(nofs, mutex_signalling),
	CELL(nofs, resv_lock),
	CELL(nofs, resv_trylock),
	CELL(nofs, ww_acquire_init),
	CELL(nofs, dma_buf_attach),
	CELL(nofs, dma_buf_detach),
	CELL(nofs, dma_buf_access),
	CELL(nofs, dma_buf_pin),
	CELL(nofs, dma_buf_map_unlocked),
	CELL(nofs, dma_buf_vmap_unlocked),
	CELL(nofs, dma_buf_map),
	CELL(nofs, dma_buf_vmap),
	CELL(nofs, dma_buf_move),
	CELL(nofs, fence_wait),
	CELL(nofs, fence_signal),
	CELL(nofs, mmap_read_lock),
	CELL(nofs, mmap_trylock),
	CELL(nofs, copy_user),
	CELL(nofs, shmem_purge),
	CELL(nofs, interval_insert),
	CELL(nofs, interval_remove),
	CELL(nofs, interval_read_begin),
	CELL(nofs, hmm_fault),
	CELL(nofs, flush_work),
	CELL(nofs, flush_idle_work),
	CELL(nofs, cancel_work),
	CELL(nofs, shrinker_register),
	CELL(nofs, shrinker_free),
	CELL(nofs, synchronize_rcu),
	CELL(nofs, rcu_barrier),
	CELL(nofs, completion_wait),

	CELL(noio, alloc_kernel),
	CELL(noio, alloc_nofs),
	CELL(noio, alloc_noio),
	CELL(noio, alloc_nowait),
	CELL(noio, alloc_atomic),
	CELL(noio, mempool_kernel),
	CELL(noio, mempool_noio),
	CELL(noio, mempool_atomic),
	CELL(noio, mempool_preallocated),
	CELL(noio, vmalloc),
	CELL(noio, xarray_store),
	CELL(noio, maple_store),
	CELL(noio, maple_reserve),
	CELL(noio, maple_commit),
	CELL(noio, maple_read),
	CELL(noio, va_find),
	CELL(noio, kthread_create),
	CELL(noio, cma_alloc),
	CELL(noio, mutex_process),
	CELL(noio, mutex_reclaim),
	CELL(noio, mutex_notifier),
	CELL(noio, mutex_signalling),
	CELL(noio, resv_lock),
	CELL(noio, resv_trylock),
	CELL(noio, ww_acquire_init),
	CELL(noio, dma_buf_attach),
	CELL(noio, dma_buf_detach),
	CELL(noio, dma_buf_access),
	CELL(noio, dma_buf_pin),
	CELL(noio, dma_buf_map_unlocked),
	CELL(noio, dma_buf_vmap_unlocked),
	CELL(noio, dma_buf_map),
	CELL(noio, dma_buf_vmap),
	CELL(noio, dma_buf_move),
	CELL(noio, fence_wait),
	CELL(noio, fence_signal),
	CELL(noio, mmap_read_lock),
	CELL(noio, mmap_trylock),
	CELL(noio, copy_user),
	CELL(noio, shmem_purge),
	CELL(noio, interval_insert),
	CELL(noio, interval_remove),
	CELL(noio, interval_read_begin),
	CELL(noio, hmm_fault),
	CELL(noio, flush_work),
	CELL(noio, flush_idle_work),
	CELL(noio, cancel_work),
	CELL(noio, shrinker_register),
	CELL(noio, shrinker_free),
	CELL(noio, synchronize_rcu),
	CELL(noio, rcu_barrier),
	CELL(noio, completion_wait),

	STORY(leak_nofs_scope),
	STORY(restore_scopes_in_wrong_order),
	STORY(leak_reclaim_scope),
	STORY(leak_signalling_scope),
	STORY(leak_mutex),
	STORY(leak_resv_lock),
	STORY(release_reclaim_scope_twice),
	{}
};
