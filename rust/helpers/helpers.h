/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C helpers of the strata crate: inlines and macros that bindgen cannot see, and
 * what is said better in C.  `strata_helper_x` is `bindings::x` in Rust.
 */
#ifndef STRATA_HELPERS_H
#define STRATA_HELPERS_H

#include <linux/dma-direction.h>
#include <linux/gfp_types.h>
#include <linux/llist.h>
#include <linux/mm_types.h>
#include <linux/mutex_types.h>
#include <linux/refcount_types.h>
#include <linux/seqlock_types.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>

struct delayed_work;
struct dentry;
struct device;
struct dma_buf;
struct dma_buf_attachment;
struct faux_device;
struct dma_fence;
struct dma_fence_ops;
struct dma_resv;
struct file;
struct iosys_map;
struct list_lru;
struct list_lru_one;
struct lock_class_key;
struct ma_state;
struct maple_tree;
struct mempool;
struct module;
struct page;
struct scatterlist;
struct sg_table;
struct shrinker;
struct strata_file;
struct strata_lrus;
struct vm_area_struct;
struct vm_fault;
struct vm_operations_struct;
struct work_struct;
struct workqueue_struct;
struct ww_acquire_ctx;

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
 * @STRATA_LINK_IRQ_SPINLOCK: the same, of one that is taken with interrupts off
 */
