/* SPDX-License-Identifier: GPL-2.0 */
/* What debugfs shows of /dev/strata-vbind, as text. */
#ifndef STRATA_VBIND_SEEN_H
#define STRATA_VBIND_SEEN_H

#include "vbind_steps.h"

/* A fence as the kernel knows it. */
struct name {
	unsigned long long context;
	unsigned long long seqno;
};

static inline char *show(struct __test_metadata *_metadata, const char *file)
{
	static char text[1 << 16];

	EXPECT_GE(read_in(VBIND_DEBUGFS, file, text, sizeof(text)), 0);
	return text;
}

static inline const char *next_line(const char *line)
{
	line = strchr(line, '\n');
	return line ? line + 1 : NULL;
}

/* Ours is the file that was opened last. */
static inline unsigned long long file_number(struct __test_metadata *_metadata)
{
	unsigned long long number = 0, seen;
	const char *line;

	for (line = show(_metadata, "queues"); line; line = next_line(line))
		if (sscanf(line, "file %llu ", &seen) == 1 && seen > number)
			number = seen;
	EXPECT_GT(number, 0);
	return number;
}

/* The last fence of a queue, from debugfs. */
static inline struct name last_of(struct __test_metadata *_metadata, uint32_t queue)
{
	unsigned long long file = file_number(_metadata);
	char format[128];
	struct name name = {};
	const char *line;

	snprintf(format, sizeof(format), "file %llu queue %u context %%llu last %%llu", file, queue);
	for (line = show(_metadata, "fences"); line; line = next_line(line))
		if (sscanf(line, format, &name.context, &name.seqno) == 2)
			return name;
	EXPECT_TRUE(false) TH_LOG("nothing of queue %u", queue);
	return name;
}

#define LAST(queue)	last_of(_metadata, queue)

#endif /* STRATA_VBIND_SEEN_H */
