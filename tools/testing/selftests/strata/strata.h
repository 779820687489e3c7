/* SPDX-License-Identifier: GPL-2.0 */
/* What all tests have in common. */
#ifndef STRATA_SELFTEST_H
#define STRATA_SELFTEST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crc32c.h"
#include "pass_fd.h"

/* Lockdep makes everything many times slower, and there is less memory for us. */
static inline bool debug_kernel(void)
{
	return access("/proc/lockdep_stats", F_OK) == 0;
}

static inline size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* The calls return 0, or the negative errno. */
static inline int result(int ret)
{
	return ret < 0 ? -errno : ret;
}

/* Numbers that look random and are the same in each run: xorshift64. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline void fill(void *memory, size_t length, uint64_t seed)
{
	uint64_t state = seed * 2654435761u + 1;
	uint64_t *words = memory;
	size_t i;

	for (i = 0; i < length / sizeof(*words); i++)
		words[i] = next_random(&state);
}

/* Files that this process has open. */
static inline int open_files(void)
{
	DIR *files = opendir("/proc/self/fd");
	int count = 0;

	while (files && readdir(files))
		count++;
	if (files)
		closedir(files);
	/* Without ".", "..", and the folder itself. */
	return count - 3;
}

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* The status of a child that ended, or -1. */
static inline int wait_for(pid_t child)
{
	int status;

	return waitpid(child, &status, 0) == child ? status : -1;
}

#endif /* STRATA_SELFTEST_H */
