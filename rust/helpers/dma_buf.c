// SPDX-License-Identifier: GPL-2.0

#include <linux/crc32.h>
#include <linux/device/faux.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iosys-map.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "helpers.h"

void strata_helper_dma_buf_ref(struct dma_buf *buf)
{
	get_dma_buf(buf);
}

/* Anywhere: the last one is put by a task or a worker. */
void strata_helper_dma_buf_unref(struct dma_buf *buf)
{
	fput(buf->file);
}

/* Copies the name that user space gave @buf; none is empty. */
void strata_helper_dma_buf_name(struct dma_buf *buf, char *name, size_t size)
{
	spin_lock(&buf->name_lock);
	strscpy(name, buf->name ?: "", size);
	spin_unlock(&buf->name_lock);
}

/* Whether the init of @module has not returned: if it fails, its code goes with all counts. */
bool strata_helper_module_is_coming(const struct module *module)
{
	return module && READ_ONCE(module->state) == MODULE_STATE_COMING;
}

unsigned long strata_helper_dma_buf_inode(struct dma_buf *buf)
{
	return file_inode(buf->file)->i_ino;
}

/* How many devices are attached; the reservation is held. */
size_t strata_helper_dma_buf_attachments(struct dma_buf *buf)
{
	dma_resv_assert_held(buf->resv);
	return list_count_nodes(&buf->attachments);
}

/* As dma_buf_pin() and dma_buf_unpin(), for who does not hold the reservation. */
int strata_helper_dma_buf_pin_unlocked(struct dma_buf_attachment *attachment)
{
	struct dma_resv *resv = attachment->dmabuf->resv;
	int err;

	dma_resv_lock(resv, NULL);
	err = dma_buf_pin(attachment);
	dma_resv_unlock(resv);
	return err;
}

void strata_helper_dma_buf_unpin_unlocked(struct dma_buf_attachment *attachment)
{
	struct dma_resv *resv = attachment->dmabuf->resv;

	dma_resv_lock(resv, NULL);
	dma_buf_unpin(attachment);
	dma_resv_unlock(resv);
}

/* Pins the buffer of @attachment and maps it into the kernel, without the lock in between. */
int strata_helper_dma_buf_pin_vmap(struct dma_buf_attachment *attachment, struct iosys_map *map)
{
	struct dma_buf *buf = attachment->dmabuf;
	int err;

	dma_resv_lock(buf->resv, NULL);
	err = dma_buf_pin(attachment);
	if (!err) {
		err = dma_buf_vmap(buf, map);
		if (err)
			dma_buf_unpin(attachment);
	}
	dma_resv_unlock(buf->resv);
	return err;
}

void strata_helper_dma_buf_vunmap_unpin(struct dma_buf_attachment *attachment,
					struct iosys_map *map)
{
	struct dma_buf *buf = attachment->dmabuf;

	dma_resv_lock(buf->resv, NULL);
	dma_buf_vunmap(buf, map);
	dma_buf_unpin(attachment);
	dma_resv_unlock(buf->resv);
}

/*
 * Some new pages of zeros, at most @count: as many as there are next to each other, of
 * the sizes that the system heap tries.  Each is one of its own.  Returns how many.
 */
size_t strata_helper_pages_alloc(struct page **pages, size_t count)
{
	static const unsigned int orders[] = { 8, 4, 0 };
	struct page *page;
	size_t i, j;
	gfp_t gfp;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		if (count < 1UL << orders[i])
			continue;
		gfp = GFP_KERNEL_ACCOUNT | __GFP_HIGHMEM | __GFP_ZERO;
		/* There are smaller ones. */
		if (orders[i])
			gfp = (gfp | __GFP_NOWARN | __GFP_NORETRY) & ~__GFP_RECLAIM;
		page = alloc_pages(gfp, orders[i]);
		if (!page)
			continue;
		if (orders[i])
			split_page(page, orders[i]);
		for (j = 0; j < 1UL << orders[i]; j++)
			pages[j] = page + j;
		return j;
	}
	return 0;
}

