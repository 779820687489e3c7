/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A buffer in each of its states, what is done to it, and what must be so afterwards:
 * the steps of which pool_fault.c makes its table.
 */
#ifndef STRATA_POOL_SCENE_H
#define STRATA_POOL_SCENE_H

#include "cgroup.h"
#include "pool_debugfs.h"

#define PAGES		9

/* What an operation is done to. */
struct scene {
	int fd;
	int other_fd;
	/* A dma-buf, of the other buffer or of this one; or -1. */
	int buf;
	size_t size;
	struct strata_pool_create buffer;
	struct strata_pool_create other;
	uint32_t crc;
	uint8_t *map;
	struct cgroup group;
	struct limit limit;
	const char *text;
	char read[2048];
};

/* 0, or what went wrong as a negative errno. */
typedef int (*step)(struct scene *scene);

static int wrong(bool is_so)
{
	return is_so ? -EPROTO : 0;
}

/* --- what there is before */

static int make(struct scene *scene)
{
	return pool_filled(scene->fd, scene->size, 1, &scene->buffer, &scene->crc);
}

static int make_empty(struct scene *scene)
{
	scene->crc = crc32c_zeros(scene->size);
	return pool_create(scene->fd, scene->size, &scene->buffer);
}

static int make_idle(struct scene *scene)
{
	return make(scene) ?: pool_hold(scene->fd, scene->buffer.id);
}

static int make_pinned(struct scene *scene)
{
	return make(scene) ?: pool_pin(scene->fd, scene->buffer.id);
}

static int make_purgeable(struct scene *scene)
{
	return make_idle(scene) ?: wrong(pool_not_needed(scene->fd, scene->buffer.id) != 1);
}

static int make_purged(struct scene *scene)
{
	int ret = make_purgeable(scene) ?: pool_drop("purge");

	scene->crc = crc32c_zeros(scene->size);
	return ret;
}

/* On the swap disk, and no longer in memory: what the kernel wrote it may still have. */
static int make_swapped(struct scene *scene)
{
	unsigned char there[PAGES];
	int ret, i;
	void *map;

	ret = make_idle(scene) ?: pool_drop("idle writeback");
	if (ret)
		return ret;
	map = pool_map(scene->fd, &scene->buffer, PROT_READ | PROT_WRITE);
	/* What is not in the page table is not paged out. */
	if (map == MAP_FAILED || crc32c(map, scene->size) != scene->crc ||
	    madvise(map, scene->size, MADV_PAGEOUT) || mincore(map, scene->size, there))
		return -errno;
	for (i = 0; i < PAGES; i++)
		ret |= wrong(there[i] & 1);
	munmap(map, scene->size);
	return ret;
}

static int make_mapped(struct scene *scene)
{
	scene->map = pool_new(scene->fd, scene->size, &scene->buffer);
	return wrong(scene->map == MAP_FAILED);
}

static int make_mapped_swapped(struct scene *scene)
{
	int ret = make_swapped(scene);

	if (ret)
		return ret;
	scene->map = pool_map(scene->fd, &scene->buffer, PROT_READ);
	return wrong(scene->map == MAP_FAILED);
}

static int make_purgeable_idle_and_pinned(struct scene *scene)
{
	struct strata_pool_create pinned;

	return make_purgeable(scene) ?: pool_create(scene->fd, scene->size, &pinned) ?:
	       pool_pin(scene->fd, pinned.id) ?: make_idle(scene);
}

/* A limit that leaves no room for another buffer unless this one is let go. */
static int make_full(struct scene *scene)
{
	return make_idle(scene) ?: pool_create(scene->fd, scene->size, &scene->other) ?:
	       pool_set_limit(PAGES, scene->limit.hard);
}

static int make_other_file(struct scene *scene)
{
	scene->other_fd = pool_open();
	return scene->other_fd < 0 ? -errno :
	       pool_create(scene->other_fd, scene->size, &scene->other) ?:
	       pool_pin(scene->other_fd, scene->other.id);
}

/* The lists of a group are made when the first object of it is. */
static int enter_group(struct scene *scene)
{
	return wrong(!cgroup_make(&scene->group, "fault") || !cgroup_enter(&scene->group));
}

/* --- what is done, with one allocation failing */

static int do_open(struct scene *scene)
{
	scene->other_fd = pool_open();
	return scene->other_fd < 0 ? -errno : 0;
}

static int do_close(struct scene *scene)
{
	return result(close(scene->other_fd));
}

