/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The violation corpus: what a driver author may get wrong, and what the
 * kernel says about it.
 *
 * A case is either a cell or a story. A cell runs one action (an allocation, a
 * lock, a wait) inside one context (a shrinker, a signalling section, ...); a
 * story is a function that needs more than that. A case returns 0 when it has
 * done what its name says, so that silence can be told from nothing having
 * happened. What the kernel must print about each stands in cases.toml.
 *
 * A case may leave locks held and memory lost: run one per boot, or per
 * restored snapshot.
 */
#ifndef STRATA_CORPUS_H
#define STRATA_CORPUS_H

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/types.h>

/**
 * struct corpus_action - something that a context may or may not do
 * @prepare: what it needs beforehand; runs outside of the context. Optional.
 * @run: does it, and tells whether it was done
 * @finish: cleans up afterwards, outside of the context as well. Optional.
 */
struct corpus_action {
	int (*prepare)(void);
	int (*run)(void);
	void (*finish)(void);
};

/**
 * struct corpus_case - one case
 * @name: what is written to the file "run", and the key in cases.toml
 * @context: enters the context, calls its argument there and leaves again
 * @action: what is done there
 * @story: done instead of the two, where it takes more to tell
 */
struct corpus_case {
	const char *name;
	int (*context)(int (*run)(void));
	const struct corpus_action *action;
	int (*story)(void);
};

#define CELL(ctx, act) {		\
	.name = #ctx "_" #act,		\
	.context = inside_##ctx,	\
	.action = &act_##act,		\
}

#define STORY(fn) {			\
	.name = #fn,			\
	.story = fn,			\
}

/* The tables, one per file, each closed by an empty entry. */
extern const struct corpus_case process_cases[];
extern const struct corpus_case mm_cases[];
extern const struct corpus_case scope_cases[];
extern const struct corpus_case rank_cases[];
extern const struct corpus_case resv_cases[];
extern const struct corpus_case dma_buf_cases[];
extern const struct corpus_case dma_buf_life_cases[];
extern const struct corpus_case importer_cases[];
extern const struct corpus_case reclaim_cases[];
extern const struct corpus_case shrinker_cases[];
extern const struct corpus_case notifier_cases[];
extern const struct corpus_case signalling_cases[];
extern const struct corpus_case callback_cases[];
extern const struct corpus_case atomic_cases[];
extern const struct corpus_case lifetime_cases[];
extern const struct corpus_case maple_cases[];

/* Contexts that more than one file enters. */
int inside_reclaim(int (*run)(void));
int inside_notifier(int (*run)(void));
int inside_signalling(int (*run)(void));

/* alloc.c: memory */
extern const struct corpus_action act_alloc_kernel;
extern const struct corpus_action act_alloc_nofs;
extern const struct corpus_action act_alloc_noio;
extern const struct corpus_action act_alloc_nowait;
extern const struct corpus_action act_alloc_atomic;
extern const struct corpus_action act_alloc_scoped_nofs;
extern const struct corpus_action act_alloc_scoped_noio;
extern const struct corpus_action act_alloc_pf_memalloc;
extern const struct corpus_action act_alloc_nolockdep;
extern const struct corpus_action act_mempool_kernel;
extern const struct corpus_action act_mempool_noio;
extern const struct corpus_action act_mempool_atomic;
extern const struct corpus_action act_mempool_preallocated;
extern const struct corpus_action act_vmalloc;
extern const struct corpus_action act_xarray_store;
extern const struct corpus_action act_kthread_create;
extern const struct corpus_action act_cma_alloc;

/* waits.c: reservations and fences */
extern const struct corpus_action act_resv_lock;
extern const struct corpus_action act_resv_trylock;
extern const struct corpus_action act_ww_acquire_init;
extern const struct corpus_action act_fence_wait;
extern const struct corpus_action act_fence_signal;

/* mm.c: an address space */
extern const struct corpus_action act_mmap_read_lock;
extern const struct corpus_action act_mmap_trylock;
extern const struct corpus_action act_copy_user;
extern const struct corpus_action act_shmem_purge;
extern const struct corpus_action act_interval_insert;
extern const struct corpus_action act_interval_remove;
extern const struct corpus_action act_interval_read_begin;
extern const struct corpus_action act_hmm_fault;
extern const struct corpus_action act_hmm_fault_trylock;

/* dma_buf_actions.c: buffers that drivers share */
extern const struct corpus_action act_dma_buf_attach;
extern const struct corpus_action act_dma_buf_detach;
extern const struct corpus_action act_dma_buf_access;
extern const struct corpus_action act_dma_buf_pin;
extern const struct corpus_action act_dma_buf_map;
extern const struct corpus_action act_dma_buf_map_unlocked;
extern const struct corpus_action act_dma_buf_vmap;
extern const struct corpus_action act_dma_buf_vmap_unlocked;
extern const struct corpus_action act_dma_buf_move;

/* waits.c: others that are waited for */
extern const struct corpus_action act_flush_work;
extern const struct corpus_action act_flush_idle_work;
extern const struct corpus_action act_cancel_work;
extern const struct corpus_action act_shrinker_register;
extern const struct corpus_action act_shrinker_free;
extern const struct corpus_action act_synchronize_rcu;
extern const struct corpus_action act_rcu_barrier;
extern const struct corpus_action act_completion_wait;

/* maple.c */
extern const struct corpus_action act_maple_store;
extern const struct corpus_action act_maple_reserve;
extern const struct corpus_action act_maple_commit;
extern const struct corpus_action act_maple_read;
extern const struct corpus_action act_va_find;
extern const struct corpus_action act_va_find_irq_unsafe;

/* ranks.c */
extern const struct corpus_action act_mutex_process;
extern const struct corpus_action act_mutex_process_trylock;
extern const struct corpus_action act_mutex_reclaim;
extern const struct corpus_action act_mutex_notifier;
extern const struct corpus_action act_mutex_signalling;

int corpus_alloc_init(void);
void corpus_waits_init(void);
int corpus_ranks_init(void);

/* The reservation that the context "resv" holds, and the one to lock in there. */
extern struct dma_resv corpus_held_resv;
extern struct dma_resv corpus_resv;

/* Maps one anonymous page that nothing has touched yet, in the caller's mm. */
unsigned long corpus_map_page(void);

/* Calls of a callback that "run" and the shell beside it can count on. */
extern atomic_t corpus_calls;

struct dma_fence *corpus_fence(void);
int corpus_wait_signalled(void);
int corpus_lock_unlock(struct mutex *lock);
int corpus_alloc(gfp_t gfp);

#endif
