// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of /dev/strata-vbind that are let go for want of memory: by the trigger in
 * debugfs, by the limit, by reclaim of a cgroup that is full. What a job may use stays;
 * what comes back for the next one has its contents.
 */

#include <pthread.h>

#include "cgroup.h"
#include "vbind_fixture.h"

#define BUFFERS		8
#define PAGES		16
#define MIB		(1ll << 20)

/* As many buffers, mapped one after the other, and held because a job used them. */
static void make_held(struct __test_metadata *_metadata, struct world *world)
{
	int i;

	for (i = 0; i < BUFFERS; i++) {
		ASSERT_EQ(world_add(world, PAGES), i);
		ASSERT_EQ(world_bind(world, BINDS(op_map(at(world, i * PAGES), PAGES * page_size(),
							 id_of(world, i), 0))), 0);
	}
	ASSERT_EQ(world_exec(world, OPS(op_add(at(world, 0), at(world, PAGES), PAGES * page_size()))), 0);
}

/* What came back has its contents, for jobs and for user space. */
static void expect_all_back(struct __test_metadata *_metadata, struct world *world)
{
	int i;

	for (i = 0; i < BUFFERS; i++)
		EXPECT_EQ(world_exec(world, OPS(
			op_checksum(at(world, 0), at(world, i * PAGES), PAGES * page_size()),
			op_copy(at(world, i * PAGES) + WORD, at(world, (i + 1) % BUFFERS * PAGES),
				PAGES * page_size() - WORD))), 0);
	EXPECT_TRUE(world_is_right(world));
	EXPECT_EQ(STAT(world->fd).held, BUFFERS * PAGES * page_size());
}

TEST_F(vbind, idle_buffers_go_and_come_back)
{
	static const char *const masks[] = { "idle", "active", "all", "all random_order", "all pf_memalloc",
					     "idle as_kswapd", "all fail_trylock", "idle writeback" };
	const size_t size = BUFFERS * PAGES * self->page;
	struct world *world = &self->world;
	struct drop_stats drop;
	struct vbind_totals totals;
	long long evicted = 0;
	int i;

	make_held(_metadata, world);
	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		EXPECT_EQ(STAT(self->fd).held, size);
		EXPECT_EQ(vbind_count(), BUFFERS * PAGES);
		ASSERT_EQ(vbind_drop(masks[i]), 0);
		ASSERT_EQ(drop_stats_in(VBIND_DEBUGFS, &drop, DROP_LAST), 0);
		/* A trylock that fails leaves some of them; nothing else does. */
		EXPECT_EQ(drop.freed, drop.count_before - drop.count_after) TH_LOG("%s", masks[i]);
		EXPECT_EQ(drop.count_before, BUFFERS * PAGES) TH_LOG("%s", masks[i]);
		EXPECT_EQ(drop.count_after, 0) TH_LOG("%s", masks[i]);
		EXPECT_EQ(drop.purged, 0) TH_LOG("%s", masks[i]);
		EXPECT_EQ(STAT(self->fd).held, 0) TH_LOG("%s", masks[i]);
		EXPECT_EQ(vbind_count(), 0);
		evicted += BUFFERS;
		EXPECT_EQ(STAT(self->fd).evictions, evicted) TH_LOG("%s", masks[i]);
		EXPECT_TRUE(world_is_right(world));
		expect_all_back(_metadata, world);
	}
	ASSERT_EQ(vbind_totals(&totals), 0);
	EXPECT_EQ(totals.evictions - self->before.evictions, evicted);
	/* What must not touch anything does not. */
	ASSERT_EQ(vbind_drop("all as_nofs"), 0);
	EXPECT_EQ(STAT(self->fd).held, size);
	/* What is destroyed is counted no more. */
	for (i = 0; i < BUFFERS; i++)
		ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_BUFFER_DESTROY, id_of(world, i)), 0);
	ASSERT_EQ(vbind_bind_now(self->fd, self->queue, BINDS(
		op_unmap(at(world, 0), BUFFERS * PAGES * self->page)), JOB()), 0);
	SETTLES(self->fd, held, 0);
	EXPECT_EQ(vbind_count(), 0);
}

/* A job that has not ended keeps what it named, whether it has begun or not. */
TEST_F(vbind, what_a_job_may_use_stays)
{
	const size_t size = PAGES * self->page;
	struct world *world = &self->world;
	uint32_t queue;
	int hung, behind;

	make_held(_metadata, world);
	ASSERT_EQ(vbind_queue(self->fd, world->vm, STRATA_VBIND_TIMEOUT_MAX_MS, &queue), 0);
	ASSERT_EQ(vbind_exec(self->fd, queue, OPS(op_hang()), JOB(USING(id_of(world, 2)), .fence = &hung)), 0);
	ASSERT_EQ(vbind_exec(self->fd, queue, OPS(op_hang()), JOB(USING(id_of(world, 5), id_of(world, 2)),
								 .fence = &behind)), 0);
	ASSERT_EQ(vbind_drop("all"), 0);
	EXPECT_EQ(STAT(self->fd).held, 2 * size);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(fence_end(hung), -ECANCELED);
	EXPECT_EQ(fence_end(behind), -ECANCELED);
	SETTLES(self->fd, jobs, 0);
	/* Now they may go. */
	EXPECT_EQ(vbind_count(), 2 * PAGES);
	ASSERT_EQ(vbind_drop("all"), 0);
	EXPECT_EQ(STAT(self->fd).held, 0);
	expect_all_back(_metadata, world);
}

