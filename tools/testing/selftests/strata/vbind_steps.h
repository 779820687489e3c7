/* SPDX-License-Identifier: GPL-2.0 */
/* What tests of /dev/strata-vbind do again and again, with the harness' expectations. */
#ifndef STRATA_VBIND_STEPS_H
#define STRATA_VBIND_STEPS_H

#include <sys/resource.h>

#include "kselftest_harness.h"
#include "vbind_debugfs.h"
#include "vbind_world.h"

/* Where a test's address space begins, and its size, in pages. */
#define FIRST_PAGE	16
#define SPACE_PAGES	1024

/* Of one file. */
static inline struct strata_vbind_stat stat_of(struct __test_metadata *_metadata, int fd)
{
	struct strata_vbind_stat stat;

	EXPECT_EQ(vbind_stat(fd, &stat), 0);
	return stat;
}

#define STAT(fd)	stat_of(_metadata, fd)

/* A job's end is seen a little before it is counted. */
#define SETTLES(fd, figure, value) do {						\
	while (STAT(fd).figure != (value))					\
		usleep(1000);							\
} while (0)

/* A buffer and where it is mapped for everybody, for tests that need no model. */
struct area {
	uint32_t id;
	uint64_t address;
	uint64_t *words;
	size_t size;
};

/* @pages of an address space from @page on get a buffer, full of zeros. */
static inline struct area area_at(struct __test_metadata *_metadata, struct world *world,
				  size_t page, size_t pages)
{
	struct strata_vbind_buffer_create buffer;
	struct area area = { .address = at(world, page), .size = pages * page_size() };

	EXPECT_EQ(vbind_buffer(world->fd, area.size, &buffer), 0);
	area.id = buffer.id;
	area.words = vbind_map(world->fd, &buffer, PROT_READ | PROT_WRITE);
	EXPECT_NE((void *)area.words, MAP_FAILED);
	EXPECT_EQ(vbind_bind_now(world->fd, world->queue,
				 BINDS(op_map(area.address, area.size, area.id, 0)), JOB()), 0);
	return area;
}

/* A job that writes one word, after @wait if that is a fence; its own. */
static inline int writes(struct __test_metadata *_metadata, int fd, uint32_t queue,
			 const struct area *area, size_t word, int wait)
{
	int fence;

	EXPECT_EQ(vbind_exec(fd, queue, OPS(op_fill(area->address + word * WORD, WORD, word + 1)),
			     JOB(USING(area->id), .waits = &wait, .wait_count = wait >= 0,
				 .fence = &fence)), 0);
	return fence;
}

/* It is over before that in no test. */
#define LONG_MS		STRATA_VBIND_TIMEOUT_MAX_MS

static inline uint32_t new_queue(struct __test_metadata *_metadata, const struct world *world,
				 uint32_t timeout_ms)
{
	uint32_t queue;

	EXPECT_EQ(vbind_queue(world->fd, world->vm, timeout_ms, &queue), 0);
	return queue;
}

/* A job that never ends by itself. */
static inline int hangs(struct __test_metadata *_metadata, int fd, uint32_t queue)
{
	int fence;

	EXPECT_EQ(vbind_exec(fd, queue, OPS(op_hang()), JOB(.fence = &fence)), 0);
	return fence;
}

/* For tests with more fences than a process may have by default. */
static inline void allow_files(struct __test_metadata *_metadata, rlim_t count)
{
	struct rlimit limit = { .rlim_cur = count, .rlim_max = count };

	EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

#endif /* STRATA_VBIND_STEPS_H */
