/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffers of whoever exports them, and how user space looks into them. The tests
 * take any: what the kernel's own exporters pass is asked of ours.
 */
#ifndef STRATA_PEERS_BUFFERS_H
#define STRATA_PEERS_BUFFERS_H

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <poll.h>
#include <sys/stat.h>

#include "drm_calls.h"
#include "pool_export.h"
#include "video_calls.h"

struct buffer {
	/* The dma-buf. */
	int fd;
	size_t size;
	/* Its memory, through the dma-buf. */
	void *map;
	/* The device, or a memfd of it, and what it calls the buffer. */
	int owner;
	uint32_t id;
};

struct exporter {
	const char *path;
	/* Sets owner and id; returns the dma-buf or the negative errno. */
	int (*export)(const struct exporter *exporter, struct buffer *buffer);
	/* Where there is a word for it: moves all its buffers. */
	int (*move)(const char *where);
};

static inline int export_heap(const struct exporter *exporter, struct buffer *buffer)
{
	struct dma_heap_allocation_data data = {
		.len = buffer->size, .fd_flags = O_RDWR | O_CLOEXEC,
	};
	int ret;

	buffer->owner = open(exporter->path, O_RDONLY | O_CLOEXEC);
	if (buffer->owner < 0)
		return -errno;
	ret = result(ioctl(buffer->owner, DMA_HEAP_IOCTL_ALLOC, &data));
	return ret ?: (int)data.fd;
}

/*
 * udmabuf maps its memory for DMA when the CPU first uses it, which the kernel's check
 * of that (CONFIG_DMA_API_DEBUG) complains of in two ways: what lies in a row becomes
 * one piece, however long, and the direction of the first use serves for all. So its
 * buffers are small, and first used in both. The owner is a memfd with the same memory.
 */
#define UDMABUF_PAGES	16

static inline int export_udmabuf(const struct exporter *exporter, struct buffer *buffer)
{
	struct udmabuf_create create = {
		.flags = UDMABUF_FLAGS_CLOEXEC, .size = buffer->size,
	};
	int device = open(exporter->path, O_RDWR | O_CLOEXEC), ret;

	if (device < 0)
		return -errno;
	buffer->owner = memfd_create("peers", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	create.memfd = buffer->owner;
	if (buffer->owner < 0 || ftruncate(buffer->owner, buffer->size) ||
	    fcntl(buffer->owner, F_ADD_SEALS, F_SEAL_SHRINK))
		ret = -errno;
	else
		ret = result(ioctl(device, UDMABUF_CREATE, &create));
	close(device);
	return ret < 0 ? ret : buf_sync(ret, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW) ?:
			       buf_sync(ret, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW) ?: ret;
}

static inline int export_vgem(const struct exporter *exporter, struct buffer *buffer)
{
	buffer->owner = drm_open(exporter->path);
	if (buffer->owner < 0)
		return buffer->owner;
	return drm_dumb(buffer->owner, buffer->size, &buffer->id) ?:
	       drm_handle_to_fd(buffer->owner, buffer->id);
}

/* What has as many bytes as this picture. */
#define VIDEO_WIDTH	640
#define VIDEO_HEIGHT	480

static inline int export_vivid(const struct exporter *exporter, struct buffer *buffer)
{
	struct video_queue queue = {
		video_open(0, V4L2_CAP_VIDEO_CAPTURE), V4L2_BUF_TYPE_VIDEO_CAPTURE,
		V4L2_MEMORY_MMAP,
	};
	int ret;

	buffer->owner = queue.fd;
	if (queue.fd < 0)
		return queue.fd;
	ret = video_format(queue.fd, VIDEO_WIDTH, VIDEO_HEIGHT, V4L2_PIX_FMT_XBGR32);
	if (ret != buffer->size)
		return ret < 0 ? ret : -EINVAL;
	return video_buffers(&queue, 1) ?: video_export(&queue);
}

static const struct exporter heap = { "/dev/dma_heap/system", export_heap, NULL };
static const struct exporter cma_heap = { "/dev/dma_heap/default_cma_region", export_heap, NULL };
static const struct exporter udmabuf = { "/dev/udmabuf", export_udmabuf, NULL };
static const struct exporter vivid = { "/dev/video0", export_vivid, NULL };
static const struct exporter vgem = { "vgem", export_vgem, NULL };

/* Returns 0 or the negative errno. */
static inline int buffer_new(const struct exporter *exporter, size_t size, struct buffer *buffer)
{
	*buffer = (struct buffer){ .size = size, .map = MAP_FAILED, .owner = -1 };
	buffer->fd = exporter->export(exporter, buffer);
	if (buffer->fd < 0)
		return buffer->fd;
	buffer->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd, 0);
	return buffer->map == MAP_FAILED ? -errno : 0;
}

static inline void buffer_end(struct buffer *buffer)
{
	if (buffer->map != MAP_FAILED)
		munmap(buffer->map, buffer->size);
	if (buffer->fd >= 0)
		close(buffer->fd);
	if (buffer->owner >= 0)
		close(buffer->owner);
}

/* Contents that @seed decides, as user space writes them. */
static inline int buffer_fill(const struct buffer *buffer, uint64_t seed)
{
	int ret = buf_sync(buffer->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);

	if (ret)
		return ret;
	fill(buffer->map, buffer->size, seed);
	return buf_sync(buffer->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
}

static inline int buffer_read(const struct buffer *buffer, void *to, size_t length)
{
	int ret = buf_sync(buffer->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);

	if (!ret)
		memcpy(to, buffer->map, length);
	return ret ?: buf_sync(buffer->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
}

/* Where @length bytes from @offset on differ first; @length where they do not, or an errno. */
static inline long buffer_differs(const struct buffer *buffer, const void *expected, size_t offset,
				  size_t length)
{
	const uint8_t *seen = buffer->map + offset, *wanted = expected;
	int ret = buf_sync(buffer->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	size_t at = 0;

	if (ret)
		return ret;
	while (at < length && seen[at] == wanted[at])
		at++;
	ret = buf_sync(buffer->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
	return ret ?: (long)at;
}

/* What fill() makes; to be freed. */
static inline void *filled(size_t size, uint64_t seed)
{
	void *memory = malloc(size);

	if (memory)
		fill(memory, size, seed);
	return memory;
}

static inline bool buffer_contains(const struct buffer *buffer, uint64_t seed)
{
	void *expected = filled(buffer->size, seed);
	long same = expected ? buffer_differs(buffer, expected, 0, buffer->size) : -ENOMEM;

	free(expected);
	return same == (long)buffer->size;
}

/* Whether two files are the same dma-buf. */
static inline bool same_buffer(int one, int other)
{
	struct stat a, b;

	return !fstat(one, &a) && !fstat(other, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Whether nobody's fence is in the way of who wants to read (POLLIN) or write (POLLOUT). */
static inline bool buffer_ready(int fd, short events)
{
	struct pollfd ready = { .fd = fd, .events = events };

	return poll(&ready, 1, 0) == 1 && ready.revents == events;
}

#endif /* STRATA_PEERS_BUFFERS_H */
