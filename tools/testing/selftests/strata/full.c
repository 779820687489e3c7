// SPDX-License-Identifier: GPL-2.0
/*
 * A machine whose memory is full of the pool's buffers, for scripts/strata/pressure.py:
 *
 *	full WHAT
 *
 * puts more into the pool than there is memory, and then another process takes most
 * of the memory for itself. It gets it, as often as the kernel asks the pool to let
 * go of what nobody needs, or is killed where it cannot. WHAT the buffers are:
 *
 *	held		given up after they were pinned
 *	written		given up after they were written through a mapping
 *	small		given up, and many
 *	swapped		not given up, but not pinned any more: there must be swap for half of them
 *	pinned		pinned; the other process must be killed
 *
 * This fills memory and lets the kernel kill: it is nothing for a machine in use.
 */

#include <signal.h>

#include "pool_debugfs.h"

#define SIZE	(1ull << 20)

static size_t count;
static struct strata_pool_create *buffers;
static uint32_t *sums;

static void fail(const char *what)
{
	printf("failed: %s (%s)\n", what, strerror(errno));
	exit(1);
}

static void need(bool is_so, const char *what)
{
	if (!is_so)
		fail(what);
}

/* The last one to be killed, or the first one. */
static void is_victim(bool it_is)
{
	need(!write_text("/proc/self/oom_score_adj", it_is ? "1000" : "-1000"), "oom_score_adj");
}

static unsigned long long available(void)
{
	return number_in("/proc/meminfo", "MemAvailable") << 10;
}

/* Pages with contents that nothing can merge or compress, each of them in use. */
static void write_random(uint64_t *memory, unsigned long long bytes)
{
	uint64_t state = 88172645463325252ull;
	size_t i;

	for (i = 0; i < bytes / sizeof(*memory); i += 64)
		memory[i] = next_random(&state);
}

static void write_mapped(int fd, const struct strata_pool_create *buffer, uint32_t *sum)
{
	void *map = pool_map(fd, buffer, PROT_READ | PROT_WRITE);

	need(map != MAP_FAILED, "mmap");
	write_random(map, buffer->size);
	if (sum)
		*sum = crc32c(map, buffer->size);
	munmap(map, buffer->size);
}

static void add(int fd, const char *what, size_t size, struct strata_pool_create *buffer,
		uint32_t *sum)
{
	bool swapped = !strcmp(what, "swapped"), written = !strcmp(what, "written");
	int ret;

	need(!pool_create(fd, size, buffer), "create");
	if (written || swapped)
		write_mapped(fd, buffer, swapped ? sum : NULL);
	ret = written ? 0 : pool_pin(fd, buffer->id);
	if (!ret && !written && strcmp(what, "pinned"))
		ret = pool_unpin(fd, buffer->id);
	if (!ret && !swapped && strcmp(what, "pinned"))
		ret = pool_not_needed(fd, buffer->id) != 1;
	if (ret)
		errno = -ret;
	need(!ret, "filling the pool");
}

/* Whether another process can have so much. */
static bool take(unsigned long long bytes)
{
	int status;
	void *memory;
	pid_t child;

	fflush(stdout);
	child = fork();
	need(child >= 0, "fork");
	if (!child) {
		is_victim(true);
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			_exit(2);
		write_random(memory, bytes);
		_exit(0);
	}
	status = wait_for(child);
	printf("the other process: %s\n", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) :
	       WEXITSTATUS(status) ? "no memory" : "has it");
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* That nobody but the kernel asked: no trigger, no limit. */
static void see(const char *what, const struct pool_totals *before)
{
	struct pool_totals after;
	struct drop_stats stats;

	need(!pool_totals(&after) && !drop_stats(&stats, DROP_TOTAL), "debugfs");
	printf("%s: purged %lld, idle %lld MiB, purgeable %lld MiB\n", what,
	       after.purged - before->purged, after.idle >> 20, after.purgeable >> 20);
	need(stats.passes == 0, "nobody writes to drop_caches");
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";
	bool pinned = !strcmp(what, "pinned"), swapped = !strcmp(what, "swapped");
	unsigned long long there, load;
	struct pool_totals before, after;
	size_t size = SIZE, i;
	bool got;
	int fd;

	setlinebuf(stdout);
	is_victim(false);
	fd = pool_open();
	need(fd >= 0, POOL_DEVICE);
	/* The pool is not to let go of anything by itself. */
	need(!pool_set_limit(1ll << 40, 0), "limit");
	need(!pool_totals(&before), POOL_STAT);
	there = available();
	load = there / 10 * 7;
	if (!strcmp(what, "small")) {
		/* What it takes to know them, nearly two KiB each, stays with the pool. */
		size = 4 * page_size();
		load = there / 2;
	}
	count = (pinned || swapped ? there / 10 * 6 : there / 2 * 3) / size;
	buffers = calloc(count, sizeof(*buffers));
	sums = calloc(count, sizeof(*sums));
	need(buffers && sums, "memory to begin with");
	printf("there are %llu MiB\n", there >> 20);

	for (i = 0; i < count; i++)
		add(fd, what, size, &buffers[i], &sums[i]);
	printf("in the pool: %zu MiB\n", count * size >> 20);
	see("filled", &before);
	got = take(load);
	printf("taken: %llu MiB\n", load >> 20);
	see("taken", &before);

	need(!pool_totals(&after), POOL_STAT);
	need(got == !pinned, pinned ? "nothing else has given way" : "the other process gets its memory");
	if (pinned)
		need(after.pinned == count * size, "pinned buffers stay so");
	if (swapped)
		need(after.idle < count * size, "the pool let go");
	need((after.purged > before.purged) == !(pinned || swapped), "purged");
	for (i = 0; swapped && i < count; i++)
		need(pool_contains(fd, &buffers[i], sums[i]), "contents survive");
	printf("passed\n");
	return 0;
}
