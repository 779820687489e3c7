// SPDX-License-Identifier: GPL-2.0
/*
 * One thread: an address space of two windows, a queue that binds, and one for each
 * window that executes.
 *
 * Again and again it takes a window, maps some hundred ranges of it anew, over what
 * was there, and lets a job work in each of them: fill, copy, add, and then compute
 * a checksum, which goes to a word of its own that nobody writes again. It does not
 * wait for any of that, but tells the device what must come after what. From time to
 * time a job also reads the other window, so that both wait for it.
 *
 * What comes out of a job is known from the model when it is submitted.
 */

#include "demo.h"
#include "work.h"

/* Nobody needs all of the device for so long. */
#define NEVER		120000000000ull
/* One of so many is not what most are. */
#define RARELY		16
/* The windows begin here, in pages; and there is a hole between the windows. */
#define FIRST_PAGE	256
#define WORD		sizeof(uint64_t)

uint64_t worker_random(struct worker *worker, uint64_t bound)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return worker->random % bound;
}

static bool rarely(struct worker *worker)
{
	return !worker_random(worker, RARELY);
}

static bool is_refused(int ret, const char *what)
{
	errno = -ret;
	return ret && fail(what);
}

/* Makes the ledger, and maps it behind the windows. */
static bool make_ledger(struct worker *worker)
{
	size_t page = worker->space.page_size;
	uint64_t size = (worker->mappings * WORD + page - 1) / page * page;
	struct strata_vbind_bind_op op;
	struct needs needs = { 0 };
	uint64_t when;
	int fence;

	if (is_refused(make_buffer(worker->fd, size, worker->number, &worker->ledger), "the ledger"))
		return false;
	worker->ledger_address = worker->space.start + WINDOWS * WINDOW_PAGES * page;
	op = map_op(worker->ledger_address, size, &worker->ledger, 0);
	fence = submit_bind(worker->fd, worker->binder, &op, 1, &needs);
	if (fence < 0)
		return !is_refused(fence, "binding the ledger");
	if (is_refused(fence_result(fence, -1, &when), "the ledger's fence"))
		return false;
	close(fence);
	model_bind(&worker->space, &op, &worker->ledger);
	return true;
}

static bool make_window(struct worker *worker, unsigned int number)
{
	struct window *window = &worker->windows[number];
	size_t page = worker->space.page_size;
	unsigned int i;

	window->start = worker->space.start + number * WINDOW_PAGES * page;
	for (i = 0; i < WINDOW_BUFFERS; i++) {
		uint64_t seed = (worker->number * WINDOWS + number) * WINDOW_BUFFERS + i + 1000;

		if (is_refused(make_buffer(worker->fd, BUFFER_PAGES * page, seed,
					   &window->buffers[i]), "creating a buffer"))
			return false;
	}
	return !is_refused(make_queue(worker->fd, worker->vm, 0, &window->queue), "creating a queue");
}

bool worker_init(struct worker *worker, int fd, unsigned int number, const struct plan *plan,
		 const struct buffer *common)
{
	unsigned int mappings = plan->mappings / plan->threads +
				(number < plan->mappings % plan->threads);
	size_t page = sysconf(_SC_PAGESIZE);
	size_t ledger = (mappings * WORD + page - 1) / page;
	size_t pages = WINDOWS * WINDOW_PAGES + ledger;
	unsigned int i;

	*worker = (struct worker){ .fd = fd, .number = number, .mappings = mappings,
				   .batch = plan->batch, .common = common };
	worker->random = ((uint64_t)plan->seed << 32) + number + 1;
	if (!space_init(&worker->space, FIRST_PAGE * page, pages))
		return !fail("the model");
	if (is_refused(make_vm(fd, FIRST_PAGE * page, pages * page, &worker->vm), "creating a VM") ||
	    is_refused(make_queue(fd, worker->vm, 0, &worker->binder), "creating a queue"))
		return false;
	for (i = 0; i < WINDOWS; i++)
		if (!make_window(worker, i))
			return false;
	return make_ledger(worker);
}

