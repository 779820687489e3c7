/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that is short: the device's limits, a memory cgroup, and drop_caches. */
#ifndef STRATA_VBIND_SQUEEZE_H
#define STRATA_VBIND_SQUEEZE_H

#include <stdbool.h>
#include <stdint.h>

struct squeeze {
	/* Set by others: enough. */
	volatile bool stop;
	uint64_t drops;
	bool failed;

	long long soft;
	long long hard;
	long long saved_soft;
	long long saved_hard;
	/* Empty where there is no memory cgroup, or no swap. */
	char group[64];
	uint64_t group_bytes;
};

/* So many bytes of buffers are to be too many, and as many again of the program. */
bool squeeze_begin(struct squeeze *squeeze, uint64_t buffers);
/* Lets the caches go, until it is told to stop. */
void squeeze_run(struct squeeze *squeeze);
/* All is as it was. */
bool squeeze_end(struct squeeze *squeeze);
/* Bytes that the group has written to swap and still has there; -1 for no group. */
long long squeeze_swapped(const struct squeeze *squeeze);

#endif /* STRATA_VBIND_SQUEEZE_H */
