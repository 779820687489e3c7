// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs that fault and jobs that hang, next to others that notice nothing of it. What
 * became of them is in their fences, and nothing else: the queues go on.
 */

#include <sys/ioctl.h>
#include <sys/mman.h>

#include "accidents.h"
#include "demo.h"

/* The whole space: its last page is a hole, the others are mapped. */
#define PAGES		2
#define FIRST		0x100000
/* For a job that makes no progress. */
#define PATIENCE_MS	100
#define WORD		sizeof(uint64_t)

static bool is_zero(int ret, const char *what)
{
	errno = -ret;
	return !ret || !fail(what);
}

bool accidents_init(struct accidents *accidents, int fd)
{
	uint64_t page = sysconf(_SC_PAGESIZE), when;
	struct strata_vbind_bind_op op;
	struct needs needs = { 0 };
	int fence;

	*accidents = (struct accidents){ .fd = fd };
	if (!is_zero(make_vm(fd, FIRST, PAGES * page, &accidents->vm), "creating a VM") ||
	    !is_zero(make_queue(fd, accidents->vm, PATIENCE_MS, &accidents->queue), "a queue") ||
	    !is_zero(make_queue(fd, accidents->vm, 0, &accidents->dependent), "a queue") ||
	    !is_zero(make_buffer(fd, page, 1, &accidents->buffer), "creating a buffer"))
		return false;
	accidents->words = map_buffer(fd, &accidents->buffer);
	if (!accidents->words)
		return !fail("mapping a buffer");
	op = map_op(FIRST, page, &accidents->buffer, 0);
	fence = submit_bind(fd, accidents->queue, &op, 1, &needs);
	if (fence < 0)
		return is_zero(fence, "binding");
	if (!is_zero(fence_result(fence, -1, &when), "binding"))
		return false;
	close(fence);
	return true;
}

/* A job that writes @value to one word after the other. */
static int submit_fills(struct accidents *accidents, uint32_t queue, const uint64_t *addresses,
			uint32_t count, uint64_t value, int after)
{
	struct strata_vbind_exec_op ops[4] = { 0 };
	struct needs needs = { .waits = &after, .wait_count = after >= 0,
			       .buffers = &accidents->buffer.id, .buffer_count = 1 };
	uint32_t i;
	int fence;

	for (i = 0; i < count; i++)
		ops[i] = (struct strata_vbind_exec_op){ .dst = addresses[i], .length = WORD,
							.value = value, .op = STRATA_VBIND_FILL };
	/* There may be no room in memory just now. */
	while ((fence = submit_exec(accidents->fd, queue, ops, count, &needs)) == -ENOSPC)
		usleep(1000);
	return fence;
}

/* The fence's end must be this one. */
static bool ends_with(struct accidents *accidents, int fence, int error, const char *what)
{
	uint64_t when;
	int ret = fence < 0 ? fence : fence_result(fence, -1, &when);

	if (fence >= 0)
		close(fence);
	if (ret == error)
		return true;
	fprintf(stderr, "vbind_demo: %s ended with %d (%s), not with %d\n", what, ret,
		strerror(-ret), error);
	accidents->failed = true;
	return false;
}

static bool has(struct accidents *accidents, unsigned int word, uint64_t value)
{
	if (accidents->words[word] == value)
		return true;
	fprintf(stderr, "vbind_demo: word %u is wrong after an accident\n", word);
	accidents->failed = true;
	return false;
}

/* Nobody would think that something had happened. */
static void recover(struct accidents *accidents, uint32_t queue, uint64_t value)
{
	const uint64_t address = FIRST;
	int fence = submit_fills(accidents, queue, &address, 1, value, -1);

	accidents->recovered += ends_with(accidents, fence, 0, "a job after an accident") &&
				has(accidents, 0, value);
}

/* A job faults half way, and one that waits for it does nothing. */
static void cause_fault(struct accidents *accidents, uint64_t value)
{
	const uint64_t hole = FIRST + sysconf(_SC_PAGESIZE);
	const uint64_t addresses[] = { FIRST, hole, FIRST + WORD };
	const uint64_t third = FIRST + 2 * WORD;
	uint64_t before[] = { accidents->words[1], accidents->words[2] };
	int fence = submit_fills(accidents, accidents->queue, addresses, 3, value, -1);
	int waits = fence < 0 ? fence : submit_fills(accidents, accidents->dependent, &third, 1,
						     value, fence);

	accidents->faults += ends_with(accidents, waits, -EFAULT, "what waits for a fault") &&
			     ends_with(accidents, fence, -EFAULT, "a fault") &&
			     has(accidents, 0, value) && has(accidents, 1, before[0]) &&
			     has(accidents, 2, before[1]);
	recover(accidents, accidents->queue, value + 1);
	recover(accidents, accidents->dependent, value + 2);
}

/* A job hangs, and the queue is reset, with what was submitted behind it. */
static void cause_hang(struct accidents *accidents, uint64_t value)
{
	struct strata_vbind_exec_op op = { .op = STRATA_VBIND_HANG };
	const uint64_t second = FIRST + WORD;
	struct needs needs = { 0 };
	uint64_t before = accidents->words[1];
	int fence = submit_exec(accidents->fd, accidents->queue, &op, 1, &needs);
	int behind = submit_fills(accidents, accidents->queue, &second, 1, value, -1);

	accidents->cancelled += ends_with(accidents, behind, -ECANCELED, "what is behind a hang");
	accidents->hangs += ends_with(accidents, fence, -ETIME, "a hang") &&
			    has(accidents, 1, before);
	recover(accidents, accidents->queue, value + 1);
}

void accidents_run(struct accidents *accidents)
{
	uint64_t value = 0;

	do {
		cause_fault(accidents, value += 10);
		cause_hang(accidents, value += 10);
	} while (!accidents->stop && !accidents->failed);
}

void accidents_free(struct accidents *accidents)
{
	if (accidents->words)
		munmap(accidents->words, accidents->buffer.size);
	is_zero(destroy(accidents->fd, STRATA_VBIND_QUEUE_DESTROY, accidents->queue), "destroying");
	is_zero(destroy(accidents->fd, STRATA_VBIND_QUEUE_DESTROY, accidents->dependent), "destroying");
	is_zero(destroy(accidents->fd, STRATA_VBIND_VM_DESTROY, accidents->vm), "destroying");
	is_zero(destroy(accidents->fd, STRATA_VBIND_BUFFER_DESTROY, accidents->buffer.id), "destroying");
	free_buffer(&accidents->buffer);
}
