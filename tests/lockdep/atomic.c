// SPDX-License-Identifier: GPL-2.0
/*
 * Where nothing may sleep: under a spinlock and in an RCU read-side section.
 */
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "corpus.h"

static DEFINE_SPINLOCK(outer_spinlock);

static int inside_atomic(int (*run)(void))
{
	int err;

	spin_lock(&outer_spinlock);
	err = run();
	spin_unlock(&outer_spinlock);
	return err;
}

static int inside_rcu(int (*run)(void))
{
	int err;

	rcu_read_lock();
	err = run();
	rcu_read_unlock();
	return err;
}

/* An annotation under a spinlock does nothing: sleeping is all that is checked. */
static int atomic_signalling_alloc(void)
{
	int err;

	spin_lock(&outer_spinlock);
	err = inside_signalling(act_alloc_kernel.run);
	spin_unlock(&outer_spinlock);
	return err;
}

const struct corpus_case atomic_cases[] = {
	CELL(atomic, alloc_kernel),
	CELL(atomic, alloc_nofs),
	CELL(atomic, alloc_noio),
	CELL(atomic, mempool_kernel),
	CELL(atomic, mutex_process),
	CELL(atomic, mutex_reclaim),
	CELL(atomic, resv_lock),
	CELL(atomic, dma_buf_attach),
	CELL(atomic, dma_buf_detach),
	CELL(atomic, dma_buf_access),
	CELL(atomic, dma_buf_pin),
	CELL(atomic, dma_buf_map_unlocked),
	CELL(atomic, dma_buf_vmap_unlocked),
	CELL(atomic, dma_buf_map),
	CELL(atomic, dma_buf_vmap),
	CELL(atomic, fence_wait),
	CELL(atomic, mmap_read_lock),
	CELL(atomic, copy_user),
	CELL(atomic, flush_idle_work),
	CELL(atomic, completion_wait),
	STORY(atomic_signalling_alloc),
	CELL(atomic, alloc_nowait),
	CELL(atomic, alloc_atomic),
	CELL(atomic, mempool_atomic),
	CELL(atomic, mempool_preallocated),
	CELL(atomic, maple_store),
	CELL(atomic, maple_reserve),
	CELL(atomic, maple_commit),
	CELL(atomic, maple_read),
	CELL(atomic, va_find),
	CELL(atomic, fence_signal),
	/* Who holds it may be asleep, and must not be spun for; trying does not say so. */
	CELL(atomic, resv_trylock),

	CELL(rcu, alloc_kernel),
	CELL(rcu, alloc_noio),
	CELL(rcu, mempool_kernel),
	CELL(rcu, mutex_process),
	CELL(rcu, resv_lock),
	CELL(rcu, fence_wait),
	CELL(rcu, mmap_read_lock),
	CELL(rcu, copy_user),
	CELL(rcu, flush_idle_work),
	CELL(rcu, completion_wait),
	/* A reader that waits for all readers. */
	CELL(rcu, synchronize_rcu),
	CELL(rcu, alloc_nowait),
	CELL(rcu, alloc_atomic),
	CELL(rcu, mempool_atomic),
	CELL(rcu, mempool_preallocated),
	CELL(rcu, maple_commit),
	CELL(rcu, maple_read),
	CELL(rcu, va_find),
	CELL(rcu, fence_signal),
	CELL(rcu, resv_trylock),
	{}
};
