/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/strata-pool: a pool of buffers that shrinks when memory is short.
 *
 * A buffer belongs to the open file that created it and is named by an id that
 * means nothing in any other file. Processes share buffers by sharing the file:
 * by fork(), or by passing its descriptor over a socket (SCM_RIGHTS). A buffer's
 * memory lives until it is destroyed (or the file is released) and its last
 * mapping is gone.
 *
 * A buffer's memory is shared memory of the kernel's own (shmem): its pages are
 * allocated and zeroed when they are first touched, charged to the memory cgroup
 * of who touches them, and may be swapped out and in at any moment, except while
 * the pool holds them:
 *
 * - STRATA_POOL_PIN makes all pages resident and holds them, as a device that
 *   works on them needs it. What is held counts against the pool's limit.
 * - After the last STRATA_POOL_UNPIN the pool goes on holding them, so that the
 *   next pin is cheap, until memory is short or the limit is reached: then the
 *   pages of the buffers that were unpinned first are let go, and are ordinary
 *   memory again that can be swapped. Nothing of their contents is lost.
 * - STRATA_POOL_MADVISE with STRATA_POOL_DONTNEED gives the contents up: when
 *   memory is short they are thrown away ("purged") before anything else.
 *
 * STRATA_POOL_EXPORT makes a buffer one that drivers share, a dma-buf, which is a
 * file of its own.
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
 * @map_offset: out: what to pass to mmap() as offset; map the whole buffer, shared.
 *              It is beyond 4 GiB; mmap2() of 32 bit processes reaches that of the
 *              first 4095 ids
 *
 * Reading it gives zeros. No page is allocated yet. Each buffer counts as an
 * open file of the system (fs.file-nr).
 *
 * Errors: EINVAL for a bad size or flags; ENOMEM; ENFILE when the system has no
 * files left; ENOSPC when the file has used up its ids; EFAULT.
 *
 * Of mmap(): ENOENT for an offset that is no buffer's of this file; EINVAL for one
 * between the buffers', for another length than the buffer's, for a private mapping;
 * EBUSY for a buffer whose contents are elsewhere (see STRATA_POOL_EXPORT).
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
 * Mappings of the buffer stay and keep its memory, and so does its dma-buf. Pins of
 * it end, but for that of the dma-buf.
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
 * Pages are made resident one at a time as they are read, and not held.
 *
 * Errors: ENOENT for an id that this file does not have; EINVAL for a range that
 * does not lie in the buffer; ENODATA for a buffer whose contents were given up;
 * ENOMEM; EIO when a page cannot be read back from swap; EINTR when the caller is
 * being killed; EINVAL; EFAULT.
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
 * @pinned: out: bytes of the buffers that are pinned
 * @idle: out: bytes of the buffers that are held, but not pinned
 * @purgeable: out: bytes of the buffers whose contents were given up and not yet purged
 * @flags: in: 0
 * @reserved: in: 0
 *
 * Each figure is exact; together they are of about the same moment.
 *
 * Errors: EINVAL; EFAULT.
 */
