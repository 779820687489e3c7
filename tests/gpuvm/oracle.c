// SPDX-License-Identifier: GPL-2.0
/*
 * drm_gpuvm without a GPU, and a driver that does at once what it is told, as
 * one with synchronous VM_BIND does.
 *
 * What is asked here is what drm_gpuvm computes: which mappings a request
 * meets, what is left of them, and in which order. Objects are compared by it
 * and never looked into, and mappings are not linked to them, so a pointer may
 * be made from any number.
 *
 * The caller makes one call at a time for each VM. No call leaves anything
 * behind that strata_gpuvm_destroy() does not free.
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "nogpu.h"
#include "oracle.h"

/* Mappings that the callbacks of a request may need at most. */
#define SPARES_MAP 3
#define SPARES_UNMAP 2
#define SPARES_MADVISE 4

/**
 * struct strata_gpuvm - a VM, and the request that it is at
 * @base: the kernel's part
 * @gpu: its device
 * @spares: mappings for callbacks to use, so that none of them can fail halfway,
 *	and those that are no longer used: a checking kernel takes long to free one
 * @spare: how many there are
 * @ops: where to write what the callbacks are told
 * @capacity: how many of them fit
 * @count: how many there were
 */
struct strata_gpuvm {
	struct drm_gpuvm base;
	struct nogpu gpu;
	struct list_head spares;
	unsigned int spare;
	struct strata_gpuvm_op *ops;
	size_t capacity;
	size_t count;
};

/* --- objects and mappings, as numbers --- */

static struct drm_gem_object *to_object(u64 number)
{
	return (struct drm_gem_object *)(uintptr_t)number;
}

static struct strata_gpuvm_piece to_piece(u64 addr, u64 range,
					  const struct drm_gem_object *object, u64 offset)
{
	return (struct strata_gpuvm_piece) { addr, range, (uintptr_t)object, offset };
}

static struct strata_gpuvm_piece of_va(const struct drm_gpuva *va)
{
	return to_piece(va->va.addr, va->va.range, va->gem.obj, va->gem.offset);
}

static struct strata_gpuvm_piece of_map(const struct drm_gpuva_op_map *map)
{
	return to_piece(map->va.addr, map->va.range, map->gem.obj, map->gem.offset);
}

/* --- what a driver does with an operation --- */

static void record(struct strata_gpuvm *vm, const struct strata_gpuvm_op *op)
{
	if (vm->count < vm->capacity)
		vm->ops[vm->count] = *op;
	vm->count++;
}

static void give_back(struct strata_gpuvm *vm, struct drm_gpuva *va)
{
	memset(va, 0, sizeof(*va));
	list_add(&va->rb.entry, &vm->spares);
	vm->spare++;
}

static int top_up(struct strata_gpuvm *vm, unsigned int wanted)
{
	while (vm->spare < wanted) {
		struct drm_gpuva *va = kmalloc_obj(*va);

		if (!va)
			return -ENOMEM;
		give_back(vm, va);
	}
	return 0;
}

static struct drm_gpuva *take(struct strata_gpuvm *vm)
{
	struct drm_gpuva *va;

	va = list_first_entry_or_null(&vm->spares, struct drm_gpuva, rb.entry);
	if (va) {
		list_del_init(&va->rb.entry);
		vm->spare--;
	}
	return va;
}

/* Inserting may fail without a word: then the mapping does not know its VM. */
static int inserted(struct strata_gpuvm *vm, struct drm_gpuva *va)
{
	if (!va || va->vm)
		return 0;
	give_back(vm, va);
	return -EEXIST;
}

static int on_map(struct drm_gpuva_op *op, void *data)
{
	struct strata_gpuvm *vm = data;
	struct drm_gpuva *va = take(vm);

	if (WARN_ON(!va))
		return -ENOSPC;
	record(vm, &(struct strata_gpuvm_op) {
		.kind = STRATA_GPUVM_MAP,
		.va = of_map(&op->map),
	});
	drm_gpuva_map(&vm->base, va, &op->map);
	return inserted(vm, va);
}

static int on_unmap(struct drm_gpuva_op *op, void *data)
{
	struct strata_gpuvm *vm = data;
	struct drm_gpuva *va = op->unmap.va;

	record(vm, &(struct strata_gpuvm_op) {
		.kind = STRATA_GPUVM_UNMAP,
		.flags = op->unmap.keep ? STRATA_GPUVM_KEEP : 0,
		.va = of_va(va),
	});
	drm_gpuva_unmap(&op->unmap);
	give_back(vm, va);
	return 0;
}

