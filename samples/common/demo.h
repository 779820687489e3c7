/* SPDX-License-Identifier: GPL-2.0 */
/* What the demo programs of all samples have in common. */
#ifndef STRATA_DEMO_H
#define STRATA_DEMO_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Says what went wrong, with errno. Returns 1. */
static inline int fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	return 1;
}

/* Data that no other buffer has, the same in each run. */
static inline void generate(void *memory, size_t length, uint64_t seed)
{
	uint64_t *words = memory, state = seed * 0x9e3779b97f4a7c15ull + 1;
	size_t i;

	for (i = 0; i < length / sizeof(*words); i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		words[i] = state;
	}
}

/* Since some moment that is the same for all, and for the timestamps of fences. */
static inline uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* An argument of the command line; ends the program if it is no such number. */
static inline unsigned int parse_number(const char *text, unsigned int most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || !value || value > most) {
		fprintf(stderr, "%s: %s: not a number from 1 to %u\n",
			program_invocation_short_name, text, most);
		exit(2);
	}
	return value;
}

/* The number behind @key in a file of lines `key number`; negative where there is none. */
static inline long long read_figure(const char *path, const char *key)
{
	FILE *file = fopen(path, "r");
	long long value = -1, seen;
	char name[32];

	while (file && fscanf(file, "%31s %lld", name, &seen) == 2)
		if (!strcmp(key, name))
			value = seen;
	if (file)
		fclose(file);
	return value;
}

/* Writes all of @text at once, and says so if that fails. */
static inline bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (!done)
		fail(path);
	if (fd >= 0)
		close(fd);
	return done;
}

#endif /* STRATA_DEMO_H */
