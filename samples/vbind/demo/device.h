/* SPDX-License-Identifier: GPL-2.0 */
/* Calls of /dev/strata-vbind, without the boilerplate. */
#ifndef STRATA_VBIND_DEVICE_H
#define STRATA_VBIND_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <strata/vbind.h>

#define DEVICE		"/dev/strata-vbind"
#define DEBUGFS		"/sys/kernel/debug/strata-vbind/"

/* A buffer, and what its memory should be. */
struct buffer {
	uint32_t id;
	uint64_t map_offset;
	uint64_t size;
	uint64_t *model;
};

/* What a job waits for, and which buffers it may touch. */
struct needs {
	const int32_t *waits;
	uint32_t wait_count;
	const uint32_t *buffers;
	uint32_t buffer_count;
};

/* Each returns 0, or the negative errno. */
int make_vm(int fd, uint64_t start, uint64_t size, uint32_t *id);
int make_queue(int fd, uint32_t vm, uint32_t timeout_ms, uint32_t *id);
int destroy(int fd, unsigned int request, uint32_t id);
/* Its memory and the model begin with the same contents. */
int make_buffer(int fd, uint64_t size, uint64_t seed, struct buffer *buffer);
void free_buffer(struct buffer *buffer);

/* NULL, with errno, where that fails. */
uint64_t *map_buffer(int fd, const struct buffer *buffer);

struct strata_vbind_bind_op map_op(uint64_t address, uint64_t length, const struct buffer *buffer,
				   uint64_t offset);

/* Each returns the descriptor of the job's fence, or the negative errno. */
int submit_bind(int fd, uint32_t queue, const struct strata_vbind_bind_op *ops, uint32_t count,
		const struct needs *needs);
int submit_exec(int fd, uint32_t queue, const struct strata_vbind_exec_op *ops, uint32_t count,
		const struct needs *needs);

/*
 * Waits so long for a fence. Returns 0 or the fence's error, and when it was signalled;
 * -ETIMEDOUT if it was not.
 */
int fence_result(int fence, int timeout_ms, uint64_t *when);

#endif /* STRATA_VBIND_DEVICE_H */