static int on_remap(struct drm_gpuva_op *op, void *data)
{
	struct drm_gpuva *va = op->remap.unmap->va;
	struct strata_gpuvm_op seen = {
		.kind = STRATA_GPUVM_REMAP,
		.flags = op->remap.unmap->keep ? STRATA_GPUVM_KEEP : 0,
		.va = of_va(va),
	};
	struct drm_gpuva *prev = NULL, *next = NULL;
	struct strata_gpuvm *vm = data;
	int err;

	if (WARN_ON(vm->spare < !!op->remap.prev + !!op->remap.next))
		return -ENOSPC;
	if (op->remap.prev) {
		prev = take(vm);
		seen.flags |= STRATA_GPUVM_PREV;
		seen.prev = of_map(op->remap.prev);
	}
	if (op->remap.next) {
		next = take(vm);
		seen.flags |= STRATA_GPUVM_NEXT;
		seen.next = of_map(op->remap.next);
	}
	record(vm, &seen);
	drm_gpuva_remap(prev, next, &op->remap);
	give_back(vm, va);
	err = inserted(vm, prev);
	return inserted(vm, next) ?: err;
}

static int on_op(struct drm_gpuva_op *op, void *data)
{
	switch (op->op) {
	case DRM_GPUVA_OP_MAP:
		return on_map(op, data);
	case DRM_GPUVA_OP_UNMAP:
		return on_unmap(op, data);
	case DRM_GPUVA_OP_REMAP:
		return on_remap(op, data);
	case DRM_GPUVA_OP_PREFETCH:
		record(data, &(struct strata_gpuvm_op) {
			.kind = STRATA_GPUVM_PREFETCH,
			.va = of_va(op->prefetch.va),
		});
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* The last reference is gone, and with it the VM. */
static void on_free(struct drm_gpuvm *base)
{
	kfree(container_of(base, struct strata_gpuvm, base));
}

static const struct drm_gpuvm_ops vm_ops = {
	.vm_free = on_free,
	.sm_step_map = on_map,
	.sm_step_remap = on_remap,
	.sm_step_unmap = on_unmap,
};

/*
 * --- requests ---
 *
 * Each writes what the driver is told to @ops, as far as that fits in @capacity,
 * and returns how many operations there were. Or an error: -EINVAL if the
 * request is refused, and then nothing was done.
 */

static void begin(struct strata_gpuvm *vm, struct strata_gpuvm_op *ops, size_t capacity)
{
	/* A test makes hundreds of thousands of them in a row. */
	cond_resched();
	vm->ops = ops;
	vm->capacity = capacity;
	vm->count = 0;
}

/* For what drm_gpuvm makes lists of alone. */
static long run(struct strata_gpuvm *vm, struct drm_gpuva_ops *list)
{
	struct drm_gpuva_op *op, *after;
	int err = 0;

	if (IS_ERR(list))
		return PTR_ERR(list);
	drm_gpuva_for_each_op_safe(op, after, list) {
		err = on_op(op, vm);
		if (err)
			break;
	}
	drm_gpuva_ops_free(&vm->base, list);
	return err ?: vm->count;
}

static struct drm_gpuvm_map_req request(const struct strata_gpuvm_piece *piece)
{
	return (struct drm_gpuvm_map_req) {
		.map.va.addr = piece->addr,
		.map.va.range = piece->range,
		.map.gem.obj = to_object(piece->object),
		.map.gem.offset = piece->offset,
	};
}

static int map(struct strata_gpuvm *vm, const struct strata_gpuvm_piece *piece)
{
	struct drm_gpuvm_map_req req = request(piece);

	return top_up(vm, SPARES_MAP) ?: drm_gpuvm_sm_map(&vm->base, vm, &req);
}

/* Maps a piece, in place of what is there. */
long strata_gpuvm_map(struct strata_gpuvm *vm, const struct strata_gpuvm_piece *piece,
		      struct strata_gpuvm_op *ops, size_t capacity)
{
	begin(vm, ops, capacity);
	return map(vm, piece) ?: vm->count;
}

/* Unmaps what is in a range. */
long strata_gpuvm_unmap(struct strata_gpuvm *vm, u64 addr, u64 range,
			struct strata_gpuvm_op *ops, size_t capacity)
{
	int err;

	begin(vm, ops, capacity);
	err = top_up(vm, SPARES_UNMAP);
	if (!err)
		err = drm_gpuvm_sm_unmap(&vm->base, vm, addr, range);
	return err ?: vm->count;
}

/* Cuts the mapping that crosses an address by mapping what of it is in a range once more. */
static int cut(struct strata_gpuvm *vm, u64 at, u64 addr, u64 end)
{
	struct drm_gpuva *va = drm_gpuva_find_first(&vm->base, at, 1);
	struct strata_gpuvm_piece piece;
	u64 low, high;

	if (!va || va->va.addr == at)
		return 0;
	piece = of_va(va);
	low = max(piece.addr, addr);
	high = min(piece.addr + piece.range, end);
	piece.offset += low - piece.addr;
	piece.addr = low;
	piece.range = high - low;
	return map(vm, &piece);
}

/*
 * Cuts the mappings at the borders of a range. There is no such call in
 * drm_gpuvm: this is what a driver can do instead.
 */
long strata_gpuvm_split(struct strata_gpuvm *vm, u64 addr, u64 range,
			struct strata_gpuvm_op *ops, size_t capacity)
{
	u64 end = addr + range;
	int err;

	begin(vm, ops, capacity);
	if (!drm_gpuvm_range_valid(&vm->base, addr, range))
		return -EINVAL;
	err = cut(vm, addr, addr, end);
	if (!err)
		err = cut(vm, end, addr, end);
	return err ?: vm->count;
}

/*
 * Cuts the sparse mappings at the borders of a range, and no others. What it
 * cuts out gets the offset of the request, which is 0 here.
 */
long strata_gpuvm_madvise(struct strata_gpuvm *vm, u64 addr, u64 range,
			  struct strata_gpuvm_op *ops, size_t capacity)
{
	struct strata_gpuvm_piece piece = { .addr = addr, .range = range };
	struct drm_gpuvm_map_req req = request(&piece);
	int err;

	begin(vm, ops, capacity);
	err = top_up(vm, SPARES_MADVISE);
	return err ?: run(vm, drm_gpuvm_madvise_ops_create(&vm->base, &req));
}

/*
 * Asks what a prefetch of a range is about. drm_gpuvm does not check the range,
 * and would name its kernel node.
 */
long strata_gpuvm_prefetch(struct strata_gpuvm *vm, u64 addr, u64 range,
			   struct strata_gpuvm_op *ops, size_t capacity)
{
	begin(vm, ops, capacity);
	return run(vm, drm_gpuvm_prefetch_ops_create(&vm->base, addr, range));
}

/* Writes all mappings, in ascending order, and returns how many there are. */
long strata_gpuvm_list(struct strata_gpuvm *vm, struct strata_gpuvm_piece *pieces,
		       size_t capacity)
{
	struct drm_gpuva *va;
	size_t count = 0;

	drm_gpuvm_for_each_va(va, &vm->base) {
		if (va == &vm->base.kernel_alloc_node)
			continue;
		if (count < capacity)
			pieces[count] = of_va(va);
		count++;
	}
	return count;
}

/* --- a VM --- */

static int gpu_create(struct nogpu *gpu)
{
	/* There may be several VMs. */
	static atomic_t number = ATOMIC_INIT(0);
	char name[32];

	snprintf(name, sizeof(name), "strata-gpuvm.%d", atomic_inc_return(&number));
	return nogpu_create(gpu, name);
}

/*
 * An empty VM, of which the kernel keeps some for itself if @kernel_range is not
 * 0; or an error pointer.
 */
struct strata_gpuvm *strata_gpuvm_create(u64 start, u64 range, u64 kernel_start,
					 u64 kernel_range)
{
	struct strata_gpuvm *vm = kzalloc_obj(*vm);
	int err;

	if (!vm)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&vm->spares);
	err = gpu_create(&vm->gpu);
	if (err)
		goto err_vm;
	err = nogpu_vm_init(&vm->gpu, &vm->base, start, range, kernel_start, kernel_range, &vm_ops);
	if (err)
		goto err_gpu;
	return vm;

err_gpu:
	nogpu_destroy(&vm->gpu);
err_vm:
	kfree(vm);
	return ERR_PTR(err);
}

/* The end of a VM, and of all that is mapped in it. */
void strata_gpuvm_destroy(struct strata_gpuvm *vm)
{
	struct nogpu gpu = vm->gpu;
	struct drm_gpuva *va, *after;

	drm_gpuvm_for_each_va_safe(va, after, &vm->base) {
		if (va == &vm->base.kernel_alloc_node)
			continue;
		drm_gpuva_remove(va);
		kfree(va);
	}
	while ((va = take(vm)))
		kfree(va);
	drm_gpuvm_put(&vm->base);
	nogpu_destroy(&gpu);
}