struct strata_pool_stat {
	__u64 buffers;
	__u64 bytes;
	__u64 pinned;
	__u64 idle;
	__u64 purgeable;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct strata_pool_pin - STRATA_POOL_PIN and STRATA_POOL_UNPIN
 * @id: in: the buffer
 * @flags: in: 0
 *
 * Pins are counted: a buffer is pinned until it was unpinned as often, by whoever
 * shares the file. They end with the file, however its processes end.
 *
 * A pin that fails leaves everything as it was.
 *
 * Errors of both: ENOENT for an id that this file does not have; EINVAL; EFAULT.
 * Of a pin: ENODATA for a buffer whose contents were given up (say
 * STRATA_POOL_WILLNEED first); ENOSPC when the pool's hard limit leaves no room
 * for it; ENOMEM; EIO when a page cannot be read back from swap; EINTR when the
 * caller is being killed; EOVERFLOW after 2^32 - 1 pins. Of an unpin: EINVAL for a
 * buffer that is not pinned.
 */
struct strata_pool_pin {
	__u32 id;
	__u32 flags;
};

/* The contents will be used. */
#define STRATA_POOL_WILLNEED	0
/* The contents may be thrown away. */
#define STRATA_POOL_DONTNEED	1

/**
 * struct strata_pool_madvise - STRATA_POOL_MADVISE
 * @id: in: the buffer
 * @advice: in: STRATA_POOL_WILLNEED or STRATA_POOL_DONTNEED
 * @retained: out: 1 if the contents are still there, 0 if they were purged
 * @flags: in: 0
 *
 * A purged buffer can be used again after STRATA_POOL_WILLNEED, which says once
 * that it was purged: it then reads as zeros, but for what was written through a
 * mapping since, and @retained is 1 from there on.
 *
 * While the contents are given up, mappings may be accessed: they read what is
 * there, or zeros. What is written before the purge is purged too.
 *
 * @retained is written before the advice is taken, and again with the answer: a
 * call that fails with EFAULT before has changed nothing.
 *
 * Errors: ENOENT for an id that this file does not have; EBUSY for
 * STRATA_POOL_DONTNEED on a pinned buffer; EINVAL for another advice; EINVAL; EFAULT.
 */
struct strata_pool_madvise {
	__u32 id;
	__u32 advice;
	__u32 retained;
	__u32 flags;
};

/**
 * struct strata_pool_export - STRATA_POOL_EXPORT
 * @id: in: the buffer
 * @flags: in: 0
 * @fd: in: 0; out: a new descriptor of the buffer's dma-buf, with O_CLOEXEC
 * @reserved: in: 0
 *
 * A buffer has one dma-buf: that of the first call, which the others give again.
 * It is there until the buffer was destroyed (or the file was released) and nobody
 * has the dma-buf any more, be it as a descriptor, a mapping, or in another
 * driver. Until then the buffer is pinned: its pages are held, count against the
 * limit, and STRATA_POOL_UNPIN cannot end that. It counts in STRATA_POOL_STAT, and
 * as pinned, even after it was destroyed.
 *
 * The dma-buf can be mapped, all of it or in parts, shared only; it takes the
 * ioctls of <linux/dma-buf.h>. What is written through it, through mappings of the
 * buffer, and by STRATA_POOL_COPY is the same memory.
 *
 * The pool may be told to keep the contents elsewhere (`move` in its folder of
 * debugfs). Nobody notices; only mmap() of the buffer by its offset then fails
 * with EBUSY. Contents of a buffer that was ever mapped by its offset stay.
 * Pages that user space removes from such a mapping (MADV_REMOVE) are those of the
 * dma-buf no longer, and the calls here see what that has.
 *
 * @fd is written before the dma-buf is given away: a call that fails has opened
 * nothing, whatever it says. It may leave the buffer's pages held, as an unpin does.
 *
 * Errors: ENOENT for an id that this file does not have; ENODATA for a buffer whose
 * contents were given up; those of STRATA_POOL_PIN but for EOVERFLOW; EMFILE, ENFILE
 * when there are no descriptors or files left; EINVAL; EFAULT.
 */
struct strata_pool_export {
	__u32 id;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

/* From the buffer into the dma-buf. */
#define STRATA_POOL_COPY_OUT	1

/**
 * struct strata_pool_copy - STRATA_POOL_COPY
 * @offset: in: where in the buffer, in bytes
 * @foreign_offset: in: where in the dma-buf, in bytes
 * @length: in: how many bytes; not 0
 * @id: in: the buffer
 * @fd: in: a dma-buf of any driver
 * @flags: in: 0 to copy from the dma-buf into the buffer, STRATA_POOL_COPY_OUT for
 *         the other way
 * @reserved: in: 0
 *
 * Waits for who writes to what is read, and for who uses what is written, as far as
 * their fences say so. It is done when the call returns; others may see a part of it
 * before. Pages of the buffer that do not exist yet are made when they are written.
 *
 * The dma-buf may be one of the buffer itself. Of bytes that are read and written by
 * the same call, it is not said which come first: they are afterwards what was there
 * before, or what the call writes.
 *
 * Errors: ENOENT for an id that this file does not have; EBADF for a descriptor that
 * is not open; EINVAL for one of something else, for a range that does not lie in
 * the buffer or in the dma-buf, and for a dma-buf that the kernel cannot look into;
 * ENODATA for a buffer whose contents were given up; ENOMEM; EIO when a page cannot
 * be read back from swap; EINTR when the caller is being killed, or for a signal
 * while it waits; EINVAL; EFAULT. A part may have been copied then.
 */
struct strata_pool_copy {
	__u64 offset;
	__u64 foreign_offset;
	__u64 length;
	__u32 id;
	__s32 fd;
	__u32 flags;
	__u32 reserved;
};

#define STRATA_POOL_IOC_TYPE	0xbe

#define STRATA_POOL_CREATE	_IOWR(STRATA_POOL_IOC_TYPE, 0x00, struct strata_pool_create)
#define STRATA_POOL_DESTROY	_IOW(STRATA_POOL_IOC_TYPE, 0x01, struct strata_pool_destroy)
#define STRATA_POOL_CHECKSUM	_IOWR(STRATA_POOL_IOC_TYPE, 0x02, struct strata_pool_checksum)
#define STRATA_POOL_STAT	_IOWR(STRATA_POOL_IOC_TYPE, 0x03, struct strata_pool_stat)
#define STRATA_POOL_PIN		_IOW(STRATA_POOL_IOC_TYPE, 0x04, struct strata_pool_pin)
#define STRATA_POOL_UNPIN	_IOW(STRATA_POOL_IOC_TYPE, 0x05, struct strata_pool_pin)
#define STRATA_POOL_MADVISE	_IOWR(STRATA_POOL_IOC_TYPE, 0x06, struct strata_pool_madvise)
#define STRATA_POOL_EXPORT	_IOWR(STRATA_POOL_IOC_TYPE, 0x07, struct strata_pool_export)
#define STRATA_POOL_COPY	_IOW(STRATA_POOL_IOC_TYPE, 0x08, struct strata_pool_copy)

#endif /* _UAPI_STRATA_POOL_H */
