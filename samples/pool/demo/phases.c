// SPDX-License-Identifier: GPL-2.0
/*
 * The pool under its limit, over it, dropped, and refaulted: a line of a table each.
 *
 * The limit is lowered for as long as this takes. Some buffers are pinned, as if a
 * device worked on them; some are not, and the pool holds them for the next time;
 * of some the contents are given up. What must make room for whom, and what of the
 * contents is still there in the end, is what the table shows.
 */

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <strata/pool.h>

#include "crc32c.h"
#include "demo.h"
#include "phases.h"

#define DEBUGFS		"/sys/kernel/debug/strata-pool/"
#define SIZE		(256u << 10)
/* How many buffers fit below the limit, and how many there are in the end. */
#define ROOM		64
#define BUFFERS		96
/* Of these many in a row one is pinned, and one is given up. */
#define ROW		8

struct buffer {
	struct strata_pool_create create;
	uint32_t crc;
	bool purged;
};

struct pool {
	int fd;
	struct buffer buffers[BUFFERS];
	unsigned int count;
};

/* What came out of looking at all buffers. */
struct contents {
	unsigned int right;
	unsigned int purged;
	unsigned int wrong;
};

static bool is_pinned(unsigned int n)
{
	return n % ROW == 0;
}

static bool is_given_up(unsigned int n)
{
	return n % ROW == ROW / 2;
}

/* A number of pages from debugfs, by its name there; negative where there is none. */
static long long limit_figure(const char *name)
{
	return read_figure(DEBUGFS "limit", name);
}

static bool set_limit(long long pages)
{
	char text[32];

	snprintf(text, sizeof(text), "soft %lld", pages);
	return write_file(DEBUGFS "limit", text);
}

static bool pin(struct pool *pool, const struct buffer *buffer, bool stay)
{
	struct strata_pool_pin pin = { .id = buffer->create.id };

	if (ioctl(pool->fd, STRATA_POOL_PIN, &pin) ||
	    (!stay && ioctl(pool->fd, STRATA_POOL_UNPIN, &pin)))
		return !fail("pinning a buffer");
	return true;
}

/* Whether the contents are there, or a negative number. */
static int advise(struct pool *pool, const struct buffer *buffer, uint32_t advice)
{
	struct strata_pool_madvise madvise = { .id = buffer->create.id, .advice = advice };

	if (ioctl(pool->fd, STRATA_POOL_MADVISE, &madvise))
		return -fail("advising");
	return madvise.retained;
}

/* One more buffer, filled, and used by a device that is done with it, or is not. */
static bool add(struct pool *pool)
{
	unsigned int n = pool->count;
	struct buffer *buffer = &pool->buffers[n];
	void *map;

	buffer->create.size = SIZE;
	if (ioctl(pool->fd, STRATA_POOL_CREATE, &buffer->create))
		return !fail("creating a buffer");
	pool->count++;
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, pool->fd,
		   buffer->create.map_offset);
	if (map == MAP_FAILED)
		return !fail("mapping a buffer");
	generate(map, SIZE, n + 1);
	buffer->crc = crc32c(map, SIZE);
	munmap(map, SIZE);
	return pin(pool, buffer, is_pinned(n)) &&
	       (!is_given_up(n) || advise(pool, buffer, STRATA_POOL_DONTNEED) == 1);
}

static bool add_until(struct pool *pool, unsigned int count)
{
	while (pool->count < count)
		if (!add(pool))
			return false;
	return true;
}

/* Wants everything back, looks at it, and lets a device use it once more. */
static bool refault(struct pool *pool, struct contents *contents)
{
	unsigned int n;

	for (n = 0; n < pool->count; n++) {
		struct buffer *buffer = &pool->buffers[n];
		struct strata_pool_checksum sum = { .id = buffer->create.id, .length = SIZE };
		int retained = advise(pool, buffer, STRATA_POOL_WILLNEED);

		if (retained < 0 || ioctl(pool->fd, STRATA_POOL_CHECKSUM, &sum) ||
		    !pin(pool, buffer, false))
			return !fail("looking at a buffer");
		buffer->purged = !retained;
		if (sum.crc32c != (retained ? buffer->crc : crc32c_zeros(SIZE)))
			contents->wrong++;
		else if (retained)
			contents->right++;
		else
			contents->purged++;
	}
	return true;
}

/* One line. Purged is what was thrown away since the table began. */
static bool print(struct pool *pool, const char *phase, unsigned int purged,
		  const struct contents *contents)
{
	struct strata_pool_stat stat = { 0 };
	unsigned int rest;
	double page = sysconf(_SC_PAGESIZE) / 1048576.0;

	if (ioctl(pool->fd, STRATA_POOL_STAT, &stat))
		return !fail("asking for figures");
	/* Purged buffers that nobody wanted back yet have nothing to be swapped. */
	rest = (stat.bytes - stat.pinned - stat.idle - stat.purgeable) / SIZE;
	rest -= contents ? 0 : purged;
	printf("%-24s %8llu %7llu %6llu %9llu %10u %7u %6.1f of %4.1f MiB", phase,
	       (unsigned long long)stat.buffers, (unsigned long long)stat.pinned / SIZE,
	       (unsigned long long)stat.idle / SIZE, (unsigned long long)stat.purgeable / SIZE,
	       rest, purged, limit_figure("used") * page, limit_figure("soft") * page);
	if (contents)
		printf("   %u right, %u purged and said so, %u wrong", contents->right,
		       contents->purged, contents->wrong);
	printf("\n");
	return true;
}

/* How many buffers the whole pool ever purged. */
static unsigned int ever_purged(void)
{
	return read_figure(DEBUGFS "stat", "purged");
}

static bool run_phases(struct pool *pool)
{
	unsigned int before = ever_purged();
	struct contents contents = { 0 };

	printf("\n%-24s %8s %7s %6s %9s %10s %7s %18s   %s\n", "the pool", "buffers", "pinned",
	       "idle", "given up", "swappable", "purged", "limit used", "contents");
	if (!add_until(pool, ROOM / 2) || !print(pool, "under its limit", 0, NULL))
		return false;
	/* The oldest that are idle are let go, one after the other. */
	if (!add_until(pool, BUFFERS) || !print(pool, "over it", ever_purged() - before, NULL))
		return false;
	if (!write_file(DEBUGFS "drop_caches", "all") ||
	    !print(pool, "dropped", ever_purged() - before, NULL))
		return false;
	if (!refault(pool, &contents) ||
	    !print(pool, "refaulted", ever_purged() - before, &contents))
		return false;
	return !contents.wrong && contents.right + contents.purged == BUFFERS;
}

bool show_phases(void)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	long long soft = limit_figure("soft"), used = limit_figure("used");
	bool good;

	if (!pool)
		return !fail("calloc");
	if (soft < 0 || used < 0)
		return !fail(DEBUGFS "limit");
	pool->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (pool->fd < 0)
		return !fail(DEVICE);
	good = set_limit(used + ROOM * (SIZE / sysconf(_SC_PAGESIZE))) && run_phases(pool);
	close(pool->fd);
	good = set_limit(soft) && good;
	free(pool);
	return good;
}
