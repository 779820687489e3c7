// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that are shared with other drivers: their exporter, and what stories
 * about them are told with.
 */
#include <linux/device/faux.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "buffers.h"
#include "corpus.h"

static int buffer_pin(struct dma_buf_attachment *at)
{
	struct corpus_buffer *b = at->dmabuf->priv;

	if (b->pin_error)
		return b->pin_error;
	b->pins++;
	return 0;
}

static void buffer_unpin(struct dma_buf_attachment *at)
{
	struct corpus_buffer *b = at->dmabuf->priv;

	b->pins--;
}

static struct sg_table *buffer_map(struct dma_buf_attachment *at,
				   enum dma_data_direction direction)
{
	struct corpus_buffer *b = at->dmabuf->priv;
	struct sg_table *table;
	int err;

	if (b->map_locks) {
		dma_resv_lock(at->dmabuf->resv, NULL);
		dma_resv_unlock(at->dmabuf->resv);
	}
	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table(table, 1, GFP_KERNEL);
	if (err)
		goto free;
	sg_set_buf(table->sgl, corpus_buffer_word(b), PAGE_SIZE);
	err = dma_map_sgtable(at->dev, table, direction, 0);
	if (err)
		goto free_table;
	return table;

free_table:
	sg_free_table(table);
free:
	kfree(table);
	return ERR_PTR(err);
}

static void buffer_unmap(struct dma_buf_attachment *at, struct sg_table *table,
			 enum dma_data_direction direction)
{
	dma_unmap_sgtable(at->dev, table, direction, 0);
	sg_free_table(table);
	kfree(table);
}

static int buffer_vmap(struct dma_buf *buf, struct iosys_map *map)
{
	struct corpus_buffer *b = buf->priv;
	struct page *page = virt_to_page(corpus_buffer_word(b));
	void *seen;

	if (b->vmap_error)
		return b->vmap_error;
	seen = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
	if (!seen)
		return -ENOMEM;
	iosys_map_set_vaddr(map, seen);
	return 0;
}

static void buffer_vunmap(struct dma_buf *buf, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

static void buffer_release(struct dma_buf *buf)
{
	struct corpus_buffer *b = buf->priv;

	free_page((unsigned long)b->places[0]);
	free_page((unsigned long)b->places[1]);
}

const struct dma_buf_ops corpus_buffer_ops = {
	.pin = buffer_pin,
	.unpin = buffer_unpin,
	.map_dma_buf = buffer_map,
	.unmap_dma_buf = buffer_unmap,
	.vmap = buffer_vmap,
	.vunmap = buffer_vunmap,
	.release = buffer_release,
};

int corpus_buffer_export(struct corpus_buffer *b, struct dma_resv *resv)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	if (!corpus_device())
		return -ENODEV;
	*b = (struct corpus_buffer) {};
	b->places[0] = (void *)get_zeroed_page(GFP_KERNEL);
	b->places[1] = (void *)get_zeroed_page(GFP_KERNEL);
	if (!b->places[0] || !b->places[1])
		return -ENOMEM;

	info.ops = &corpus_buffer_ops;
	info.size = PAGE_SIZE;
	info.flags = O_RDWR;
	info.resv = resv;
	info.priv = b;
	b->buf = dma_buf_export(&info);
	return PTR_ERR_OR_ZERO(b->buf);
}

void corpus_buffer_move(struct corpus_buffer *b, bool tell)
{
	void *from = corpus_buffer_word(b);

	if (tell)
		dma_buf_invalidate_mappings(b->buf);
	b->at ^= 1;
	memcpy(corpus_buffer_word(b), from, PAGE_SIZE);
	memset(from, 0, PAGE_SIZE);
}

struct device *corpus_device(void)
{
	static struct faux_device *faux;

	if (!faux) {
		faux = faux_device_create("strata_corpus", NULL, NULL);
		if (faux)
			dma_coerce_mask_and_coherent(&faux->dev, DMA_BIT_MASK(64));
	}
	return faux ? &faux->dev : NULL;
}

static void take_no_notice(struct dma_buf_attachment *at)
{
}

const struct dma_buf_attach_ops corpus_importer = {
	.invalidate_mappings = take_no_notice,
};

struct corpus_buffer corpus_own;
struct dma_buf_attachment *corpus_at;
static struct sg_table *table;
static struct iosys_map map;

int corpus_with_buffer(int (*run)(void))
{
	int err = corpus_buffer_export(&corpus_own, NULL);

	if (err)
		return err;
	err = run();
	dma_buf_put(corpus_own.buf);
	return err;
}

int corpus_with_attached(const struct dma_buf_attach_ops *ops, int (*run)(void))
{
	int err = corpus_buffer_export(&corpus_own, NULL);

	if (err)
		return err;
	corpus_at = dma_buf_dynamic_attach(corpus_own.buf, corpus_device(), ops,
					   NULL);
	if (IS_ERR(corpus_at))
		return PTR_ERR(corpus_at);
	err = run();
	dma_buf_detach(corpus_own.buf, corpus_at);
	dma_buf_put(corpus_own.buf);
	return err;
}

int corpus_locked(struct dma_resv *resv, int (*run)(void))
{
	int err = dma_resv_lock(resv, NULL);

	if (err)
		return err;
	err = run();
	dma_resv_unlock(resv);
	return err;
}

int corpus_under_its_lock(int (*run)(void))
{
	return corpus_locked(corpus_own.buf->resv, run);
}

int corpus_map(void)
{
	table = dma_buf_map_attachment(corpus_at, DMA_TO_DEVICE);
	return PTR_ERR_OR_ZERO(table);
}

int corpus_unmap(void)
{
	dma_buf_unmap_attachment(corpus_at, table, DMA_TO_DEVICE);
	return 0;
}

struct scatterlist *corpus_mapped(void)
{
	return table->sgl;
}

int corpus_vmap(void)
{
	return dma_buf_vmap(corpus_own.buf, &map);
}

int corpus_vunmap(void)
{
	dma_buf_vunmap(corpus_own.buf, &map);
	return 0;
}

int *corpus_vmapped(void)
{
	return map.vaddr;
}

int corpus_pin(void)
{
	return dma_buf_pin(corpus_at);
}

int corpus_unpin(void)
{
	dma_buf_unpin(corpus_at);
	return 0;
}

int corpus_move(void)
{
	corpus_buffer_move(&corpus_own, true);
	return 0;
}
