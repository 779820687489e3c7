// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of an exporter on Strata: pages that are shared by all that is made
 * of them, so that a device which has not unmapped the buffer yet never sees the
 * memory of others; a table for each attachment, and a mapping into the kernel,
 * both made when they are first asked for, and kept until the buffer moves. All of
 * it is under the reservation.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/highmem.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "work.h"

/* Where the contents are. */
struct storage {
	struct kref refs;
	bool written;
	size_t count;
	struct page **pages;
};

/* What a device sees of it: of an attachment. In a list while it is mapped. */
struct table {
	struct sg_table sgt;
	struct device *dev;
	enum dma_data_direction direction;
	struct storage *storage;
	bool mapped;
	struct list_head node;
};

/* A buffer. What follows is protected by its reservation. */
struct frame {
	struct storage *storage;
	struct list_head tables;
	/* Of a storage of its own, and kept when nobody uses it. */
	void *window;
	struct storage *seen;
	bool vmapped;
	size_t pins;
};

static void storage_free(struct kref *refs)
{
	struct storage *s = container_of(refs, struct storage, refs);

	while (s->count)
		__free_page(s->pages[--s->count]);
	kvfree(s->pages);
	kfree(s);
}

static void storage_put(struct storage *s)
{
	kref_put(&s->refs, storage_free);
}

static struct storage *storage_get(struct storage *s)
{
	kref_get(&s->refs);
	return s;
}

