// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/strata-vbind at work while memory is short.
 *
 * Some threads, each with an address space and several queues, bind hundreds of
 * thousands of mappings and execute jobs in them (work.c). Meanwhile the device may
 * hold only a part of their buffers in memory, the program lives in a memory cgroup
 * that is too small for it, all caches are dropped again and again (squeeze.c), and
 * jobs of others fault and hang (accidents.c). What comes out is compared with what
 * a model in user space says (model.c, verify.c).
 */

#include <getopt.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include "accidents.h"
#include "demo.h"
#include "squeeze.h"
#include "work.h"

#define THREADS_MAX	16
#define MIB		(1024.0 * 1024)
#define SECOND		1e9
#define MILLISECOND	1e6

struct demo {
	struct plan plan;
	int fd;
	struct buffer common;
	struct worker workers[THREADS_MAX];
	struct accidents accidents;
	struct squeeze squeeze;
	uint64_t resets;
	double seconds;
	uint64_t mappings_expected;
	uint64_t mappings_counted;
};

static void *work(void *argument)
{
	worker_run(argument);
	return NULL;
}

static void *verify(void *argument)
{
	worker_verify(argument);
	return NULL;
}

static void *drop(void *argument)
{
	squeeze_run(argument);
	return NULL;
}

static void *have_accidents(void *argument)
{
	accidents_run(argument);
	return NULL;
}

static bool start(pthread_t *thread, void *(*body)(void *), void *argument)
{
	errno = pthread_create(thread, NULL, body, argument);
	return !errno || !fail("starting a thread");
}

/* One thread for each worker; returns when all are done. */
static bool run_workers(struct demo *demo, void *(*body)(void *))
{
	pthread_t threads[THREADS_MAX];
	unsigned int i, started;

	for (started = 0; started < demo->plan.threads; started++)
		if (!start(&threads[started], body, &demo->workers[started]))
			break;
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return started == demo->plan.threads;
}

static bool run_all(struct demo *demo)
{
	uint64_t begin = nanoseconds();
	pthread_t drops, accidents;
	bool good;

	if (!start(&drops, drop, &demo->squeeze))
		return false;
	good = start(&accidents, have_accidents, &demo->accidents);
	if (good) {
		good = run_workers(demo, work);
		demo->seconds = (nanoseconds() - begin) / SECOND;
		demo->accidents.stop = true;
		pthread_join(accidents, NULL);
		/* The caches go on being dropped. */
		good = good && run_workers(demo, verify);
	}
	demo->squeeze.stop = true;
	pthread_join(drops, NULL);
	return good;
}

/* Of all buffers that there will be. */
static uint64_t buffer_bytes(const struct plan *plan)
{
	uint64_t windows = plan->threads * WINDOWS;

	return plan->mappings * sizeof(uint64_t) +
	       (windows * WINDOW_BUFFERS + 1) * BUFFER_PAGES * sysconf(_SC_PAGESIZE);
}

static bool prepare(struct demo *demo)
{
	unsigned int i;

	demo->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (demo->fd < 0)
		return !fail(DEVICE);
	if (make_buffer(demo->fd, BUFFER_PAGES * sysconf(_SC_PAGESIZE), 1, &demo->common))
		return !fail("creating a buffer");
	for (i = 0; i < demo->plan.threads; i++)
		if (!worker_init(&demo->workers[i], demo->fd, i, &demo->plan, &demo->common))
			return false;
	return accidents_init(&demo->accidents, demo->fd);
}

static bool ask(const struct demo *demo, struct strata_vbind_stat *stat)
{
	*stat = (struct strata_vbind_stat){ 0 };
	return !ioctl(demo->fd, STRATA_VBIND_STAT, stat) || !fail("asking for figures");
}

/* How many mappings there are; what was destroyed may be counted a little longer. */
static bool count_all(struct demo *demo, struct strata_vbind_stat *stat)
{
	unsigned int i, tries;

	for (i = 0; i < demo->plan.threads; i++)
		demo->mappings_expected += count_mappings(&demo->workers[i].space);
	for (tries = 0; tries < 1000; tries++) {
		if (!ask(demo, stat))
			return false;
		demo->mappings_counted = stat->mappings;
		if (demo->mappings_counted == demo->mappings_expected && !stat->jobs)
			return true;
		usleep(10000);
	}
	return false;
}

