// SPDX-License-Identifier: GPL-2.0
/*
 * What contexts try: a buffer that is shared with other drivers.
 *
 * There are two. One has the reservation that the context "resv" holds: what is
 * to be called under a reservation is tried with it. The other has one that
 * nobody holds.
 */
#include <linux/dma-resv.h>

#include "buffers.h"
#include "corpus.h"

static struct corpus_buffer held_buffer, other_buffer;
static struct dma_buf_attachment *held_attachment, *other_attachment;

static int attach(struct corpus_buffer *b, const struct dma_buf_attach_ops *ops,
		  struct dma_buf_attachment **at)
{
	*at = dma_buf_dynamic_attach(b->buf, corpus_device(), ops, NULL);
	return PTR_ERR_OR_ZERO(*at);
}

static int prepare_held(void)
{
	return corpus_buffer_export(&held_buffer, &corpus_held_resv) ?:
	       attach(&held_buffer, &corpus_importer, &held_attachment);
}

static int prepare_other(void)
{
	return corpus_buffer_export(&other_buffer, &corpus_resv);
}

static int prepare_static(void)
{
	return prepare_other() ?: attach(&other_buffer, NULL, &other_attachment);
}

static int prepare_dynamic(void)
{
	return prepare_other() ?:
	       attach(&other_buffer, &corpus_importer, &other_attachment);
}

static void drop_held(void)
{
	dma_buf_detach(held_buffer.buf, held_attachment);
	dma_buf_put(held_buffer.buf);
}

static void drop_other(void)
{
	dma_buf_put(other_buffer.buf);
}

static void detach_and_drop_other(void)
{
	dma_buf_detach(other_buffer.buf, other_attachment);
	drop_other();
}

/* Under the reservation that the context holds; where it holds none, it is tried for. */
static int under_resv(int (*run)(void))
{
	bool tried = dma_resv_trylock(&corpus_held_resv);
	int err = run();

	if (tried)
		dma_resv_unlock(&corpus_held_resv);
	return err;
}

static int map_held(void)
{
	struct sg_table *table =
		dma_buf_map_attachment(held_attachment, DMA_TO_DEVICE);

	if (IS_ERR(table))
		return PTR_ERR(table);
	dma_buf_unmap_attachment(held_attachment, table, DMA_TO_DEVICE);
	return 0;
}

static int do_map(void)
{
	return under_resv(map_held);
}
const struct corpus_action act_dma_buf_map = {
	.prepare = prepare_held,
	.run = do_map,
	.finish = drop_held,
};

static int vmap_held(void)
{
	struct iosys_map map;
	int err = dma_buf_vmap(held_buffer.buf, &map);

	if (!err)
		dma_buf_vunmap(held_buffer.buf, &map);
	return err;
}

static int do_vmap(void)
{
	return under_resv(vmap_held);
}
const struct corpus_action act_dma_buf_vmap = {
	.prepare = prepare_held,
	.run = do_vmap,
	.finish = drop_held,
};

static int move_held(void)
{
	corpus_buffer_move(&held_buffer, true);
	return 0;
}

/* Nobody has it, and who is attached takes no notice: no more is to be seen of it than the move. */
static int do_move(void)
{
	return under_resv(move_held);
}
const struct corpus_action act_dma_buf_move = {
	.prepare = prepare_held,
	.run = do_move,
	.finish = drop_held,
};

static int do_attach(void)
{
	return attach(&other_buffer, NULL, &other_attachment);
}
const struct corpus_action act_dma_buf_attach = {
	.prepare = prepare_other,
	.run = do_attach,
	.finish = detach_and_drop_other,
};

static int do_detach(void)
{
	dma_buf_detach(other_buffer.buf, other_attachment);
	return 0;
}
const struct corpus_action act_dma_buf_detach = {
	.prepare = prepare_static,
	.run = do_detach,
	.finish = drop_other,
};

static int do_access(void)
{
	return dma_buf_begin_cpu_access(other_buffer.buf, DMA_FROM_DEVICE) ?:
	       dma_buf_end_cpu_access(other_buffer.buf, DMA_FROM_DEVICE);
}
const struct corpus_action act_dma_buf_access = {
	.prepare = prepare_other,
	.run = do_access,
	.finish = drop_other,
};

/* For who has to have it in one place for longer than a lock is held. */
static int do_pin(void)
{
	int err = dma_resv_lock(&corpus_resv, NULL);

	if (err)
		return err;
	err = dma_buf_pin(other_attachment);
	if (!err)
		dma_buf_unpin(other_attachment);
	dma_resv_unlock(&corpus_resv);
	return err;
}
const struct corpus_action act_dma_buf_pin = {
	.prepare = prepare_dynamic,
	.run = do_pin,
	.finish = detach_and_drop_other,
};

static int do_map_unlocked(void)
{
	struct sg_table *table =
		dma_buf_map_attachment_unlocked(other_attachment, DMA_TO_DEVICE);

	if (IS_ERR(table))
		return PTR_ERR(table);
	dma_buf_unmap_attachment_unlocked(other_attachment, table, DMA_TO_DEVICE);
	return 0;
}
const struct corpus_action act_dma_buf_map_unlocked = {
	.prepare = prepare_static,
	.run = do_map_unlocked,
	.finish = detach_and_drop_other,
};

static int do_vmap_unlocked(void)
{
	struct iosys_map map;
	int err = dma_buf_vmap_unlocked(other_buffer.buf, &map);

	if (!err)
		dma_buf_vunmap_unlocked(other_buffer.buf, &map);
	return err;
}
const struct corpus_action act_dma_buf_vmap_unlocked = {
	.prepare = prepare_other,
	.run = do_vmap_unlocked,
	.finish = drop_other,
};
