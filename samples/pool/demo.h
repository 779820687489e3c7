/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of pool_demo have in common. */
#ifndef STRATA_POOL_DEMO_H
#define STRATA_POOL_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE	"/dev/strata-pool"

/* Says what went wrong, with errno. Returns 1. */
int fail(const char *what);

/* Data that no other buffer has, the same in each run. */
void generate(void *memory, size_t length, uint64_t seed);

/* Prints a table of the pool under its limit, over it, dropped and refaulted. */
bool show_phases(void);

#endif /* STRATA_POOL_DEMO_H */
