// SPDX-License-Identifier: GPL-2.0
/*
 * The contender of the workload `va`: the kernel's drm_gpuvm, driven as drivers
 * with VM_BIND do it. Objects for what a request may split are allocated when it
 * is submitted; it runs under a spinlock, and what it did not use and what it
 * displaced is freed after that.
 *
 * There is no GPU: see nogpu.h.
 *
 *   /sys/kernel/debug/strata-bench-va-gpuvm/work   takes one of
 *
 *   prepare SIZE SEED   an address space with SIZE mappings, half of it mapped, and
 *                       a stream of requests from SEED
 *   submit COUNT 0      so many more requests, which wait
 *   commit COUNT 0      runs so many of them, in order
 *   find COUNT 0        looks at so many random pages
 *   walk COUNT 0        visits so many mappings, from the first up
 *   empty 0 0           frees all
 *
 * and shows the sum of what the last one saw; that of `walk` is of addresses,
 * lengths, objects and offsets, so that equal sums mean equal address spaces.
 */
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "../../tests/gpuvm/nogpu.h"
#include "../text.h"

#define LONGEST 64
/* How many requests may wait. */
#define WAITING 4096
/* A mapping that is prepared, and the distance to the next. */
#define PAGES 2
#define STRIDE 4
#define OBJECTS 4

/* A mapping that a driver has. */
struct mapping {
	struct drm_gpuva va;
};

/* A request that waits, or runs. */
struct job {
	/* What to map, or what to unmap if there is no object. */
	struct drm_gpuvm_map_req request;
	/* What it may need, and what it displaced. */
	struct mapping *spare[3];
	struct list_head displaced;
	unsigned long steps;
};

struct space {
	struct drm_gpuvm vm;
	u64 pages;
	u64 seed;
	struct job *jobs;
	unsigned long head;
	unsigned long tail;
};

static struct nogpu gpu;
static struct dentry *dir;

/* Protects the rest. */
static DEFINE_MUTEX(working);
static struct space *space;
static u64 sum;
/* A driver's own; taken for each request. */
static DEFINE_SPINLOCK(vm_lock);

static u64 next_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A number below `limit`, which fits into 32 bits. */
static u64 below(u64 *state, u64 limit)
{
	return (next_random(state) >> 32) * limit >> 32;
}

/* Objects are never looked at. Offsets are addresses: neighbours of one object are contiguous. */
static struct drm_gem_object *object(u64 number)
{
	return (void *)(PAGE_OFFSET + ((number + 1) << PAGE_SHIFT));
}

static void describe(struct drm_gpuvm_map_req *request, u64 page, u64 pages, u64 number)
{
	request->map.va.addr = page << PAGE_SHIFT;
	request->map.va.range = pages << PAGE_SHIFT;
	request->map.gem.offset = page << PAGE_SHIFT;
	request->map.gem.obj = object(number);
}

/* Five of eight map, the others unmap: up to eight pages each. */
static void invent(struct space *space, struct drm_gpuvm_map_req *request)
{
	u64 page = below(&space->seed, space->pages - 8);
	u64 pages = 1 + below(&space->seed, 8);
	u64 what = below(&space->seed, 8);
	u64 number = below(&space->seed, OBJECTS);

	describe(request, page, pages, number);
	if (what >= 5)
		request->map.gem.obj = NULL;
}

static struct mapping *take(struct job *job)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(job->spare); i++)
		if (job->spare[i])
			return no_free_ptr(job->spare[i]);
	return NULL;
}

static int step_map(struct drm_gpuva_op *op, void *data)
{
	struct job *job = data;

	drm_gpuva_map(&space->vm, &take(job)->va, &op->map);
	job->steps++;
	return 0;
}

static int step_remap(struct drm_gpuva_op *op, void *data)
{
	struct drm_gpuva *prev = NULL, *next = NULL;
	struct job *job = data;

	if (op->remap.prev)
		prev = &take(job)->va;
	if (op->remap.next)
		next = &take(job)->va;
	drm_gpuva_remap(prev, next, &op->remap);
	list_add_tail(&op->remap.unmap->va->gem.entry, &job->displaced);
	job->steps++;
	return 0;
}

static int step_unmap(struct drm_gpuva_op *op, void *data)
{
	struct job *job = data;

	drm_gpuva_unmap(&op->unmap);
	list_add_tail(&op->unmap.va->gem.entry, &job->displaced);
	job->steps++;
	return 0;
}

static void vm_free(struct drm_gpuvm *vm)
{
	struct space *gone = container_of(vm, struct space, vm);

	kvfree(gone->jobs);
	kfree(gone);
}

static const struct drm_gpuvm_ops vm_ops = {
	.vm_free = vm_free,
	.sm_step_map = step_map,
	.sm_step_remap = step_remap,
	.sm_step_unmap = step_unmap,
};

/* What was not used and what was displaced. */
static void finish(struct job *job)
{
	struct drm_gpuva *va, *next;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(job->spare); i++)
		kfree(job->spare[i]);
	list_for_each_entry_safe(va, next, &job->displaced, gem.entry)
		kfree(container_of(va, struct mapping, va));
}

/* A request's objects: two for the rests of what it splits, and one for its own. */
static int allocate(struct job *job)
{
	unsigned int i, count = job->request.map.gem.obj ? 3 : 2;

	memset(job->spare, 0, sizeof(job->spare));
	INIT_LIST_HEAD(&job->displaced);
	job->steps = 0;
	for (i = 0; i < count; i++) {
		job->spare[i] = kzalloc_obj(*job->spare[i]);
		if (!job->spare[i]) {
			finish(job);
			return -ENOMEM;
		}
	}
	return 0;
}

