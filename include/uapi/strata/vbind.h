/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/strata-vbind: a GPU without the silicon, which binds and executes in the
 * background.
 *
 * What an open file has is named by ids that mean nothing in any other file:
 *
 * - address spaces (VMs), in which parts of buffers are mapped;
 * - buffers: shared memory of the kernel's own (shmem). A buffer is held in memory
 *   while a job may use it, and for as long afterwards as nobody else is short of
 *   memory. Then it can be swapped, and is brought back for the next job that
 *   names it. Nothing of its contents is lost (but what is punched out of a
 *   mapping with MADV_REMOVE, which a job may still see until it is let go);
 * - queues, each of one VM. A queue does its jobs one after the other, in the order
 *   in which they were submitted. Queues do not wait for each other, but by fences.
 *
 * STRATA_VBIND_BIND and STRATA_VBIND_EXEC submit a job each. What a job needs is
 * taken when it is submitted: a call that fails has changed nothing (but that
 * buffers may be held that were not before), and a job whose submission succeeded
 * never fails for want of memory.
 *
 * A job begins when the fences that it waits for are signalled, and the job before
 * it in its queue has ended. It ends by signalling its own fence, which others can
 * wait for as a sync_file: with poll(), in another job, in another driver. Errors
 * of a fence are those of struct sync_fence_info:
 *
 * - EFAULT: the job touched an address where nothing is mapped, wrote where only
 *   reading is allowed, or reached a buffer that it had not named.
 * - ETIME: the job made no progress for the queue's timeout; its queue was reset.
 * - ECANCELED: the job's queue was reset, destroyed or closed before it had ended.
 * - any error of a fence that the job was to wait for: the job did nothing. (What
 *   became of the job before it in its queue is no such error.)
 *
 * Buffers are shared as dma-bufs: STRATA_VBIND_BUFFER_EXPORT gives one away, and
 * STRATA_VBIND_BUFFER_IMPORT takes one, of another file of this device or of another
 * driver, as a buffer that can be mapped in VMs and named by jobs as others are.
 *
 * The fence of a job stands in the reservations of all buffers that it named, as that
 * of a writer: so whoever has a dma-buf of one of them sees it, with poll(),
 * DMA_BUF_IOCTL_SYNC and DMA_BUF_IOCTL_EXPORT_SYNC_FILE. Whether a job waits for what
 * others do with a buffer depends on whose that is:
 *
 * - A buffer of this device, exported or not: only for the fences that the job was
 *   given. What others have put into its dma-buf is had from there
 *   (DMA_BUF_IOCTL_EXPORT_SYNC_FILE), to be given to the job.
 * - A buffer of another driver: also for all that stands in its reservation when the
 *   job is submitted (DMA_BUF_IOCTL_IMPORT_SYNC_FILE puts it there), but for the jobs of
 *   the same file: those are in the order that their own fences say. STRATA_VBIND_EXEC
 *   itself waits for that while no job of the file uses the buffer, and hands it over to
 *   the CPU then.
 *
 * A buffer of another driver is pinned from the submission of a job that names it
 * until a little after the job's end. In between, it is where its exporter wants it.
 *
 * A file that is closed cancels its jobs, and waits for nothing that is not its own.
 *
 * Every structure is a multiple of 8 bytes without holes, the same for 32 and 64
 * bit. Fields named `reserved`, and all bits of `flags` that are not defined, must be
 * 0; anything else is refused with EINVAL, so that they can get a meaning later.
 */
