// SPDX-License-Identifier: GPL-2.0
/*
 * What contexts try: locking reservations, and waiting for others.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/rcupdate.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/ww_mutex.h>

#include "corpus.h"

struct dma_resv corpus_held_resv;
struct dma_resv corpus_resv;

int corpus_lock_unlock(struct mutex *lock)
{
	mutex_lock(lock);
	mutex_unlock(lock);
	return 0;
}

static const char *fence_name(struct dma_fence *fence)
{
	return "corpus";
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

struct dma_fence *corpus_fence(void)
{
	struct dma_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	if (fence)
		dma_fence_init(fence, &fence_ops, NULL,
			       dma_fence_context_alloc(1), 1);
	return fence;
}

/*
 * Waits for a fence that has long been signalled: lockdep checks the wait, not
 * whether it sleeps.
 */
int corpus_wait_signalled(void)
{
	struct dma_fence *fence = dma_fence_get_stub();
	long left = dma_fence_wait_timeout(fence, false, 0);

	dma_fence_put(fence);
	return left > 0 ? 0 : -ETIME;
}
const struct corpus_action act_fence_wait = { .run = corpus_wait_signalled };

static struct dma_fence *own_fence;

static int prepare_fence(void)
{
	own_fence = corpus_fence();
	return own_fence ? 0 : -ENOMEM;
}

static int do_signal(void)
{
	dma_fence_signal(own_fence);
	dma_fence_put(own_fence);
	return 0;
}
const struct corpus_action act_fence_signal = {
	.prepare = prepare_fence,
	.run = do_signal,
};

static int do_resv_lock(void)
{
	int err = dma_resv_lock(&corpus_resv, NULL);

	if (!err)
		dma_resv_unlock(&corpus_resv);
	return err;
}
const struct corpus_action act_resv_lock = { .run = do_resv_lock };

static int do_resv_trylock(void)
{
	if (!dma_resv_trylock(&corpus_resv))
		return -EBUSY;
	dma_resv_unlock(&corpus_resv);
	return 0;
}
const struct corpus_action act_resv_trylock = { .run = do_resv_trylock };

/* Opening the acquire context is what counts, even if all that follows only tries. */
static int do_ww_acquire(void)
{
	struct ww_acquire_ctx ctx;
	int got;

	ww_acquire_init(&ctx, &reservation_ww_class);
	got = ww_mutex_trylock(&corpus_resv.lock, &ctx);
	if (got)
		ww_mutex_unlock(&corpus_resv.lock);
	ww_acquire_fini(&ctx);
	return got ? 0 : -EBUSY;
}
const struct corpus_action act_ww_acquire_init = { .run = do_ww_acquire };

static DECLARE_COMPLETION(work_started);

/* Stays long enough to be found running by whoever queued it. */
static void allocate_and_linger(struct work_struct *work)
{
	corpus_alloc(GFP_KERNEL);
	complete(&work_started);
	msleep(1000);
}
static DECLARE_WORK(running_work, allocate_and_linger);

static int prepare_running_work(void)
{
	schedule_work(&running_work);
	wait_for_completion(&work_started);
	return 0;
}

static int do_flush_running(void)
{
	return flush_work(&running_work) ? 0 : -EALREADY;
}
const struct corpus_action act_flush_work = {
	.prepare = prepare_running_work,
	.run = do_flush_running,
};

static int do_cancel_running(void)
{
	cancel_work_sync(&running_work);
	return 0;
}
const struct corpus_action act_cancel_work = {
	.prepare = prepare_running_work,
	.run = do_cancel_running,
};

static void allocate(struct work_struct *work)
{
	corpus_alloc(GFP_KERNEL);
}
static DECLARE_WORK(idle_work, allocate);

static int prepare_idle_work(void)
{
	schedule_work(&idle_work);
	flush_work(&idle_work);
	return 0;
}

/* Returns without having looked at the work's lockdep map. */
static int do_flush_idle(void)
{
	return flush_work(&idle_work) ? -EBUSY : 0;
}
const struct corpus_action act_flush_idle_work = {
	.prepare = prepare_idle_work,
	.run = do_flush_idle,
};

static struct shrinker *shrinker;

static unsigned long count_nothing(struct shrinker *s, struct shrink_control *sc)
{
	return SHRINK_EMPTY;
}

static unsigned long scan_nothing(struct shrinker *s, struct shrink_control *sc)
{
	return SHRINK_STOP;
}

static int do_shrinker_register(void)
{
	shrinker = shrinker_alloc(0, "%s", "strata_corpus_idle");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = count_nothing;
	shrinker->scan_objects = scan_nothing;
	shrinker_register(shrinker);
	return 0;
}

static void free_shrinker(void)
{
	shrinker_free(shrinker);
}
const struct corpus_action act_shrinker_register = {
	.run = do_shrinker_register,
	.finish = free_shrinker,
};

static int do_shrinker_free(void)
{
	free_shrinker();
	return 0;
}
const struct corpus_action act_shrinker_free = {
	.prepare = do_shrinker_register,
	.run = do_shrinker_free,
};

static int do_synchronize(void)
{
	synchronize_rcu();
	return 0;
}
const struct corpus_action act_synchronize_rcu = { .run = do_synchronize };

static int do_rcu_barrier(void)
{
	rcu_barrier();
	return 0;
}
const struct corpus_action act_rcu_barrier = { .run = do_rcu_barrier };

static DECLARE_COMPLETION(done);

static int prepare_completion(void)
{
	complete(&done);
	return 0;
}

/* Completed already; lockdep would not know what it waits for if it were not. */
static int do_wait_completion(void)
{
	wait_for_completion(&done);
	return 0;
}
const struct corpus_action act_completion_wait = {
	.prepare = prepare_completion,
	.run = do_wait_completion,
};

void corpus_waits_init(void)
{
	dma_resv_init(&corpus_held_resv);
	dma_resv_init(&corpus_resv);
}
