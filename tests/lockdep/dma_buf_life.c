// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that drivers share: what is undone too late, twice or never, several
 * under one acquire context, and the one rule that nothing in the kernel knows:
 * what is pinned, or mapped into the kernel, stays where it is.
 */
#include <linux/dma-resv.h>
#include <linux/ww_mutex.h>

#include "buffers.h"
#include "corpus.h"

/* --- moves: what is written to the buffer afterwards, and is not there, went elsewhere */

static int write_and_look(int *seen)
{
	WRITE_ONCE(*seen, 0x5a);
	return READ_ONCE(*corpus_buffer_word(&corpus_own)) == 0x5a;
}

static int moved_while_vmapped(void)
{
	int err = corpus_vmap(), arrived;

	if (err)
		return err;
	corpus_move();
	arrived = write_and_look(corpus_vmapped());
	corpus_vunmap();
	return arrived ? -EINVAL : 0;
}

static int move_vmapped_under_lock(void)
{
	return corpus_under_its_lock(moved_while_vmapped);
}

static int buffer_moved_while_vmapped(void)
{
	return corpus_with_buffer(move_vmapped_under_lock);
}

static int *device_sees(void)
{
	return phys_to_virt(sg_dma_address(corpus_mapped()));
}

/* A device with a buffer that was promised to stay: it is not looked for elsewhere. */
static int moved_while_pinned(void)
{
	int err = corpus_pin() ?: corpus_map(), arrived;

	if (err)
		return err;
	corpus_move();
	arrived = write_and_look(device_sees());
	corpus_unmap();
	corpus_unpin();
	return arrived ? -EINVAL : 0;
}

static int move_pinned_under_lock(void)
{
	return corpus_under_its_lock(moved_while_pinned);
}

static int buffer_moved_while_pinned(void)
{
	return corpus_with_attached(&corpus_importer, move_pinned_under_lock);
}

static int move_untold(void)
{
	int err = corpus_map(), arrived;

	if (err)
		return err;
	corpus_buffer_move(&corpus_own, false);
	arrived = write_and_look(device_sees());
	corpus_unmap();
	return arrived ? -EINVAL : 0;
}

static int move_untold_under_lock(void)
{
	return corpus_under_its_lock(move_untold);
}

/* The exporter moves it, and tells none of those who have it mapped. */
static int buffer_moved_untold(void)
{
	return corpus_with_attached(&corpus_importer, move_untold_under_lock);
}

static int move_then_map(void)
{
	int err, arrived;

	corpus_move();
	err = corpus_map() ?: corpus_vmap();
	if (err)
		return err;
	arrived = write_and_look(device_sees()) && write_and_look(corpus_vmapped());
	corpus_vunmap();
	corpus_unmap();
	return arrived ? 0 : -EINVAL;
}

static int move_then_map_under_lock(void)
{
	return corpus_under_its_lock(move_then_map);
}

static int buffer_mapped_after_move(void)
{
	return corpus_with_attached(&corpus_importer, move_then_map_under_lock);
}

/* --- undone too late, twice or never */

static int vmap_twice(void)
{
	return corpus_vmap() ?: corpus_vmap() ?: corpus_vunmap() ?: corpus_vunmap();
}

static int vmap_twice_under_lock(void)
{
	return corpus_under_its_lock(vmap_twice);
}

/* The core counts these. */
static int buffer_vmapped_twice(void)
{
	return corpus_with_buffer(vmap_twice_under_lock);
}

static int vunmap_twice(void)
{
	return corpus_vmap() ?: corpus_vunmap() ?: corpus_vunmap();
}

static int vunmap_twice_under_lock(void)
{
	return corpus_under_its_lock(vunmap_twice);
}

static int buffer_vunmapped_twice(void)
{
	return corpus_with_buffer(vunmap_twice_under_lock);
}

static int vmap_under_lock(void)
{
	return corpus_under_its_lock(corpus_vmap);
}

static int buffer_vmap_leaked(void)
{
	return corpus_with_buffer(vmap_under_lock);
}

/* A static one, that the exporter has a pin for each of. */
static int map_twice(void)
{
	struct sg_table *first, *second;

	first = dma_buf_map_attachment(corpus_at, DMA_TO_DEVICE);
	second = dma_buf_map_attachment(corpus_at, DMA_FROM_DEVICE);
	if (IS_ERR(first) || IS_ERR(second))
		return -ENOMEM;
	dma_buf_unmap_attachment(corpus_at, first, DMA_TO_DEVICE);
	dma_buf_unmap_attachment(corpus_at, second, DMA_FROM_DEVICE);
	return 0;
}

static int map_twice_under_lock(void)
{
	return corpus_under_its_lock(map_twice);
}

static int buffer_mapped_twice(void)
{
	return corpus_with_attached(NULL, map_twice_under_lock);
}

static int map_under_lock(void)
{
	return corpus_under_its_lock(corpus_map);
}

/* It is detached next: the device may still use it, and it is pinned for good. */
static int buffer_detached_while_mapped(void)
{
	int err = corpus_with_attached(NULL, map_under_lock);

	return err ?: corpus_own.pins == 1 ? 0 : -EINVAL;
}

static int attach_again(void)
{
	return PTR_ERR_OR_ZERO(dma_buf_attach(corpus_own.buf, corpus_device()));
}

