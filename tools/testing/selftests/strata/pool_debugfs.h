/* SPDX-License-Identifier: GPL-2.0 */
/* The pool's files in debugfs: what all open files hold, the limit, and the trigger. */
#ifndef STRATA_POOL_DEBUGFS_H
#define STRATA_POOL_DEBUGFS_H

#include "debugfs.h"
#include "pool_calls.h"

#define POOL_DEBUGFS	"/sys/kernel/debug/strata-pool/"
#define POOL_STAT	POOL_DEBUGFS "stat"
#define POOL_COUNT	POOL_DEBUGFS "count"
#define POOL_LIMIT	POOL_DEBUGFS "limit"
#define POOL_DROP	POOL_DEBUGFS "drop_caches"
#define POOL_DROP_STATS	POOL_DEBUGFS "drop_stats"

/* What all open files hold. */
struct pool_totals {
	long long buffers;
	long long bytes;
	long long pinned;
	long long idle;
	long long purgeable;
	/* Buffers that were ever purged. */
	long long purged;
};

static inline int pool_totals(struct pool_totals *totals)
{
	char text[512];
	int ret = read_text(POOL_STAT, text, sizeof(text));

	*totals = (struct pool_totals){};
	if (ret < 0)
		return ret;
	*totals = (struct pool_totals){
		.buffers = number_of(text, "buffers", 0),
		.bytes = number_of(text, "bytes", 0),
		.pinned = number_of(text, "pinned", 0),
		.idle = number_of(text, "idle", 0),
		.purgeable = number_of(text, "purgeable", 0),
		.purged = number_of(text, "purged", 0),
	};
	return totals->buffers < 0 || totals->bytes < 0 || totals->pinned < 0 ||
	       totals->idle < 0 || totals->purgeable < 0 || totals->purged < 0 ? -EINVAL : 0;
}

/* Whether nothing but what was ever purged differs. */
static inline bool same_totals(const struct pool_totals *a, const struct pool_totals *b)
{
	return a->buffers == b->buffers && a->bytes == b->bytes && a->pinned == b->pinned &&
	       a->idle == b->idle && a->purgeable == b->purgeable;
}

/* Pages that the shrinker counts, or the negative errno. */
static inline long long pool_count(void)
{
	return count_in(POOL_DEBUGFS);
}

static inline int pool_limit(struct limit *limit)
{
	return limit_in(POOL_DEBUGFS, limit);
}

static inline int pool_set_limit(long long soft, long long hard)
{
	return set_limit_in(POOL_DEBUGFS, soft, hard);
}

/* Pages that the pool holds, or the negative errno. */
static inline long long pool_used(void)
{
	struct limit limit;

	return pool_limit(&limit) ?: limit.used;
}

static inline int pool_drop(const char *what)
{
	return write_text(POOL_DROP, what);
}

static inline int drop_stats(struct drop_stats *stats, int which)
{
	return drop_stats_in(POOL_DEBUGFS, stats, which);
}

#endif /* STRATA_POOL_DEBUGFS_H */
