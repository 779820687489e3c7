// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a function inside of a real mmu notifier callback: lockdep's map for that
 * level, __mmu_notifier_invalidate_range_start_map, is not exported to modules.
 */

#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>

#include "helpers.h"

#ifdef CONFIG_MMU_NOTIFIER

struct in_notifier {
	struct mmu_interval_notifier notifier;
	struct task_struct *task;
	void (*callback)(void *arg);
	void *arg;
};

static bool in_notifier_invalidate(struct mmu_interval_notifier *notifier,
				   const struct mmu_notifier_range *range,
				   unsigned long seq)
{
	struct in_notifier *in = container_of(notifier, struct in_notifier, notifier);

	mmu_interval_set_seq(notifier, seq);
	/* Others (reclaim, migration) may invalidate the page before we do. */
	if (in->task == current && in->callback && mmu_notifier_range_blockable(range)) {
		void (*callback)(void *arg) = in->callback;

		in->callback = NULL;
		callback(in->arg);
	}
	return true;
}

static const struct mmu_interval_notifier_ops in_notifier_ops = {
	.invalidate = in_notifier_invalidate,
};

/**
 * strata_helper_in_notifier - call a function from an interval notifier's callback
 * @callback: what to call, once
 * @arg: passed to it
 *
 * Maps a page into the running task, registers a notifier on it and unmaps it.
 *
 * Context: Process context of a task with an mm, whose mmap lock is not held.
 *
 * Return: 0 when @callback was called; -ESRCH for a kernel thread; what mapping
 * or registering returned.
 */
int strata_helper_in_notifier(void (*callback)(void *), void *arg)
{
	struct in_notifier in = {
		.task = current,
		.callback = callback,
		.arg = arg,
	};
	unsigned long page;
	int ret;

	if (!current->mm)
		return -ESRCH;

	page = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(page))
		return (int)page;

	ret = mmu_interval_notifier_insert(&in.notifier, current->mm, page, PAGE_SIZE,
					   &in_notifier_ops);
	if (ret) {
		vm_munmap(page, PAGE_SIZE);
		return ret;
	}

	ret = vm_munmap(page, PAGE_SIZE);
	mmu_interval_notifier_remove(&in.notifier);
	if (ret)
		return ret;
	/* Another thread of the process unmapped the page before us. */
	return in.callback ? -EAGAIN : 0;
}

#else

int strata_helper_in_notifier(void (*callback)(void *), void *arg)
{
	return -EOPNOTSUPP;
}

#endif /* CONFIG_MMU_NOTIFIER */