#ifndef _UAPI_STRATA_VBIND_H
#define _UAPI_STRATA_VBIND_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The end of all addresses. */
#define STRATA_VBIND_ADDRESS_MAX	(1ULL << 48)
/* The largest buffer, in bytes. */
#define STRATA_VBIND_BUFFER_MAX		(1ULL << 30)
/* Queues that one VM can have. */
#define STRATA_VBIND_QUEUES_MAX		256
/* Mappings that one VM can have. */
#define STRATA_VBIND_MAPPINGS_MAX	(1U << 20)
/* Operations of one call. */
#define STRATA_VBIND_OPS_MAX		1024
/* Bytes that the operations of one call work on, all together. */
#define STRATA_VBIND_WORK_MAX		(1ULL << 34)
/* Fences that one job waits for. */
#define STRATA_VBIND_WAITS_MAX		256
/* Buffers that one job names. */
#define STRATA_VBIND_BUFFERS_MAX	4096
/* Jobs of one file that have not ended. */
#define STRATA_VBIND_JOBS_MAX		4096
/* Operations of STRATA_VBIND_BIND in those. */
#define STRATA_VBIND_BINDS_MAX		16384
/* The longest timeout of a queue. */
#define STRATA_VBIND_TIMEOUT_MAX_MS	60000

/**
 * struct strata_vbind_vm_create - STRATA_VBIND_VM_CREATE
 * @start: in: the first address, a multiple of the page size
 * @size: in: how many bytes of addresses, a multiple of the page size, not 0; they end
 *        at STRATA_VBIND_ADDRESS_MAX or before
 * @flags: in: 0
 * @id: out: the VM's name in this file; never 0, never used again
 *
 * Errors: EINVAL; ENOMEM; ENOSPC when the file has used up its ids; EFAULT.
 */
struct strata_vbind_vm_create {
	__u64 start;
	__u64 size;
	__u32 flags;
	__u32 id;
};

/**
 * struct strata_vbind_destroy - STRATA_VBIND_VM_DESTROY, _BUFFER_DESTROY, _QUEUE_DESTROY
 * @id: in: what to destroy
 * @flags: in: 0
 *
 * A buffer stays where it is mapped, and jobs that were submitted may still use it;
 * later ones cannot name it any more. The jobs of a queue are cancelled: those that
 * have not begun do nothing, one that runs stops between two parts of its work.
 *
 * Errors: ENOENT for an id that this file does not have; EBUSY for a VM that still
 * has queues; EINVAL; EFAULT.
 */
struct strata_vbind_destroy {
	__u32 id;
	__u32 flags;
};

/**
 * struct strata_vbind_buffer_create - STRATA_VBIND_BUFFER_CREATE
 * @size: in: bytes, a multiple of the page size, not 0, at most STRATA_VBIND_BUFFER_MAX
 * @flags: in: 0
 * @id: out: the buffer's name in this file; never 0, never used again
 * @map_offset: out: what to pass to mmap() as offset; map the whole buffer, shared
 *
 * Reading it gives zeros. No page is allocated yet.
 *
 * Errors: EINVAL; ENOMEM; ENFILE when the system has no files left; ENOSPC when the
 * file has used up its ids; EFAULT.
 *
 * Of mmap(): ENOENT for an offset that is no buffer's of this file; EINVAL for one
 * between the buffers', for another length than the buffer's, for a private mapping;
 * ENODEV for a buffer of another driver, whose dma-buf can be mapped.
 */
struct strata_vbind_buffer_create {
	__u64 size;
	__u32 flags;
	__u32 id;
	__u64 map_offset;
};

/**
 * struct strata_vbind_buffer_export - STRATA_VBIND_BUFFER_EXPORT
 * @id: in: the buffer
 * @flags: in: 0
 * @fd: in: 0; out: the descriptor of its dma-buf, closed on exec
 * @reserved: in: 0
 *
 * The dma-buf is the same each time, for as long as the buffer has an id in any file or
 * the dma-buf is open anywhere; of an imported buffer it is the one that was imported. It
 * keeps the memory, whatever becomes of the buffer's ids, of the file and of its process.
 *
 * A buffer with a dma-buf stays in memory, and counts against the device's limit: from
 * this call on, until its last id is destroyed and the dma-buf closed by all.
 *
 * Errors: ENOENT for a buffer that this file does not have; ENOSPC when the device's
 * limit leaves no room for it; EMFILE; ENFILE; EIO when a page cannot be read back from
 * swap; EINTR; EINVAL; ENOMEM; EFAULT.
 */
