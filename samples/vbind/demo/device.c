// SPDX-License-Identifier: GPL-2.0
/* Calls of /dev/strata-vbind, without the boilerplate. */

#include <linux/sync_file.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "demo.h"
#include "device.h"

static int call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) ? -errno : 0;
}

int make_vm(int fd, uint64_t start, uint64_t size, uint32_t *id)
{
	struct strata_vbind_vm_create create = { .start = start, .size = size };
	int ret = call(fd, STRATA_VBIND_VM_CREATE, &create);

	*id = create.id;
	return ret;
}

int make_queue(int fd, uint32_t vm, uint32_t timeout_ms, uint32_t *id)
{
	struct strata_vbind_queue_create create = { .vm = vm, .timeout_ms = timeout_ms };
	int ret = call(fd, STRATA_VBIND_QUEUE_CREATE, &create);

	*id = create.id;
	return ret;
}

int destroy(int fd, unsigned int request, uint32_t id)
{
	struct strata_vbind_destroy destroy = { .id = id };

	return call(fd, request, &destroy);
}

uint64_t *map_buffer(int fd, const struct buffer *buffer)
{
	void *map = mmap(NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 buffer->map_offset);

	return map == MAP_FAILED ? NULL : map;
}

int make_buffer(int fd, uint64_t size, uint64_t seed, struct buffer *buffer)
{
	struct strata_vbind_buffer_create create = { .size = size };
	int ret = call(fd, STRATA_VBIND_BUFFER_CREATE, &create);
	uint64_t *memory;

	*buffer = (struct buffer){ .id = create.id, .map_offset = create.map_offset, .size = size };
	if (ret)
		return ret;
	buffer->model = malloc(size);
	memory = map_buffer(fd, buffer);
	if (!buffer->model || !memory)
		return -errno;
	generate(buffer->model, size, seed);
	memcpy(memory, buffer->model, size);
	munmap(memory, size);
	return 0;
}

void free_buffer(struct buffer *buffer)
{
	free(buffer->model);
	buffer->model = NULL;
}

struct strata_vbind_bind_op map_op(uint64_t address, uint64_t length, const struct buffer *buffer,
				   uint64_t offset)
{
	return (struct strata_vbind_bind_op){
		.address = address, .length = length, .offset = offset,
		.op = STRATA_VBIND_MAP, .buffer = buffer->id,
	};
}

int submit_bind(int fd, uint32_t queue, const struct strata_vbind_bind_op *ops, uint32_t count,
		const struct needs *needs)
{
	struct strata_vbind_bind bind = {
		.ops = (uintptr_t)ops, .op_count = count, .queue = queue,
		.waits = (uintptr_t)needs->waits, .wait_count = needs->wait_count,
		.flags = STRATA_VBIND_FENCE_OUT,
	};

	return call(fd, STRATA_VBIND_BIND, &bind) ?: bind.fence;
}

int submit_exec(int fd, uint32_t queue, const struct strata_vbind_exec_op *ops, uint32_t count,
		const struct needs *needs)
{
	struct strata_vbind_exec exec = {
		.ops = (uintptr_t)ops, .op_count = count, .queue = queue,
		.waits = (uintptr_t)needs->waits, .wait_count = needs->wait_count,
		.buffers = (uintptr_t)needs->buffers, .buffer_count = needs->buffer_count,
		.flags = STRATA_VBIND_FENCE_OUT,
	};

	return call(fd, STRATA_VBIND_EXEC, &exec) ?: exec.fence;
}

int fence_result(int fence, int timeout_ms, uint64_t *when)
{
	struct sync_fence_info one = { 0 };
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = (uintptr_t)&one };
	struct pollfd file = { .fd = fence, .events = POLLIN };
	int ret = poll(&file, 1, timeout_ms);

	if (ret < 0)
		return -errno;
	if (!ret)
		return -ETIMEDOUT;
	ret = call(fence, SYNC_IOC_FILE_INFO, &info);
	if (ret)
		return ret;
	*when = one.timestamp_ns;
	/* 1 is signalled, and 0 cannot be any more. */
	return one.status == 1 ? 0 : one.status ?: -EPROTO;
}
