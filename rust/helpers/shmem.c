// SPDX-License-Identifier: GPL-2.0

#include <linux/blkdev.h>
#include <linux/crc32.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/folio_batch.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>
#include <linux/writeback.h>

#include "helpers.h"

/* shmem says that a block is missing where a caller has no blocks, only memory. */
static int no_memory(int err)
{
	return err == -ENOSPC ? -ENOMEM : err;
}

/* An unlinked file of @size bytes, all holes.  Nothing is reserved for it. */
struct file *strata_helper_shmem_create(const char *name, loff_t size)
{
	struct file *file = shmem_file_setup(name, size, mk_vma_flags(VMA_NORESERVE_BIT));

	return IS_ERR(file) ? ERR_PTR(no_memory(PTR_ERR(file))) : file;
}

/* No machine holds more pages than it has, and kvmalloc() warns of a table beyond INT_MAX. */
bool strata_helper_shmem_could_hold(size_t count)
{
	return count <= totalram_pages() && count <= INT_MAX / sizeof(struct page *);
}

/* The page at @index, with a reference: from memory, from swap, or new and zeroed. */
struct page *strata_helper_shmem_page(struct file *file, pgoff_t index)
{
	struct address_space *mapping = file->f_mapping;
	struct page *page;

	page = shmem_read_mapping_page_gfp(mapping, index, mapping_gfp_mask(mapping));
	return IS_ERR(page) ? ERR_PTR(no_memory(PTR_ERR(page))) : page;
}

/* Folds a part of the page at @index into @crc.  A hole stays one. */
int strata_helper_shmem_crc32c(struct file *file, pgoff_t index, size_t offset, size_t length,
			       u32 *crc)
{
	struct folio *folio;
	struct page *page;
	int err;

	err = shmem_get_folio(file_inode(file), index, 0, &folio, SGP_READ);
	if (err)
		return no_memory(err);
	if (!folio) {
		*crc = strata_helper_crc32c_page(*crc, ZERO_PAGE(0), offset, length);
		return 0;
	}
	folio_unlock(folio);
	page = folio_file_page(folio, index);
	if (PageHWPoison(page))
		err = -EIO;
	else
		*crc = strata_helper_crc32c_page(*crc, page, offset, length);
	folio_put(folio);
	return err;
}

/* Copies out a part of the page at @index.  A hole stays one. */
int strata_helper_shmem_read(struct file *file, pgoff_t index, size_t offset, void *to,
			     size_t length)
{
	struct folio *folio;
	struct page *page;
	int err;

	err = shmem_get_folio(file_inode(file), index, 0, &folio, SGP_READ);
	if (err)
		return no_memory(err);
	if (!folio) {
		memset(to, 0, length);
		return 0;
	}
	folio_unlock(folio);
	page = folio_file_page(folio, index);
	if (PageHWPoison(page))
		err = -EIO;
	else
		memcpy_from_page(to, page, offset, length);
	folio_put(folio);
	return err;
}

/* Copies into a part of the page at @index.  Locked: it is not written to swap meanwhile. */
int strata_helper_shmem_write(struct file *file, pgoff_t index, size_t offset, const void *from,
			      size_t length)
{
	struct folio *folio;
	struct page *page;
	int err;

	err = shmem_get_folio(file_inode(file), index, 0, &folio, SGP_CACHE);
	if (err)
		return no_memory(err);
	page = folio_file_page(folio, index);
	if (PageHWPoison(page)) {
		err = -EIO;
	} else {
		memcpy_to_page(page, offset, from, length);
		folio_mark_dirty(folio);
	}
	folio_unlock(folio);
	folio_put(folio);
	return err;
}

/*
 * Tells reclaim whether to look at the pages of @file at all.  Whoever makes them
 * evictable again has to bring back those that reclaim has put aside meanwhile.
 */
void strata_helper_shmem_set_held(struct file *file, bool held)
{
	if (held)
		mapping_set_unevictable(file->f_mapping);
	else
		mapping_clear_unevictable(file->f_mapping);
}

static void put_batch(struct folio_batch *batch)
{
	check_move_unevictable_folios(batch);
	folio_batch_release(batch);
	cond_resched();
}

/* Brings back all pages of a file that is evictable again.  As shmem_unlock_mapping(). */
static void bring_back(struct address_space *mapping)
{
	struct folio_batch batch;
	pgoff_t index = 0;

	folio_batch_init(&batch);
	while (!mapping_unevictable(mapping) &&
	       filemap_get_folios(mapping, &index, ULONG_MAX, &batch))
		put_batch(&batch);
}

/*
 * Puts pages that strata_helper_shmem_page() gave.  They are dirty now if their holder
 * may have written to them.
 */
void strata_helper_shmem_put_pages(struct file *file, struct page **pages, size_t count,
				   bool written)
{
	struct address_space *mapping = file->f_mapping;
	struct folio *previous = NULL;
	struct folio_batch batch;
	size_t in_file = 0;
	size_t i;

	might_sleep();
	folio_batch_init(&batch);
	for (i = 0; i < count; i++) {
		struct folio *folio = page_folio(pages[i]);

		if (READ_ONCE(folio->mapping) == mapping)
			in_file++;
		if (folio == previous) {
			folio_put(folio);
			continue;
		}
		previous = folio;
		if (written)
			folio_mark_dirty(folio);
		folio_mark_accessed(folio);
		if (!folio_batch_add(&batch, folio))
			put_batch(&batch);
	}
	if (folio_batch_count(&batch))
		put_batch(&batch);

	/*
	 * The file has pages that were not among these: those were cut off while they
	 * were held, and new ones came into their place.
	 */
	if (READ_ONCE(mapping->nrpages) > in_file)
		bring_back(mapping);
}

