// SPDX-License-Identifier: GPL-2.0
/*
 * What contexts try: allocating memory.
 */
#include <linux/cma.h>
#include <linux/dma-map-ops.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mempool.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "corpus.h"

static struct mempool *pool;

int corpus_alloc(gfp_t gfp)
{
	void *p = kmalloc(64, gfp);

	kfree(p);
	return p ? 0 : -ENOMEM;
}

static int do_alloc_kernel(void)
{
	return corpus_alloc(GFP_KERNEL);
}
const struct corpus_action act_alloc_kernel = { .run = do_alloc_kernel };

static int do_alloc_nofs(void)
{
	return corpus_alloc(GFP_NOFS);
}
const struct corpus_action act_alloc_nofs = { .run = do_alloc_nofs };

static int do_alloc_noio(void)
{
	return corpus_alloc(GFP_NOIO);
}
const struct corpus_action act_alloc_noio = { .run = do_alloc_noio };

static int do_alloc_nowait(void)
{
	return corpus_alloc(GFP_NOWAIT);
}
const struct corpus_action act_alloc_nowait = { .run = do_alloc_nowait };

static int do_alloc_atomic(void)
{
	return corpus_alloc(GFP_ATOMIC);
}
const struct corpus_action act_alloc_atomic = { .run = do_alloc_atomic };

/* GFP_KERNEL is weakened by the task's scope before lockdep looks at it. */
static int do_alloc_scoped_nofs(void)
{
	unsigned int flags = memalloc_nofs_save();
	int err = corpus_alloc(GFP_KERNEL);

	memalloc_nofs_restore(flags);
	return err;
}
const struct corpus_action act_alloc_scoped_nofs = { .run = do_alloc_scoped_nofs };

static int do_alloc_scoped_noio(void)
{
	unsigned int flags = memalloc_noio_save();
	int err = corpus_alloc(GFP_KERNEL);

	memalloc_noio_restore(flags);
	return err;
}
const struct corpus_action act_alloc_scoped_noio = { .run = do_alloc_scoped_noio };

/* Real reclaim runs like this: the allocator assumes that it will not recurse. */
static int do_alloc_pf_memalloc(void)
{
	unsigned int flags = memalloc_noreclaim_save();
	int err = corpus_alloc(GFP_KERNEL);

	memalloc_noreclaim_restore(flags);
	return err;
}
const struct corpus_action act_alloc_pf_memalloc = { .run = do_alloc_pf_memalloc };

static int do_alloc_nolockdep(void)
{
	return corpus_alloc(GFP_KERNEL | __GFP_NOLOCKDEP);
}
const struct corpus_action act_alloc_nolockdep = { .run = do_alloc_nolockdep };

static int from_mempool(gfp_t gfp)
{
	void *element = mempool_alloc(pool, gfp);

	if (!element)
		return -ENOMEM;
	mempool_free(element, pool);
	return 0;
}

static int do_mempool_kernel(void)
{
	return from_mempool(GFP_KERNEL);
}
const struct corpus_action act_mempool_kernel = { .run = do_mempool_kernel };

static int do_mempool_noio(void)
{
	return from_mempool(GFP_NOIO);
}
const struct corpus_action act_mempool_noio = { .run = do_mempool_noio };

static int do_mempool_atomic(void)
{
	return from_mempool(GFP_ATOMIC);
}
const struct corpus_action act_mempool_atomic = { .run = do_mempool_atomic };

static int do_mempool_preallocated(void)
{
	void *element = mempool_alloc_preallocated(pool);

	if (!element)
		return -ENOMEM;
	mempool_free(element, pool);
	return 0;
}
const struct corpus_action act_mempool_preallocated = {
	.run = do_mempool_preallocated,
};

static int do_vmalloc(void)
{
	void *p = vmalloc(2 * PAGE_SIZE);

	vfree(p);
	return p ? 0 : -ENOMEM;
}
const struct corpus_action act_vmalloc = { .run = do_vmalloc };

/* The first try is GFP_NOWAIT: GFP_KERNEL is reached only when that fails. */
static int do_xarray_store(void)
{
	static DEFINE_XARRAY(array);

	return xa_err(xa_store(&array, 1, &array, GFP_KERNEL));
}
const struct corpus_action act_xarray_store = { .run = do_xarray_store };

static int never_started(void *unused)
{
	return 0;
}

static int do_kthread(void)
{
	struct task_struct *task;

	task = kthread_create(never_started, NULL, "strata_corpus");
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_stop(task);
	return 0;
}
const struct corpus_action act_kthread_create = { .run = do_kthread };

/*
 * Takes a mutex, isolates and migrates: as much as GFP_KERNEL can do. Needs
 * cma= on the command line.
 */
static int do_cma(void)
{
	struct cma *area = dev_get_cma_area(NULL);
	struct page *page;

	if (!area)
		return -ENODEV;
	page = cma_alloc(area, 1, 0, true);
	if (!page)
		return -ENOMEM;
	return cma_release(area, page, 1) ? 0 : -EINVAL;
}
const struct corpus_action act_cma_alloc = { .run = do_cma };

int corpus_alloc_init(void)
{
	pool = mempool_create_kmalloc_pool(4, 64);
	return pool ? 0 : -ENOMEM;
}
