// SPDX-License-Identifier: GPL-2.0
/*
 * No job of /dev/strata-vbind allocates anything once its fence is published: all
 * allocations of our modules fail from then on, whoever makes them, and are counted.
 * There are none, and what the jobs do is done as exactly as ever.
 */

#include "fault.h"
#include "sw_sync.h"
#include "vbind_steps.h"

#define OF_OURS		"[strata"
/* More often than anybody will ask, so that the number of failures can be told. */
#define MANY		1000000000ll
#define QUEUES		4
#define JOBS		40

static const char * const all_kinds[] = { "failslab", "fail_page_alloc" };

/* Where our modules' code is, which may be in any order; nobody else's is loaded. */
static bool find_ours(unsigned long long *begin, unsigned long long *end)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	char name[512], module[64], line[1024];
	unsigned long long at;

	*begin = -1ull;
	*end = 0;
	while (symbols && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%llx %*1[tT] %511s %63s", &at, name, module) != 3 ||
		    strncmp(module, OF_OURS, strlen(OF_OURS)))
			continue;
		*begin = at < *begin ? at : *begin;
		*end = at + 4096 > *end ? at + 4096 : *end;
	}
	if (symbols)
		fclose(symbols);
	return *begin < *end;
}

static bool set(const char *kind, const char *setting, long long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), FAULT_DEBUGFS "%s/%s", kind, setting);
	snprintf(text, sizeof(text), "%lld", value);
	return !write_text(path, text);
}

/* How many failed since fail_all(). */
static long long failures(const char *kind)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), FAULT_DEBUGFS "%s/times", kind);
	return read_text(path, text, sizeof(text)) > 0 ? MANY - strtoll(text, NULL, 10) : -1;
}

/* All that is allocated below a call of our modules, by tasks and by workers. */
static bool fail_all(bool on)
{
	bool good = true;
	int i;

	for (i = 0; i < ARRAY_SIZE(all_kinds); i++)
		good &= set(all_kinds[i], "task-filter", 0) & set(all_kinds[i], "interval", 1) &
			set(all_kinds[i], "times", on ? MANY : 1) &
			set(all_kinds[i], "probability", on ? 100 : 0);
	return good;
}

FIXTURE(none)
{
	struct fault fault;
	struct world world;
	struct vbind_totals before;
	int timeline, wait;
};

FIXTURE_SETUP(none)
{
	self->timeline = sw_sync_open();
	if (self->timeline < 0)
		SKIP(return, NO_SW_SYNC);
	self->wait = sw_sync_fence(self->timeline, 1);
	ASSERT_GE(self->wait, 0);
	ASSERT_EQ(vbind_totals(&self->before), 0);
	ASSERT_EQ(world_open(&self->world, 0, 1024), 0);
	allow_files(_metadata, 4096);
	ASSERT_TRUE(fault_begin(&self->fault));
}

FIXTURE_TEARDOWN(none)
{
	fail_all(false);
	fault_end(&self->fault);
	world_close(&self->world);
	close(self->wait);
	close(self->timeline);
	EXPECT_EQ(vbind_settles(&self->before), 0);
}

/* What is set fails what is to fail, or the rest would say nothing. */
static void expect_failures(struct __test_metadata *_metadata, struct world *world)
{
	struct strata_vbind_buffer_create buffer;
	long long slab = failures("failslab");
	int fence;
	uint32_t id;

	EXPECT_EQ(vbind_vm(world->fd, 0, 4096, &id), -ENOMEM);
	EXPECT_EQ(vbind_buffer(world->fd, 4096, &buffer), -ENOMEM);
	EXPECT_EQ(vbind_bind(world->fd, world->queue, BINDS(op_sparse(0, 4096)), JOB(.fence = &fence)),
		  -ENOMEM);
	EXPECT_EQ(vbind_exec(world->fd, world->queue, OPS(op_fill(0, 8, 1)), JOB()), -ENOMEM);
	EXPECT_GE(failures("failslab"), slab + 4);
}

