// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that drivers share: which lock each call wants to be held, and what
 * an exporter may not do.
 */
#include <linux/dma-resv.h>
#include <linux/fcntl.h>
#include <linux/module.h>

#include "buffers.h"
#include "corpus.h"

static struct corpus_buffer other;

/* --- called without the reservation */

static int map_unlocked_undo_locked(void)
{
	return corpus_map() ?: corpus_under_its_lock(corpus_unmap);
}

static int buffer_map_without_lock(void)
{
	return corpus_with_attached(NULL, map_unlocked_undo_locked);
}

static int map_locked_undo_unlocked(void)
{
	return corpus_under_its_lock(corpus_map) ?: corpus_unmap();
}

static int buffer_unmap_without_lock(void)
{
	return corpus_with_attached(NULL, map_locked_undo_unlocked);
}

static int vmap_unlocked_undo_locked(void)
{
	return corpus_vmap() ?: corpus_under_its_lock(corpus_vunmap);
}

static int buffer_vmap_without_lock(void)
{
	return corpus_with_buffer(vmap_unlocked_undo_locked);
}

static int vmap_locked_undo_unlocked(void)
{
	return corpus_under_its_lock(corpus_vmap) ?: corpus_vunmap();
}

static int buffer_vunmap_without_lock(void)
{
	return corpus_with_buffer(vmap_locked_undo_unlocked);
}

static int pin_unlocked_undo_locked(void)
{
	return corpus_pin() ?: corpus_under_its_lock(corpus_unpin);
}

static int buffer_pin_without_lock(void)
{
	return corpus_with_attached(&corpus_importer, pin_unlocked_undo_locked);
}

static int pin_locked_undo_unlocked(void)
{
	return corpus_under_its_lock(corpus_pin) ?: corpus_unpin();
}

static int buffer_unpin_without_lock(void)
{
	return corpus_with_attached(&corpus_importer, pin_locked_undo_unlocked);
}

static int buffer_move_without_lock(void)
{
	return corpus_with_attached(&corpus_importer, corpus_move);
}

static int vmap_and_undo(void)
{
	return corpus_vmap() ?: corpus_vunmap();
}

static int vmap_under_another_lock(void)
{
	return corpus_locked(&corpus_held_resv, vmap_and_undo);
}

/* A reservation is held; it is not that of the buffer. */
static int buffer_under_another_lock(void)
{
	return corpus_with_buffer(vmap_under_another_lock);
}

/* Two buffers share one: to hold it is to hold that of both. */
static int buffer_under_a_shared_lock(void)
{
	int err = corpus_buffer_export(&corpus_own, &corpus_held_resv) ?:
		  corpus_buffer_export(&other, &corpus_held_resv) ?:
		  corpus_locked(other.buf->resv, vmap_and_undo);

	dma_buf_put(corpus_own.buf);
	dma_buf_put(other.buf);
	return err;
}

/* --- called with it, though they take it themselves */

static int attach_and_detach(void)
{
	struct dma_buf_attachment *second =
		dma_buf_attach(corpus_own.buf, corpus_device());

	if (IS_ERR(second))
		return PTR_ERR(second);
	dma_buf_detach(corpus_own.buf, second);
	return 0;
}

static int attach_under_its_lock(void)
{
	return corpus_under_its_lock(attach_and_detach);
}

/* The very lock that is held: reported, and waited for until the end of time. */
static int buffer_attach_under_its_lock(void)
{
	return corpus_with_buffer(attach_under_its_lock);
}

static int access_it(void)
{
	return dma_buf_begin_cpu_access(corpus_own.buf, DMA_FROM_DEVICE) ?:
	       dma_buf_end_cpu_access(corpus_own.buf, DMA_FROM_DEVICE);
}

static int access_under_its_lock(void)
{
	return corpus_under_its_lock(access_it);
}

/* No exporter takes the lock here; each of them may. */
static int buffer_access_under_its_lock(void)
{
	return corpus_with_buffer(access_under_its_lock);
}

static int export_another(void)
{
	return corpus_buffer_export(&other, NULL);
}

