/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of pool_demo have in common. */
#ifndef STRATA_POOL_PHASES_H
#define STRATA_POOL_PHASES_H

#include <stdbool.h>

#define DEVICE	"/dev/strata-pool"

/* Prints a table of the pool under its limit, over it, dropped and refaulted. */
bool show_phases(void);

#endif /* STRATA_POOL_PHASES_H */
