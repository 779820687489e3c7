// SPDX-License-Identifier: GPL-2.0

#include <linux/completion.h>
#include <linux/dma-fence.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sync_file.h>

#include "helpers.h"

/**
 * strata_helper_kfree_rcu - free what readers under RCU may still see
 * @object: memory of kmalloc()
 *
 * Context: Any.
 */
void strata_helper_kfree_rcu(struct strata_rcu *object)
{
	kfree_rcu(object, head);
}

void strata_helper_fence_get(struct dma_fence *fence)
{
	dma_fence_get(fence);
}

void strata_helper_fence_put(struct dma_fence *fence)
{
	dma_fence_put(fence);
}

bool strata_helper_fence_test_signaled(struct dma_fence *fence)
{
	/* What is read of the fence next is what it was signalled with. */
	return test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags);
}

bool strata_helper_fence_is_signaled(struct dma_fence *fence)
{
	return dma_fence_is_signaled(fence);
}

void strata_helper_fence_set_error(struct dma_fence *fence, int error)
{
	dma_fence_set_error(fence, error);
}

/* What a fence that is signalled came to: 0 or a negative errno. */
int strata_helper_fence_error(struct dma_fence *fence)
{
	return READ_ONCE(fence->error);
}

s64 strata_helper_fence_timestamp(struct dma_fence *fence)
{
	return ktime_to_ns(dma_fence_timestamp(fence));
}

/* Whose fence it is, or NULL: one that is signalled may belong to nobody any more. */
const struct dma_fence_ops *strata_helper_fence_ops(struct dma_fence *fence)
{
	return rcu_access_pointer(fence->ops);
}

/**
 * strata_helper_fence_might_wait - tell lockdep that a fence may be waited for
 *
 * __dma_fence_might_wait() is not exported; the wait for a fence that is
 * signalled says the same.
 */
void strata_helper_fence_might_wait(void)
{
#ifdef CONFIG_LOCKDEP
	struct dma_fence *stub = dma_fence_get_stub();

	dma_fence_wait_timeout(stub, false, 0);
	dma_fence_put(stub);
#endif
}

struct wake {
	struct dma_fence_cb cb;
	struct completion done;
};

static void wake(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	complete(&container_of(cb, struct wake, cb)->done);
}

/**
 * strata_helper_fence_wait_killable - wait for a fence, or for the end of the task
 * @fence: the fence
 * @timeout: in jiffies
 *
 * As dma_fence_wait_timeout(), which knows no killable wait.
 *
 * Context: May sleep.
 *
 * Return: the jiffies that are left, at least 1; 0 when the time was over;
 * -ERESTARTSYS if the task is being killed.
 */
long strata_helper_fence_wait_killable(struct dma_fence *fence, long timeout)
{
	struct wake waiter;
	long ret;

	might_sleep();
	strata_helper_fence_might_wait();

	init_completion(&waiter.done);
	if (dma_fence_add_callback(fence, &waiter.cb, wake))
		return max(timeout, 1L);
	ret = wait_for_completion_killable_timeout(&waiter.done, timeout);
	/* A fence that was signalled meanwhile is one that was waited for. */
	if (!dma_fence_remove_callback(fence, &waiter.cb))
		ret = max(ret, 1L);
	return ret;
}

/**
 * strata_helper_sync_file_create - a file for a fence
 * @fence: the fence; the file takes a reference of its own
 *
 * Context: Process context. Allocates with %GFP_KERNEL.
 *
 * Return: the file or NULL.
 */
struct file *strata_helper_sync_file_create(struct dma_fence *fence)
{
	struct sync_file *sync_file = sync_file_create(fence);

	return sync_file ? sync_file->file : NULL;
}

/**
 * strata_helper_fence_merge - a fence that is signalled when all of some are
 * @fences: the fences; containers among them are taken apart
 * @count: how many
 *
 * Context: May sleep. Allocates with %GFP_KERNEL.
 *
 * Return: a fence with a reference to it (the stub, where all are signalled), or NULL.
 */
struct dma_fence *strata_helper_fence_merge(struct dma_fence **fences, unsigned int count)
{
	struct dma_fence_unwrap *cursors;
	struct dma_fence *merged;

	cursors = kvcalloc(count, sizeof(*cursors), GFP_KERNEL);
	if (!cursors)
		return NULL;
	merged = __dma_fence_unwrap_merge(count, fences, cursors);
	kvfree(cursors);
	return merged;
}