static void print_latency(const char *what, struct samples *samples)
{
	samples_sort(samples);
	printf("latency of %s: median %.2f ms, 99 %% below %.2f ms, at most %.2f ms (%zu jobs)\n",
	       what, samples_at(samples, 0.5) / MILLISECOND,
	       samples_at(samples, 0.99) / MILLISECOND, samples_at(samples, 1) / MILLISECOND,
	       samples->count);
}

/* All samples of all threads, in one. */
static struct samples gather(struct demo *demo, bool binds)
{
	struct samples all = { 0 };
	unsigned int i;
	size_t j;

	for (i = 0; i < demo->plan.threads; i++) {
		struct samples *some = binds ? &demo->workers[i].binds : &demo->workers[i].execs;

		for (j = 0; j < some->count; j++)
			samples_add(&all, some->values[j]);
	}
	return all;
}

/* Sums of what all threads did. */
struct sums {
	uint64_t executed, binds, bytes, put_off, failed_jobs;
	uint64_t pages, holes, words, mismatches;
	bool failed;
};

static struct sums sum_up(const struct demo *demo)
{
	struct sums sums = { 0 };
	unsigned int i;

	for (i = 0; i < demo->plan.threads; i++) {
		const struct worker *worker = &demo->workers[i];

		sums.executed += worker->executed;
		sums.binds += worker->submitted_binds;
		sums.bytes += worker->bytes;
		sums.put_off += worker->put_off;
		sums.failed_jobs += worker->flight.failed;
		sums.pages += worker->pages_checked;
		sums.holes += worker->holes_checked;
		sums.words += worker->words_checked;
		sums.mismatches += worker->mismatches;
		sums.failed |= worker->failed;
	}
	return sums;
}

static void print_squeeze(const struct demo *demo, const struct sums *sums, uint64_t buffers,
			  long long swapped)
{
	const struct squeeze *squeeze = &demo->squeeze;
	double page = sysconf(_SC_PAGESIZE) / MIB;

	printf("buffers: %.1f MiB, of which %.1f may stay in memory, and %.1f at most\n",
	       buffers / MIB, squeeze->soft * page, squeeze->hard * page);
	if (swapped >= 0)
		printf("memory cgroup: %.1f MiB for all of the program, %.1f MiB of it in swap\n",
		       squeeze->group_bytes / MIB, swapped / MIB);
	else
		printf("memory cgroup: none, for want of a controller or of swap\n");
	printf("caches dropped: %llu times\n", (unsigned long long)squeeze->drops);
	printf("calls put off for want of room: %llu\n", (unsigned long long)sums->put_off);
}

static void print_checks(const struct demo *demo, const struct sums *sums)
{
	printf("results verified: %llu checksums, one of each mapping\n",
	       (unsigned long long)sums->executed);
	printf("memory verified: %.1f MiB, each word\n", sums->words * sizeof(uint64_t) / MIB);
	printf("spaces verified: %llu mapped pages, %llu holes, %llu mappings where %llu should be\n",
	       (unsigned long long)sums->pages, (unsigned long long)sums->holes,
	       (unsigned long long)demo->mappings_counted,
	       (unsigned long long)demo->mappings_expected);
	printf("mismatches: %llu\n", (unsigned long long)sums->mismatches);
}

