/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small files of text, and those that every device of ours has in its folder of
 * debugfs: what its shrinker counts, the limit, and the trigger.
 */
#ifndef STRATA_DEBUGFS_H
#define STRATA_DEBUGFS_H

#include "strata.h"

/* All of a small file. Returns its length or the negative errno. */
static inline int read_text(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got, length = 0;

	if (fd < 0)
		return -errno;
	do {
		got = read(fd, text + length, room - 1 - length);
		length += got > 0 ? got : 0;
	} while (got > 0);
	text[length] = '\0';
	got = result(got);
	close(fd);
	return got ?: length;
}

/* In one write, as debugfs wants it. Returns 0 or the negative errno. */
static inline int write_bytes(const char *path, const void *bytes, size_t length)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t done;

	if (fd < 0)
		return -errno;
	done = result(write(fd, bytes, length));
	close(fd);
	return done < 0 ? done : done == (ssize_t)length ? 0 : -EIO;
}

static inline int write_text(const char *path, const char *text)
{
	return write_bytes(path, text, strlen(text));
}

/* The number behind @key, at the beginning of a line; the nth of them; or -1. */
static inline long long number_of(const char *text, const char *key, int nth)
{
	size_t length = strlen(key);
	long long value = -1;
	char *end;

	while (text && (strncmp(text, key, length) || (text[length] != ' ' && text[length] != ':'))) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	if (!text)
		return -1;
	for (text += length + 1; nth >= 0; nth--, text = end) {
		value = strtoll(text, &end, 10);
		if (end == text)
			return -1;
	}
	return value;
}

/* The number behind @key in a file like /proc/meminfo, or -1. */
static inline long long number_in(const char *path, const char *key)
{
	char text[16384];

	return read_text(path, text, sizeof(text)) < 0 ? -1 : number_of(text, key, 0);
}

/* The same of a file in a folder. */
static inline int read_in(const char *folder, const char *file, char *text, size_t room)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s", folder, file);
	return read_text(path, text, room);
}

static inline int write_in(const char *folder, const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s", folder, file);
	return write_text(path, text);
}

/* Pages that the shrinker counts, or the negative errno. */
static inline long long count_in(const char *folder)
{
	char text[64], *end;
	int ret = read_in(folder, "count", text, sizeof(text));
	long long count;

	if (ret < 0)
		return ret;
	count = strtoll(text, &end, 10);
	return end == text || count < 0 ? -EINVAL : count;
}

/* In pages. */
struct limit {
	long long soft;
	long long hard;
	long long used;
	long long peak;
};

static inline int limit_in(const char *folder, struct limit *limit)
{
	char text[256];
	int ret = read_in(folder, "limit", text, sizeof(text));

	*limit = (struct limit){};
	if (ret < 0)
		return ret;
	limit->soft = number_of(text, "soft", 0);
	limit->hard = number_of(text, "hard", 0);
	limit->used = number_of(text, "used", 0);
	limit->peak = number_of(text, "peak", 0);
	return limit->soft < 0 || limit->hard < 0 || limit->used < 0 || limit->peak < 0 ? -EINVAL : 0;
}

static inline int set_limit_in(const char *folder, long long soft, long long hard)
{
	char text[64];

	snprintf(text, sizeof(text), "soft %lld hard %lld", soft, hard);
	return write_in(folder, "limit", text);
}

/* Of the last trigger, or of all; the pages of the rounds by their names. */
struct drop_stats {
	long long passes, count_before, count_after, nr_to_scan, scanned, freed, stop;
	long long trylock_failed, waited, wait_timeout;
	long long purged, idle, active, written_back, stuck, ns;
	long long debug_locks;
};

#define DROP_LAST	0
#define DROP_TOTAL	1

/* -EINVAL if a line is missing or is not two numbers. */
static inline int drop_stats_in(const char *folder, struct drop_stats *stats, int which)
{
	const struct { const char *key; long long *value; } lines[] = {
		{ "passes", &stats->passes }, { "count_before", &stats->count_before },
		{ "count_after", &stats->count_after }, { "nr_to_scan", &stats->nr_to_scan },
		{ "scanned", &stats->scanned }, { "freed", &stats->freed },
		{ "stop", &stats->stop }, { "trylock_failed", &stats->trylock_failed },
		{ "waited", &stats->waited }, { "wait_timeout", &stats->wait_timeout },
		{ "purged", &stats->purged }, { "idle", &stats->idle },
		{ "active", &stats->active }, { "written_back", &stats->written_back },
		{ "stuck", &stats->stuck }, { "ns", &stats->ns }, {},
	};
	char text[2048];
	int ret = read_in(folder, "drop_stats", text, sizeof(text));
	size_t i;

	memset(stats, 0, sizeof(*stats));
	if (ret < 0)
		return ret;
	for (i = 0; lines[i].key; i++) {
		*lines[i].value = number_of(text, lines[i].key, which);
		if (*lines[i].value < 0)
			return -EINVAL;
	}
	stats->debug_locks = number_of(text, "debug_locks", 0);
	return stats->debug_locks < 0 ? -EINVAL : 0;
}

#endif /* STRATA_DEBUGFS_H */