/* Jobs of all kinds in one queue, which all wait, applied to the model in their order. */
static void submit(struct __test_metadata *_metadata, struct world *world, int wait, int *fences, int *want)
{
	const size_t page = page_size();
	uint32_t buffers[WORLD_BUFFERS];
	int i, k;

	for (i = 0; i < world->buffers; i++)
		buffers[i] = id_of(world, i);
	for (i = 0; i < JOBS; i++) {
		const uint64_t a = at(world, i % 7 * 20), b = at(world, i % 5 * 20 + 3);
		const struct job job = JOB(.waits = &wait, .wait_count = 1, .buffers = buffers,
					   .buffer_count = world->buffers, .fence = &fences[i]);
		const struct strata_vbind_bind_op binds[] = {
			op_map(a + page, 4 * page, buffers[i % world->buffers], i % 4 * page),
			op_unmap(b, 2 * page), op_sparse(a + 5 * page, 3 * page),
			op_map_read_only(b + 9 * page, page, buffers[0], 0),
		};
		const struct strata_vbind_exec_op execs[] = {
			op_fill(a + i * WORD, 3 * page, i), op_copy(a, b + WORD, 2 * page),
			op_add(b, a, 5 * page), op_checksum(a + 3 * page, b, 4 * page),
		};

		want[i] = 0;
		if (i % 2) {
			ASSERT_EQ(vbind_exec(world->fd, world->queue, OPS_OF(execs, ARRAY_SIZE(execs)), job), 0);
			for (k = 0; !want[i] && k < ARRAY_SIZE(execs); k++)
				want[i] = model_exec(world, &execs[k], ALL_BUFFERS);
		} else {
			ASSERT_EQ(vbind_bind(world->fd, world->queue, BINDS_OF(binds, ARRAY_SIZE(binds)), job), 0);
			for (k = 0; k < ARRAY_SIZE(binds); k++)
				model_bind(world, &binds[k]);
		}
	}
}

/* Buffers, each mapped in a row; what the jobs of submit() are about. */
static void make(struct __test_metadata *_metadata, struct world *world)
{
	int i;

	for (i = 0; i < 7; i++) {
		ASSERT_EQ(world_add(world, 10), i);
		ASSERT_EQ(world_bind(world, BINDS(op_map(at(world, i * 20), 10 * page_size(),
							 id_of(world, i), 0))), 0);
	}
}

/* How many allocations failed, of both kinds. */
static long long all_failures(void)
{
	return failures("failslab") + failures("fail_page_alloc");
}

/* Jobs of all kinds and all ends. Returns how many allocations were tried meanwhile. */
static long long run(struct __test_metadata *_metadata, struct world *world, int timeline, uint32_t step)
{
	int fences[JOBS], want[JOBS], hung[QUEUES], behind[QUEUES], depends, i, faults = 0;
	int wait = sw_sync_fence(timeline, step);
	long long before, tried;
	uint32_t queues[QUEUES];

	EXPECT_GE(wait, 0);
	submit(_metadata, world, wait, fences, want);
	/* Other queues hang and are reset. */
	for (i = 0; i < QUEUES; i++) {
		queues[i] = new_queue(_metadata, world, 50);
		EXPECT_EQ(vbind_exec(world->fd, queues[i], OPS(op_hang()),
				     JOB(AFTER(wait), .fence = &hung[i])), 0);
		EXPECT_EQ(vbind_exec(world->fd, queues[i], OPS(op_fill(at(world, 0), WORD, 1)),
				     JOB(.fence = &behind[i])), 0);
	}
	EXPECT_EQ(vbind_exec(world->fd, queues[0], OPS(op_fill(at(world, 0), WORD, 1)),
			     JOB(AFTER(fences[0], hung[1]), .fence = &depends)), 0);

	EXPECT_TRUE(fail_all(true));
	expect_failures(_metadata, world);
	before = all_failures();
	EXPECT_EQ(sw_sync_inc(timeline, 1), 0);
	for (i = 0; i < JOBS; i++) {
		EXPECT_EQ(fence_wait(fences[i]), want[i]) TH_LOG("job %d", i);
		faults += want[i] < 0;
	}
	for (i = 0; i < QUEUES; i++) {
		EXPECT_EQ(fence_wait(hung[i]), -ETIME);
		EXPECT_EQ(fence_wait(behind[i]), -ECANCELED);
	}
	EXPECT_LT(fence_wait(depends), 0);
	/* What a job leaves is put away after its end, without allocations, too. */
	SETTLES(world->fd, jobs, 0);
	tried = all_failures() - before;
	expect_failures(_metadata, world);
	EXPECT_TRUE(fail_all(false));

	EXPECT_TRUE(world_is_right(world));
	EXPECT_GT(faults, 0);
	EXPECT_LT(faults, JOBS / 2);
	for (i = 0; i < JOBS; i++)
		close(fences[i]);
	for (i = 0; i < QUEUES; i++) {
		close(hung[i]);
		close(behind[i]);
		EXPECT_EQ(vbind_destroy(world->fd, STRATA_VBIND_QUEUE_DESTROY, queues[i]), 0);
	}
	close(depends);
	close(wait);
	return tried;
}