enum strata_link_kind {
	STRATA_LINK_RANK,
	STRATA_LINK_MUTEX,
	STRATA_LINK_SPINLOCK,
	STRATA_LINK_IRQ_SPINLOCK,
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
void *strata_helper_page_bytes(struct page *page);
u32 strata_helper_crc32c_bytes(u32 crc, const void *bytes, size_t length);
bool strata_helper_give_way(void);
size_t strata_helper_total_pages(void);

/* shrinker.c */

struct shrinker *strata_helper_alloc_shrinker(const char *name);
bool strata_helper_is_kswapd(void);
bool strata_helper_wait_one_jiffy(void);
unsigned int strata_helper_memalloc_noreclaim_save(void);
void strata_helper_memalloc_noreclaim_restore(unsigned int flags);
bool strata_helper_in_reclaim(void);
int strata_helper_lockdep_is_on(void);

/* lru.c */

/**
 * struct strata_object - what an object of lru.rs begins with
 * @link: its place on a list, or empty
 * @lock: its own lock
 * @refs: how many refer to it
 * @pages: what it stands for on a list; written under the lock alone
 */
struct strata_object {
	struct list_head link;
	struct mutex lock;
	refcount_t refs;
	size_t pages;
};

/**
 * struct strata_total - what stands on a list, over all nodes and cgroups
 * @objects: how many there are
 * @pages: what they stand for
 */
struct strata_total {
	atomic_long_t objects;
	atomic_long_t pages;
};

/**
 * enum strata_claim - what became of an object that a walk came to
 * @STRATA_CLAIM_TAKEN: it is off its list and locked; the list is unlocked, we have a reference
 * @STRATA_CLAIM_BUSY: somebody else has it locked; the list is locked, we have a reference
 * @STRATA_CLAIM_DYING: nobody refers to it any more; the list is locked, we have no reference
 */
enum strata_claim {
	STRATA_CLAIM_TAKEN,
	STRATA_CLAIM_BUSY,
	STRATA_CLAIM_DYING,
};

struct strata_lrus *strata_helper_lrus_create(const char *name, size_t size, size_t align,
					      unsigned int count, struct shrinker *shrinker);
void strata_helper_lrus_destroy(struct strata_lrus *lrus);
struct list_lru *strata_helper_lrus_first(struct strata_lrus *lrus);
void *strata_helper_lrus_alloc(struct strata_lrus *lrus);
void strata_helper_lrus_free(struct strata_lrus *lrus, void *object);
void strata_helper_lru_init(struct strata_object *object, const char *name,
			    struct lock_class_key *key);
void strata_helper_lru_link(struct list_lru *lru, struct strata_object *object,
			    struct strata_total *total, size_t pages);
void strata_helper_lru_unlink(struct list_lru *lru, struct strata_object *object,
			      struct strata_total *total);
void strata_helper_lru_taken(struct strata_total *total, size_t objects, size_t pages);
int strata_helper_lru_claim(struct list_lru_one *list, struct strata_object *object);
bool strata_helper_lru_pass(struct list_lru_one *list, struct strata_object *object);
bool strata_helper_lru_release(struct strata_object *object);
bool strata_helper_is_killed(void);
void strata_helper_lru_unlock(struct list_lru_one *list);

/* shmem.c: files of shmem, as the memory of a driver */
struct file *strata_helper_shmem_create(const char *name, loff_t size);
bool strata_helper_shmem_could_hold(size_t count);
struct page *strata_helper_shmem_page(struct file *file, pgoff_t index);
int strata_helper_shmem_crc32c(struct file *file, pgoff_t index, size_t offset, size_t length,
			       u32 *crc);
int strata_helper_shmem_read(struct file *file, pgoff_t index, size_t offset, void *to,
			     size_t length);
int strata_helper_shmem_write(struct file *file, pgoff_t index, size_t offset, const void *from,
			      size_t length);
void strata_helper_shmem_set_held(struct file *file, bool held);
void strata_helper_shmem_put_pages(struct file *file, struct page **pages, size_t count,
				   bool written);
size_t strata_helper_shmem_resident(struct file *file);
size_t strata_helper_shmem_footprint(struct file *file);
void strata_helper_shmem_purge(struct file *file);
bool strata_helper_shmem_purge_in_reclaim(struct file *file);
size_t strata_helper_shmem_write_back(struct file *file);
int strata_helper_shmem_map(struct file *file, struct vm_area_struct *vma);

/* maple.c: maple trees, and nodes reserved for them */
void strata_helper_maple_init(struct maple_tree *tree, unsigned int flags);
void strata_helper_maple_set_lock(struct maple_tree *tree, struct mutex *lock);
void strata_helper_maple_init_extern(struct maple_tree *tree, unsigned int flags,
				     struct mutex *lock);
void strata_helper_maple_disown(struct maple_tree *tree);
void strata_helper_maple_lock(struct maple_tree *tree);
void strata_helper_maple_lock_nested(struct maple_tree *tree);
bool strata_helper_maple_trylock(struct maple_tree *tree);
void strata_helper_maple_unlock(struct maple_tree *tree);
unsigned int strata_helper_maple_height(struct maple_tree *tree);
void strata_helper_maple_validate(struct maple_tree *tree);
int strata_helper_maple_template_create(void);
void strata_helper_maple_template_destroy(void);
int strata_helper_maple_reserve(struct ma_state *mas, unsigned int height, gfp_t gfp);

/* debugfs.c: files of drivers, and those that they forget */
int strata_helper_files_start(void (*put)(void *dir));
void strata_helper_files_stop(void);
struct strata_file *strata_helper_file_note(struct dentry *dentry, struct module *owner, void *dir);
void strata_helper_file_remove(struct strata_file *file);

/* retire.c: what readers under RCU may still see */

/**
 * struct strata_retired - what an object begins with that is destroyed after a grace period
 * @link: its place among those that wait
 * @destroy: frees it; may sleep
 */
struct strata_retired {
	struct llist_node link;
	void (*destroy)(struct strata_retired *object);
};

int strata_helper_retire_start(void);
void strata_helper_retire_stop(void);
void strata_helper_retire(struct strata_retired *object);
void strata_helper_retire_flush(void);

/**
 * struct strata_va_sequence - whether what a reader of a VA space sees was there at one moment
 * @commit: odd for as long as a commit takes, of however many requests
 * @store: odd for as long as one of its changes to the tree takes, with interrupts off
 */
struct strata_va_sequence {
	seqcount_spinlock_t commit;
	seqcount_spinlock_t store;
};

/* va.c: one moment of a VA space, for readers without its lock */
void strata_helper_va_init(struct strata_va_sequence *sequence, struct maple_tree *tree);
void strata_helper_va_write_begin(struct strata_va_sequence *sequence);
void strata_helper_va_write_end(struct strata_va_sequence *sequence);
unsigned long strata_helper_va_store_begin(struct strata_va_sequence *sequence);
void strata_helper_va_store_end(struct strata_va_sequence *sequence, unsigned long flags);
unsigned int strata_helper_va_read_begin(const struct strata_va_sequence *sequence);
bool strata_helper_va_read_retry(const struct strata_va_sequence *sequence, unsigned int start);

/* irq.c: spinlocks that interrupt handlers take */
unsigned long strata_helper_spin_lock_irqsave(spinlock_t *lock);
bool strata_helper_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags);
void strata_helper_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);
void strata_helper_assert_spin_locked(spinlock_t *lock);

/* fence.c */

/**
 * struct strata_rcu - what an object begins with that is freed after a grace period
 * @head: for RCU
 */
struct strata_rcu {
	struct rcu_head head;
};

void strata_helper_kfree_rcu(struct strata_rcu *object);
void strata_helper_fence_get(struct dma_fence *fence);
void strata_helper_fence_put(struct dma_fence *fence);
bool strata_helper_fence_test_signaled(struct dma_fence *fence);
bool strata_helper_fence_is_signaled(struct dma_fence *fence);
void strata_helper_fence_set_error(struct dma_fence *fence, int error);
int strata_helper_fence_error(struct dma_fence *fence);
s64 strata_helper_fence_timestamp(struct dma_fence *fence);
const struct dma_fence_ops *strata_helper_fence_ops(struct dma_fence *fence);
void strata_helper_fence_might_wait(void);
long strata_helper_fence_wait_killable(struct dma_fence *fence, long timeout);
struct file *strata_helper_sync_file_create(struct dma_fence *fence);
struct dma_fence *strata_helper_fence_merge(struct dma_fence **fences, unsigned int count);