void worker_free(struct worker *worker)
{
	unsigned int i, j;

	for (i = 0; i < WINDOWS; i++)
		for (j = 0; j < WINDOW_BUFFERS; j++)
			free_buffer(&worker->windows[i].buffers[j]);
	free_buffer(&worker->ledger);
	space_free(&worker->space);
	free(worker->binds.values);
	free(worker->execs.values);
}

static int submit_once(struct worker *worker, const struct submission *submission)
{
	int32_t waits[3];
	struct needs needs = { .waits = waits, .buffers = submission->buffers,
			       .buffer_count = submission->buffer_count };
	unsigned int i;
	int fence;

	/* What has ended need not be waited for. */
	for (i = 0; i < 3; i++) {
		fence = flight_fence(&worker->flight, submission->after[i]);
		if (fence >= 0)
			waits[needs.wait_count++] = fence;
	}
	if (submission->binds)
		return submit_bind(worker->fd, submission->queue, submission->binds,
				   submission->count, &needs);
	return submit_exec(worker->fd, submission->queue, submission->execs, submission->count,
			   &needs);
}

uint64_t worker_submit(struct worker *worker, const struct submission *submission)
{
	struct samples *samples = submission->binds ? &worker->binds : &worker->execs;
	uint64_t first = nanoseconds(), begin;
	int fence;

	if (!flight_make_room(&worker->flight))
		return 0;
	for (;;) {
		begin = nanoseconds();
		fence = submit_once(worker, submission);
		if (fence >= 0)
			return flight_add(&worker->flight, fence, begin, samples);
		/* There is too much under way, or in memory: what goes on will end. */
		if ((fence != -EAGAIN && fence != -ENOSPC) || begin - first > NEVER) {
			is_refused(fence, submission->binds ? "binding" : "executing");
			return 0;
		}
		worker->put_off++;
		if (!flight_wait(&worker->flight))
			return 0;
	}
}

/* Some ranges are unmapped, and so many mapped; the model sees it at once. */
static uint32_t make_binds(struct worker *worker, struct window *window, unsigned int count,
			   const struct buffer *const *buffers, struct strata_vbind_bind_op *ops)
{
	size_t page = worker->space.page_size;
	unsigned int unmaps = count / RARELY, i;

	for (i = 0; i < unmaps + count; i++) {
		uint64_t pages = 1 + worker_random(worker, MAPPING_PAGES);
		uint64_t first = worker_random(worker, WINDOW_PAGES - pages + 1);
		const struct buffer *buffer = NULL;

		ops[i] = (struct strata_vbind_bind_op){
			.address = window->start + first * page, .length = pages * page,
			.op = i < unmaps ? STRATA_VBIND_UNMAP : STRATA_VBIND_MAP,
		};
		if (i >= unmaps) {
			window->recent[i - unmaps] = (struct range){ ops[i].address, ops[i].length };
			if (rarely(worker)) {
				ops[i].flags = STRATA_VBIND_SPARSE;
			} else if (rarely(worker)) {
				buffer = worker->common;
				ops[i].flags = STRATA_VBIND_READ_ONLY;
			} else {
				buffer = buffers[worker_random(worker, JOB_BUFFERS)];
			}
		}
		if (buffer) {
			ops[i].buffer = buffer->id;
			ops[i].offset = worker_random(worker, BUFFER_PAGES - pages + 1) * page;
		}
		model_bind(&worker->space, &ops[i], buffer);
	}
	window->recent_count = count;
	return unmaps + count;
}

/* A part of a range, @length bytes long. */
static uint64_t part_of(struct worker *worker, const struct range *range, uint64_t length)
{
	return range->address + worker_random(worker, (range->length - length) / WORD + 1) * WORD;
}

