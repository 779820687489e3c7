// SPDX-License-Identifier: GPL-2.0
/*
 * The final look at all that a thread did. What is mapped at each page is what the
 * device reads there: it computes a checksum of every page, and faults in holes. What
 * the memory holds is what user space reads, word by word.
 */

#include <sys/mman.h>

#include "demo.h"
#include "work.h"

#define WORD	sizeof(uint64_t)
/* Of all holes, those that are tried. */
#define HOLES	8

/* Where the device writes its answers: over the ledger, which was looked at before. */
struct answers {
	uint64_t address;
	uint64_t *words;
	unsigned int most;
};

static void mismatch(struct worker *worker, const char *what, uint64_t where)
{
	if (!worker->mismatches++)
		fprintf(stderr, "vbind_demo: VM %u: wrong %s at %#llx\n", worker->vm, what,
			(unsigned long long)where);
}

static bool look_at_memory(struct worker *worker, const struct buffer *buffer)
{
	uint64_t *words = map_buffer(worker->fd, buffer);
	uint64_t i;

	if (!words)
		return !fail("mapping a buffer");
	for (i = 0; i < buffer->size / WORD; i++)
		if (words[i] != buffer->model[i])
			mismatch(worker, "word of a buffer", i * WORD);
	worker->words_checked += buffer->size / WORD;
	munmap(words, buffer->size);
	return true;
}

/* The device computes checksums of @count pages, which are of one buffer. */
static bool look_at_pages(struct worker *worker, const struct answers *answers,
			  const struct buffer *buffer, struct strata_vbind_exec_op *ops,
			  uint32_t count)
{
	uint32_t buffers[] = { worker->ledger.id, buffer ? buffer->id : 0 };
	struct submission exec = {
		.queue = worker->binder, .execs = ops, .count = count,
		.buffers = buffers, .buffer_count = buffer ? 2 : 1,
	};
	uint32_t i;

	for (i = 0; i < count; i++)
		ops[i].dst = answers->address + i * WORD;
	if (!worker_submit(worker, &exec) || !flight_land(&worker->flight))
		return false;
	for (i = 0; i < count; i++)
		if (answers->words[i] != model_checksum(&worker->space, ops[i].src, ops[i].length))
			mismatch(worker, "page", ops[i].src);
	worker->pages_checked += count;
	return true;
}

/* All pages at which @buffer is mapped; with NULL, those that are sparse. */
static bool look_at_space(struct worker *worker, const struct answers *answers,
			  const struct buffer *buffer)
{
	static __thread struct strata_vbind_exec_op ops[STRATA_VBIND_OPS_MAX];
	const struct space *space = &worker->space;
	uint32_t count = 0;
	size_t i;

	for (i = 0; i < WINDOWS * WINDOW_PAGES; i++) {
		if (!space->places[i].mapping || space->places[i].buffer != buffer)
			continue;
		ops[count++] = (struct strata_vbind_exec_op){
			.src = space->start + i * space->page_size,
			.length = space->page_size, .op = STRATA_VBIND_CHECKSUM,
		};
		if (count == answers->most) {
			if (!look_at_pages(worker, answers, buffer, ops, count))
				return false;
			count = 0;
		}
	}
	return !count || look_at_pages(worker, answers, buffer, ops, count);
}

/* A page where nothing is mapped faults, and nothing comes of it. */
static bool look_at_hole(struct worker *worker, uint64_t address)
{
	struct strata_vbind_exec_op op = { .dst = address, .length = WORD,
					   .op = STRATA_VBIND_FILL };
	struct needs needs = { 0 };
	uint64_t when;
	int fence = submit_exec(worker->fd, worker->binder, &op, 1, &needs);

	if (fence < 0)
		return !fail("looking at a hole");
	if (fence_result(fence, -1, &when) != -EFAULT)
		mismatch(worker, "hole", address);
	close(fence);
	worker->holes_checked++;
	return true;
}

static bool look_at_holes(struct worker *worker)
{
	const struct space *space = &worker->space;
	size_t i;

	for (i = 0; i < WINDOWS * WINDOW_PAGES && worker->holes_checked < HOLES; i++)
		if (!space->places[i].mapping &&
		    !look_at_hole(worker, space->start + i * space->page_size))
			return false;
	return true;
}

static bool verify(struct worker *worker)
{
	struct answers answers = { .address = worker->ledger_address };
	unsigned int i, j;
	bool good;

	/* First what the answers go over. */
	if (!look_at_memory(worker, &worker->ledger))
		return false;
	answers.words = map_buffer(worker->fd, &worker->ledger);
	if (!answers.words)
		return !fail("mapping the ledger");
	answers.most = worker->ledger.size / WORD < STRATA_VBIND_OPS_MAX ?
		       worker->ledger.size / WORD : STRATA_VBIND_OPS_MAX;
	good = look_at_space(worker, &answers, NULL) &&
	       look_at_space(worker, &answers, worker->common);
	for (i = 0; good && i < WINDOWS; i++)
		for (j = 0; good && j < WINDOW_BUFFERS; j++)
			good = look_at_space(worker, &answers, &worker->windows[i].buffers[j]) &&
			       look_at_memory(worker, &worker->windows[i].buffers[j]);
	munmap(answers.words, worker->ledger.size);
	return good && look_at_holes(worker);
}

void worker_verify(struct worker *worker)
{
	worker->failed |= !verify(worker) || worker->flight.failed;
}
