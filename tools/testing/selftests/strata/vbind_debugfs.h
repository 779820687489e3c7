/* SPDX-License-Identifier: GPL-2.0 */
/* The files of /dev/strata-vbind in debugfs: what all open files have, and the limit. */
#ifndef STRATA_VBIND_DEBUGFS_H
#define STRATA_VBIND_DEBUGFS_H

#include "debugfs.h"
#include "vbind_calls.h"

#define VBIND_DEBUGFS	"/sys/kernel/debug/strata-vbind/"

struct vbind_totals {
	/* What there is; all of it goes with the files. */
	long long vms, buffers, queues, jobs, mappings, bytes, held;
	long long exported, imported, pinned;
	/* What there ever was. */
	long long evictions, submitted, completed, failed, resets, told;
};

static inline int vbind_totals(struct vbind_totals *totals)
{
	const struct { const char *key; long long *value; } lines[] = {
		{ "vms", &totals->vms }, { "buffers", &totals->buffers },
		{ "queues", &totals->queues }, { "jobs", &totals->jobs },
		{ "mappings", &totals->mappings }, { "bytes", &totals->bytes },
		{ "held", &totals->held }, { "evictions", &totals->evictions },
		{ "submitted", &totals->submitted }, { "completed", &totals->completed },
		{ "failed", &totals->failed }, { "resets", &totals->resets },
		{ "exported", &totals->exported }, { "imported", &totals->imported },
		{ "pinned", &totals->pinned }, { "told", &totals->told }, {},
	};
	char text[1024];
	int ret = read_in(VBIND_DEBUGFS, "stat", text, sizeof(text)), i;

	for (i = 0; ret >= 0 && lines[i].key; i++) {
		*lines[i].value = number_of(text, lines[i].key, 0);
		if (*lines[i].value < 0)
			ret = -EINVAL;
	}
	return ret < 0 ? ret : 0;
}

static inline bool same_vbind_totals(const struct vbind_totals *a, const struct vbind_totals *b)
{
	return a->vms == b->vms && a->buffers == b->buffers && a->queues == b->queues &&
	       a->jobs == b->jobs && a->mappings == b->mappings && a->bytes == b->bytes &&
	       a->held == b->held && a->exported == b->exported &&
	       a->imported == b->imported && a->pinned == b->pinned;
}

/*
 * What was closed or destroyed leaves the counts when the last job that uses it has
 * ended. Whoever waits in vain is ended by the harness.
 */
static inline int vbind_settles(const struct vbind_totals *before)
{
	struct vbind_totals after;
	int ret;

	while (!(ret = vbind_totals(&after)) && !same_vbind_totals(&after, before))
		usleep(1000);
	return ret;
}

static inline int vbind_limit(struct limit *limit)
{
	return limit_in(VBIND_DEBUGFS, limit);
}

static inline int vbind_set_limit(long long soft, long long hard)
{
	return set_limit_in(VBIND_DEBUGFS, soft, hard);
}

static inline int vbind_drop(const char *what)
{
	return write_in(VBIND_DEBUGFS, "drop_caches", what);
}

/* Pages that the shrinker counts, or the negative errno. */
static inline long long vbind_count(void)
{
	return count_in(VBIND_DEBUGFS);
}

#endif /* STRATA_VBIND_DEBUGFS_H */