/* resv.c */
int strata_helper_resv_lock_interruptible(struct dma_resv *resv, struct ww_acquire_ctx *ctx);
void strata_helper_resv_lock_slow(struct dma_resv *resv, struct ww_acquire_ctx *ctx);
int strata_helper_resv_lock_slow_interruptible(struct dma_resv *resv, struct ww_acquire_ctx *ctx);
bool strata_helper_resv_trylock(struct dma_resv *resv);
void strata_helper_resv_acquire_init(struct ww_acquire_ctx *ctx);
void strata_helper_resv_acquire_fini(struct ww_acquire_ctx *ctx);
void *strata_helper_resv_mutex(struct dma_resv *resv);
bool strata_helper_fence_is_container(struct dma_fence *fence);
void strata_helper_resv_for_each(struct dma_resv *resv, int usage,
				 void (*show)(struct dma_fence *fence, int usage, void *arg),
				 void *arg);

/* reserve.c: elements that are there when no memory is */
int strata_helper_reserve_init(struct mempool *pool, int count, size_t size, gfp_t gfp);
void *strata_helper_reserve_take(struct mempool *pool, gfp_t gfp);
size_t strata_helper_reserve_left(struct mempool *pool);

/* dma_buf.c: buffers that drivers share, and the pages of those that we export */
void strata_helper_dma_buf_ref(struct dma_buf *buf);
void strata_helper_dma_buf_unref(struct dma_buf *buf);
void strata_helper_dma_buf_name(struct dma_buf *buf, char *name, size_t size);
bool strata_helper_module_is_coming(const struct module *module);
unsigned long strata_helper_dma_buf_inode(struct dma_buf *buf);
size_t strata_helper_dma_buf_attachments(struct dma_buf *buf);
int strata_helper_dma_buf_pin_unlocked(struct dma_buf_attachment *attachment);
void strata_helper_dma_buf_unpin_unlocked(struct dma_buf_attachment *attachment);
int strata_helper_dma_buf_pin_vmap(struct dma_buf_attachment *attachment, struct iosys_map *map);
void strata_helper_dma_buf_vunmap_unpin(struct dma_buf_attachment *attachment,
					struct iosys_map *map);
size_t strata_helper_pages_alloc(struct page **pages, size_t count);
void strata_helper_pages_free(struct page **pages, size_t count);
int strata_helper_table_alloc(struct sg_table *table, struct page **pages, size_t count,
			      struct device *device);
void strata_helper_table_sync(struct sg_table *table, struct device *device,
			      enum dma_data_direction direction, bool for_cpu);
unsigned int strata_helper_table_ranges(const struct sg_table *table);
void *strata_helper_pages_vmap(struct page **pages, size_t count);
void strata_helper_pages_vunmap(const void *address);
void strata_helper_window_sync(void *address, size_t size, bool for_cpu);
void strata_helper_pages_copy(struct page **to, struct page **from, size_t count);
int strata_helper_buffer_mmap(struct vm_area_struct *vma, const struct vm_operations_struct *ops,
			      struct dma_buf *buf);
struct dma_buf *strata_helper_fault_buffer(struct vm_fault *fault);
vm_fault_t strata_helper_fault_lock(struct vm_fault *fault, struct dma_buf *buf, bool retry);
bool strata_helper_fault_is_write(struct vm_fault *fault);
pgoff_t strata_helper_fault_index(struct vm_fault *fault);
vm_fault_t strata_helper_fault_insert(struct vm_fault *fault, struct page *page, bool write);
void strata_helper_buffer_zap(struct dma_buf *buf);
void *strata_helper_iosys_get(const struct iosys_map *map, bool *io);
void strata_helper_iosys_read(void *to, const void *from, bool io, size_t length);
void strata_helper_iosys_write(void *to, bool io, const void *from, size_t length);
void strata_helper_iosys_fill(void *to, bool io, u8 value, size_t length);
u32 strata_helper_iosys_load(const void *from, bool io);
void strata_helper_iosys_store(void *to, bool io, u32 value);
u64 strata_helper_iosys_load64(const void *from, bool io);
void strata_helper_iosys_store64(void *to, bool io, u64 value);
u32 strata_helper_iosys_crc32c(u32 crc, const void *from, bool io, size_t length);
struct faux_device *strata_helper_faux_create(const char *name);
#if IS_ENABLED(CONFIG_KUNIT)
void *strata_helper_device_bytes(struct device *device, dma_addr_t address);
#endif

/* work.c */
void strata_helper_init_delayed_work(struct delayed_work *work,
				     void (*run)(struct work_struct *work));
void strata_helper_queue_delayed_work(struct workqueue_struct *queue, struct delayed_work *work,
				      unsigned long delay);
void strata_helper_mod_delayed_work(struct workqueue_struct *queue, struct delayed_work *work,
				    unsigned long delay);
unsigned long strata_helper_now_in_jiffies(void);
void strata_helper_init_work(struct work_struct *work, void (*run)(struct work_struct *work));

#endif /* STRATA_HELPERS_H */
