// SPDX-License-Identifier: GPL-2.0

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>

#include "helpers.h"

int strata_helper_resv_lock_interruptible(struct dma_resv *resv, struct ww_acquire_ctx *ctx)
{
	return dma_resv_lock_interruptible(resv, ctx);
}

void strata_helper_resv_lock_slow(struct dma_resv *resv, struct ww_acquire_ctx *ctx)
{
	dma_resv_lock_slow(resv, ctx);
}

int strata_helper_resv_lock_slow_interruptible(struct dma_resv *resv, struct ww_acquire_ctx *ctx)
{
	return dma_resv_lock_slow_interruptible(resv, ctx);
}

bool strata_helper_resv_trylock(struct dma_resv *resv)
{
	return dma_resv_trylock(resv);
}

void strata_helper_resv_acquire_init(struct ww_acquire_ctx *ctx)
{
	ww_acquire_init(ctx, &reservation_ww_class);
}

void strata_helper_resv_acquire_fini(struct ww_acquire_ctx *ctx)
{
	ww_acquire_fini(ctx);
}

void *strata_helper_resv_mutex(struct dma_resv *resv)
{
	return &resv->lock.base;
}

bool strata_helper_fence_is_container(struct dma_fence *fence)
{
	return dma_fence_is_container(fence);
}

/**
 * strata_helper_resv_for_each - show the fences of a reservation that is locked
 * @resv: the reservation
 * @usage: the last usage to show
 * @show: told each fence and its usage, with @arg
 * @arg: what @show gets
 *
 * Context: Under the lock of @resv.
 */
void strata_helper_resv_for_each(struct dma_resv *resv, int usage,
				 void (*show)(struct dma_fence *fence, int usage, void *arg),
				 void *arg)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_for_each_fence(&cursor, resv, usage, fence)
		if (!dma_fence_is_signaled(fence))
			show(fence, dma_resv_iter_usage(&cursor), arg);
}