static int buffer_export_under_a_lock(void)
{
	int err = corpus_locked(&corpus_held_resv, export_another);

	dma_buf_put(other.buf);
	return err;
}

static int put_it(void)
{
	dma_buf_put(corpus_own.buf);
	return 0;
}

/* The reservation goes with the buffer, under whoever holds it. */
static int buffer_put_under_its_lock(void)
{
	return corpus_buffer_export(&corpus_own, NULL) ?: corpus_under_its_lock(put_it);
}

/* --- pins */

static int pin_and_undo(void)
{
	return corpus_pin() ?: corpus_unpin();
}

static int pin_under_lock(void)
{
	return corpus_under_its_lock(pin_and_undo);
}

static int buffer_pin_when_static(void)
{
	return corpus_with_attached(NULL, pin_under_lock);
}

static int buffer_pin_when_dynamic(void)
{
	return corpus_with_attached(&corpus_importer, pin_under_lock);
}

/* --- what an exporter may not do */

static int exporter_map_locks(void)
{
	corpus_own.map_locks = true;
	return corpus_map();
}

static int map_under_lock(void)
{
	return corpus_under_its_lock(exporter_map_locks);
}

/* Called with the lock held, its function for mapping takes it. */
static int exporter_locks_what_is_locked(void)
{
	return corpus_with_attached(&corpus_importer, map_under_lock);
}

static int fail_to_vmap(void)
{
	corpus_own.vmap_error = -ENOMEM;
	return corpus_vmap() == -ENOMEM ? 0 : -EINVAL;
}

static int vmap_fails_under_lock(void)
{
	return corpus_under_its_lock(fail_to_vmap);
}

static int exporter_vmap_fails(void)
{
	return corpus_with_buffer(vmap_fails_under_lock);
}

static int fail_to_pin(void)
{
	corpus_own.pin_error = -EBUSY;
	return corpus_map() == -EBUSY ? 0 : -EINVAL;
}

static int pin_fails_under_lock(void)
{
	return corpus_under_its_lock(fail_to_pin);
}

/* It let a device attach that cannot have the buffer moved, and then does not keep it in place. */
static int exporter_pin_is_busy(void)
{
	return corpus_with_attached(NULL, pin_fails_under_lock);
}

/* Exported as a file of nobody, which is dropped at once. */
static int export_and_drop(const struct dma_buf_ops *ops, struct module *owner)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *buf;

	info.owner = owner;
	info.ops = ops;
	info.size = PAGE_SIZE;
	info.flags = O_RDWR;
	info.priv = &other;
	buf = dma_buf_export(&info);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	dma_buf_put(buf);
	return 0;
}

static int exporter_pins_for_good(void)
{
	static struct dma_buf_ops ops;

	ops = corpus_buffer_ops;
	ops.unpin = NULL;
	return export_and_drop(&ops, THIS_MODULE) == -EINVAL ? 0 : -ENODATA;
}

/* Nothing keeps its functions there until the buffer is released. */
static int exporter_of_no_module(void)
{
	other = (struct corpus_buffer) {};
	return export_and_drop(&corpus_buffer_ops, NULL);
}

const struct corpus_case dma_buf_cases[] = {
	STORY(buffer_map_without_lock),
	STORY(buffer_unmap_without_lock),
	STORY(buffer_vmap_without_lock),
	STORY(buffer_vunmap_without_lock),
	STORY(buffer_pin_without_lock),
	STORY(buffer_unpin_without_lock),
	STORY(buffer_move_without_lock),
	STORY(buffer_under_another_lock),
	STORY(buffer_under_a_shared_lock),

	STORY(buffer_attach_under_its_lock),
	STORY(buffer_access_under_its_lock),
	STORY(buffer_export_under_a_lock),
	STORY(buffer_put_under_its_lock),

	STORY(buffer_pin_when_static),
	STORY(buffer_pin_when_dynamic),

	STORY(exporter_locks_what_is_locked),
	STORY(exporter_vmap_fails),
	STORY(exporter_pin_is_busy),
	STORY(exporter_pins_for_good),
	STORY(exporter_of_no_module),
	{}
};