static volatile bool stop;

static void *drops(void *arg)
{
	static const char *const masks[] = { "idle", "all", "all fail_trylock", "active random_order" };
	long rounds = 0;

	while (!stop)
		if (vbind_drop(masks[rounds++ % ARRAY_SIZE(masks)]))
			return NULL;
	return (void *)rounds;
}

TEST_F_TIMEOUT(vbind, dropping_while_jobs_run, 300)
{
	const int rounds = debug_kernel() ? 200 : 2000;
	struct world *world = &self->world;
	pthread_t thread;
	void *dropped;
	int i;

	make_held(_metadata, world);
	ASSERT_EQ(pthread_create(&thread, NULL, drops, NULL), 0);
	for (i = 0; i < rounds; i++) {
		const uint64_t a = at(world, i * 5 % BUFFERS * PAGES), b = at(world, i * 3 % BUFFERS * PAGES);

		EXPECT_EQ(world_exec_named(world, OPS(
			op_add(a, b + WORD, 3 * self->page), op_checksum(a + 9 * self->page, b, 2 * self->page)),
			1 << i * 5 % BUFFERS | 1 << i * 3 % BUFFERS), 0) TH_LOG("round %d", i);
	}
	stop = true;
	ASSERT_EQ(pthread_join(thread, &dropped), 0);
	EXPECT_GT((long)dropped, 0);
	TH_LOG("%ld times, %llu evictions", (long)dropped, (unsigned long long)STAT(self->fd).evictions);
	EXPECT_TRUE(world_is_right(world));
	expect_all_back(_metadata, world);
}

/* Over the soft limit, what is idle makes room; over the hard one, there is none. */
TEST_F(vbind, the_limit)
{
	struct world *world = &self->world;
	struct strata_vbind_stat stat;
	uint32_t all[BUFFERS];
	struct limit limit;
	int fence, i;

	make_held(_metadata, world);
	for (i = 0; i < BUFFERS; i++)
		all[i] = id_of(world, i);
	ASSERT_EQ(vbind_drop("all"), 0);
	ASSERT_EQ(vbind_set_limit(3 * PAGES, 6 * PAGES), 0);
	for (i = 0; i < 3 * BUFFERS; i++) {
		EXPECT_EQ(world_exec_named(world, OPS(
			op_fill(at(world, i % BUFFERS * PAGES), PAGES * self->page, i)), 1 << i % BUFFERS), 0);
		ASSERT_EQ(vbind_limit(&limit), 0);
		EXPECT_LE(limit.used, 3 * PAGES);
		EXPECT_EQ(STAT(self->fd).held, limit.used * self->page);
	}
	/* One job may need more than the soft limit, but no more than the hard one. */
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_fill(at(world, 900), WORD, 1)),
				 JOB(.buffers = all, .buffer_count = 6)), -EFAULT);
	stat = STAT(self->fd);
	EXPECT_EQ(vbind_exec(self->fd, self->queue, OPS(op_fill(at(world, 0), WORD, 1)),
			     JOB(.buffers = all, .buffer_count = 7, .fence = &fence)), -ENOSPC);
	EXPECT_EQ(STAT(self->fd).jobs, stat.jobs);
	EXPECT_EQ(open_files(), self->files + 1);
	EXPECT_TRUE(world_is_right(world));
	ASSERT_EQ(vbind_set_limit(self->limit.soft, self->limit.hard), 0);
	expect_all_back(_metadata, world);
}