/* How many pages of @file are in memory. */
size_t strata_helper_shmem_resident(struct file *file)
{
	return READ_ONCE(file->f_mapping->nrpages);
}

/* How many pages of @file there are, in memory and in swap. */
size_t strata_helper_shmem_footprint(struct file *file)
{
	struct inode *inode = file_inode(file);

	return READ_ONCE(inode->i_mapping->nrpages) + READ_ONCE(SHMEM_I(inode)->swapped);
}

/*
 * Cuts off all pages of @file.  Not up to -1, as i915 does: then it would start over
 * until there is none left, so that a task which keeps touching a mapping of the file
 * could keep reclaim here for ever.
 *
 * A page that is being swapped out at just this moment is read back (shmem's partial
 * pages at both ends), hence PF_MEMALLOC in reclaim, as reclaim itself has it.
 */
void strata_helper_shmem_purge(struct file *file)
{
	shmem_truncate_range(file_inode(file), 0, MAX_LFS_FILESIZE);
}

/* Whether anybody has a page of @mapping locked, the running task too. */
static bool has_locked_folio(struct address_space *mapping)
{
	struct folio_batch batch;
	bool locked = false;
	pgoff_t index = 0;
	unsigned int i;

	folio_batch_init(&batch);
	while (!locked && filemap_get_folios(mapping, &index, ULONG_MAX, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++)
			locked |= folio_test_locked(batch.folios[i]);
		folio_batch_release(&batch);
		cond_resched();
	}
	return locked;
}

/*
 * The same for a shrinker.  Its task may itself have a page of the file locked, and
 * would wait for ever: who splits a huge folio allocates under its lock, with all of
 * the file's mask.  Pages that others have locked they unlock.
 */
bool strata_helper_shmem_purge_in_reclaim(struct file *file)
{
	unsigned int flags;

	if (has_locked_folio(file->f_mapping))
		return false;
	flags = memalloc_noreclaim_save();
	strata_helper_shmem_purge(file);
	memalloc_noreclaim_restore(flags);
	return true;
}

/* Returns AOP_WRITEPAGE_ACTIVATE, with the folio still locked, if swap did not take it. */
static int write_to_swap(struct folio *folio)
{
#ifdef STRATA_SHMEM_WRITE_FOLIO
	return shmem_write_folio(folio);
#else
	return shmem_writeout(folio, NULL, NULL);
#endif
}

/*
 * Writes a folio of @mapping to swap, as ttm_backup_backup_folio() does: one that no
 * user has mapped.  Returns the pages written; negative if swap takes no more.
 *
 * Only tries to lock it, as reclaim does.
 */
static long write_folio(struct address_space *mapping, struct folio *folio)
{
	int err;

	if (!folio_trylock(folio))
		return 0;
	/* Who holds pages says so before it takes the first of them. */
	if (folio->mapping != mapping || mapping_unevictable(mapping) || folio_mapped(folio) ||
	    !folio_clear_dirty_for_io(folio)) {
		folio_unlock(folio);
		return 0;
	}
	folio_set_reclaim(folio);
	err = write_to_swap(folio);
	if (!folio_test_writeback(folio))
		folio_clear_reclaim(folio);
	if (err == AOP_WRITEPAGE_ACTIVATE) {
		folio_unlock(folio);
		return -ENOSPC;
	}
	return err ?: folio_nr_pages(folio);
}

static long write_batch(struct address_space *mapping, struct folio_batch *batch)
{
	struct blk_plug plug;
	long written = 0;
	long result = 0;
	unsigned int i;

	blk_start_plug(&plug);
	for (i = 0; i < folio_batch_count(batch) && result >= 0; i++) {
		result = write_folio(mapping, batch->folios[i]);
		if (result > 0)
			written += result;
	}
	blk_finish_plug(&plug);
	return written ?: min(result, 0L);
}

/*
 * Writes what is dirty to swap, without waiting for the IO; returns how many pages.
 *
 * Not with writeback_iter(), as i915 does: shmem's pages are never tagged dirty, so
 * that it finds none.
 */
size_t strata_helper_shmem_write_back(struct file *file)
{
	struct address_space *mapping = file->f_mapping;
	struct folio_batch batch;
	unsigned int flags;
	size_t written = 0;
	pgoff_t index = 0;
	long result = 0;

	/* Nothing is gained by writing pages that stay in memory. */
	if (mapping_unevictable(mapping))
		return 0;
	/* Swap-out is written for reclaim, and allocates as it may there. */
	flags = memalloc_noreclaim_save();
	folio_batch_init(&batch);
	while (result >= 0 && get_nr_swap_pages() > 0 && !fatal_signal_pending(current) &&
	       filemap_get_folios(mapping, &index, ULONG_MAX, &batch)) {
		result = write_batch(mapping, &batch);
		if (result > 0)
			written += result;
		folio_batch_release(&batch);
		cond_resched();
	}
	memalloc_noreclaim_restore(flags);
	return written;
}

/*
 * Hands a mapping that is being made over to @file.  If it fails, the core puts the
 * file that it finds there, and forgets the rest (__mmap_new_file_vma()).
 *
 * Shared is VM_MAYSHARE: the mapping of a file that is open for reading alone lacks
 * VM_SHARED.  Not a check for Rust: VM_MAYSHARE of 7.2's bindings is VM_MAYEXEC.
 */
int strata_helper_shmem_map(struct file *file, struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	vma_set_file(vma, file);
	vma->vm_pgoff = 0;
	return vfs_mmap(file, vma);
}
