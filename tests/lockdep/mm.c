// SPDX-License-Identifier: GPL-2.0
/*
 * What contexts try: a process's address space.
 */
#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/shmem_fs.h>
#include <linux/uaccess.h>

#include "corpus.h"

static struct mmu_interval_notifier mirror;
static unsigned long mirror_page;
static unsigned long mirror_seq;

unsigned long corpus_map_page(void)
{
	return vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
}

static int do_mmap_read(void)
{
	mmap_read_lock(current->mm);
	mmap_read_unlock(current->mm);
	return 0;
}
const struct corpus_action act_mmap_read_lock = { .run = do_mmap_read };

static int do_mmap_tryread(void)
{
	if (!mmap_read_trylock(current->mm))
		return -EBUSY;
	mmap_read_unlock(current->mm);
	return 0;
}
const struct corpus_action act_mmap_trylock = { .run = do_mmap_tryread };

static unsigned long user_page;

/* Present, so that the copy itself does not fault: what is checked is that it may. */
static int prepare_user_page(void)
{
	user_page = corpus_map_page();
	if (IS_ERR_VALUE(user_page))
		return user_page;
	return put_user(0, (int __user *)user_page);
}

static int do_copy_user(void)
{
	int value = 1;

	return copy_to_user((void __user *)user_page, &value, sizeof(value)) ?
	       -EFAULT : 0;
}
const struct corpus_action act_copy_user = {
	.prepare = prepare_user_page,
	.run = do_copy_user,
};

static struct file *shared_file;
static unsigned long shared_page;

static int do_shmem_purge(void)
{
	shmem_truncate_range(file_inode(shared_file), 0, MAX_LFS_FILESIZE);
	return shared_file->f_mapping->nrpages ? -EBUSY : 0;
}

/*
 * A page of a shmem file that is mapped and present, so that purging it unmaps
 * it. It was purged once: that notifiers come after i_mmap_rwsem lockdep learns
 * from what unmaps, and not every boot had that before.
 */
static int prepare_shared_page(void)
{
	int err;

	shared_file = shmem_file_setup("strata_corpus", PAGE_SIZE,
				       mk_vma_flags(VMA_NORESERVE_BIT));
	if (IS_ERR(shared_file))
		return PTR_ERR(shared_file);
	shared_page = vm_mmap(shared_file, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			      MAP_SHARED, 0);
	if (IS_ERR_VALUE(shared_page))
		return shared_page;
	err = put_user(1, (int __user *)shared_page) ?: do_shmem_purge();
	return err ?: put_user(1, (int __user *)shared_page);
}

static void put_shared_page(void)
{
	vm_munmap(shared_page, PAGE_SIZE);
	fput(shared_file);
}
const struct corpus_action act_shmem_purge = {
	.prepare = prepare_shared_page,
	.run = do_shmem_purge,
	.finish = put_shared_page,
};

static bool mirror_invalidate(struct mmu_interval_notifier *mni,
			      const struct mmu_notifier_range *range,
			      unsigned long seq)
{
	mmu_interval_set_seq(mni, seq);
	return true;
}

static const struct mmu_interval_notifier_ops mirror_ops = {
	.invalidate = mirror_invalidate,
};

static int prepare_mirror_page(void)
{
	mirror_page = corpus_map_page();
	return IS_ERR_VALUE(mirror_page) ? mirror_page : 0;
}

static int do_interval_insert(void)
{
	return mmu_interval_notifier_insert(&mirror, current->mm, mirror_page,
					    PAGE_SIZE, &mirror_ops);
}

static void remove_mirror(void)
{
	mmu_interval_notifier_remove(&mirror);
	vm_munmap(mirror_page, PAGE_SIZE);
}
const struct corpus_action act_interval_insert = {
	.prepare = prepare_mirror_page,
	.run = do_interval_insert,
	.finish = remove_mirror,
};

static int prepare_mirror(void)
{
	int err = prepare_mirror_page();

	if (err)
		return err;
	err = do_interval_insert();
	if (err)
		return err;
	mirror_seq = mmu_interval_read_begin(&mirror);
	return 0;
}

static int do_interval_remove(void)
{
	mmu_interval_notifier_remove(&mirror);
	return 0;
}
const struct corpus_action act_interval_remove = {
	.prepare = prepare_mirror,
	.run = do_interval_remove,
};

static int do_read_begin(void)
{
	mirror_seq = mmu_interval_read_begin(&mirror);
	return 0;
}
const struct corpus_action act_interval_read_begin = {
	.prepare = prepare_mirror,
	.run = do_read_begin,
	.finish = remove_mirror,
};

/* The caller holds the mmap lock. The page is not there yet: this faults it in. */
static int fault_mirror_page(void)
{
	unsigned long pfn = 0;
	struct hmm_range range = {
		.notifier = &mirror,
		.notifier_seq = mirror_seq,
		.start = mirror_page,
		.end = mirror_page + PAGE_SIZE,
		.hmm_pfns = &pfn,
		.default_flags = HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE,
	};

	return hmm_range_fault(&range);
}

static int do_hmm_fault(void)
{
	int err;

	mmap_read_lock(mirror.mm);
	err = fault_mirror_page();
	mmap_read_unlock(mirror.mm);
	return err;
}
const struct corpus_action act_hmm_fault = {
	.prepare = prepare_mirror,
	.run = do_hmm_fault,
	.finish = remove_mirror,
};

static int do_hmm_fault_trylock(void)
{
	int err;

	if (!mmap_read_trylock(mirror.mm))
		return -EBUSY;
	err = fault_mirror_page();
	mmap_read_unlock(mirror.mm);
	return err;
}
const struct corpus_action act_hmm_fault_trylock = {
	.prepare = prepare_mirror,
	.run = do_hmm_fault_trylock,
	.finish = remove_mirror,
};

/* The mmap lock has been forgotten: the page tables may go away at any moment. */
static int hmm_fault_without_mmap_lock(void)
{
	int err = prepare_mirror();

	if (err)
		return err;
	err = fault_mirror_page();
	remove_mirror();
	return err;
}

const struct corpus_case mm_cases[] = {
	STORY(hmm_fault_without_mmap_lock),
	{}
};
