// SPDX-License-Identifier: GPL-2.0
/*
 * On the way to signalling a fence: reclaim, notifiers and whoever holds a
 * reservation may be waiting for that fence, so none of them may be waited for.
 */
#include <linux/jiffies.h>

#include "corpus.h"

int inside_signalling(int (*run)(void))
{
	bool cookie = dma_fence_begin_signalling();
	int err = run();

	dma_fence_end_signalling(cookie);
	return err;
}

static int nested_section(void)
{
	return inside_signalling(act_alloc_atomic.run);
}

static int signalling_nests(void)
{
	return inside_signalling(nested_section);
}

static struct dma_fence *own;

static int wait_for_own(void)
{
	return dma_fence_wait_timeout(own, false, HZ / 10) ? -EINVAL : 0;
}

/* Whoever is to signal the fence waits for it. The time-out is ours. */
static int signalling_waits_for_own_fence(void)
{
	int err;

	own = corpus_fence();
	if (!own)
		return -ENOMEM;
	err = inside_signalling(wait_for_own);
	dma_fence_signal(own);
	dma_fence_put(own);
	return err;
}

static DEFINE_MUTEX(job_lock);

/* A published fence is signalled by code that nobody has annotated. */
static int signalling_path_without_annotation(void)
{
	struct dma_fence *fence = corpus_fence();
	int err;

	if (!fence)
		return -ENOMEM;
	mutex_lock(&job_lock);
	err = corpus_alloc(GFP_KERNEL);
	mutex_unlock(&job_lock);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	return err;
}

static DEFINE_MUTEX(queue_lock);

static int lock_queue(void)
{
	return corpus_lock_unlock(&queue_lock);
}

/*
 * Waits for a completion under a lock that the signalling path takes. Were it
 * a fence, lockdep would have the edge; a completion has no place in the order.
 */
static int signalling_lock_held_over_completion(void)
{
	int err = act_completion_wait.prepare();

	mutex_lock(&queue_lock);
	err = err ?: act_completion_wait.run();
	mutex_unlock(&queue_lock);
	return err ?: inside_signalling(lock_queue);
}

static DEFINE_MUTEX(sched_lock);

static int wait_holding_sched_lock(void)
{
	int err;

	mutex_lock(&sched_lock);
	err = corpus_wait_signalled();
	mutex_unlock(&sched_lock);
	return err;
}

/* A scheduler may wait for a dependency, but not under a lock of its own section. */
static int signalling_waits_for_dependency_under_lock(void)
{
	return inside_signalling(wait_holding_sched_lock);
}

const struct corpus_case signalling_cases[] = {
	/* Reclaim may wait for this fence; any allocation that waits may wait for it. */
	CELL(signalling, alloc_kernel),
	CELL(signalling, alloc_nofs),
	CELL(signalling, alloc_noio),
	CELL(signalling, alloc_scoped_noio),
	CELL(signalling, mempool_kernel),
	CELL(signalling, mempool_noio),
	CELL(signalling, vmalloc),
	CELL(signalling, kthread_create),
	CELL(signalling, shrinker_register),

	CELL(signalling, alloc_nowait),
	CELL(signalling, alloc_atomic),
	CELL(signalling, mempool_atomic),
	CELL(signalling, mempool_preallocated),

	/* The check can be switched off, or never be reached. */
	CELL(signalling, alloc_pf_memalloc),
	CELL(signalling, alloc_nolockdep),
	CELL(signalling, xarray_store),
	CELL(signalling, maple_store),
	CELL(signalling, maple_reserve),
	CELL(signalling, maple_commit),
	CELL(signalling, maple_read),
	CELL(signalling, va_find),
	CELL(signalling, cma_alloc),

	/* Locks whose holders may wait for fences. */
	CELL(signalling, mutex_process),
	CELL(signalling, mutex_reclaim),
	CELL(signalling, mutex_notifier),
	CELL(signalling, mutex_signalling),
	CELL(signalling, resv_lock),
	CELL(signalling, resv_trylock),
	CELL(signalling, ww_acquire_init),
	CELL(signalling, dma_buf_attach),
	CELL(signalling, dma_buf_detach),
	CELL(signalling, dma_buf_access),
	CELL(signalling, dma_buf_pin),
	CELL(signalling, dma_buf_map_unlocked),
	CELL(signalling, dma_buf_vmap_unlocked),
	CELL(signalling, dma_buf_map),
	CELL(signalling, dma_buf_vmap),
	CELL(signalling, mmap_read_lock),
	CELL(signalling, mmap_trylock),
	CELL(signalling, copy_user),
	CELL(signalling, shmem_purge),
	CELL(signalling, interval_insert),
	CELL(signalling, interval_remove),
	CELL(signalling, interval_read_begin),
	CELL(signalling, hmm_fault),
	CELL(signalling, hmm_fault_trylock),

	/* Fences. */
	CELL(signalling, fence_signal),
	CELL(signalling, fence_wait),
	STORY(signalling_nests),
	STORY(signalling_waits_for_own_fence),
	STORY(signalling_path_without_annotation),
	STORY(signalling_waits_for_dependency_under_lock),

	/* Waiting for others. */
	CELL(signalling, flush_work),
	CELL(signalling, cancel_work),
	CELL(signalling, flush_idle_work),
	CELL(signalling, shrinker_free),
	CELL(signalling, synchronize_rcu),
	CELL(signalling, rcu_barrier),
	CELL(signalling, completion_wait),
	STORY(signalling_lock_held_over_completion),
	{}
};
