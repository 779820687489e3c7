/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C helpers of the strata crate: inlines and macros that bindgen cannot see, and
 * what is said better in C.  `strata_helper_x` is `bindings::x` in Rust.
 */
#ifndef STRATA_HELPERS_H
#define STRATA_HELPERS_H

#include <linux/gfp_types.h>
#include <linux/types.h>

struct lock_class_key;
struct page;
struct work_struct;

/* scope.c: task scopes and annotations that cost nothing where they are off */
unsigned int strata_helper_memalloc_nofs_save(void);
void strata_helper_memalloc_nofs_restore(unsigned int flags);
unsigned int strata_helper_memalloc_noio_save(void);
void strata_helper_memalloc_noio_restore(unsigned int flags);
void strata_helper_might_alloc_kernel(void);
void strata_helper_might_use_mmap_lock(void);
void strata_helper_non_block_start(void);
void strata_helper_non_block_end(void);

/* lockdep.c: telling lockdep where a lock class stands */

/**
 * enum strata_place - the kernel's own levels that ranks can stand after
 * @STRATA_PROCESS: nothing is held
 * @STRATA_MMAP_HELD: mmap_lock
 * @STRATA_RESV_HELD: a reservation lock
 * @STRATA_RECLAIM: fs_reclaim
 * @STRATA_NOTIFIER: mmu_notifier_invalidate_range_start
 * @STRATA_SIGNALLING: dma_fence_map
 */
enum strata_place {
	STRATA_PROCESS,
	STRATA_MMAP_HELD,
	STRATA_RESV_HELD,
	STRATA_RECLAIM,
	STRATA_NOTIFIER,
	STRATA_SIGNALLING,
};

/**
 * enum strata_link_kind - what a link of a priming chain is
 * @STRATA_LINK_RANK: a map that stands for a rank; nobody waits for it
 * @STRATA_LINK_MUTEX: the class of a sleeping lock
 * @STRATA_LINK_SPINLOCK: the class of a spinning lock
 */
enum strata_link_kind {
	STRATA_LINK_RANK,
	STRATA_LINK_MUTEX,
	STRATA_LINK_SPINLOCK,
};

/**
 * struct strata_link - one class in a priming chain
 * @key: its key, in static memory
 * @name: its name, for ever valid, the same at every use
 * @kind: one of &enum strata_link_kind
 */
struct strata_link {
	struct lock_class_key *key;
	const char *name;
	int kind;
};

#define STRATA_LINKS_MAX 24

int strata_helper_prime(int place, const struct strata_link *links, size_t count);

/* notifier.c: a real mmu notifier callback */
int strata_helper_in_notifier(void (*callback)(void *), void *arg);

/* page.c */
u32 strata_helper_crc32c_page(u32 crc, struct page *page, size_t offset, size_t length);
bool strata_helper_give_way(void);

/* work.c */
void strata_helper_init_work(struct work_struct *work, void (*run)(struct work_struct *work));

#endif /* STRATA_HELPERS_H */
