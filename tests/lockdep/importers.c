// SPDX-License-Identifier: GPL-2.0
/*
 * Who uses the buffer of another driver, and is told when it moves: under the
 * reservation, and at times in reclaim.
 */
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>

#include "buffers.h"
#include "corpus.h"

/* --- what an importer does when it is told that the buffer moves */

static int (*told)(void);
static int told_error;

static void invalidate(struct dma_buf_attachment *attachment)
{
	told_error = told();
}

static const struct dma_buf_attach_ops importer = {
	.invalidate_mappings = invalidate,
};

static int move_under_lock(void)
{
	return corpus_under_its_lock(corpus_move) ?: told_error;
}

static int importer_is_told(int (*run)(void))
{
	told = run;
	return corpus_with_attached(&importer, move_under_lock);
}

static int try_and_move(void)
{
	if (!dma_resv_trylock(corpus_own.buf->resv))
		return -EBUSY;
	corpus_move();
	dma_resv_unlock(corpus_own.buf->resv);
	return told_error;
}

static int move_in_reclaim(void)
{
	return inside_reclaim(try_and_move);
}

/* A shrinker moves the buffer away, under a reservation that it could lock at once. */
static int importer_is_told_in_reclaim(int (*run)(void))
{
	told = run;
	return corpus_with_attached(&importer, move_in_reclaim);
}

static int importer_allocates(void)
{
	return importer_is_told(act_alloc_kernel.run);
}

static int importer_allocates_in_reclaim(void)
{
	return importer_is_told_in_reclaim(act_alloc_kernel.run);
}

static int importer_allocates_nowait_in_reclaim(void)
{
	return importer_is_told_in_reclaim(act_alloc_nowait.run);
}

static int importer_locks_another(void)
{
	return importer_is_told(act_resv_lock.run);
}

/* Signalled long ago: what counts is that it may be waited for. */
static int importer_waits_in_reclaim(void)
{
	return importer_is_told_in_reclaim(corpus_wait_signalled);
}

static int importer_waits_for_its_work(void)
{
	int err = act_flush_work.prepare();

	return err ?: importer_is_told_in_reclaim(act_flush_work.run);
}

static DEFINE_MUTEX(importer_lock);

static int lock_importer(void)
{
	return corpus_lock_unlock(&importer_lock);
}

static int map_and_undo(void)
{
	return corpus_map() ?: corpus_unmap();
}

static int map_holding_importer_lock(void)
{
	int err;

	mutex_lock(&importer_lock);
	err = corpus_under_its_lock(map_and_undo);
	mutex_unlock(&importer_lock);
	return err;
}

static int map_and_move(void)
{
	return map_holding_importer_lock() ?: move_under_lock();
}

/* The importer's state has a lock, under which it maps the buffer. */
static int importer_lock_held_over_map(void)
{
	told = lock_importer;
	return corpus_with_attached(&importer, map_and_move);
}

static int map_then_lock_importer(void)
{
	return map_and_undo() ?: lock_importer();
}

static int map_first_and_move(void)
{
	return corpus_under_its_lock(map_then_lock_importer) ?: move_under_lock();
}

/* ... or which it takes when the buffer is mapped. */
static int importer_lock_taken_under_map(void)
{
	told = lock_importer;
	return corpus_with_attached(&importer, map_first_and_move);
}

static DEFINE_MUTEX(exporter_lock);

static int lock_exporter(void)
{
	return corpus_lock_unlock(&exporter_lock);
}

static int move_holding(struct mutex *lock)
{
	int err;

	mutex_lock(lock);
	err = try_and_move();
	mutex_unlock(lock);
	return err;
}

static int move_each_other(void)
{
	int err;

	told = lock_importer;
	err = move_holding(&exporter_lock);
	told = lock_exporter;
	return err ?: move_holding(&importer_lock);
}

/*
 * Each of two drivers has the buffers of the other, and moves its own under the
 * lock that its shrinker takes, which is what it takes too when it is told.
 */
static int buffer_moved_under_shrinkers_lock(void)
{
	return corpus_with_attached(&importer, move_each_other);
}

/* --- what it does with what it has */

static int look_at_page(void)
{
	int err = corpus_map();

	return err ?: page_count(sg_page(corpus_mapped()));
}

static int look_at_page_under_lock(void)
{
	return corpus_under_its_lock(look_at_page);
}

/* They may not be there; those that are belong to the exporter. */
static int importer_looks_at_pages(void)
{
	return corpus_with_attached(&corpus_importer, look_at_page_under_lock);
}

const struct corpus_case importer_cases[] = {
	STORY(importer_allocates),
	STORY(importer_allocates_in_reclaim),
	STORY(importer_allocates_nowait_in_reclaim),
	STORY(importer_locks_another),
	STORY(importer_waits_in_reclaim),
	STORY(importer_waits_for_its_work),
	STORY(importer_lock_held_over_map),
	STORY(importer_lock_taken_under_map),
	STORY(buffer_moved_under_shrinkers_lock),
	STORY(importer_looks_at_pages),
	{}
};