void strata_helper_pages_free(struct page **pages, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		__free_page(pages[i]);
}

/* A table of @pages for @device, in pieces that it, and what bounces for it, can take. */
int strata_helper_table_alloc(struct sg_table *table, struct page **pages, size_t count,
			      struct device *device)
{
	size_t segment = min_t(size_t, dma_get_max_seg_size(device), dma_max_mapping_size(device));

	if (segment < PAGE_SIZE)
		return -EINVAL;
	return sg_alloc_table_from_pages_segment(table, pages, count, 0, count << PAGE_SHIFT,
						 min_t(size_t, segment, UINT_MAX), GFP_KERNEL);
}

void strata_helper_table_sync(struct sg_table *table, struct device *device,
			      enum dma_data_direction direction, bool for_cpu)
{
	if (for_cpu)
		dma_sync_sgtable_for_cpu(device, table, direction);
	else
		dma_sync_sgtable_for_device(device, table, direction);
}

/* How many ranges of a table there are for a device. */
unsigned int strata_helper_table_ranges(const struct sg_table *table)
{
	return table->nents;
}

/* Pages side by side in the kernel's own address space. */
void *strata_helper_pages_vmap(struct page **pages, size_t count)
{
	return vmap(pages, count, VM_MAP, PAGE_KERNEL);
}

void strata_helper_pages_vunmap(const void *address)
{
	vunmap(address);
}

/* Where caches go by the address. */
void strata_helper_window_sync(void *address, size_t size, bool for_cpu)
{
	if (for_cpu)
		invalidate_kernel_vmap_range(address, size);
	else
		flush_kernel_vmap_range(address, size);
}

void strata_helper_pages_copy(struct page **to, struct page **from, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		copy_highpage(to[i], from[i]);
		cond_resched();
	}
}

/*
 * Makes @vma one whose pages come from @ops, each time that it has none: the buffer
 * may be somewhere else by then.  Without references to pages, which would see
 * nothing of that; and shared, since a copy would be of nobody.
 */
int strata_helper_buffer_mmap(struct vm_area_struct *vma, const struct vm_operations_struct *ops,
			      struct dma_buf *buf)
{
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = ops;
	vma->vm_private_data = buf;
	return 0;
}

struct dma_buf *strata_helper_fault_buffer(struct vm_fault *fault)
{
	return fault->vma->vm_private_data;
}

/*
 * Locks the reservation of @buf, or says what the fault handler returns: who moves the
 * buffer may take long, and nobody is to wait for the mmap lock meanwhile.
 * As ttm_bo_vm_reserve().  With !@retry, for where the core does not know of retries.
 *
 * Only user space's own accesses are interrupted: those of the kernel would fault again
 * and again.
 */
vm_fault_t strata_helper_fault_lock(struct vm_fault *fault, struct dma_buf *buf, bool retry)
{
	struct dma_resv *resv = buf->resv;

	if (dma_resv_trylock(resv))
		return 0;
	if (retry && fault_flag_allow_retry_first(fault->flags)) {
		if (fault->flags & FAULT_FLAG_RETRY_NOWAIT)
			return VM_FAULT_RETRY;
		get_dma_buf(buf);
		release_fault_lock(fault);
		if (!dma_resv_lock_interruptible(resv, NULL))
			dma_resv_unlock(resv);
		fput(buf->file);
		return VM_FAULT_RETRY;
	}
	if (!(fault->flags & FAULT_FLAG_USER)) {
		dma_resv_lock(resv, NULL);
		return 0;
	}
	return dma_resv_lock_interruptible(resv, NULL) ? VM_FAULT_NOPAGE : 0;
}

bool strata_helper_fault_is_write(struct vm_fault *fault)
{
	return fault->flags & FAULT_FLAG_WRITE;
}

