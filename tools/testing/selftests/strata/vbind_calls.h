/* SPDX-License-Identifier: GPL-2.0 */
/* What all tests of /dev/strata-vbind have in common: its calls, without the boilerplate. */
#ifndef STRATA_VBIND_CALLS_H
#define STRATA_VBIND_CALLS_H

#include <linux/sync_file.h>
#include <poll.h>

#include <strata/vbind.h>
#include "strata.h"

#define VBIND_DEVICE	"/dev/strata-vbind"

/* What the operations are done on. */
#define WORD		sizeof(uint64_t)

static inline int vbind_open(void)
{
	return open(VBIND_DEVICE, O_RDWR | O_CLOEXEC);
}

static inline int vbind_vm(int fd, uint64_t start, uint64_t size, uint32_t *id)
{
	struct strata_vbind_vm_create create = { .start = start, .size = size };
	int ret = result(ioctl(fd, STRATA_VBIND_VM_CREATE, &create));

	*id = create.id;
	return ret;
}

static inline int vbind_buffer(int fd, uint64_t size, struct strata_vbind_buffer_create *buffer)
{
	*buffer = (struct strata_vbind_buffer_create){ .size = size };
	return result(ioctl(fd, STRATA_VBIND_BUFFER_CREATE, buffer));
}

static inline void *vbind_map(int fd, const struct strata_vbind_buffer_create *buffer, int prot)
{
	return mmap(NULL, buffer->size, prot, MAP_SHARED, fd, buffer->map_offset);
}

static inline int vbind_queue(int fd, uint32_t vm, uint32_t timeout_ms, uint32_t *id)
{
	struct strata_vbind_queue_create create = { .vm = vm, .timeout_ms = timeout_ms };
	int ret = result(ioctl(fd, STRATA_VBIND_QUEUE_CREATE, &create));

	*id = create.id;
	return ret;
}

/* Of what the number of the ioctl says. */
static inline int vbind_destroy(int fd, unsigned int request, uint32_t id)
{
	struct strata_vbind_destroy destroy = { .id = id };

	return result(ioctl(fd, request, &destroy));
}

static inline int vbind_stat(int fd, struct strata_vbind_stat *stat)
{
	*stat = (struct strata_vbind_stat){};
	return result(ioctl(fd, STRATA_VBIND_STAT, stat));
}

#define FOREVER		(~0ull)

static inline int vbind_wait(int fd, uint32_t queue, uint64_t timeout_ns)
{
	struct strata_vbind_wait wait = { .timeout_ns = timeout_ns, .queue = queue };

	return result(ioctl(fd, STRATA_VBIND_WAIT, &wait));
}

/* --- what a job does */

static inline struct strata_vbind_bind_op
op_map(uint64_t address, uint64_t length, uint32_t buffer, uint64_t offset)
{
	return (struct strata_vbind_bind_op){ .address = address, .length = length, .offset = offset,
			  .op = STRATA_VBIND_MAP, .buffer = buffer };
}

static inline struct strata_vbind_bind_op
op_map_read_only(uint64_t address, uint64_t length, uint32_t buffer, uint64_t offset)
{
	struct strata_vbind_bind_op op = op_map(address, length, buffer, offset);

	op.flags = STRATA_VBIND_READ_ONLY;
	return op;
}

static inline struct strata_vbind_bind_op
op_sparse(uint64_t address, uint64_t length)
{
	return (struct strata_vbind_bind_op){ .address = address, .length = length, .op = STRATA_VBIND_MAP,
			  .flags = STRATA_VBIND_SPARSE };
}

static inline struct strata_vbind_bind_op
op_unmap(uint64_t address, uint64_t length)
{
	return (struct strata_vbind_bind_op){ .address = address, .length = length,
					      .op = STRATA_VBIND_UNMAP };
}

static inline struct strata_vbind_exec_op
op_fill(uint64_t dst, uint64_t length, uint64_t value)
{
	return (struct strata_vbind_exec_op){ .dst = dst, .length = length, .value = value,
					      .op = STRATA_VBIND_FILL };
}

static inline struct strata_vbind_exec_op
op_copy(uint64_t dst, uint64_t src, uint64_t length)
{
	return (struct strata_vbind_exec_op){ .dst = dst, .src = src, .length = length,
					      .op = STRATA_VBIND_COPY };
}

static inline struct strata_vbind_exec_op
op_add(uint64_t dst, uint64_t src, uint64_t length)
{
	return (struct strata_vbind_exec_op){ .dst = dst, .src = src, .length = length,
					      .op = STRATA_VBIND_ADD };
}

static inline struct strata_vbind_exec_op
op_checksum(uint64_t dst, uint64_t src, uint64_t length)
{
	return (struct strata_vbind_exec_op){ .dst = dst, .src = src, .length = length,
					      .op = STRATA_VBIND_CHECKSUM };
}

static inline struct strata_vbind_exec_op
op_hang(void)
{
	return (struct strata_vbind_exec_op){ .op = STRATA_VBIND_HANG };
}

