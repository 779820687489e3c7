/* SPDX-License-Identifier: GPL-2.0 */
/* Steps as those of pool_scene.h, for buffers that are exported, copied, and moved. */
#ifndef STRATA_POOL_SCENE_EXPORT_H
#define STRATA_POOL_SCENE_EXPORT_H

#include "pool_export.h"
#include "pool_scene.h"

/* --- what there is before */

/*
 * Where the kernel has looked into it before, it looks into it again without an
 * allocation: of one that fails, dma_buf_vmap() warns.
 */
static int look_into(struct scene *scene, uint32_t id)
{
	uint32_t crc;

	return pool_checksum(scene->fd, id, 0, 1, &crc);
}

static int make_exported(struct scene *scene)
{
	scene->buf = pool_filled_exported(scene->fd, scene->size, 1, &scene->buffer, &scene->crc);
	return scene->buf < 0 ? scene->buf : look_into(scene, scene->buffer.id);
}

static int make_local(struct scene *scene)
{
	return make_exported(scene) ?: pool_move("local");
}

/* Another one's dma-buf, of the contents that this one is to have. */
static int make_to_copy(struct scene *scene)
{
	scene->buf = pool_filled_exported(scene->fd, scene->size, 2, &scene->other, &scene->crc);
	return scene->buf < 0 ? scene->buf : look_into(scene, scene->other.id) ?:
	       pool_create(scene->fd, scene->size, &scene->buffer);
}

static int make_two_exported(struct scene *scene)
{
	int ret = make_to_copy(scene) ?: pool_export(scene->fd, scene->buffer.id);

	return ret < 0 ? ret : result(close(ret)) ?: look_into(scene, scene->buffer.id);
}

/* --- what is done, with one allocation failing */

/* One that is there already is only found. */
static int do_export(struct scene *scene)
{
	int buf = pool_export(scene->fd, scene->buffer.id);

	if (buf < 0)
		return buf;
	if (scene->buf >= 0)
		close(scene->buf);
	scene->buf = buf;
	return 0;
}

static int do_copy(struct scene *scene)
{
	return pool_copy_all(scene->fd, scene->buffer.id, scene->buf, scene->size, 0);
}

static int do_copy_out(struct scene *scene)
{
	return pool_copy_all(scene->fd, scene->other.id, scene->buf, scene->size,
			     STRATA_POOL_COPY_OUT);
}

static int do_move(struct scene *scene)
{
	return pool_move(scene->text);
}

static int do_close_export(struct scene *scene)
{
	int ret = pool_destroy(scene->fd, scene->buffer.id) ?: result(close(scene->buf));

	scene->buf = -1;
	return ret;
}

/* --- what must be so when it went well */

static int is_exported(struct scene *scene)
{
	return is_pinned(scene) ?: wrong(!buf_contains(scene->buf, scene->size, scene->crc));
}

static int is_copied(struct scene *scene)
{
	return is_intact(scene) ?: wrong(!buf_contains(scene->buf, scene->size, scene->crc));
}

static int is_local(struct scene *scene)
{
	struct moves moves;

	return is_exported(scene) ?: pool_moves(&moves) ?: wrong(moves.local != 1);
}

static int is_at_home(struct scene *scene)
{
	struct moves moves;

	return is_exported(scene) ?: pool_moves(&moves) ?: wrong(moves.local != 0);
}

static int nothing_is_exported(struct scene *scene)
{
	struct moves moves;

	return pool_moves(&moves) ?: wrong(moves.exported || moves.local || pool_used());
}

#endif /* STRATA_POOL_SCENE_EXPORT_H */