pgoff_t strata_helper_fault_index(struct vm_fault *fault)
{
	return fault->pgoff;
}

/* For reading, unless @write: the first write is told then (pfn_mkwrite). */
vm_fault_t strata_helper_fault_insert(struct vm_fault *fault, struct page *page, bool write)
{
	struct vm_area_struct *vma = fault->vma;
	pgprot_t protection = vma->vm_page_prot;

	if (write && (vma->vm_flags & VM_WRITE))
		protection = vm_get_page_prot(vma->vm_flags);
	return vmf_insert_pfn_prot(vma, fault->address, page_to_pfn(page), protection);
}

/* Takes all pages out of all mappings of @buf; who touches them faults. */
void strata_helper_buffer_zap(struct dma_buf *buf)
{
	unmap_mapping_range(buf->file->f_mapping, 0, 0, 1);
}

/* Where the bytes of @map are, and of what kind. */
void *strata_helper_iosys_get(const struct iosys_map *map, bool *io)
{
	*io = map->is_iomem;
	return map->is_iomem ? (__force void *)map->vaddr_iomem : map->vaddr;
}

void strata_helper_iosys_read(void *to, const void *from, bool io, size_t length)
{
	if (io)
		memcpy_fromio(to, (const __force void __iomem *)from, length);
	else
		memcpy(to, from, length);
}

void strata_helper_iosys_write(void *to, bool io, const void *from, size_t length)
{
	if (io)
		memcpy_toio((__force void __iomem *)to, from, length);
	else
		memcpy(to, from, length);
}

void strata_helper_iosys_fill(void *to, bool io, u8 value, size_t length)
{
	if (io)
		memset_io((__force void __iomem *)to, value, length);
	else
		memset(to, value, length);
}

u32 strata_helper_iosys_load(const void *from, bool io)
{
	if (io)
		return readl((const __force void __iomem *)from);
	return READ_ONCE(*(const u32 *)from);
}

void strata_helper_iosys_store(void *to, bool io, u32 value)
{
	if (io)
		writel(value, (__force void __iomem *)to);
	else
		WRITE_ONCE(*(u32 *)to, value);
}

u64 strata_helper_iosys_load64(const void *from, bool io)
{
	if (io)
		return lo_hi_readq((const __force void __iomem *)from);
	return READ_ONCE(*(const u64 *)from);
}

void strata_helper_iosys_store64(void *to, bool io, u64 value)
{
	if (io)
		lo_hi_writeq(value, (__force void __iomem *)to);
	else
		WRITE_ONCE(*(u64 *)to, value);
}

/* Of a device's memory in pieces: it may not be read as memory is. */
u32 strata_helper_iosys_crc32c(u32 crc, const void *from, bool io, size_t length)
{
	u8 piece[64];
	size_t some;

	if (!io)
		return crc32c(crc, from, length);
	for (; length; length -= some, from += some) {
		some = min(length, sizeof(piece));
		memcpy_fromio(piece, (const __force void __iomem *)from, some);
		crc = crc32c(crc, piece, some);
	}
	return crc;
}

/* A device without hardware, which reaches all memory: a faux device by itself reaches none. */
struct faux_device *strata_helper_faux_create(const char *name)
{
	struct faux_device *faux = faux_device_create(name, NULL, NULL);
	int err;

	/* It does not say why. */
	if (!faux)
		return ERR_PTR(-ENOMEM);
	err = dma_coerce_mask_and_coherent(&faux->dev, DMA_BIT_MASK(64));
	if (err) {
		faux_device_destroy(faux);
		return ERR_PTR(err);
	}
	return faux;
}

#if IS_ENABLED(CONFIG_KUNIT)
/* The bytes that a device would find there, for tests: without a unit that translates. */
void *strata_helper_device_bytes(struct device *device, dma_addr_t address)
{
	return phys_to_virt(dma_to_phys(device, address));
}
#endif