static int buffer_attachment_leaked(void)
{
	return corpus_with_buffer(attach_again);
}

static int vmap_in_signalling(void)
{
	int err = corpus_vmap() ?: inside_signalling(corpus_vmap);

	return err ?: corpus_vunmap() ?: corpus_vunmap();
}

static int vmap_in_signalling_under_lock(void)
{
	return corpus_under_its_lock(vmap_in_signalling);
}

/* Mapped already, so that there is nothing left to be allocated. */
static int signalling_vmap_again(void)
{
	return corpus_with_buffer(vmap_in_signalling_under_lock);
}

static int vmap_and_read(void)
{
	return corpus_vmap() ?: READ_ONCE(*corpus_vmapped()) ?: corpus_vunmap();
}

static int vmap_and_read_under_lock(void)
{
	return corpus_under_its_lock(vmap_and_read);
}

static int buffer_read_without_access(void)
{
	return corpus_with_buffer(vmap_and_read_under_lock);
}

/* --- several at once */

static struct corpus_buffer second;

static int vmap_both(void)
{
	struct iosys_map map;
	int err = corpus_vmap() ?: dma_buf_vmap(second.buf, &map);

	if (err)
		return err;
	dma_buf_vunmap(second.buf, &map);
	return corpus_vunmap();
}

/*
 * Locks the one, then the other. A debug kernel says -EDEADLK to one in sixteen
 * who need not hear it: then @back_off says what is done.
 */
static int lock_both(void (*back_off)(struct ww_acquire_ctx *ctx), bool *heard)
{
	struct dma_resv *first = corpus_own.buf->resv;
	struct ww_acquire_ctx ctx;
	int err;

	ww_acquire_init(&ctx, &reservation_ww_class);
	err = dma_resv_lock(first, &ctx) ?: dma_resv_lock(second.buf->resv, &ctx);
	*heard = err == -EDEADLK;
	if (*heard) {
		back_off(&ctx);
		err = 0;
	}
	if (!err) {
		err = vmap_both();
		dma_resv_unlock(second.buf->resv);
		dma_resv_unlock(first);
	}
	ww_acquire_fini(&ctx);
	return err;
}

static int lock_until_heard(void (*back_off)(struct ww_acquire_ctx *ctx))
{
	bool heard = false;
	int i, err;

	err = corpus_buffer_export(&corpus_own, NULL) ?:
	      corpus_buffer_export(&second, NULL);
	for (i = 0; !err && !heard && i < 16; i++)
		err = lock_both(back_off, &heard);
	dma_buf_put(second.buf);
	dma_buf_put(corpus_own.buf);
	return err ?: heard ? 0 : -ENODATA;
}

static void let_go_first(struct ww_acquire_ctx *ctx)
{
	dma_resv_unlock(corpus_own.buf->resv);
	dma_resv_lock_slow(second.buf->resv, ctx);
	/* Told once, and not again so soon. */
	WARN_ON(dma_resv_lock(corpus_own.buf->resv, ctx));
}

static int buffers_back_off(void)
{
	return lock_until_heard(let_go_first);
}

static void hold_on_to_first(struct ww_acquire_ctx *ctx)
{
	dma_resv_lock_slow(second.buf->resv, ctx);
}

static int buffers_do_not_back_off(void)
{
	return lock_until_heard(hold_on_to_first);
}

/* Two buffers with one reservation, which is locked once and not twice. */
static int lock_shared(int unlocks)
{
	struct ww_acquire_ctx ctx;
	int err, again;

	err = corpus_buffer_export(&corpus_own, &corpus_held_resv) ?:
	      corpus_buffer_export(&second, &corpus_held_resv);
	if (err)
		return err;
	ww_acquire_init(&ctx, &reservation_ww_class);
	err = dma_resv_lock(corpus_own.buf->resv, &ctx);
	again = dma_resv_lock(second.buf->resv, &ctx);
	err = err ?: vmap_both();
	while (unlocks--)
		dma_resv_unlock(corpus_own.buf->resv);
	ww_acquire_fini(&ctx);
	dma_buf_put(second.buf);
	dma_buf_put(corpus_own.buf);
	return err ?: again == -EALREADY ? 0 : -EINVAL;
}

static int buffers_of_one_lock(void)
{
	return lock_shared(1);
}

static int buffers_of_one_lock_unlocked_twice(void)
{
	return lock_shared(2);
}

const struct corpus_case dma_buf_life_cases[] = {
	STORY(buffer_moved_while_vmapped),
	STORY(buffer_moved_while_pinned),
	STORY(buffer_moved_untold),
	STORY(buffer_mapped_after_move),

	STORY(buffer_vmapped_twice),
	STORY(buffer_vunmapped_twice),
	STORY(buffer_vmap_leaked),
	STORY(buffer_mapped_twice),
	STORY(buffer_detached_while_mapped),
	STORY(buffer_attachment_leaked),
	STORY(signalling_vmap_again),
	STORY(buffer_read_without_access),

	STORY(buffers_back_off),
	STORY(buffers_do_not_back_off),
	STORY(buffers_of_one_lock),
	STORY(buffers_of_one_lock_unlocked_twice),
	{}
};
