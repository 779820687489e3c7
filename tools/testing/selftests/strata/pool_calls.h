/* SPDX-License-Identifier: GPL-2.0 */
/* What all tests of the pool have in common: its calls, without the boilerplate. */
#ifndef STRATA_POOL_CALLS_H
#define STRATA_POOL_CALLS_H

#include <strata/pool.h>
#include "strata.h"

#define POOL_DEVICE	"/dev/strata-pool"

static inline int pool_open(void)
{
	return open(POOL_DEVICE, O_RDWR | O_CLOEXEC);
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

static inline int pool_stat(int fd, struct strata_pool_stat *stat)
{
	*stat = (struct strata_pool_stat){};
	return result(ioctl(fd, STRATA_POOL_STAT, stat));
}

static inline int pool_pin(int fd, uint32_t id)
{
	struct strata_pool_pin pin = { .id = id };

	return result(ioctl(fd, STRATA_POOL_PIN, &pin));
}

static inline int pool_unpin(int fd, uint32_t id)
{
	struct strata_pool_pin pin = { .id = id };

	return result(ioctl(fd, STRATA_POOL_UNPIN, &pin));
}

/* Whether the contents are still there: 1, 0, or the negative errno. */
static inline int pool_advise(int fd, uint32_t id, uint32_t advice)
{
	struct strata_pool_madvise madvise = { .id = id, .advice = advice, .retained = 77 };
	int ret = result(ioctl(fd, STRATA_POOL_MADVISE, &madvise));

	return ret ?: madvise.retained;
}

static inline int pool_needed(int fd, uint32_t id)
{
	return pool_advise(fd, id, STRATA_POOL_WILLNEED);
}

static inline int pool_not_needed(int fd, uint32_t id)
{
	return pool_advise(fd, id, STRATA_POOL_DONTNEED);
}

/* Makes a buffer's pages resident and leaves them with the pool. */
static inline int pool_hold(int fd, uint32_t id)
{
	return pool_pin(fd, id) ?: pool_unpin(fd, id);
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

/*
 * A new buffer with contents that @seed decides, mapped; MAP_FAILED if there is
 * none. *crc is what they sum up to.
 */
static inline void *pool_new_filled(int fd, uint64_t size, uint64_t seed,
				    struct strata_pool_create *buffer, uint32_t *crc)
{
	void *map = pool_new(fd, size, buffer);

	*crc = 0;
	if (map != MAP_FAILED) {
		fill(map, size, seed);
		*crc = crc32c(map, size);
	}
	return map;
}

/* The same, not mapped. Returns 0 or the negative errno. */
static inline int pool_filled(int fd, uint64_t size, uint64_t seed,
			      struct strata_pool_create *buffer, uint32_t *crc)
{
	void *map = pool_new_filled(fd, size, seed, buffer, crc);

	return map == MAP_FAILED ? -errno : result(munmap(map, size));
}

/* Whether the kernel sees what sums up to @crc in the whole of a buffer. */
static inline bool pool_contains(int fd, const struct strata_pool_create *buffer, uint32_t crc)
{
	uint32_t seen;

	return !pool_checksum(fd, buffer->id, 0, buffer->size, &seen) && seen == crc;
}

#endif /* STRATA_POOL_CALLS_H */
