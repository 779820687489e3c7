// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints of /dev/strata-vbind, through ftrace and through perf: all that is
 * said of a job, in its order, and nothing of what is off.
 */

#include <linux/perf_event.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "vbind_seen.h"

#define TRACEFS		"/sys/kernel/tracing/"
#define EVENTS		TRACEFS "events/strata_vbind/"

/* With a trace of its own, so that whoever else traces is not in the way. */
FIXTURE(trace)
{
	struct world world;
	char folder[128];
};

static int trace_write(const char *folder, const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	return write_text(path, text);
}

FIXTURE_SETUP(trace)
{
	if (access(EVENTS, F_OK))
		SKIP(return, "no tracefs at " TRACEFS ", or a kernel without events");
	ASSERT_EQ(world_open(&self->world, FIRST_PAGE * page_size(), SPACE_PAGES), 0);
	snprintf(self->folder, sizeof(self->folder), TRACEFS "instances/strata-vbind-%d", getpid());
	ASSERT_EQ(mkdir(self->folder, 0700), 0);
	/* Of two CPUs at the same time, one is the first. */
	ASSERT_EQ(trace_write(self->folder, "trace_clock", "counter"), 0);
	ASSERT_EQ(trace_write(self->folder, "events/strata_vbind/enable", "1"), 0);
}

FIXTURE_TEARDOWN(trace)
{
	if (!self->folder[0])
		return;
	world_close(&self->world);
	EXPECT_EQ(trace_write(self->folder, "events/strata_vbind/enable", "0"), 0);
	EXPECT_EQ(rmdir(self->folder), 0);
}

/* What a trace has of one fence, in its order: the names of the events, and their fields. */
struct events {
	char name[8][16];
	char fields[8][128];
	int count;
};

static struct events events_of(struct __test_metadata *_metadata, const char *folder,
			       struct name fence)
{
	static char text[1 << 16];
	struct events events = {};
	char path[256], *line, *rest;
	struct name seen;
	int used;

	snprintf(path, sizeof(path), "%s/trace", folder);
	EXPECT_GT(read_text(path, text, sizeof(text)), 0);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char name[16];

		line = strstr(line, ": vbind_");
		if (!line || sscanf(line, ": vbind_%15[a-z]: fence=%llu:%llu %n", name,
				    &seen.context, &seen.seqno, &used) != 3)
			continue;
		if (seen.context != fence.context || seen.seqno != fence.seqno ||
		    events.count == ARRAY_SIZE(events.name))
			continue;
		snprintf(events.name[events.count], sizeof(name), "%s", name);
		snprintf(events.fields[events.count++], sizeof(events.fields[0]), "%s", line + used);
	}
	return events;
}

#define EVENTS_OF(fence)	events_of(_metadata, self->folder, fence)

/* The line's fields are these; @number is where a %llu gets one that nobody knows. */
static bool has_number(const char *fields, const char *format, unsigned long long *number)
{
	int used = 0;

	return sscanf(fields, format, number, &used) == 1 && used == strlen(fields);
}

#define EXPECT_EVENT(events, index, event, ...) do {					\
	char want[128];									\
	snprintf(want, sizeof(want), __VA_ARGS__);					\
	EXPECT_STREQ((events).name[index], event);					\
	EXPECT_STREQ((events).fields[index], want);					\
} while (0)

#define EXPECT_NUMBERED(events, index, event, format) do {				\
	unsigned long long number;							\
	EXPECT_STREQ((events).name[index], event);					\
	EXPECT_TRUE(has_number((events).fields[index], format "%n", &number))		\
		TH_LOG("%s: %s", event, (events).fields[index]);			\
} while (0)

TEST_F(trace, a_bind_from_submission_to_signal)
{
	struct world *world = &self->world;
	size_t page = page_size();
	unsigned long long file;
	struct name first, second;
	struct events events;

	/* Three mappings, then one in the middle of the first. */
	ASSERT_EQ(vbind_bind_now(world->fd, world->queue, BINDS(
		op_sparse(at(world, 0), 4 * page), op_sparse(at(world, 8), page),
		op_sparse(at(world, 16), page)), JOB()), 0);
	first = LAST(world->queue);
	ASSERT_EQ(vbind_bind_now(world->fd, world->queue, BINDS(
		op_sparse(at(world, 1), page), op_unmap(at(world, 8), page)), JOB()), 0);
	second = LAST(world->queue);

	events = EVENTS_OF(first);
	ASSERT_EQ(events.count, 4);
	EXPECT_STREQ(events.name[0], "submit");
	ASSERT_EQ(strncmp(events.fields[0], "file=", 5), 0);
	file = strtoull(events.fields[0] + 5, NULL, 10);
	EXPECT_EVENT(events, 0, "submit", "file=%llu queue=%u kind=bind ops=3", file, world->queue);
	EXPECT_NUMBERED(events, 1, "run", "waited=%lluns");
	EXPECT_EVENT(events, 2, "commit", "vm=%u requests=3 mapped=3 unmapped=0", world->vm);
	EXPECT_NUMBERED(events, 3, "signal", "error=0 ran=%lluns");

	events = EVENTS_OF(second);
	ASSERT_EQ(events.count, 4);
	EXPECT_EVENT(events, 0, "submit", "file=%llu queue=%u kind=bind ops=2", file, world->queue);
	/* What was cut is gone, and there are two pieces of it. */
	EXPECT_EVENT(events, 2, "commit", "vm=%u requests=2 mapped=3 unmapped=2", world->vm);
}

