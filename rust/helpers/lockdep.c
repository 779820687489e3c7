// SPDX-License-Identifier: GPL-2.0
/*
 * Priming: tells lockdep where the class of a lock stands in the order, before
 * the lock is ever taken, so that the first wrong nesting anywhere is reported
 * without a race and without memory pressure.
 *
 * The model is dma_resv_lockdep() in drivers/dma-buf/dma-resv.c and
 * i915_gem_shrinker_taints_mutex() in drivers/gpu/drm/i915.
 */

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/irqflags.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "helpers.h"

#ifdef CONFIG_LOCKDEP

struct prime {
	int place;
	const struct strata_link *links;
	size_t count;
	bool sleeps;
	bool irqs_off;
	struct lockdep_map maps[STRATA_LINKS_MAX];
};

/* What comes after the last rank of @place: acquire it, as its first user would. */
static void acquire_next_level(int place)
{
	switch (place) {
	case STRATA_PROCESS:
		if (current->mm)
			might_lock_read(&current->mm->mmap_lock);
		fallthrough;
	case STRATA_MMAP_HELD:
	case STRATA_RESV_HELD:
		might_alloc(GFP_KERNEL);
		break;
	case STRATA_RECLAIM:
		might_alloc(GFP_NOIO);
		break;
	case STRATA_NOTIFIER:
		strata_helper_fence_might_wait();
		break;
	case STRATA_SIGNALLING:
		break;
	}
}

/* Runs at the place: takes the classes of the chain one inside the other. */
static void acquire_chain(void *arg)
{
	struct prime *prime = arg;
	unsigned long flags;
	size_t i;

	/* Taken otherwise, it would be one that an interrupt may find held. */
	if (prime->irqs_off)
		local_irq_save(flags);
	for (i = 0; i < prime->count; i++)
		lock_acquire(&prime->maps[i], 0, 0, 0, 1, NULL, _THIS_IP_);
	/* A spinning lock's holder acquires none of the levels. */
	if (prime->sleeps)
		acquire_next_level(prime->place);
	while (i--)
		lock_release(&prime->maps[i], _THIS_IP_);
	if (prime->irqs_off)
		local_irq_restore(flags);
}

static int at_mmap_held(struct prime *prime)
{
	int ret;

	if (!current->mm)
		return -ESRCH;
	ret = mmap_read_lock_killable(current->mm);
	if (ret)
		return ret;
	acquire_chain(prime);
	mmap_read_unlock(current->mm);
	return 0;
}

static int at_resv_held(struct prime *prime)
{
	struct ww_acquire_ctx ctx;
	struct dma_resv resv;
	int ret;

	dma_resv_init(&resv);
	ww_acquire_init(&ctx, &reservation_ww_class);
	ret = dma_resv_lock(&resv, &ctx);
	/* Only -EDEADLK by the error injection of DEBUG_WW_MUTEX_SLOWPATH. */
	if (ret)
		dma_resv_lock_slow(&resv, &ctx);
	acquire_chain(prime);
	dma_resv_unlock(&resv);
	ww_acquire_fini(&ctx);
	dma_resv_fini(&resv);
	return 0;
}

/**
 * strata_helper_prime - tell lockdep of a chain of classes
 * @place: one of &enum strata_place; the chain is taken inside of it
 * @links: the classes, outermost first
 * @count: how many
 *
 * Context: Process context. Acquires the levels from @place on; for
 * %STRATA_PROCESS, %STRATA_MMAP_HELD and %STRATA_NOTIFIER also the mmap lock.
 *
 * Return: 0; -ESRCH where the place needs an mm and the task has none (a kernel
 * thread); what the place's own functions return.
 */
int strata_helper_prime(int place, const struct strata_link *links, size_t count)
{
	struct prime prime = {
		.place = place,
		.links = links,
		.count = count,
		.sleeps = true,
	};
	bool cookie;
	size_t i;

	if (WARN_ON(count > STRATA_LINKS_MAX))
		return -E2BIG;

	for (i = 0; i < count; i++) {
		u8 wait = LD_WAIT_INV;

		if (links[i].kind == STRATA_LINK_MUTEX)
			wait = LD_WAIT_SLEEP;
		if (links[i].kind == STRATA_LINK_SPINLOCK ||
		    links[i].kind == STRATA_LINK_IRQ_SPINLOCK) {
			wait = LD_WAIT_CONFIG;
			prime.sleeps = false;
		}
		if (links[i].kind == STRATA_LINK_IRQ_SPINLOCK)
			prime.irqs_off = true;
		lockdep_init_map_wait(&prime.maps[i], links[i].name, links[i].key, 0, wait);
	}

	switch (place) {
	case STRATA_PROCESS:
		acquire_chain(&prime);
		return 0;
	case STRATA_MMAP_HELD:
		return at_mmap_held(&prime);
	case STRATA_RESV_HELD:
		return at_resv_held(&prime);
	case STRATA_RECLAIM:
		fs_reclaim_acquire(GFP_KERNEL);
		acquire_chain(&prime);
		fs_reclaim_release(GFP_KERNEL);
		return 0;
	case STRATA_NOTIFIER:
		return strata_helper_in_notifier(acquire_chain, &prime);
	case STRATA_SIGNALLING:
		cookie = dma_fence_begin_signalling();
		acquire_chain(&prime);
		dma_fence_end_signalling(cookie);
		return 0;
	}
	return -EINVAL;
}

#endif /* CONFIG_LOCKDEP */
