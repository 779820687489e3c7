// SPDX-License-Identifier: GPL-2.0

#include <linux/debug_locks.h>
#include <linux/gfp.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shrinker.h>
#include <linux/swap.h>

#include "helpers.h"

/*
 * The name is a format in C.  NUMA and memory cgroups are always heeded, and
 * called for even where the accounting of slab memory is off: what our objects
 * stand for is pages.
 */
struct shrinker *strata_helper_alloc_shrinker(const char *name)
{
	return shrinker_alloc(SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE | SHRINKER_NONSLAB,
			      "%s", name);
}

/* Nobody waits for what kswapd reclaims. */
bool strata_helper_is_kswapd(void)
{
	return current_is_kswapd();
}

/* Sleeps for a moment, and tells whether the task is being killed. */
bool strata_helper_wait_one_jiffy(void)
{
	schedule_timeout_killable(1);
	return fatal_signal_pending(current);
}

unsigned int strata_helper_memalloc_noreclaim_save(void)
{
	return memalloc_noreclaim_save();
}

void strata_helper_memalloc_noreclaim_restore(unsigned int flags)
{
	memalloc_noreclaim_restore(flags);
}

/* The task reclaims memory, as far as its bits say. */
bool strata_helper_in_reclaim(void)
{
	return current->flags & PF_MEMALLOC;
}

/* Whether lockdep still checks: it stops at its first report. 1 where there is none. */
int strata_helper_lockdep_is_on(void)
{
	return !IS_ENABLED(CONFIG_LOCKDEP) || READ_ONCE(debug_locks);
}
