/* SPDX-License-Identifier: GPL-2.0 */
/* What all tests of the pool have in common: its calls, without the boilerplate. */
#ifndef STRATA_SELFTEST_H
#define STRATA_SELFTEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <strata/pool.h>
#include "crc32c.h"
#include "pass_fd.h"

#define POOL_DEVICE	"/dev/strata-pool"
#define POOL_STAT	"/sys/kernel/debug/strata-pool/stat"

/* Lockdep makes everything many times slower, and there is less memory for us. */
static inline bool debug_kernel(void)
{
	return access("/proc/lockdep_stats", F_OK) == 0;
}

static inline size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static inline int pool_open(void)
{
	return open(POOL_DEVICE, O_RDWR | O_CLOEXEC);
}

/* The calls return 0, or the negative errno. */
static inline int result(int ret)
{
	return ret < 0 ? -errno : ret;
}

static inline int pool_create(int fd, uint64_t size, struct strata_pool_create *create)
{
	*create = (struct strata_pool_create){ .size = size };
	return result(ioctl(fd, STRATA_POOL_CREATE, create));
}

static inline int pool_destroy(int fd, uint32_t id)
{
	struct strata_pool_destroy destroy = { .id = id };

	return result(ioctl(fd, STRATA_POOL_DESTROY, &destroy));
}

static inline int pool_checksum(int fd, uint32_t id, uint64_t offset, uint64_t length,
				uint32_t *crc)
{
	struct strata_pool_checksum checksum = {
		.id = id, .offset = offset, .length = length,
	};
	int ret = result(ioctl(fd, STRATA_POOL_CHECKSUM, &checksum));

	*crc = checksum.crc32c;
	return ret;
}

static inline int pool_stat(int fd, uint64_t *buffers, uint64_t *bytes)
{
	struct strata_pool_stat stat = {};
	int ret = result(ioctl(fd, STRATA_POOL_STAT, &stat));

	*buffers = stat.buffers;
	*bytes = stat.bytes;
	return ret;
}

static inline void *pool_map(int fd, const struct strata_pool_create *buffer, int prot)
{
	return mmap(NULL, buffer->size, prot, MAP_SHARED, fd, buffer->map_offset);
}

/* A new buffer, mapped for writing; MAP_FAILED if there is none. */
static inline void *pool_new(int fd, uint64_t size, struct strata_pool_create *buffer)
{
	if (pool_create(fd, size, buffer))
		return MAP_FAILED;
	return pool_map(fd, buffer, PROT_READ | PROT_WRITE);
}

/* What all open files hold, by debugfs. */
struct pool_totals {
	long long buffers;
	long long bytes;
};

static inline int pool_totals(struct pool_totals *totals)
{
	FILE *file = fopen(POOL_STAT, "r");
	int found;

	if (!file)
		return -errno;
	found = fscanf(file, "buffers %lld bytes %lld", &totals->buffers, &totals->bytes);
	fclose(file);
	return found == 2 ? 0 : -EINVAL;
}

/* Numbers that look random and are the same in each run: xorshift64. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline void fill(void *memory, size_t length, uint64_t seed)
{
	uint64_t state = seed * 2654435761u + 1;
	uint64_t *words = memory;
	size_t i;

	for (i = 0; i < length / sizeof(*words); i++)
		words[i] = next_random(&state);
}

#endif /* STRATA_SELFTEST_H */
