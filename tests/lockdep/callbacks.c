// SPDX-License-Identifier: GPL-2.0
/*
 * Callbacks of a fence: they run under the fence's own lock, with interrupts
 * off, inside whoever signals. Then the life of the fence itself.
 */
#include <linux/completion.h>
#include <linux/irq_work.h>
#include <linux/spinlock.h>

#include "corpus.h"

struct callback {
	struct dma_fence_cb cb;
	int (*run)(void);
	int err;
};

static void call_back(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct callback *callback = container_of(cb, struct callback, cb);

	callback->err = callback->run();
}

static int inside_fence_callback(int (*run)(void))
{
	struct callback callback = { .run = run, .err = -ENODATA };
	struct dma_fence *fence = corpus_fence();
	int err;

	if (!fence)
		return -ENOMEM;
	err = dma_fence_add_callback(fence, &callback.cb, call_back);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	return err ?: callback.err;
}

static DEFINE_SPINLOCK(ring_lock);

static int lock_ring(void)
{
	spin_lock(&ring_lock);
	spin_unlock(&ring_lock);
	return 0;
}

static struct callback irq_callback;
static struct dma_fence *irq_fence;
static DECLARE_COMPLETION(irq_done);

static void signal_from_irq(struct irq_work *work)
{
	dma_fence_signal(irq_fence);
	complete(&irq_done);
}

/* In the callback of a fence that the device's interrupt signals. */
static int inside_irq_callback(int (*run)(void))
{
	struct irq_work work = IRQ_WORK_INIT(signal_from_irq);
	int err;

	irq_callback.run = run;
	irq_callback.err = -ENODATA;
	irq_fence = corpus_fence();
	if (!irq_fence)
		return -ENOMEM;
	err = dma_fence_add_callback(irq_fence, &irq_callback.cb, call_back);
	irq_work_queue(&work);
	wait_for_completion(&irq_done);
	irq_work_sync(&work);
	dma_fence_put(irq_fence);
	return err ?: irq_callback.err;
}

/*
 * The callback's spinlock is elsewhere taken with interrupts on; the interrupt
 * may come just then.
 */
static int callback_takes_irq_unsafe_spinlock(void)
{
	lock_ring();
	return inside_irq_callback(lock_ring);
}

static int after_preparing(const struct corpus_action *action)
{
	int err = action->prepare() ?: inside_irq_callback(action->run);

	action->finish();
	return err;
}

static int callback_finds_in_space(void)
{
	return after_preparing(&act_va_find);
}

/* The same for what the callback waits for, without a lock. */
static int callback_finds_in_irq_unsafe_space(void)
{
	return after_preparing(&act_va_find_irq_unsafe);
}

/* Somebody waits for the callback of a fence that is dropped unsignalled. */
static int fence_released_unsignalled(void)
{
	struct callback callback = { .run = lock_ring, .err = -ENODATA };
	struct dma_fence *fence = corpus_fence();
	int err;

	if (!fence)
		return -ENOMEM;
	err = dma_fence_add_callback(fence, &callback.cb, call_back);
	dma_fence_put(fence);
	return err ?: callback.err;
}

/* The waiters have been told that all went well. */
static int fence_error_after_signal(void)
{
	struct dma_fence *fence = corpus_fence();

	if (!fence)
		return -ENOMEM;
	dma_fence_signal(fence);
	dma_fence_set_error(fence, -EIO);
	dma_fence_put(fence);
	return 0;
}

static int fence_signalled_twice(void)
{
	struct dma_fence *fence = corpus_fence();

	if (!fence)
		return -ENOMEM;
	dma_fence_signal(fence);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	return 0;
}

const struct corpus_case callback_cases[] = {
	/* Under a spinlock, and a signalling section. */
	CELL(fence_callback, alloc_kernel),
	CELL(fence_callback, alloc_noio),
	CELL(fence_callback, mempool_kernel),
	CELL(fence_callback, alloc_nowait),
	CELL(fence_callback, alloc_atomic),
	CELL(fence_callback, mempool_atomic),
	CELL(fence_callback, mempool_preallocated),
	CELL(fence_callback, maple_commit),
	CELL(fence_callback, maple_read),
	CELL(fence_callback, va_find),
	CELL(fence_callback, mutex_signalling),
	CELL(fence_callback, resv_lock),
	CELL(fence_callback, resv_trylock),
	CELL(fence_callback, mmap_read_lock),
	CELL(fence_callback, copy_user),
	CELL(fence_callback, flush_idle_work),
	CELL(fence_callback, fence_wait),
	CELL(fence_callback, completion_wait),
	/* All fences share one lock class: no fence is signalled under another. */
	CELL(fence_callback, fence_signal),
	STORY(callback_takes_irq_unsafe_spinlock),
	STORY(callback_finds_in_space),
	STORY(callback_finds_in_irq_unsafe_space),

	STORY(fence_released_unsignalled),
	STORY(fence_error_after_signal),
	STORY(fence_signalled_twice),
	{}
};
