// SPDX-License-Identifier: GPL-2.0

#include <linux/crc32.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "helpers.h"

/*
 * Folds a part of a page into a CRC-32C.  User space may be writing to the page:
 * the bytes are then those of some moment, and nobody's memory but its own is read.
 */
u32 strata_helper_crc32c_page(u32 crc, struct page *page, size_t offset, size_t length)
{
	void *address = kmap_local_page(page);

	crc = crc32c(crc, address + offset, length);
	kunmap_local(address);
	return crc;
}

/*
 * Where the bytes of a page are.  They stay where they are: the kernels that Strata
 * is for map all their memory.
 */
void *strata_helper_page_bytes(struct page *page)
{
	BUILD_BUG_ON(IS_ENABLED(CONFIG_HIGHMEM));
	return page_address(page);
}

/* Folds words of a page into a CRC-32C. */
u32 strata_helper_crc32c_bytes(u32 crc, const void *bytes, size_t length)
{
	return crc32c(crc, bytes, length);
}

/* For long loops: lets others run, and tells whether the task is being killed. */
bool strata_helper_give_way(void)
{
	cond_resched();
	return fatal_signal_pending(current);
}

/* How many pages the kernel manages. */
size_t strata_helper_total_pages(void)
{
	return totalram_pages();
}