/* What one job does, in its order. */
struct binds {
	const struct strata_vbind_bind_op *ops;
	uint32_t count;
};

struct execs {
	const struct strata_vbind_exec_op *ops;
	uint32_t count;
};

#define LENGTH(...)	(sizeof((__VA_ARGS__)) / sizeof((__VA_ARGS__)[0]))
#define BINDS(...) \
	((struct binds){ (const struct strata_vbind_bind_op[]){ __VA_ARGS__ }, \
			 LENGTH((const struct strata_vbind_bind_op[]){ __VA_ARGS__ }) })
#define OPS(...) \
	((struct execs){ (const struct strata_vbind_exec_op[]){ __VA_ARGS__ }, \
			 LENGTH((const struct strata_vbind_exec_op[]){ __VA_ARGS__ }) })
/* The same of an array that there is. */
#define BINDS_OF(array, length)	((struct binds){ array, length })
#define OPS_OF(array, length)	((struct execs){ array, length })

/* What else a job has; nothing of it needs to be there. */
struct job {
	const int32_t *waits;
	uint32_t wait_count;
	const uint32_t *buffers;
	uint32_t buffer_count;
	/* Where its fence goes. */
	int *fence;
};

#define AFTER(...) \
	.waits = (const int32_t[]) { __VA_ARGS__ }, \
	.wait_count = sizeof((const int32_t[]) { __VA_ARGS__ }) / sizeof(int32_t)
#define USING(...) \
	.buffers = (const uint32_t[]) { __VA_ARGS__ }, \
	.buffer_count = sizeof((const uint32_t[]) { __VA_ARGS__ }) / sizeof(uint32_t)
#define JOB(...)	((struct job){ __VA_ARGS__ })

static inline int vbind_bind(int fd, uint32_t queue, struct binds binds, struct job job)
{
	struct strata_vbind_bind bind = {
		.ops = (uintptr_t)binds.ops, .op_count = binds.count, .queue = queue,
		.waits = (uintptr_t)job.waits, .wait_count = job.wait_count,
		.flags = job.fence ? STRATA_VBIND_FENCE_OUT : 0,
	};
	int ret = result(ioctl(fd, STRATA_VBIND_BIND, &bind));

	if (job.fence)
		*job.fence = ret ? -1 : bind.fence;
	/* A call that failed names no fence. */
	return ret && bind.fence ? -EPROTO : ret;
}

static inline int vbind_exec(int fd, uint32_t queue, struct execs execs, struct job job)
{
	struct strata_vbind_exec exec = {
		.ops = (uintptr_t)execs.ops, .op_count = execs.count, .queue = queue,
		.waits = (uintptr_t)job.waits, .wait_count = job.wait_count,
		.buffers = (uintptr_t)job.buffers, .buffer_count = job.buffer_count,
		.flags = job.fence ? STRATA_VBIND_FENCE_OUT : 0,
	};
	int ret = result(ioctl(fd, STRATA_VBIND_EXEC, &exec));

	if (job.fence)
		*job.fence = ret ? -1 : exec.fence;
	return ret && exec.fence ? -EPROTO : ret;
}

/* --- fences, of whatever driver */

/* 1 when it is signalled, 0 while it is not, the error that it was signalled with. */
static inline int fence_status(int fence)
{
	struct sync_file_info info = {};

	return ioctl(fence, SYNC_IOC_FILE_INFO, &info) ? -EPROTO : info.status;
}

/* Waits as long as it takes. 0, or the fence's error. */
static inline int fence_wait(int fence)
{
	struct pollfd file = { .fd = fence, .events = POLLIN };
	int ret;

	do
		ret = poll(&file, 1, -1);
	while (ret < 0 && errno == EINTR);
	if (ret != 1 || file.revents != POLLIN)
		return -EPROTO;
	ret = fence_status(fence);
	return ret == 1 ? 0 : ret ?: -EPROTO;
}

/* The same for one that is not needed afterwards. */
static inline int fence_end(int fence)
{
	int ret = fence_wait(fence);

	close(fence);
	return ret;
}

/* A new one that is signalled when both are, or the negative errno. */
static inline int fence_merge(int a, int b)
{
	struct sync_merge_data merge = { .name = "merged", .fd2 = b };
	int ret = result(ioctl(a, SYNC_IOC_MERGE, &merge));

	return ret ?: merge.fence;
}

/* What became of it, whether of the call or of the job, when that has ended. */
static inline int vbind_bind_now(int fd, uint32_t queue, struct binds binds, struct job job)
{
	int fence;

	job.fence = &fence;
	return vbind_bind(fd, queue, binds, job) ?: fence_end(fence);
}

static inline int vbind_exec_now(int fd, uint32_t queue, struct execs execs, struct job job)
{
	int fence;

	job.fence = &fence;
	return vbind_exec(fd, queue, execs, job) ?: fence_end(fence);
}

#endif /* STRATA_VBIND_CALLS_H */
