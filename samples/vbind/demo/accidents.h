/* SPDX-License-Identifier: GPL-2.0 */
/* Jobs that fault and jobs that hang, next to others that notice nothing of it. */
#ifndef STRATA_VBIND_ACCIDENTS_H
#define STRATA_VBIND_ACCIDENTS_H

#include "device.h"

struct accidents {
	int fd;
	/* Set by others: enough. */
	volatile bool stop;

	uint32_t vm;
	uint32_t queue;
	uint32_t dependent;
	struct buffer buffer;
	uint64_t *words;

	unsigned int faults;
	unsigned int hangs;
	unsigned int cancelled;
	/* Jobs that ran afterwards, in the same queues. */
	unsigned int recovered;
	bool failed;
};

bool accidents_init(struct accidents *accidents, int fd);
/* At least one of each. */
void accidents_run(struct accidents *accidents);
/* Nothing of it is left. */
void accidents_free(struct accidents *accidents);

#endif /* STRATA_VBIND_ACCIDENTS_H */
