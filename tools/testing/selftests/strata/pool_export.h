/* SPDX-License-Identifier: GPL-2.0 */
/* Buffers of the pool as dma-bufs: the calls of both, and the pool's file `move`. */
#ifndef STRATA_POOL_EXPORT_H
#define STRATA_POOL_EXPORT_H

#include <linux/dma-buf.h>

#include "pool_debugfs.h"

#define POOL_MOVE	POOL_DEBUGFS "move"

/* The descriptor of the buffer's dma-buf, or the negative errno. */
static inline int pool_export(int fd, uint32_t id)
{
	struct strata_pool_export export = { .id = id };
	int ret = result(ioctl(fd, STRATA_POOL_EXPORT, &export));

	return ret ?: export.fd;
}

static inline int pool_copy(int fd, const struct strata_pool_copy *copy)
{
	return result(ioctl(fd, STRATA_POOL_COPY, copy));
}

/* The whole of a dma-buf of @size bytes, into a buffer of that size or out of it. */
static inline int pool_copy_all(int fd, uint32_t id, int buf, uint64_t size, uint32_t flags)
{
	const struct strata_pool_copy copy = {
		.id = id, .fd = buf, .length = size, .flags = flags,
	};

	return pool_copy(fd, &copy);
}

static inline void *buf_map(int buf, size_t size, int prot)
{
	return mmap(NULL, size, prot, MAP_SHARED, buf, 0);
}

static inline int buf_sync(int buf, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return result(ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync));
}

/* A new buffer that is exported and was never mapped by its offset, or the negative errno. */
static inline int pool_new_exported(int fd, uint64_t size, struct strata_pool_create *buffer)
{
	return pool_create(fd, size, buffer) ?: pool_export(fd, buffer->id);
}

/* The same, with contents that @seed decides. */
static inline int pool_filled_exported(int fd, uint64_t size, uint64_t seed,
				       struct strata_pool_create *buffer, uint32_t *crc)
{
	int buf = pool_new_exported(fd, size, buffer);
	void *map;

	*crc = 0;
	if (buf < 0)
		return buf;
	map = buf_map(buf, size, PROT_READ | PROT_WRITE);
	if (map == MAP_FAILED)
		return -errno;
	fill(map, size, seed);
	*crc = crc32c(map, size);
	return result(munmap(map, size)) ?: buf;
}

/* Whether a dma-buf has what sums up to @crc, as a new mapping shows it. */
static inline bool buf_contains(int buf, size_t size, uint32_t crc)
{
	void *map = buf_map(buf, size, PROT_READ);
	bool same;

	if (map == MAP_FAILED)
		return false;
	same = crc32c(map, size) == crc;
	munmap(map, size);
	return same;
}

/* What the pool has exported, and what became of it. */
struct moves {
	long long exported, local;
	/* Since the module was loaded. */
	long long moved, refused, timed_out;
};

static inline int pool_moves(struct moves *moves)
{
	char text[512];
	int ret = read_text(POOL_MOVE, text, sizeof(text));

	*moves = (struct moves){};
	if (ret < 0)
		return ret;
	*moves = (struct moves){
		.exported = number_of(text, "exported", 0),
		.local = number_of(text, "local", 0),
		.moved = number_of(text, "moved", 0),
		.refused = number_of(text, "refused", 0),
		.timed_out = number_of(text, "timed_out", 0),
	};
	return moves->exported < 0 || moves->local < 0 || moves->moved < 0 ||
	       moves->refused < 0 || moves->timed_out < 0 ? -EINVAL : 0;
}

static inline int pool_move(const char *where)
{
	return write_text(POOL_MOVE, where);
}

#endif /* STRATA_POOL_EXPORT_H */
