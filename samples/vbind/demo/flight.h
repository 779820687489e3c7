/* SPDX-License-Identifier: GPL-2.0 */
/* Jobs that were submitted and have not been seen to end, the oldest first. */
#ifndef STRATA_VBIND_FLIGHT_H
#define STRATA_VBIND_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many one thread has at most. */
#define FLIGHT		16

/* From submission to signal, in nanoseconds. */
struct samples {
	uint64_t *values;
	size_t count;
	size_t room;
};

struct job {
	int fence;
	uint64_t submitted;
	struct samples *samples;
};

struct flight {
	struct job jobs[FLIGHT];
	/* How many there ever were, and how many of these have ended. */
	uint64_t begun;
	uint64_t ended;
	uint64_t failed;
};

/* The job's number; there must be room for it. */
uint64_t flight_add(struct flight *flight, int fence, uint64_t submitted, struct samples *samples);
/* The fence of a job that was not seen to end, or -1. */
int flight_fence(const struct flight *flight, uint64_t number);
/* Waits until there is room, or until all have ended. False if one never ends. */
bool flight_make_room(struct flight *flight);
bool flight_land(struct flight *flight);
/* Waits for the oldest; with none, a moment. */
bool flight_wait(struct flight *flight);

/* Sorts them. The value below which @part of them are, from 0 to 1. */
void samples_sort(struct samples *samples);
uint64_t samples_at(const struct samples *samples, double part);
bool samples_add(struct samples *samples, uint64_t value);

#endif /* STRATA_VBIND_FLIGHT_H */