/* Prints the figures; whether all is as it should be. */
static bool report(struct demo *demo, const struct strata_vbind_stat *stat, long long swapped)
{
	const struct plan *plan = &demo->plan;
	const struct accidents *accidents = &demo->accidents;
	struct samples binds = gather(demo, true), execs = gather(demo, false);
	struct sums sums = sum_up(demo);
	bool good;

	printf("queues: %u of %u VMs, by as many threads\n", plan->threads * (WINDOWS + 1),
	       plan->threads);
	printf("mappings bound: %llu, and %llu ranges unmapped\n", (unsigned long long)sums.executed,
	       (unsigned long long)(sums.binds - sums.executed));
	printf("mappings executed: %llu, %.1f MiB\n", (unsigned long long)sums.executed,
	       sums.bytes / MIB);
	printf("time: %.1f s, %.0f mappings/s, %.1f MiB/s\n", demo->seconds,
	       sums.executed / demo->seconds, sums.bytes / MIB / demo->seconds);
	print_latency("binds", &binds);
	print_latency("executions", &execs);
	print_squeeze(demo, &sums, stat->bytes, swapped);
	printf("evictions: %llu, each brought back when a job needed it\n",
	       (unsigned long long)stat->evictions);
	printf("faults: %u, and as many jobs that waited for them\n", accidents->faults);
	printf("hangs: %u, each ended by a reset, and %u jobs behind them cancelled\n", accidents->hangs,
	       accidents->cancelled);
	printf("resets: %llu\n", (unsigned long long)demo->resets);
	printf("recovered: %u jobs right after all that, in the same queues\n", accidents->recovered);
	print_checks(demo, &sums);
	good = !sums.failed && !sums.failed_jobs && !sums.mismatches &&
	       sums.executed == plan->mappings &&
	       demo->mappings_counted == demo->mappings_expected &&
	       accidents->faults && accidents->hangs && !accidents->failed &&
	       demo->resets >= accidents->hangs && !demo->squeeze.failed && stat->evictions;
	free(binds.values);
	free(execs.values);
	return good;
}

static bool run(struct demo *demo)
{
	long long resets = read_figure(DEBUGFS "stat", "resets"), swapped;
	struct strata_vbind_stat stat = { 0 };
	bool good;

	good = squeeze_begin(&demo->squeeze, buffer_bytes(&demo->plan));
	/* Memory is charged to the group in which it is first touched. */
	good = good && prepare(demo) && run_all(demo);
	if (demo->accidents.words)
		accidents_free(&demo->accidents);
	good = good && count_all(demo, &stat);
	demo->resets = read_figure(DEBUGFS "stat", "resets") - resets;
	swapped = squeeze_swapped(&demo->squeeze);
	if (demo->seconds > 0)
		good = report(demo, &stat, swapped) && good;
	return squeeze_end(&demo->squeeze) && good;
}

static void print_help(FILE *out)
{
	fprintf(out,
		"usage: vbind_demo [-n MAPPINGS] [-t THREADS] [-b BATCH] [-s SEED]\n"
		"Threads bind mappings in address spaces of " DEVICE " and execute jobs\n"
		"in them, while memory is short.\n"
		"  -n, --mappings N  of all threads (default 200000)\n"
		"  -t, --threads N   each with an address space and three queues (default 3)\n"
		"  -b, --batch N     mappings of one job (default 256)\n"
		"  -s, --seed N      another one does other things (default 1)\n"
		"  -h, --help        print this\n"
		"Prints figures as `key: value`; the status is 0 if everything was right.\n");
}

static void parse(int argc, char **argv, struct plan *plan)
{
	static const struct option names[] = {
		{ "mappings", required_argument, NULL, 'n' },
		{ "threads", required_argument, NULL, 't' },
		{ "batch", required_argument, NULL, 'b' },
		{ "seed", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:t:b:s:h", names, NULL)) != -1)
		switch (option) {
		case 'n':
			plan->mappings = parse_number(optarg, 10000000);
			break;
		case 't':
			plan->threads = parse_number(optarg, THREADS_MAX);
			break;
		case 'b':
			plan->batch = parse_number(optarg, BATCH_MAX);
			break;
		case 's':
			plan->seed = parse_number(optarg, UINT32_MAX);
			break;
		case 'h':
			print_help(stdout);
			exit(0);
		default:
			print_help(stderr);
			exit(2);
		}
	if (optind < argc || plan->mappings < plan->threads) {
		print_help(stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static struct demo demo = {
		.plan = { .mappings = 200000, .threads = 3, .batch = 256, .seed = 1 },
	};
	unsigned int i;
	bool good;

	parse(argc, argv, &demo.plan);
	good = run(&demo);
	for (i = 0; i < demo.plan.threads; i++)
		worker_free(&demo.workers[i]);
	free_buffer(&demo.common);
	return good ? 0 : 1;
}
