/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of pool_demo have in common. */
#ifndef STRATA_POOL_DEMO_H
#define STRATA_POOL_DEMO_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DEVICE	"/dev/strata-pool"

/* Says what went wrong, with errno. Returns 1. */
static inline int fail(const char *what)
{
	fprintf(stderr, "pool_demo: %s: %s\n", what, strerror(errno));
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

/* Prints a table of the pool under its limit, over it, dropped and refaulted. */
bool show_phases(void);

#endif /* STRATA_POOL_DEMO_H */
