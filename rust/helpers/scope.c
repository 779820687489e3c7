// SPDX-License-Identifier: GPL-2.0

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>

#include "helpers.h"

unsigned int strata_helper_memalloc_nofs_save(void)
{
	return memalloc_nofs_save();
}

void strata_helper_memalloc_nofs_restore(unsigned int flags)
{
	memalloc_nofs_restore(flags);
}

unsigned int strata_helper_memalloc_noio_save(void)
{
	return memalloc_noio_save();
}

void strata_helper_memalloc_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}

/* Reports a context that may not allocate with GFP_KERNEL, or not sleep. */
void strata_helper_might_alloc_kernel(void)
{
	might_alloc(GFP_KERNEL);
}

/* Reports a context that may not take the mmap lock, as a user access would. */
void strata_helper_might_use_mmap_lock(void)
{
	if (current->mm)
		might_lock_read(&current->mm->mmap_lock);
}

void strata_helper_non_block_start(void)
{
	non_block_start();
}

void strata_helper_non_block_end(void)
{
	non_block_end();
}
