/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/strata-pool: buffers that user space creates, maps, fills and checks.
 *
 * A buffer belongs to the open file that created it and is named by an id that
 * means nothing in any other file. Processes share buffers by sharing the file:
 * by fork(), or by passing its descriptor over a socket (SCM_RIGHTS). A buffer's
 * memory lives until it is destroyed (or the file is released) and its last
 * mapping is gone.
 *
 * Every structure is a multiple of 8 bytes without holes, the same for 32 and 64
 * bit. Fields named `flags` and `reserved` must be 0; anything else is refused
 * with EINVAL, so that they can get a meaning later.
 */
#ifndef _UAPI_STRATA_POOL_H
#define _UAPI_STRATA_POOL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The largest buffer, in bytes. */
#define STRATA_POOL_MAX_SIZE	(1ULL << 32)

/**
 * struct strata_pool_create - STRATA_POOL_CREATE
 * @size: in: bytes, a multiple of the page size, not 0, at most STRATA_POOL_MAX_SIZE
 * @flags: in: 0
 * @id: out: the buffer's name in this file; never 0, never used again
 * @map_offset: out: what to pass to mmap() as offset; map the whole buffer, shared
 *
 * The memory is zeroed and charged to the caller's memory cgroup.
 *
 * Errors: EINVAL for a bad size or flags; ENOMEM; EINTR when the caller is being
 * killed; ENOSPC when the file has used up its ids; EFAULT.
 */
struct strata_pool_create {
	__u64 size;
	__u32 flags;
	__u32 id;
	__u64 map_offset;
};

/**
 * struct strata_pool_destroy - STRATA_POOL_DESTROY
 * @id: in: the buffer
 * @flags: in: 0
 *
 * Mappings of the buffer stay and keep its memory.
 *
 * Errors: ENOENT for an id that this file does not have; EINVAL; EFAULT.
 */
struct strata_pool_destroy {
	__u32 id;
	__u32 flags;
};

/**
 * struct strata_pool_checksum - STRATA_POOL_CHECKSUM
 * @offset: in: where in the buffer to begin, in bytes
 * @length: in: how many bytes; not 0
 * @id: in: the buffer
 * @flags: in: 0
 * @crc32c: out: the CRC-32C (Castagnoli) of the bytes, as the kernel sees them
 * @reserved: in: 0
 *
 * Errors: ENOENT for an id that this file does not have; EINVAL for a range that
 * does not lie in the buffer; EINVAL; EFAULT.
 */
struct strata_pool_checksum {
	__u64 offset;
	__u64 length;
	__u32 id;
	__u32 flags;
	__u32 crc32c;
	__u32 reserved;
};

/**
 * struct strata_pool_stat - STRATA_POOL_STAT
 * @buffers: out: how many buffers the file has
 * @bytes: out: how many bytes they have together
 * @flags: in: 0
 * @reserved: in: 0
 *
 * Errors: EINVAL; EFAULT.
 */
struct strata_pool_stat {
	__u64 buffers;
	__u64 bytes;
	__u32 flags;
	__u32 reserved;
};

#define STRATA_POOL_IOC_TYPE	0xbe

#define STRATA_POOL_CREATE	_IOWR(STRATA_POOL_IOC_TYPE, 0x00, struct strata_pool_create)
#define STRATA_POOL_DESTROY	_IOW(STRATA_POOL_IOC_TYPE, 0x01, struct strata_pool_destroy)
#define STRATA_POOL_CHECKSUM	_IOWR(STRATA_POOL_IOC_TYPE, 0x02, struct strata_pool_checksum)
#define STRATA_POOL_STAT	_IOWR(STRATA_POOL_IOC_TYPE, 0x03, struct strata_pool_stat)

#endif /* _UAPI_STRATA_POOL_H */