static int run(struct job *job)
{
	const struct drm_gpuva_op_map *map = &job->request.map;
	int err;

	spin_lock(&vm_lock);
	if (map->gem.obj)
		err = drm_gpuvm_sm_map(&space->vm, job, &job->request);
	else
		err = drm_gpuvm_sm_unmap(&space->vm, job, map->va.addr, map->va.range);
	spin_unlock(&vm_lock);
	sum += job->steps;
	finish(job);
	return err;
}

static int submit(unsigned long count)
{
	struct job *job;
	int err;

	if (count > WAITING - (space->tail - space->head))
		return -EINVAL;
	while (count--) {
		job = &space->jobs[space->tail % WAITING];
		invent(space, &job->request);
		err = allocate(job);
		if (err)
			return err;
		space->tail++;
	}
	return 0;
}

static int commit(unsigned long count)
{
	int err = 0;

	if (count > space->tail - space->head)
		return -EINVAL;
	while (count-- && !err)
		err = run(&space->jobs[space->head++ % WAITING]);
	return err;
}

static int find(unsigned long count)
{
	struct drm_gpuva *va;

	while (count--) {
		u64 address = below(&space->seed, space->pages) << PAGE_SHIFT;

		spin_lock(&vm_lock);
		va = drm_gpuva_find_first(&space->vm, address, 1);
		if (va)
			sum += va->va.addr;
		spin_unlock(&vm_lock);
	}
	return 0;
}

static int walk(unsigned long count)
{
	struct drm_gpuva *va;

	spin_lock(&vm_lock);
	drm_gpuvm_for_each_va(va, &space->vm) {
		u64 number = ((u64)va->gem.obj - PAGE_OFFSET) >> PAGE_SHIFT;

		sum = sum * 31 + (va->va.addr ^ va->va.range * 3 ^ va->gem.offset * 5 ^ number);
		if (!--count)
			break;
	}
	spin_unlock(&vm_lock);
	return 0;
}

static void empty(void)
{
	struct drm_gpuva *va, *next;

	if (!space)
		return;
	while (space->head != space->tail)
		finish(&space->jobs[space->head++ % WAITING]);
	drm_gpuvm_for_each_va_safe(va, next, &space->vm) {
		drm_gpuva_remove(va);
		kfree(container_of(va, struct mapping, va));
	}
	drm_gpuvm_put(&space->vm);
	space = NULL;
}

static int prepare(unsigned long size, unsigned long seed)
{
	unsigned long i;
	int err;

	empty();
	if (size < STRIDE || size > U32_MAX / STRIDE || !seed)
		return -EINVAL;
	space = kzalloc_obj(*space);
	if (!space)
		return -ENOMEM;
	space->pages = size * STRIDE;
	space->seed = seed;
	space->jobs = kvmalloc_array(WAITING, sizeof(*space->jobs), GFP_KERNEL);
	err = space->jobs ? nogpu_vm_init(&gpu, &space->vm, 0, space->pages << PAGE_SHIFT,
					  0, 0, &vm_ops) : -ENOMEM;
	if (err) {
		kvfree(space->jobs);
		kfree(space);
		space = NULL;
		return err;
	}

	for (i = 0; i < size && !err; i++) {
		struct job *job = &space->jobs[0];

		describe(&job->request, i * STRIDE, PAGES, i % OBJECTS);
		err = allocate(job) ?: run(job);
	}
	if (err)
		empty();
	return err;
}

static int command(const char *name, unsigned long first, unsigned long second)
{
	sum = 0;
	if (!strcmp(name, "prepare"))
		return prepare(first, second);
	if (!space)
		return -EINVAL;
	if (!strcmp(name, "submit"))
		return submit(first);
	if (!strcmp(name, "commit"))
		return commit(first);
	if (!strcmp(name, "find"))
		return find(first);
	if (!strcmp(name, "walk"))
		return walk(first);
	if (strcmp(name, "empty"))
		return -EINVAL;
	empty();
	return 0;
}

static ssize_t work_write(struct file *file, const char __user *from,
			  size_t len, loff_t *pos)
{
	char text[LONGEST], name[16];
	unsigned long first, second;
	int err;

	err = text_from_user(text, sizeof(text), from, len);
	if (err)
		return err;
	if (sscanf(text, "%15s %lu %lu", name, &first, &second) != 3)
		return -EINVAL;

	mutex_lock(&working);
	err = command(name, first, second);
	mutex_unlock(&working);
	return err ?: len;
}

static int work_show(struct seq_file *m, void *unused)
{
	mutex_lock(&working);
	seq_printf(m, "%llu\n", sum);
	mutex_unlock(&working);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(work);

static int __init gpuvm_init(void)
{
	int err = nogpu_create(&gpu, "strata-bench-va-gpuvm");

	if (err)
		return err;
	dir = debugfs_create_dir("strata-bench-va-gpuvm", NULL);
	debugfs_create_file("work", 0600, dir, NULL, &work_fops);
	return 0;
}
module_init(gpuvm_init);

static void __exit gpuvm_exit(void)
{
	debugfs_remove(dir);
	empty();
	nogpu_destroy(&gpu);
}
module_exit(gpuvm_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Bench: drm_gpuvm");