/* As many as there are next to each other, at most so many as are wanted. */
static size_t pages_alloc(struct page **pages, size_t count)
{
	static const unsigned int orders[] = { 8, 4, 0 };
	struct page *page;
	size_t i, j;
	gfp_t gfp;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		if (count < 1UL << orders[i])
			continue;
		gfp = GFP_KERNEL_ACCOUNT | __GFP_HIGHMEM | __GFP_ZERO;
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

static struct storage *storage_alloc(size_t count)
{
	struct storage *s = kzalloc_obj(*s);

	if (!s)
		return NULL;
	kref_init(&s->refs);
	s->pages = kvmalloc_array(count, sizeof(*s->pages), GFP_KERNEL);
	while (s->pages && s->count < count) {
		size_t got;

		cond_resched();
		if (fatal_signal_pending(current))
			break;
		got = pages_alloc(s->pages + s->count, count - s->count);
		if (!got)
			break;
		s->count += got;
	}
	if (s->count == count)
		return s;
	storage_put(s);
	return NULL;
}

static int frame_pin(struct dma_buf_attachment *at)
{
	struct frame *frame = at->dmabuf->priv;

	frame->pins++;
	return 0;
}

static void frame_unpin(struct dma_buf_attachment *at)
{
	struct frame *frame = at->dmabuf->priv;

	frame->pins--;
}

static void table_free(struct table *t)
{
	sg_free_table(&t->sgt);
	storage_put(t->storage);
	kfree(t);
}

/* Of the pages that the buffer has now. */
static struct table *table_make(struct device *dev, struct storage *s)
{
	size_t segment = min_t(size_t, dma_get_max_seg_size(dev), dma_max_mapping_size(dev));
	struct table *t;
	int err;

	if (segment < PAGE_SIZE)
		return ERR_PTR(-EINVAL);
	t = kzalloc_obj(*t);
	if (!t)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table_from_pages_segment(&t->sgt, s->pages, s->count, 0,
						s->count << PAGE_SHIFT,
						min_t(size_t, segment, UINT_MAX),
						GFP_KERNEL);
	if (err) {
		kfree(t);
		return ERR_PTR(err);
	}
	t->dev = dev;
	t->storage = storage_get(s);
	return t;
}

/* The one that is kept, or else a new one. */
static struct table *table_of(struct dma_buf_attachment *at)
{
	struct frame *frame = at->dmabuf->priv;
	struct table *t = at->priv;

	if (t && t->mapped)
		return ERR_PTR(-EBUSY);
	if (t && t->storage == frame->storage)
		return t;
	t = table_make(at->dev, frame->storage);
	if (IS_ERR(t))
		return t;
	if (at->priv)
		table_free(at->priv);
	at->priv = t;
	return t;
}

static struct sg_table *frame_map(struct dma_buf_attachment *at,
				  enum dma_data_direction direction)
{
	struct frame *frame = at->dmabuf->priv;
	struct table *t = table_of(at);
	int err;

	if (IS_ERR(t))
		return ERR_CAST(t);
	err = dma_map_sgtable(t->dev, &t->sgt, direction, 0);
	if (err)
		return ERR_PTR(err);
	if (direction != DMA_TO_DEVICE)
		WRITE_ONCE(t->storage->written, true);
	t->direction = direction;
	t->mapped = true;
	list_add(&t->node, &frame->tables);
	return &t->sgt;
}

static void frame_unmap(struct dma_buf_attachment *at, struct sg_table *sgt,
			enum dma_data_direction direction)
{
	struct table *t = at->priv;

	list_del(&t->node);
	t->mapped = false;
	dma_unmap_sgtable(t->dev, sgt, t->direction, 0);
}

static void frame_detach(struct dma_buf *buf, struct dma_buf_attachment *at)
{
	if (at->priv)
		table_free(at->priv);
}

static int frame_vmap(struct dma_buf *buf, struct iosys_map *map)
{
	struct frame *frame = buf->priv;
	struct storage *s = frame->storage;

	if (!frame->window) {
		frame->window = vmap(s->pages, s->count, VM_MAP, PAGE_KERNEL);
		if (!frame->window)
			return -ENOMEM;
		frame->seen = storage_get(s);
		WRITE_ONCE(s->written, true);
	}
	frame->vmapped = true;
	iosys_map_set_vaddr(map, frame->window);
	return 0;
}

static void frame_vunmap(struct dma_buf *buf, struct iosys_map *map)
{
	struct frame *frame = buf->priv;

	frame->vmapped = false;
}

static int frame_begin(struct dma_buf *buf, enum dma_data_direction direction)
{
	bool write = direction != DMA_FROM_DEVICE;
	struct frame *frame = buf->priv;
	struct table *t;
	long left;
	int err;

	left = dma_resv_wait_timeout(buf->resv, dma_resv_usage_rw(write), true,
				     MAX_SCHEDULE_TIMEOUT);
	if (left < 0)
		return left;
	err = dma_resv_lock_interruptible(buf->resv, NULL);
	if (err)
		return err;
	if (frame->window)
		invalidate_kernel_vmap_range(frame->window, buf->size);
	list_for_each_entry(t, &frame->tables, node)
		dma_sync_sgtable_for_cpu(t->dev, &t->sgt, t->direction);
	dma_resv_unlock(buf->resv);
	return 0;
}

static int frame_end(struct dma_buf *buf, enum dma_data_direction direction)
{
	struct frame *frame = buf->priv;
	struct table *t;

	dma_resv_lock(buf->resv, NULL);
	if (frame->window)
		flush_kernel_vmap_range(frame->window, buf->size);
	list_for_each_entry(t, &frame->tables, node)
		dma_sync_sgtable_for_device(t->dev, &t->sgt, t->direction);
	dma_resv_unlock(buf->resv);
	return 0;
}

static void frame_free(struct frame *frame)
{
	if (frame->window) {
		vunmap(frame->window);
		storage_put(frame->seen);
	}
	storage_put(frame->storage);
	kfree(frame);
}

static void frame_release(struct dma_buf *buf)
{
	frame_free(buf->priv);
}

static const struct dma_buf_ops ops = {
	.detach = frame_detach,
	.pin = frame_pin,
	.unpin = frame_unpin,
	.map_dma_buf = frame_map,
	.unmap_dma_buf = frame_unmap,
	.vmap = frame_vmap,
	.vunmap = frame_vunmap,
	.begin_cpu_access = frame_begin,
	.end_cpu_access = frame_end,
	.release = frame_release,
};

struct dma_buf *twin_export(size_t pages)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct frame *frame = kzalloc_obj(*frame);
	struct dma_buf *buf;

	if (!frame)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&frame->tables);
	frame->storage = storage_alloc(pages);
	if (!frame->storage) {
		kfree(frame);
		return ERR_PTR(-ENOMEM);
	}
	info.exp_name = "strata-bench";
	info.ops = &ops;
	info.size = pages << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = frame;
	buf = dma_buf_export(&info);
	if (IS_ERR(buf))
		frame_free(frame);
	return buf;
}
