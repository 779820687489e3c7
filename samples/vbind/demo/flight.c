// SPDX-License-Identifier: GPL-2.0
/* Jobs that were submitted and have not been seen to end, the oldest first. */

#include "demo.h"
#include "device.h"
#include "flight.h"

/* What takes longer has been lost. */
#define NEVER_MS	120000

bool samples_add(struct samples *samples, uint64_t value)
{
	uint64_t *values;

	if (samples->count == samples->room) {
		samples->room = samples->room ? 2 * samples->room : 1024;
		values = realloc(samples->values, samples->room * sizeof(*values));
		if (!values)
			return false;
		samples->values = values;
	}
	samples->values[samples->count++] = value;
	return true;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

void samples_sort(struct samples *samples)
{
	qsort(samples->values, samples->count, sizeof(*samples->values), compare);
}

uint64_t samples_at(const struct samples *samples, double part)
{
	size_t index = part * samples->count;

	if (!samples->count)
		return 0;
	return samples->values[index < samples->count ? index : samples->count - 1];
}

uint64_t flight_add(struct flight *flight, int fence, uint64_t submitted, struct samples *samples)
{
	uint64_t number = ++flight->begun;

	flight->jobs[number % FLIGHT] = (struct job){ fence, submitted, samples };
	return number;
}

int flight_fence(const struct flight *flight, uint64_t number)
{
	return number > flight->ended ? flight->jobs[number % FLIGHT].fence : -1;
}

/* Looks at the oldest for so long. Whether it has ended. */
static bool end_one(struct flight *flight, int timeout_ms)
{
	struct job *job = &flight->jobs[(flight->ended + 1) % FLIGHT];
	uint64_t when = 0;
	int ret = fence_result(job->fence, timeout_ms, &when);

	if (ret == -ETIMEDOUT)
		return false;
	if (ret) {
		fprintf(stderr, "vbind_demo: a job failed: %s\n", strerror(-ret));
		flight->failed++;
	}
	/* One with nothing to wait for may end before the submission returns, not before it began. */
	if (!samples_add(job->samples, when > job->submitted ? when - job->submitted : 0))
		flight->failed++;
	close(job->fence);
	flight->ended++;
	return true;
}

bool flight_wait(struct flight *flight)
{
	if (flight->ended == flight->begun) {
		usleep(1000);
		return true;
	}
	return end_one(flight, NEVER_MS);
}

bool flight_make_room(struct flight *flight)
{
	while (flight->ended < flight->begun && end_one(flight, 0))
		;
	return flight->begun - flight->ended < FLIGHT || end_one(flight, NEVER_MS);
}

bool flight_land(struct flight *flight)
{
	while (flight->ended < flight->begun)
		if (!end_one(flight, NEVER_MS))
			return false;
	return true;
}