/*
 * debugobjects fills its store whenever it likes, and can do without. What a job
 * allocated, it would in each round.
 */
#define ROUNDS		5

TEST_F_TIMEOUT(none, is_allocated_by_a_job, 300)
{
	struct world *world = &self->world;
	long long tried = 1;
	int round;

	make(_metadata, world);
	for (round = 1; tried && round <= ROUNDS; round++) {
		tried = run(_metadata, world, self->timeline, round);
		TH_LOG("round %d: %lld allocations were tried", round, tried);
	}
	EXPECT_EQ(tried, 0);
	EXPECT_EQ(world_exec(world, OPS(op_add(at(world, 0), at(world, 20), WORD))), 0);
}

/* A queue that is destroyed, and a file that is closed: what is queued ends, and goes. */
static long long cancel(struct __test_metadata *_metadata, int wait)
{
	int fences[JOBS], want[JOBS], hung, i;
	struct world world;
	long long tried;
	uint32_t queue;

	EXPECT_EQ(world_open(&world, 0, 1024), 0);
	make(_metadata, &world);
	submit(_metadata, &world, wait, fences, want);
	queue = new_queue(_metadata, &world, LONG_MS);
	hung = hangs(_metadata, world.fd, queue);
	EXPECT_TRUE(fail_all(true));
	expect_failures(_metadata, &world);
	tried = all_failures();
	EXPECT_EQ(vbind_destroy(world.fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(fence_wait(hung), -ECANCELED);
	EXPECT_EQ(close(world.fd), 0);
	world.fd = -1;
	for (i = 0; i < JOBS; i++)
		EXPECT_EQ(fence_wait(fences[i]), -ECANCELED) TH_LOG("job %d", i);
	tried = all_failures() - tried;
	EXPECT_TRUE(fail_all(false));
	for (i = 0; i < JOBS; i++)
		close(fences[i]);
	close(hung);
	world_close(&world);
	return tried;
}

TEST_F_TIMEOUT(none, is_allocated_by_cancelling, 300)
{
	long long tried = 1;
	int round;

	for (round = 1; tried && round <= ROUNDS; round++) {
		tried = cancel(_metadata, self->wait);
		TH_LOG("round %d: %lld allocations were tried", round, tried);
	}
	EXPECT_EQ(tried, 0);
}

int main(int argc, char **argv)
{
	fault_find(NULL);
	if (!fault_possible() || !find_ours(&fault_within.begin, &fault_within.end)) {
		ksft_print_header();
		ksft_exit_skip("this kernel injects no faults\n");
	}
	return test_harness_run(argc, argv);
}
