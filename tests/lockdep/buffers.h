/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A buffer that is shared as a dma-buf: one page that stands in one of two
 * places, with an exporter that does as little as it may.
 */
#ifndef STRATA_CORPUS_BUFFERS_H
#define STRATA_CORPUS_BUFFERS_H

#include <linux/dma-buf.h>

/**
 * struct corpus_buffer - a buffer, which stays after its last user has gone
 * @buf: what is shared
 * @places: pages that it may stand in
 * @at: the one that it stands in
 * @pins: who has it pinned
 * @vmap_error: what its exporter says to who maps it into the kernel
 * @pin_error: what it says to who pins it
 * @map_locks: whether it locks the reservation in order to map it for a device
 */
struct corpus_buffer {
	struct dma_buf *buf;
	void *places[2];
	int at;
	int pins;
	int vmap_error;
	int pin_error;
	bool map_locks;
};

extern const struct dma_buf_ops corpus_buffer_ops;

/* With a reservation of its own, if @resv is NULL. */
int corpus_buffer_export(struct corpus_buffer *b, struct dma_resv *resv);

/* Moves it, under its reservation, whoever has it; @tell says whether these are told. */
void corpus_buffer_move(struct corpus_buffer *b, bool tell);

static inline int *corpus_buffer_word(struct corpus_buffer *b)
{
	return b->places[b->at];
}

/* What is attached. */
struct device *corpus_device(void);

/* How an attachment that may be moved says that it takes no notice. */
extern const struct dma_buf_attach_ops corpus_importer;

/* What stories are about: a buffer with a reservation of its own, and who is attached to it. */
extern struct corpus_buffer corpus_own;
extern struct dma_buf_attachment *corpus_at;

/* Call @run while there is the buffer, while it is attached to (statically without @ops), ... */
int corpus_with_buffer(int (*run)(void));
int corpus_with_attached(const struct dma_buf_attach_ops *ops, int (*run)(void));

/* ... under a reservation, or under the buffer's. */
int corpus_locked(struct dma_resv *resv, int (*run)(void));
int corpus_under_its_lock(int (*run)(void));

/* The calls that want it to be held. */
int corpus_map(void);
int corpus_unmap(void);
int corpus_vmap(void);
int corpus_vunmap(void);
int corpus_pin(void);
int corpus_unpin(void);
int corpus_move(void);

/* What the device sees, and the kernel. */
struct scatterlist *corpus_mapped(void);
int *corpus_vmapped(void);

#endif