TEST_F(trace, executions_that_succeed_fault_and_are_cancelled)
{
	struct world *world = &self->world;
	struct area area = area_at(_metadata, world, 0, 1);
	struct strata_vbind_exec_op good = op_fill(area.address, WORD, 1), bad = op_fill(at(world, 9), WORD, 1);
	struct name names[3];
	struct events events;
	uint32_t queue;
	int hang;

	ASSERT_EQ(vbind_queue(world->fd, world->vm, LONG_MS, &queue), 0);
	ASSERT_EQ(vbind_exec_now(world->fd, world->queue, OPS(good, good), JOB(USING(area.id))), 0);
	names[0] = LAST(world->queue);
	ASSERT_EQ(vbind_exec_now(world->fd, world->queue, OPS(bad), JOB()), -EFAULT);
	names[1] = LAST(world->queue);
	ASSERT_EQ(vbind_exec(world->fd, queue, OPS(op_hang()), JOB(.fence = &hang)), 0);
	names[2] = LAST(queue);
	/* It runs already, as the trace says. */
	while (EVENTS_OF(names[2]).count < 2)
		usleep(1000);
	EXPECT_EQ(vbind_destroy(world->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(fence_end(hang), -ECANCELED);

	events = EVENTS_OF(names[0]);
	ASSERT_EQ(events.count, 3);
	EXPECT_NE(strstr(events.fields[0], " kind=exec ops=2"), NULL);
	EXPECT_NUMBERED(events, 1, "run", "waited=%lluns");
	EXPECT_NUMBERED(events, 2, "signal", "error=0 ran=%lluns");
	events = EVENTS_OF(names[1]);
	ASSERT_EQ(events.count, 3);
	EXPECT_NUMBERED(events, 2, "signal", "error=-14 ran=%lluns");
	events = EVENTS_OF(names[2]);
	ASSERT_EQ(events.count, 3);
	EXPECT_NUMBERED(events, 2, "signal", "error=-125 ran=%lluns");
	munmap(area.words, area.size);
}

/* An event that is off is not there, and no other one is concerned. */
TEST_F(trace, one_that_is_off_says_nothing)
{
	struct world *world = &self->world;
	struct events events;

	ASSERT_EQ(trace_write(self->folder, "events/strata_vbind/vbind_run/enable", "0"), 0);
	ASSERT_EQ(vbind_bind_now(world->fd, world->queue,
				 BINDS(op_sparse(at(world, 0), page_size())), JOB()), 0);
	events = EVENTS_OF(LAST(world->queue));
	ASSERT_EQ(events.count, 3);
	EXPECT_STREQ(events.name[0], "submit");
	EXPECT_STREQ(events.name[1], "commit");
	EXPECT_STREQ(events.name[2], "signal");
}

/* perf's counter of an event on one CPU, or the negative errno. */
static int perf_open(const char *event, int cpu)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	char path[256], text[32];

	snprintf(path, sizeof(path), EVENTS "vbind_%s/id", event);
	if (read_text(path, text, sizeof(text)) < 0)
		return -ENOENT;
	attr.config = strtoull(text, NULL, 10);
	return result(syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC));
}

TEST_F(trace, perf_counts)
{
	static const char *const events[] = { "submit", "run", "commit", "signal" };
	const int binds = 5, execs = 3, want[] = { 8, 8, 5, 8 };
	int counters[ARRAY_SIZE(events)][64], cpus = sysconf(_SC_NPROCESSORS_CONF), cpu, i;
	struct world *world = &self->world;

	if (access("/proc/sys/kernel/perf_event_paranoid", F_OK))
		SKIP(return, "a kernel without perf");
	ASSERT_LE(cpus, 64);
	for (i = 0; i < ARRAY_SIZE(events); i++)
		for (cpu = 0; cpu < cpus; cpu++) {
			counters[i][cpu] = perf_open(events[i], cpu);
			/* One that is offline has none. */
			if (counters[i][cpu] != -ENODEV)
				ASSERT_GE(counters[i][cpu], 0);
		}
	for (i = 0; i < binds; i++)
		ASSERT_EQ(vbind_bind_now(world->fd, world->queue,
					 BINDS(op_sparse(at(world, 0), page_size())), JOB()), 0);
	for (i = 0; i < execs; i++)
		ASSERT_EQ(vbind_exec_now(world->fd, world->queue,
					 OPS(op_fill(at(world, 0), WORD, 1)), JOB()), 0);
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		uint64_t sum = 0, count;

		for (cpu = 0; cpu < cpus; cpu++) {
			if (counters[i][cpu] < 0)
				continue;
			ASSERT_EQ(read(counters[i][cpu], &count, sizeof(count)), sizeof(count));
			sum += count;
			close(counters[i][cpu]);
		}
		EXPECT_EQ(sum, want[i]) TH_LOG("vbind_%s", events[i]);
	}
}

TEST_HARNESS_MAIN
