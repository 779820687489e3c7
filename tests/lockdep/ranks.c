// SPDX-License-Identifier: GPL-2.0
/*
 * Four mutexes of a driver, each with its rank in the kernel's order, and what
 * may be done while one of them is held.
 *
 *	process_lock > fs_reclaim > reclaim_lock > mmu_notifier > notifier_lock
 *		> dma_fence > signalling_lock
 *
 * corpus_ranks_init() shows each of them to lockdep once, in the right order,
 * as a driver should when it is loaded. From then on the first wrong use is
 * reported, whether or not a shrinker or a notifier has ever run.
 */
#include "corpus.h"

static DEFINE_MUTEX(process_lock);
static DEFINE_MUTEX(reclaim_lock);
static DEFINE_MUTEX(notifier_lock);
static DEFINE_MUTEX(signalling_lock);

static int lock_process(void)
{
	return corpus_lock_unlock(&process_lock);
}
const struct corpus_action act_mutex_process = { .run = lock_process };

static int try_process(void)
{
	if (!mutex_trylock(&process_lock))
		return -EBUSY;
	mutex_unlock(&process_lock);
	return 0;
}
const struct corpus_action act_mutex_process_trylock = { .run = try_process };

static int lock_reclaim(void)
{
	return corpus_lock_unlock(&reclaim_lock);
}
const struct corpus_action act_mutex_reclaim = { .run = lock_reclaim };

static int lock_notifier(void)
{
	return corpus_lock_unlock(&notifier_lock);
}
const struct corpus_action act_mutex_notifier = { .run = lock_notifier };

static int lock_signalling(void)
{
	return corpus_lock_unlock(&signalling_lock);
}
const struct corpus_action act_mutex_signalling = { .run = lock_signalling };

static int holding(struct mutex *lock, int (*run)(void))
{
	int err;

	mutex_lock(lock);
	err = run();
	mutex_unlock(lock);
	return err;
}

static int inside_process_lock(int (*run)(void))
{
	return holding(&process_lock, run);
}

static int inside_reclaim_lock(int (*run)(void))
{
	return holding(&reclaim_lock, run);
}

static int inside_notifier_lock(int (*run)(void))
{
	return holding(&notifier_lock, run);
}

static int inside_signalling_lock(int (*run)(void))
{
	return holding(&signalling_lock, run);
}

/* A trylock is never reported, but what follows under the lock is. */
static int inside_reclaim_trylock(int (*run)(void))
{
	int err;

	if (!mutex_trylock(&reclaim_lock))
		return -EBUSY;
	err = run();
	mutex_unlock(&reclaim_lock);
	return err;
}

/*
 * The scan function of this driver takes unprimed_lock; no shrinker has run
 * yet, and so nobody knows.
 */
static int unprimed_lock_alloc_kernel(void)
{
	static DEFINE_MUTEX(unprimed_lock);

	return holding(&unprimed_lock, act_alloc_kernel.run);
}

int corpus_ranks_init(void)
{
	int err;

	err = inside_process_lock(act_alloc_kernel.run);
	err = err ?: inside_reclaim(lock_reclaim);
	err = err ?: inside_reclaim_lock(act_alloc_nofs.run);
	err = err ?: inside_reclaim_lock(act_fence_wait.run);
	err = err ?: inside_notifier(lock_notifier);
	err = err ?: inside_notifier_lock(act_fence_wait.run);
	err = err ?: inside_signalling(lock_signalling);
	return err;
}

const struct corpus_case rank_cases[] = {
	/* The order itself. */
	CELL(process_lock, mutex_reclaim),
	CELL(reclaim_lock, mutex_notifier),
	CELL(notifier_lock, mutex_signalling),
	CELL(process_lock, resv_lock),

	/* A lock that the shrinker takes is held over an allocation that shrinks. */
	CELL(reclaim_lock, alloc_kernel),
	CELL(reclaim_lock, alloc_nofs),
	CELL(reclaim_lock, alloc_scoped_nofs),
	CELL(reclaim_lock, resv_lock),
	CELL(reclaim_lock, mmap_read_lock),
	CELL(reclaim_lock, mutex_process),
	CELL(reclaim_lock, shrinker_register),
	CELL(reclaim_lock, shmem_purge),
	CELL(reclaim_lock, fence_wait),
	CELL(reclaim_trylock, alloc_kernel),
	CELL(reclaim_trylock, alloc_nofs),
	STORY(unprimed_lock_alloc_kernel),

	/* A lock of the notifier is held over something that waits for notifiers. */
	CELL(notifier_lock, alloc_kernel),
	CELL(notifier_lock, alloc_noio),
	CELL(notifier_lock, alloc_nowait),
	CELL(notifier_lock, interval_read_begin),
	CELL(notifier_lock, interval_remove),
	CELL(notifier_lock, shmem_purge),
	CELL(notifier_lock, mutex_reclaim),
	CELL(notifier_lock, fence_wait),

	/* A lock of the signalling path is held over a wait for fences. */
	CELL(signalling_lock, alloc_kernel),
	CELL(signalling_lock, alloc_noio),
	CELL(signalling_lock, alloc_nowait),
	CELL(signalling_lock, maple_commit),
	CELL(signalling_lock, maple_read),
	CELL(signalling_lock, va_find),
	CELL(signalling_lock, fence_wait),
	CELL(signalling_lock, fence_signal),
	CELL(signalling_lock, mutex_notifier),
	{}
};