struct strata_vbind_buffer_export {
	__u32 id;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct strata_vbind_buffer_import - STRATA_VBIND_BUFFER_IMPORT
 * @fd: in: the descriptor of a dma-buf; it may be closed afterwards
 * @flags: in: 0
 * @id: in: 0; out: the buffer's name in this file; never 0, never used again
 * @reserved: in: 0
 * @size: in: 0; out: how many bytes it has
 *
 * Of a dma-buf that this device has exported, to whichever file, the buffer itself gets
 * an id here (one more, if it has one); STRATA_VBIND_STAT counts it in the file that
 * made it. Of another driver's, all ids that this file gets are of one buffer, which
 * counts here, but for its bytes.
 *
 * Errors: EBADF; EINVAL, also for a descriptor that is no dma-buf's, and for one whose
 * size is no multiple of the page size or more than STRATA_VBIND_BUFFER_MAX; ENOSPC when
 * the file has used up its ids; ENOMEM; EFAULT; what the exporter says to an attachment.
 */
struct strata_vbind_buffer_import {
	__s32 fd;
	__u32 flags;
	__u32 id;
	__u32 reserved;
	__u64 size;
};

/**
 * struct strata_vbind_queue_create - STRATA_VBIND_QUEUE_CREATE
 * @vm: in: the VM that its jobs work in
 * @flags: in: 0
 * @timeout_ms: in: for how long a job may make no progress before the queue is reset,
 *              at most STRATA_VBIND_TIMEOUT_MAX_MS; 0 for the default, two seconds.
 *              It is found between once and twice that time after the job's last step.
 * @id: out: the queue's name in this file; never 0, never used again
 *
 * A job that waits for fences, or for the one before it, is not timed. After a reset
 * the queue takes new jobs as before; those submitted until then end with ECANCELED.
 *
 * Errors: ENOENT for a VM that this file does not have; ENOSPC when the VM has
 * STRATA_VBIND_QUEUES_MAX of them, or the file has used up its ids; EINVAL; ENOMEM;
 * EFAULT.
 */
struct strata_vbind_queue_create {
	__u32 vm;
	__u32 flags;
	__u32 timeout_ms;
	__u32 id;
};

/* Flag of a job: a sync_file for its fence is wanted. */
#define STRATA_VBIND_FENCE_OUT		1

/* A part of a buffer, or nothing (STRATA_VBIND_SPARSE), in place of all that is there. */
#define STRATA_VBIND_MAP		1
/* Nothing is mapped there any more. */
#define STRATA_VBIND_UNMAP		2

/* Flag of STRATA_VBIND_MAP: writing faults. */
#define STRATA_VBIND_READ_ONLY		1
/* Flag of STRATA_VBIND_MAP: no buffer; reads give zeros, and what is written is lost. */
#define STRATA_VBIND_SPARSE		2

/**
 * struct strata_vbind_bind_op - what is mapped or unmapped
 * @address: in: a multiple of the page size
 * @length: in: bytes, a multiple of the page size, not 0; the range lies in the VM
 * @offset: in: STRATA_VBIND_MAP of a buffer: where in it the mapping begins, a multiple
 *          of the page size; the range lies in the buffer. Otherwise 0
 * @op: in: STRATA_VBIND_MAP or STRATA_VBIND_UNMAP
 * @flags: in: of STRATA_VBIND_MAP: STRATA_VBIND_READ_ONLY, STRATA_VBIND_SPARSE
 * @buffer: in: STRATA_VBIND_MAP: the buffer; 0 for a sparse one. Otherwise 0
 * @reserved: in: 0
 */
struct strata_vbind_bind_op {
	__u64 address;
	__u64 length;
	__u64 offset;
	__u32 op;
	__u32 flags;
	__u32 buffer;
	__u32 reserved;
};

/**
 * struct strata_vbind_bind - STRATA_VBIND_BIND
 * @ops: in: user pointer to an array of struct strata_vbind_bind_op
 * @waits: in: user pointer to an array of __s32, the descriptors of sync_files
 * @op_count: in: 1 to STRATA_VBIND_OPS_MAX
 * @wait_count: in: 0 to STRATA_VBIND_WAITS_MAX
 * @queue: in: the queue, which also says the VM
 * @flags: in: STRATA_VBIND_FENCE_OUT or 0
 * @fence: in: 0; out: with STRATA_VBIND_FENCE_OUT the descriptor of a new sync_file,
 *         closed on exec
 * @reserved: in: 0
 *
 * The operations are done in their order, and are seen together: no part of a job's work
 * finds some of them done and others not. When the fence is signalled, no job reaches what
 * was mapped before any more.
 *
 * Errors: ENOENT for a queue or buffer that this file does not have; E2BIG for too
 * many operations or fences; EAGAIN when too much of the file's has not ended yet;
 * ENOSPC when the VM could then come to have more than STRATA_VBIND_MAPPINGS_MAX (one that
 * is mapped may split another in two, so each operation that has not been done counts as
 * two); EINVAL, also for a descriptor of @waits that is no sync_file; EMFILE; ENOMEM;
 * EFAULT.
 */
struct strata_vbind_bind {
	__u64 ops;
	__u64 waits;
	__u32 op_count;
	__u32 wait_count;
	__u32 queue;
	__u32 flags;
	__s32 fence;
	__u32 reserved;
};

/*
 * Work is done on words of 64 bits in the byte order of the machine, from the lowest
 * address upwards, one after the other: also where the ranges overlap, or are mapped
 * to the same memory. When it faults, all below the address that faulted was done.
 */

/* Each word at @dst becomes @value. */
#define STRATA_VBIND_FILL		1
/* Each word at @dst becomes the one at @src. */
#define STRATA_VBIND_COPY		2
/* Each word at @dst has the one at @src added to it, modulo 2^64. */
#define STRATA_VBIND_ADD		3
/* The one word at @dst becomes the CRC-32C (Castagnoli) of the bytes at @src. */
#define STRATA_VBIND_CHECKSUM		4
/* Never ends by itself, as hardware that hangs. */
#define STRATA_VBIND_HANG		5

/**
 * struct strata_vbind_exec_op - what is done
 * @dst: in: the address that is written, a multiple of 8
 * @src: in: STRATA_VBIND_COPY, _ADD, _CHECKSUM: the address that is read, a multiple of
 *       8. Otherwise 0
 * @length: in: bytes, a multiple of 8, not 0: of what is written, but for
 *          STRATA_VBIND_CHECKSUM of what is read. The ranges lie in the VM
 * @value: in: STRATA_VBIND_FILL: the word. Otherwise 0
 * @op: in: one of the above. STRATA_VBIND_HANG has 0 in all other fields
 * @flags: in: 0
 */
struct strata_vbind_exec_op {
	__u64 dst;
	__u64 src;
	__u64 length;
	__u64 value;
	__u32 op;
	__u32 flags;
};

/**
 * struct strata_vbind_exec - STRATA_VBIND_EXEC
 * @ops: in: user pointer to an array of struct strata_vbind_exec_op
 * @waits: in: user pointer to an array of __s32, the descriptors of sync_files
 * @buffers: in: user pointer to an array of __u32, the buffers that the job may touch;
 *           one that is named twice counts once
 * @op_count: in: 1 to STRATA_VBIND_OPS_MAX
 * @wait_count: in: 0 to STRATA_VBIND_WAITS_MAX
 * @buffer_count: in: 0 to STRATA_VBIND_BUFFERS_MAX
 * @queue: in: the queue, which also says the VM
 * @flags: in: STRATA_VBIND_FENCE_OUT or 0
 * @fence: in: 0; out: with STRATA_VBIND_FENCE_OUT the descriptor of a new sync_file,
 *         closed on exec
 *
 * What an address means is looked up when the job comes to it. The operations are
 * done in their order, in parts of at most a page; between two of them, a job of
 * another queue may work, or bind.
 *
 * Errors: as STRATA_VBIND_BIND, but ENOSPC is for the device's limit, which leaves no room
 * for the buffers; also E2BIG for more than STRATA_VBIND_WORK_MAX bytes, EIO when a page
 * cannot be read back from swap, EINTR, and what the exporter of a buffer of another
 * driver says when it is to be pinned, mapped, or handed over to the CPU.
 *
 * It may wait for what others do with a buffer of another driver: for as long as they
 * take, or until a signal comes.
 */
struct strata_vbind_exec {
	__u64 ops;
	__u64 waits;
	__u64 buffers;
	__u32 op_count;
	__u32 wait_count;
	__u32 buffer_count;
	__u32 queue;
	__u32 flags;
	__s32 fence;
};

/**
 * struct strata_vbind_wait - STRATA_VBIND_WAIT
 * @timeout_ns: in: how long to wait at most; 0 only asks
 * @queue: in: the queue
 * @flags: in: 0
 *
 * Waits until all that was submitted to the queue before the call has ended, however
 * it ended.
 *
 * Errors: ENOENT for a queue that this file does not have; ETIME; EINTR; EINVAL; EFAULT.
 */
struct strata_vbind_wait {
	__u64 timeout_ns;
	__u32 queue;
	__u32 flags;
};

/**
 * struct strata_vbind_stat - STRATA_VBIND_STAT
 * @vms: out: how many VMs the file has
 * @buffers: out: how many buffers it has; one that is only mapped in a VM still counts
 * @queues: out: how many queues it has
 * @jobs: out: how many of its jobs have not ended
 * @mappings: out: how many mappings its VMs have together
 * @bytes: out: how many bytes its buffers have
 * @held: out: bytes of its buffers that are held in memory
 * @evictions: out: how often a buffer of it was let go for want of memory
 * @flags: in: 0
 * @reserved: in: 0
 *
 * Each figure is exact; together they are of about the same moment. What is destroyed
 * leaves the count when the last job and mapping that use it are gone, which may be a
 * little later.
 *
 * Errors: EINVAL; EFAULT.
 */
struct strata_vbind_stat {
	__u64 vms;
	__u64 buffers;
	__u64 queues;
	__u64 jobs;
	__u64 mappings;
	__u64 bytes;
	__u64 held;
	__u64 evictions;
	__u32 flags;
	__u32 reserved;
};

#define STRATA_VBIND_IOC_TYPE	0xbf

#define STRATA_VBIND_VM_CREATE \
	_IOWR(STRATA_VBIND_IOC_TYPE, 0x00, struct strata_vbind_vm_create)
#define STRATA_VBIND_VM_DESTROY \
	_IOW(STRATA_VBIND_IOC_TYPE, 0x01, struct strata_vbind_destroy)
#define STRATA_VBIND_BUFFER_CREATE \
	_IOWR(STRATA_VBIND_IOC_TYPE, 0x02, struct strata_vbind_buffer_create)
#define STRATA_VBIND_BUFFER_DESTROY \
	_IOW(STRATA_VBIND_IOC_TYPE, 0x03, struct strata_vbind_destroy)
#define STRATA_VBIND_QUEUE_CREATE \
	_IOWR(STRATA_VBIND_IOC_TYPE, 0x04, struct strata_vbind_queue_create)
#define STRATA_VBIND_QUEUE_DESTROY \
	_IOW(STRATA_VBIND_IOC_TYPE, 0x05, struct strata_vbind_destroy)
#define STRATA_VBIND_BIND \
	_IOWR(STRATA_VBIND_IOC_TYPE, 0x06, struct strata_vbind_bind)
#define STRATA_VBIND_EXEC \
	_IOWR(STRATA_VBIND_IOC_TYPE, 0x07, struct strata_vbind_exec)
#define STRATA_VBIND_WAIT \
	_IOW(STRATA_VBIND_IOC_TYPE, 0x08, struct strata_vbind_wait)
#define STRATA_VBIND_STAT \
	_IOWR(STRATA_VBIND_IOC_TYPE, 0x09, struct strata_vbind_stat)
#define STRATA_VBIND_BUFFER_EXPORT \
	_IOWR(STRATA_VBIND_IOC_TYPE, 0x0a, struct strata_vbind_buffer_export)
#define STRATA_VBIND_BUFFER_IMPORT \
	_IOWR(STRATA_VBIND_IOC_TYPE, 0x0b, struct strata_vbind_buffer_import)

#endif /* _UAPI_STRATA_VBIND_H */
