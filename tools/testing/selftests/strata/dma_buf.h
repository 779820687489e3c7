/* SPDX-License-Identifier: GPL-2.0 */
/* dma-bufs as user space sees them, and those that the kernel's own drivers make. */
#ifndef STRATA_DMA_BUF_H
#define STRATA_DMA_BUF_H

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <poll.h>
#include <sys/stat.h>

#include "strata.h"

#define HEAP		"/dev/dma_heap/system"
#define UDMABUF		"/dev/udmabuf"

/* A dma-buf of the system's heap, or the negative errno. */
static inline int heap_buffer(size_t size)
{
	struct dma_heap_allocation_data data = { .len = size, .fd_flags = O_RDWR | O_CLOEXEC };
	int heap = open(HEAP, O_RDWR | O_CLOEXEC), ret;

	if (heap < 0)
		return -errno;
	ret = result(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data));
	close(heap);
	return ret ?: data.fd;
}

/* The same of user space's own memory. */
static inline int user_buffer(size_t size)
{
	struct udmabuf_create create = { .size = size, .flags = UDMABUF_FLAGS_CLOEXEC };
	int device = open(UDMABUF, O_RDWR | O_CLOEXEC), ret;

	if (device < 0)
		return -errno;
	create.memfd = memfd_create("strata", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	ret = result(ftruncate(create.memfd, size)) ?:
	      result(fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK)) ?:
	      result(ioctl(device, UDMABUF_CREATE, &create));
	close(create.memfd);
	close(device);
	return ret;
}

static inline void *buffer_map(int buffer, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
}

/* DMA_BUF_SYNC_START or _END, with the direction. */
static inline int buffer_sync(int buffer, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return result(ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync));
}

/* What who wants to read (or write) has to wait for: a sync_file, or the negative errno. */
static inline int buffer_fence(int buffer, uint32_t flags)
{
	struct dma_buf_export_sync_file data = { .flags = flags };
	int ret = result(ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &data));

	return ret ?: data.fd;
}

static inline int buffer_add_fence(int buffer, uint32_t flags, int fence)
{
	struct dma_buf_import_sync_file data = { .flags = flags, .fd = fence };

	return result(ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &data));
}

/* Whether it may be read (POLLIN) or written (POLLOUT) now. */
static inline bool buffer_is_free(int buffer, short events)
{
	struct pollfd file = { .fd = buffer, .events = events };

	return poll(&file, 1, 0) == 1 && file.revents == events;
}

static inline bool same_file(int a, int b)
{
	struct stat first, second;

	return !fstat(a, &first) && !fstat(b, &second) && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

#endif /* STRATA_DMA_BUF_H */
