/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own drm_gpuvm, as the peer of our VA space: requests go in, and
 * what it told its driver to do comes out, callback by callback.
 *
 * gpuvm.rs says the same of these types in oracle.rs; both assert their sizes.
 */
#ifndef STRATA_TESTS_GPUVM_ORACLE_H
#define STRATA_TESTS_GPUVM_ORACLE_H

#include <linux/build_bug.h>
#include <linux/types.h>

struct strata_gpuvm;

/**
 * struct strata_gpuvm_piece - a mapping
 * @addr: where it begins
 * @range: its length
 * @object: a number that stands for what is mapped; 0 is nothing, a sparse mapping
 * @offset: where in the object it begins
 */
struct strata_gpuvm_piece {
	u64 addr;
	u64 range;
	u64 object;
	u64 offset;
};

static_assert(sizeof(struct strata_gpuvm_piece) == 32);

/**
 * enum strata_gpuvm_kind - what a driver is told to do
 * @STRATA_GPUVM_MAP: map &strata_gpuvm_op.va
 * @STRATA_GPUVM_UNMAP: unmap it
 * @STRATA_GPUVM_REMAP: unmap it, and map what is left of it
 * @STRATA_GPUVM_PREFETCH: prefetch it
 */
enum strata_gpuvm_kind {
	STRATA_GPUVM_MAP = 1,
	STRATA_GPUVM_UNMAP,
	STRATA_GPUVM_REMAP,
	STRATA_GPUVM_PREFETCH,
};

/* Of &strata_gpuvm_op.flags. */
#define STRATA_GPUVM_KEEP	1
#define STRATA_GPUVM_PREV	2
#define STRATA_GPUVM_NEXT	4

/**
 * struct strata_gpuvm_op - one operation
 * @kind: one of &enum strata_gpuvm_kind
 * @flags: whether the page tables may be kept, and which of the last two fields are there
 * @va: the mapping it is about
 * @prev: what is left before the request; all zero if nothing is
 * @next: what is left after the request; all zero if nothing is
 */
struct strata_gpuvm_op {
	u32 kind;
	u32 flags;
	struct strata_gpuvm_piece va;
	struct strata_gpuvm_piece prev;
	struct strata_gpuvm_piece next;
};

static_assert(sizeof(struct strata_gpuvm_op) == 104);

struct strata_gpuvm *strata_gpuvm_create(u64 start, u64 range, u64 kernel_start,
					 u64 kernel_range);
void strata_gpuvm_destroy(struct strata_gpuvm *vm);

long strata_gpuvm_map(struct strata_gpuvm *vm, const struct strata_gpuvm_piece *piece,
		      struct strata_gpuvm_op *ops, size_t capacity);
long strata_gpuvm_unmap(struct strata_gpuvm *vm, u64 addr, u64 range,
			struct strata_gpuvm_op *ops, size_t capacity);
long strata_gpuvm_split(struct strata_gpuvm *vm, u64 addr, u64 range,
			struct strata_gpuvm_op *ops, size_t capacity);
long strata_gpuvm_madvise(struct strata_gpuvm *vm, u64 addr, u64 range,
			  struct strata_gpuvm_op *ops, size_t capacity);
long strata_gpuvm_prefetch(struct strata_gpuvm *vm, u64 addr, u64 range,
			   struct strata_gpuvm_op *ops, size_t capacity);
long strata_gpuvm_list(struct strata_gpuvm *vm, struct strata_gpuvm_piece *pieces,
		       size_t capacity);

#endif /* STRATA_TESTS_GPUVM_ORACLE_H */
