/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations that fail when told to: fail-nth of the kernel's fault injection
 * (Documentation/fault-injection/fault-injection.rst).
 */
#ifndef STRATA_FAULT_H
#define STRATA_FAULT_H

#include "debugfs.h"
#include "kselftest_harness.h"

#define FAULT_DEBUGFS	"/sys/kernel/debug/"

/* What fails: slab objects, pages, and objects of mempools where a kernel asks for these. */
static const char * const fault_kinds[] = {
	"failslab", "fail_page_alloc", "fail_mempool_alloc", "fail_mempool_alloc_bulk",
};
#define FAULT_KINDS	ARRAY_SIZE(fault_kinds)

/*
 * Without these only allocations that may not sleep fail, and each is announced.
 * The last four are addresses: what fails has one between the first two in its stack
 * trace, and none between the others.
 */
static const char * const fault_settings[][2] = {
	{ "verbose", "0" }, { "ignore-gfp-wait", "N" }, { "ignore-gfp-highmem", "N" },
	{ "cache-filter", "N" }, { "min-order", "0" }, { "stacktrace-depth", "32" },
	{ "require-start", NULL }, { "require-end", NULL },
	{ "reject-start", NULL }, { "reject-end", NULL },
};
#define FAULT_SETTINGS	ARRAY_SIZE(fault_settings)

struct fault {
	int nth;
	char before[FAULT_KINDS][FAULT_SETTINGS][32];
};

/* A function of the kernel: where it begins, and where the next one does. */
struct fault_code {
	const char *name;
	unsigned long long begin;
	unsigned long long end;
};

/* kmemleak stops for good when it cannot take a note. */
static struct fault_code fault_within, fault_without = { .name = "__alloc_object" };

static inline void fault_note(struct fault_code *code, const char *name, unsigned long long at)
{
	if (code->begin && !code->end && at != code->begin)
		code->end = at;
	else if (code->name && !code->begin && !strcmp(code->name, name))
		code->begin = at;
}

/*
 * To be called once, since it takes a while. Only what is allocated in calls of @within
 * will fail, or everything if that is NULL.
 */
static inline void fault_find(const char *within)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	unsigned long long at;
	char name[512];

	fault_within.name = within;
	/* In the order of their addresses. */
	while (symbols && fscanf(symbols, "%llx %*c %511s%*[^\n]", &at, name) == 2) {
		fault_note(&fault_within, name, at);
		fault_note(&fault_without, name, at);
	}
	if (symbols)
		fclose(symbols);
	if (!within)
		fault_within.end = -1ull;
}

static inline bool fault_set(struct fault *fault, int kind, int setting, const char *value)
{
	char *before = fault->before[kind][setting], path[128];

	snprintf(path, sizeof(path), FAULT_DEBUGFS "%s/%s", fault_kinds[kind], fault_settings[setting][0]);
	/* Not every kind has every setting. */
	if (!before[0] && read_text(path, before, sizeof(fault->before[0][0])) <= 0)
		return access(path, F_OK);
	return !write_text(path, value);
}

/* Whether this kernel can do it; to be asked after fault_find(). */
static inline bool fault_possible(void)
{
	return !access("/proc/thread-self/fail-nth", F_OK) && fault_within.end &&
	       !access(FAULT_DEBUGFS "failslab/require-start", F_OK) &&
	       !access(FAULT_DEBUGFS "fail_page_alloc/require-start", F_OK);
}

/* For the calling thread only. False if it fails. */
static inline bool fault_begin(struct fault *fault)
{
	const unsigned long long addresses[] = {
		fault_within.begin, fault_within.end, fault_without.begin, fault_without.end,
	};
	int kind, setting, address;
	const char *value;
	char text[32];
	bool done;

	*fault = (struct fault){ .nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC) };
	done = fault->nth >= 0;
	for (kind = 0; kind < FAULT_KINDS; kind++) {
		for (setting = 0, address = 0; setting < FAULT_SETTINGS; setting++) {
			value = fault_settings[setting][1];
			if (!value) {
				snprintf(text, sizeof(text), "0x%llx", addresses[address++]);
				value = text;
			}
			done &= fault_set(fault, kind, setting, value);
		}
	}
	return done;
}

static inline void fault_end(struct fault *fault)
{
	int kind, setting;

	for (kind = 0; kind < FAULT_KINDS; kind++)
		for (setting = 0; setting < FAULT_SETTINGS; setting++)
			if (fault->before[kind][setting][0])
				fault_set(fault, kind, setting, fault->before[kind][setting]);
	close(fault->nth);
}

/* From here on the @nth allocation fails, counted from 1. */
static inline int fault_arm(struct fault *fault, unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fault->nth, text, length, 0) == length ? 0 : -errno;
}

/* Whether one failed since fault_arm(). None does any more. */
static inline bool fault_disarm(struct fault *fault)
{
	char text[16] = "";
	bool failed;

	failed = pread(fault->nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
	fault_arm(fault, 0);
	return failed;
}

/* The main of a program that is about nothing else. */
static inline int fault_harness(int argc, char **argv, const char *within)
{
	fault_find(within);
	if (!fault_possible()) {
		ksft_print_header();
		ksft_exit_skip("this kernel injects no faults\n");
	}
	return test_harness_run(argc, argv);
}

#endif /* STRATA_FAULT_H */
