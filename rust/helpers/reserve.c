// SPDX-License-Identifier: GPL-2.0

#include <linux/mempool.h>
#include <linux/numa.h>
#include <linux/string.h>

#include "helpers.h"

/**
 * strata_helper_reserve_init - a pool of elements of kmalloc()
 * @pool: what is to be one
 * @count: how many there are always; above 0
 * @size: of each; above 0, and a multiple of what it is to be aligned to
 * @gfp: how they are allocated now
 *
 * Context: What @gfp allows.
 *
 * Return: 0, or -ENOMEM with nothing allocated.
 */
int strata_helper_reserve_init(struct mempool *pool, int count, size_t size, gfp_t gfp)
{
	memset(pool, 0, sizeof(*pool));
	return mempool_init_node(pool, count, mempool_kmalloc, mempool_kfree, (void *)size, gfp,
				 NUMA_NO_NODE);
}

void *strata_helper_reserve_take(struct mempool *pool, gfp_t gfp)
{
	return mempool_alloc(pool, gfp);
}

/* How many elements are in the pool at the moment. */
size_t strata_helper_reserve_left(struct mempool *pool)
{
	return READ_ONCE(pool->curr_nr);
}
