// SPDX-License-Identifier: GPL-2.0
/*
 * Holding a reservation: faulting is forbidden, allocating and waiting is not.
 * Then the contract of the reservation itself.
 */
#include <linux/workqueue.h>
#include <linux/ww_mutex.h>

#include "corpus.h"

static int inside_resv(int (*run)(void))
{
	int err;

	err = dma_resv_lock(&corpus_held_resv, NULL);
	if (err)
		return err;
	err = run();
	dma_resv_unlock(&corpus_held_resv);
	return err;
}

/* Both through one acquire context, with the back-off that it asks for. */
static int resv_lock_two_with_context(void)
{
	struct dma_resv *first = &corpus_held_resv, *second = &corpus_resv;
	struct ww_acquire_ctx ctx;
	int err;

	ww_acquire_init(&ctx, &reservation_ww_class);
	err = dma_resv_lock(first, &ctx);
	while (!err) {
		err = dma_resv_lock(second, &ctx);
		if (err != -EDEADLK)
			break;
		dma_resv_unlock(first);
		dma_resv_lock_slow(second, &ctx);
		swap(first, second);
		err = 0;
	}
	if (!err) {
		ww_acquire_done(&ctx);
		dma_resv_unlock(second);
		dma_resv_unlock(first);
	}
	ww_acquire_fini(&ctx);
	return err;
}

/* One more, after having said that it was all. */
static int resv_lock_after_done(void)
{
	struct ww_acquire_ctx ctx;
	int err;

	ww_acquire_init(&ctx, &reservation_ww_class);
	err = dma_resv_lock(&corpus_held_resv, &ctx);
	if (err)
		return err;
	ww_acquire_done(&ctx);
	if (!dma_resv_lock(&corpus_resv, &ctx))
		dma_resv_unlock(&corpus_resv);
	dma_resv_unlock(&corpus_held_resv);
	ww_acquire_fini(&ctx);
	return 0;
}

/* The acquire context goes away while a reservation still points to it. */
static int resv_context_ends_first(void)
{
	struct ww_acquire_ctx ctx;
	int err;

	ww_acquire_init(&ctx, &reservation_ww_class);
	err = dma_resv_lock(&corpus_held_resv, &ctx);
	if (err)
		return err;
	ww_acquire_fini(&ctx);
	dma_resv_unlock(&corpus_held_resv);
	return 0;
}

static int add_fence(struct dma_resv *resv)
{
	struct dma_fence *fence = corpus_fence();

	if (!fence)
		return -ENOMEM;
	dma_resv_add_fence(resv, fence, DMA_RESV_USAGE_READ);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	return 0;
}

static int reserve_and_add(void)
{
	return dma_resv_reserve_fences(&corpus_held_resv, 1) ?:
	       add_fence(&corpus_held_resv);
}

static int resv_add_reserved_fence(void)
{
	return inside_resv(reserve_and_add);
}

static int add_unreserved(void)
{
	return add_fence(&corpus_held_resv);
}

/* No slot was reserved, so there is no table to put the fence into. */
static int resv_add_unreserved_fence(void)
{
	return inside_resv(add_unreserved);
}

static int reserve_one(void)
{
	return dma_resv_reserve_fences(&corpus_held_resv, 1);
}

/* The slot was reserved; unlocking has given it up. */
static int resv_add_fence_unlocked(void)
{
	return inside_resv(reserve_one) ?: add_fence(&corpus_held_resv);
}

static void lock_held_resv(struct work_struct *work)
{
	if (!dma_resv_lock(&corpus_held_resv, NULL))
		dma_resv_unlock(&corpus_held_resv);
}
static DECLARE_WORK(resv_work, lock_held_resv);

static int queue_resv_work(void)
{
	schedule_work(&resv_work);
	return 0;
}

/* Not flush_work() itself, which would never return: what it asks of lockdep. */
static int might_flush_resv_work(void)
{
#ifdef CONFIG_LOCKDEP
	lock_map_acquire(&resv_work.lockdep_map);
	lock_map_release(&resv_work.lockdep_map);
#endif
	return 0;
}

/* Waits for a work item that needs the reservation which the waiter holds. */
static int resv_flush_work_that_locks_it(void)
{
	int err = queue_resv_work();

	flush_work(&resv_work);
	return err ?: inside_resv(might_flush_resv_work);
}

const struct corpus_case resv_cases[] = {
	/* Below the mmap lock and above all else. */
	CELL(resv, alloc_kernel),
	CELL(resv, alloc_nofs),
	CELL(resv, alloc_noio),
	CELL(resv, alloc_nowait),
	CELL(resv, alloc_atomic),
	CELL(resv, mempool_kernel),
	CELL(resv, mempool_noio),
	CELL(resv, mempool_atomic),
	CELL(resv, mempool_preallocated),
	CELL(resv, vmalloc),
	CELL(resv, xarray_store),
	CELL(resv, maple_store),
	CELL(resv, maple_reserve),
	CELL(resv, kthread_create),
	CELL(resv, cma_alloc),
	CELL(resv, mutex_process),
	CELL(resv, mutex_reclaim),
	CELL(resv, mutex_notifier),
	CELL(resv, mutex_signalling),
	CELL(resv, resv_trylock),
	CELL(resv, fence_wait),
	CELL(resv, fence_signal),
	CELL(resv, mmap_trylock),
	CELL(resv, interval_remove),
	CELL(resv, interval_read_begin),
	CELL(resv, flush_work),
	CELL(resv, flush_idle_work),
	CELL(resv, cancel_work),
	CELL(resv, shrinker_register),
	CELL(resv, shrinker_free),
	CELL(resv, synchronize_rcu),
	CELL(resv, rcu_barrier),
	CELL(resv, completion_wait),
	CELL(resv, dma_buf_map),
	CELL(resv, dma_buf_vmap),
	CELL(resv, dma_buf_move),

	/* Page faults lock reservations, so nobody who holds one may fault. */
	CELL(resv, mmap_read_lock),
	CELL(resv, copy_user),
	CELL(resv, interval_insert),
	CELL(resv, hmm_fault),

	/* Several at once only through an acquire context, opened before the first. */
	CELL(resv, resv_lock),
	CELL(resv, ww_acquire_init),
	CELL(resv, dma_buf_attach),
	CELL(resv, dma_buf_detach),
	CELL(resv, dma_buf_access),
	CELL(resv, dma_buf_pin),
	CELL(resv, dma_buf_map_unlocked),
	CELL(resv, dma_buf_vmap_unlocked),
	STORY(resv_lock_two_with_context),
	STORY(resv_lock_after_done),
	STORY(resv_context_ends_first),

	STORY(resv_flush_work_that_locks_it),

	/* Reserve, then add, under one lock. */
	STORY(resv_add_reserved_fence),
	STORY(resv_add_unreserved_fence),
	STORY(resv_add_fence_unlocked),
	{}
};