/* Whoever is told that there is no room finds it when others are done. */
TEST_F(vbind, the_hard_limit_is_everybodys)
{
	struct world *world = &self->world, other;
	uint32_t queue;
	int hung;

	make_held(_metadata, world);
	ASSERT_EQ(vbind_drop("all"), 0);
	ASSERT_EQ(world_open(&other, 0, 16), 0);
	ASSERT_EQ(world_add(&other, PAGES), 0);
	ASSERT_EQ(world_bind(&other, BINDS(op_map(0, PAGES * self->page, id_of(&other, 0), 0))), 0);
	ASSERT_EQ(vbind_queue(other.fd, other.vm, STRATA_VBIND_TIMEOUT_MAX_MS, &queue), 0);
	ASSERT_EQ(vbind_exec(other.fd, queue, OPS(op_hang()), JOB(USING(id_of(&other, 0)), .fence = &hung)), 0);
	ASSERT_EQ(vbind_set_limit(PAGES, PAGES), 0);
	EXPECT_EQ(vbind_exec(self->fd, self->queue, OPS(op_fill(at(world, 0), WORD, 1)),
			     JOB(USING(id_of(world, 0)))), -ENOSPC);
	ASSERT_EQ(vbind_destroy(other.fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(fence_end(hung), -ECANCELED);
	SETTLES(other.fd, jobs, 0);
	/* It is idle now, and goes. */
	EXPECT_EQ(world_exec_named(world, OPS(op_fill(at(world, 0), WORD, 1)), 1), 0);
	EXPECT_EQ(STAT(other.fd).held, 0);
	EXPECT_EQ(STAT(other.fd).evictions, 1);
	EXPECT_TRUE(world_is_right(&other));
	world_close(&other);
	EXPECT_TRUE(world_is_right(world));
}

/* More than the group may have, each buffer by a job, and again by jobs of all of them. */
static void fill_group(const struct cgroup *group, int count, size_t size, int *done)
{
	struct strata_vbind_buffer_create buffer;
	struct world world;
	uint32_t ids[192];
	int i, ret;

	if (!cgroup_enter(group) || write_text("/proc/self/oom_score_adj", "-1000") ||
	    world_open(&world, 0, 192 * size / page_size()))
		_exit(2);
	for (i = 0; i < count; i++, ++*done) {
		ret = vbind_buffer(world.fd, size, &buffer) ?:
		      vbind_bind_now(world.fd, world.queue, BINDS(op_map(i * size, size, buffer.id, 0)), JOB()) ?:
		      vbind_exec_now(world.fd, world.queue, OPS(op_fill(i * size, size, i)),
				     JOB(USING(buffer.id)));
		if (ret)
			_exit(ret == -ENOMEM ? 3 : 4);
		ids[i] = buffer.id;
	}
	for (i = 0; i < count; i++) {
		const int next = (i + 1) % count;

		ret = vbind_exec_now(world.fd, world.queue, OPS(
			op_add(i * size, next * size, size)), JOB(USING(ids[i], ids[next])));
		if (ret)
			_exit(5);
	}
	for (i = 0; i < count; i++) {
		/* Each got the next one; the last got the first, which had got the second. */
		const uint64_t want = i + 1 < count ? 2 * i + 1 : i + 1;
		uint64_t *words;

		ret = vbind_buffer(world.fd, page_size(), &buffer) ?:
		      vbind_bind_now(world.fd, world.queue, BINDS(
				op_map(191 * size, page_size(), buffer.id, 0)), JOB()) ?:
		      vbind_exec_now(world.fd, world.queue, OPS(
				op_copy(191 * size, (i + 1) * size - page_size(), page_size())),
				JOB(USING(buffer.id, ids[i])));
		words = vbind_map(world.fd, &buffer, PROT_READ);
		if (ret || (void *)words == MAP_FAILED || words[0] != want || words[511] != want)
			_exit(6);
	}
	_exit(0);
}

static int run_group(const struct cgroup *group, int count, size_t size, int *done)
{
	pid_t child = fork();

	if (!child)
		fill_group(group, count, size, done);
	return wait_for(child) >> 8;
}

TEST_F_TIMEOUT(vbind, a_full_cgroup, 300)
{
	const long long room = 24 * MIB, load = debug_kernel() ? 48 * MIB : 96 * MIB, piece = MIB / 2;
	int *done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vbind_totals after;
	struct cgroup group;

	ASSERT_NE((void *)done, MAP_FAILED);
	if (number_in("/proc/meminfo", "SwapFree") < load / 1024)
		SKIP(return, "needs %lld MiB of free swap (swapon), and there is less", load / MIB);
	if (!cgroup_make(&group, "vbind"))
		SKIP(return, "no memory controller");
	ASSERT_TRUE(cgroup_write_number(&group, "memory.max", room));
	ASSERT_EQ(vbind_set_limit(1ll << 40, 0), 0);
	EXPECT_EQ(run_group(&group, load / piece - 1, piece, done), 0) TH_LOG("after %d buffers", *done);
	EXPECT_EQ(cgroup_number(&group, "memory.events", "oom"), 0);
	EXPECT_EQ(cgroup_number(&group, "memory.events", "oom_kill"), 0);
	ASSERT_EQ(vbind_totals(&after), 0);
	EXPECT_GE(after.evictions - self->before.evictions, (load - room) / piece);
	TH_LOG("%d buffers, %lld evictions", *done, after.evictions - self->before.evictions);
	EXPECT_TRUE(cgroup_remove(&group));
}

TEST_HARNESS_MAIN