/* Something is done in each range of a window, with those of @from. */
static uint32_t make_execs(struct worker *worker, const struct window *window,
			   const struct window *from, struct strata_vbind_exec_op *ops)
{
	uint64_t longest = worker->space.page_size / 2;
	uint32_t count = 0;
	unsigned int i;

	for (i = 0; i < window->recent_count; i++) {
		const struct range *to = &window->recent[i];
		const struct range *other = &from->recent[worker_random(worker, from->recent_count)];
		uint64_t length = (1 + worker_random(worker, longest / WORD)) * WORD;
		struct strata_vbind_exec_op op = { .length = length };

		/* Some across pages, and across what was mapped over a part of it since. */
		if (rarely(worker))
			length = op.length = to->length < other->length ? to->length : other->length;
		op.dst = part_of(worker, to, length);
		op.op = STRATA_VBIND_FILL + worker_random(worker, 3);
		if (op.op == STRATA_VBIND_FILL)
			op.value = worker_random(worker, ~0ull);
		else
			op.src = part_of(worker, other, length);
		if (is_writable(&worker->space, op.dst, length)) {
			model_exec(&worker->space, &op);
			ops[count++] = op;
		}
		ops[count] = (struct strata_vbind_exec_op){
			.dst = worker->ledger_address + worker->executed * WORD,
			.src = op.dst, .length = length, .op = STRATA_VBIND_CHECKSUM,
		};
		model_exec(&worker->space, &ops[count++]);
		worker->executed++;
		worker->bytes += 2 * length;
	}
	return count;
}

/* Adds the buffers that are mapped in the ranges of a window, each once. */
static uint32_t name_buffers(const struct worker *worker, const struct window *window,
			     uint32_t *ids, uint32_t count)
{
	size_t page = worker->space.page_size;
	unsigned int i, known;
	uint64_t at;

	for (i = 0; i < window->recent_count; i++)
		for (at = 0; at < window->recent[i].length; at += page) {
			const struct place *place =
				place_of(&worker->space, window->recent[i].address + at);

			if (!place->buffer)
				continue;
			for (known = 0; known < count; known++)
				if (ids[known] == place->buffer->id)
					break;
			if (known == count)
				ids[count++] = place->buffer->id;
		}
	return count;
}

/* Maps so many ranges of a window anew, and works in all of them. */
static bool do_batch(struct worker *worker, struct window *window, struct window *from,
		     unsigned int count)
{
	static __thread struct strata_vbind_bind_op binds[STRATA_VBIND_OPS_MAX];
	static __thread struct strata_vbind_exec_op execs[STRATA_VBIND_OPS_MAX];
	const struct buffer *buffers[JOB_BUFFERS];
	uint32_t ids[2 * JOB_BUFFERS + 2];
	struct submission bind = { .queue = worker->binder, .binds = binds,
				   .after = { window->last } };
	struct submission exec = { .queue = window->queue, .execs = execs, .buffers = ids };
	unsigned int first, i;

	first = worker_random(worker, WINDOW_BUFFERS);
	for (i = 0; i < JOB_BUFFERS; i++)
		buffers[i] = &window->buffers[(first + i) % WINDOW_BUFFERS];
	bind.count = make_binds(worker, window, count, buffers, binds);
	window->last = worker_submit(worker, &bind);
	if (!window->last)
		return false;
	worker->submitted_binds += bind.count;

	exec.count = make_execs(worker, window, from, execs);
	exec.after[0] = window->last;
	exec.after[1] = from->last;
	ids[0] = worker->ledger.id;
	exec.buffer_count = name_buffers(worker, window, ids, 1);
	exec.buffer_count = name_buffers(worker, from, ids, exec.buffer_count);
	window->last = worker_submit(worker, &exec);
	/* What was read may not change before that. */
	from->last = window->last;
	return window->last;
}

void worker_run(struct worker *worker)
{
	unsigned int batches = 0, left = worker->mappings, count;

	while (left && !worker->failed) {
		struct window *window = &worker->windows[batches % WINDOWS];
		struct window *other = &worker->windows[(batches + 1) % WINDOWS];
		bool both = other->recent_count && !worker_random(worker, 4);

		count = left < worker->batch ? left : worker->batch;
		worker->failed = !do_batch(worker, window, both ? other : window, count);
		left -= count;
		batches++;
	}
	worker->failed |= !flight_land(&worker->flight) || worker->flight.failed;
}
