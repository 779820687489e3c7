// SPDX-License-Identifier: GPL-2.0
/*
 * The control group: every action where it is allowed. An action that is
 * reported here would prove nothing when it is reported elsewhere.
 *
 * Then the two contexts around an address space: holding the mmap lock, and
 * serving a device's page fault.
 */
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include "corpus.h"

/* An ioctl of a driver that holds nothing. */
static int inside_process(int (*run)(void))
{
	return run();
}

/* A driver's mmap or fault operation: the core has taken the mmap lock for it. */
static int inside_mmap_read(int (*run)(void))
{
	int err;

	mmap_read_lock(current->mm);
	err = run();
	mmap_read_unlock(current->mm);
	return err;
}

struct device_fault {
	struct work_struct work;
	struct mm_struct *mm;
	int (*run)(void);
	int err;
};

static void serve_fault(struct work_struct *work)
{
	struct device_fault *fault =
		container_of(work, struct device_fault, work);

	kthread_use_mm(fault->mm);
	fault->err = fault->run();
	kthread_unuse_mm(fault->mm);
}

/* A worker that faults in memory for a device, on behalf of a process. */
static int inside_fault_handler(int (*run)(void))
{
	struct device_fault fault = { .mm = current->mm, .run = run };

	INIT_WORK_ONSTACK(&fault.work, serve_fault);
	queue_work(system_dfl_wq, &fault.work);
	flush_work(&fault.work);
	destroy_work_on_stack(&fault.work);
	return fault.err;
}

/*
 * The job whose access faulted will not signal its fence before the fault is
 * served: a cycle through the device, of which the kernel sees nothing. A real
 * handler would not have a time-out either.
 */
static int wait_for_faulting_job(void)
{
	struct dma_fence *job = corpus_fence();
	long left;

	if (!job)
		return -ENOMEM;
	left = dma_fence_wait_timeout(job, false, HZ / 10);
	dma_fence_signal(job);
	dma_fence_put(job);
	return left ? -EINVAL : 0;
}

static int fault_handler_waits_for_its_job(void)
{
	return inside_fault_handler(wait_for_faulting_job);
}

const struct corpus_case process_cases[] = {
	CELL(process, alloc_kernel),
	CELL(process, alloc_nofs),
	CELL(process, alloc_noio),
	CELL(process, alloc_nowait),
	CELL(process, alloc_atomic),
	CELL(process, mempool_kernel),
	CELL(process, mempool_noio),
	CELL(process, mempool_atomic),
	CELL(process, mempool_preallocated),
	CELL(process, vmalloc),
	CELL(process, xarray_store),
	CELL(process, maple_store),
	CELL(process, maple_reserve),
	CELL(process, maple_commit),
	CELL(process, maple_read),
	CELL(process, va_find),
	CELL(process, kthread_create),
	CELL(process, cma_alloc),
	CELL(process, mutex_process),
	CELL(process, mutex_reclaim),
	CELL(process, mutex_notifier),
	CELL(process, mutex_signalling),
	CELL(process, resv_lock),
	CELL(process, resv_trylock),
	CELL(process, ww_acquire_init),
	CELL(process, dma_buf_attach),
	CELL(process, dma_buf_detach),
	CELL(process, dma_buf_access),
	CELL(process, dma_buf_pin),
	CELL(process, dma_buf_map_unlocked),
	CELL(process, dma_buf_vmap_unlocked),
	CELL(process, dma_buf_map),
	CELL(process, dma_buf_vmap),
	CELL(process, dma_buf_move),
	CELL(process, fence_wait),
	CELL(process, fence_signal),
	CELL(process, mmap_read_lock),
	CELL(process, mmap_trylock),
	CELL(process, copy_user),
	CELL(process, shmem_purge),
	CELL(process, interval_insert),
	CELL(process, interval_remove),
	CELL(process, interval_read_begin),
	CELL(process, hmm_fault),
	CELL(process, flush_work),
	CELL(process, flush_idle_work),
	CELL(process, cancel_work),
	CELL(process, shrinker_register),
	CELL(process, shrinker_free),
	CELL(process, synchronize_rcu),
	CELL(process, rcu_barrier),
	CELL(process, completion_wait),

	/* The mmap lock is the outermost level: all but itself may follow. */
	CELL(mmap_read, alloc_kernel),
	CELL(mmap_read, cma_alloc),
	CELL(mmap_read, mutex_process),
	CELL(mmap_read, resv_lock),
	CELL(mmap_read, ww_acquire_init),
	CELL(mmap_read, dma_buf_attach),
	CELL(mmap_read, dma_buf_detach),
	CELL(mmap_read, dma_buf_access),
	CELL(mmap_read, dma_buf_pin),
	CELL(mmap_read, dma_buf_map_unlocked),
	CELL(mmap_read, dma_buf_vmap_unlocked),
	CELL(mmap_read, dma_buf_map),
	CELL(mmap_read, dma_buf_vmap),
	CELL(mmap_read, dma_buf_move),
	CELL(mmap_read, fence_wait),
	CELL(mmap_read, fence_signal),
	CELL(mmap_read, mmap_trylock),
	CELL(mmap_read, interval_read_begin),
	CELL(mmap_read, interval_remove),
	CELL(mmap_read, flush_work),
	CELL(mmap_read, synchronize_rcu),
	/* Readers queue behind a waiting writer, so reading twice deadlocks. */
	CELL(mmap_read, mmap_read_lock),
	CELL(mmap_read, copy_user),

	/* Serving a fault is work like any other, but for whom it keeps waiting. */
	CELL(fault_handler, alloc_kernel),
	CELL(fault_handler, alloc_nofs),
	CELL(fault_handler, alloc_noio),
	CELL(fault_handler, alloc_nowait),
	CELL(fault_handler, alloc_atomic),
	CELL(fault_handler, mempool_kernel),
	CELL(fault_handler, mempool_noio),
	CELL(fault_handler, mempool_atomic),
	CELL(fault_handler, mempool_preallocated),
	CELL(fault_handler, vmalloc),
	CELL(fault_handler, xarray_store),
	CELL(fault_handler, kthread_create),
	CELL(fault_handler, cma_alloc),
	CELL(fault_handler, mutex_process),
	CELL(fault_handler, mutex_reclaim),
	CELL(fault_handler, mutex_notifier),
	CELL(fault_handler, mutex_signalling),
	CELL(fault_handler, resv_lock),
	CELL(fault_handler, resv_trylock),
	CELL(fault_handler, ww_acquire_init),
	CELL(fault_handler, fence_wait),
	CELL(fault_handler, fence_signal),
	CELL(fault_handler, mmap_read_lock),
	CELL(fault_handler, mmap_trylock),
	CELL(fault_handler, copy_user),
	CELL(fault_handler, interval_insert),
	CELL(fault_handler, interval_remove),
	CELL(fault_handler, interval_read_begin),
	CELL(fault_handler, hmm_fault),
	CELL(fault_handler, flush_work),
	CELL(fault_handler, flush_idle_work),
	CELL(fault_handler, cancel_work),
	CELL(fault_handler, shrinker_register),
	CELL(fault_handler, shrinker_free),
	CELL(fault_handler, synchronize_rcu),
	CELL(fault_handler, rcu_barrier),
	CELL(fault_handler, completion_wait),
	STORY(fault_handler_waits_for_its_job),
	{}
};