static int do_create(struct scene *scene)
{
	return pool_create(scene->fd, scene->size, &scene->buffer);
}

static int do_destroy(struct scene *scene)
{
	return pool_destroy(scene->fd, scene->buffer.id);
}

static int do_pin(struct scene *scene)
{
	return pool_pin(scene->fd, scene->buffer.id);
}

static int do_pin_other(struct scene *scene)
{
	return pool_pin(scene->fd, scene->other.id);
}

static int do_unpin(struct scene *scene)
{
	return pool_unpin(scene->fd, scene->buffer.id);
}

static int do_checksum(struct scene *scene)
{
	uint32_t crc;
	int ret = pool_checksum(scene->fd, scene->buffer.id, 0, scene->size, &crc);

	return ret ?: wrong(crc != scene->crc);
}

static int do_map(struct scene *scene)
{
	scene->map = pool_map(scene->fd, &scene->buffer, PROT_READ);
	return scene->map == MAP_FAILED ? -errno : 0;
}

static int do_touch(struct scene *scene)
{
	size_t at;

	for (at = 0; at < scene->size; at += page_size())
		scene->map[at] = at / page_size() + 1;
	return 0;
}

static int do_read(struct scene *scene)
{
	return wrong(crc32c(scene->map, scene->size) != scene->crc);
}

static int do_not_needed(struct scene *scene)
{
	int ret = pool_not_needed(scene->fd, scene->buffer.id);

	return ret < 0 ? ret : wrong(ret != 1);
}

static int do_needed(struct scene *scene)
{
	int ret = pool_needed(scene->fd, scene->buffer.id);

	return ret < 0 ? ret : wrong(ret != 1);
}

static int do_needed_again(struct scene *scene)
{
	int ret = pool_needed(scene->fd, scene->buffer.id);

	return ret < 0 ? ret : wrong(ret != 0);
}

static int do_stat(struct scene *scene)
{
	struct strata_pool_stat stat;

	return pool_stat(scene->fd, &stat) ?: wrong(stat.buffers != 1 || stat.bytes != scene->size);
}

static int set_limit(struct scene *scene)
{
	return pool_set_limit(1, scene->limit.hard);
}

static int read_file(struct scene *scene)
{
	int ret = read_text(scene->text, scene->read, sizeof(scene->read));

	return ret < 0 ? ret : wrong(!ret);
}

static int drop(struct scene *scene)
{
	return pool_drop(scene->text);
}

/* --- what must be so when it went well */

static int is_intact(struct scene *scene)
{
	return wrong(!pool_contains(scene->fd, &scene->buffer, scene->crc));
}

static int is_pinned(struct scene *scene)
{
	struct strata_pool_stat stat;

	return is_intact(scene) ?: pool_stat(scene->fd, &stat) ?: wrong(stat.pinned != scene->size);
}

static int is_idle(struct scene *scene)
{
	struct strata_pool_stat stat;

	return is_intact(scene) ?: pool_stat(scene->fd, &stat) ?: wrong(stat.idle != scene->size);
}

static int other_is_pinned(struct scene *scene)
{
	return is_intact(scene) ?: pool_unpin(scene->fd, scene->other.id);
}

static int is_purgeable(struct scene *scene)
{
	struct strata_pool_stat stat;

	return pool_stat(scene->fd, &stat) ?: wrong(stat.purgeable != scene->size);
}

static int was_touched(struct scene *scene)
{
	uint32_t crc;
	size_t at;

	for (at = 0; at < scene->size; at += page_size())
		if (scene->map[at] != at / page_size() + 1)
			return -EPROTO;
	crc = crc32c(scene->map, scene->size);
	return wrong(!pool_contains(scene->fd, &scene->buffer, crc));
}

static int limit_is_set(struct scene *scene)
{
	struct limit limit;

	return is_intact(scene) ?: pool_limit(&limit) ?: wrong(limit.soft != 1);
}

/* What it may not drop is there, and it accounts for what it did. */
static int dropped(struct scene *scene)
{
	struct drop_stats stats;

	return is_intact(scene) ?: drop_stats(&stats, DROP_LAST) ?:
	       wrong(stats.count_before - stats.count_after != stats.freed || stats.freed > stats.scanned);
}

/* What failed once is not lost to later rounds. */
static int dropped_all(struct scene *scene)
{
	return dropped(scene) ?: pool_drop("all") ?: wrong(pool_count() != 0);
}

#endif /* STRATA_POOL_SCENE_H */
