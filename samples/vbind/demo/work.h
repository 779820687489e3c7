/* SPDX-License-Identifier: GPL-2.0 */
/* What one thread of the demo does, and how that is checked. */
#ifndef STRATA_VBIND_WORK_H
#define STRATA_VBIND_WORK_H

#include "flight.h"
#include "model.h"

/* Parts of a space that jobs of different queues work in at the same time. */
#define WINDOWS		2
#define WINDOW_PAGES	2048
#define WINDOW_BUFFERS	16
#define BUFFER_PAGES	64
/* Buffers that one job works with, and the largest mapping. */
#define JOB_BUFFERS	4
#define MAPPING_PAGES	4
/* Mappings of one job; there are two operations for each. */
#define BATCH_MAX	512

struct range {
	uint64_t address;
	uint64_t length;
};

struct window {
	struct buffer buffers[WINDOW_BUFFERS];
	uint32_t queue;
	uint64_t start;
	/* The number of the last job that had to do with it. */
	uint64_t last;
	/* What was mapped last, all of which still is. */
	struct range recent[BATCH_MAX];
	unsigned int recent_count;
};

struct worker {
	int fd;
	unsigned int number;
	unsigned int mappings;
	unsigned int batch;
	uint64_t random;

	uint32_t vm;
	uint32_t binder;
	struct space space;
	struct window windows[WINDOWS];
	/* Read-only, and the same for all workers. */
	const struct buffer *common;
	/* A word for each mapping, with the checksum of what was done there. */
	struct buffer ledger;
	uint64_t ledger_address;

	struct flight flight;
	struct samples binds;
	struct samples execs;
	uint64_t submitted_binds;
	uint64_t executed;
	uint64_t bytes;
	/* Calls that were told to come again. */
	uint64_t put_off;
	bool failed;

	/* What the final look at it found. */
	uint64_t pages_checked;
	uint64_t holes_checked;
	uint64_t words_checked;
	uint64_t mismatches;
};

/* What all workers are told. */
struct plan {
	/* Of all together, and of one job. */
	unsigned int mappings;
	unsigned int batch;
	unsigned int threads;
	unsigned int seed;
};

/* All memory is allocated here. */
bool worker_init(struct worker *worker, int fd, unsigned int number, const struct plan *plan,
		 const struct buffer *common);
void worker_free(struct worker *worker);
/* Binds and executes all its mappings. */
void worker_run(struct worker *worker);
/* Compares all of its address space and memory with the model. */
void worker_verify(struct worker *worker);

/* A number below @bound, of those that are the same in each run. */
uint64_t worker_random(struct worker *worker, uint64_t bound);

/* What one submission has, with the numbers of the jobs that it comes after. */
struct submission {
	uint32_t queue;
	const struct strata_vbind_bind_op *binds;
	const struct strata_vbind_exec_op *execs;
	uint32_t count;
	uint64_t after[3];
	const uint32_t *buffers;
	uint32_t buffer_count;
};

/* Submits it as often as it is put off; the job's number, or 0. */
uint64_t worker_submit(struct worker *worker, const struct submission *submission);

#endif /* STRATA_VBIND_WORK_H */
