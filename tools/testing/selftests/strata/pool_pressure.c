// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is really short, in a cgroup and on the whole machine: the kernel's
 * own reclaim calls the pool, and allocations succeed that would have failed.
 */

#include <signal.h>

#include "cgroup.h"
#include "pool_fixture.h"

#define MIB	(1ll << 20)
/* What a group may have, what is put into it, and in which pieces. */
#define ROOM	(24 * MIB)
#define LOAD	(96 * MIB)
#define PIECE	(MIB / 2)
#define PIECES	(LOAD / PIECE)

/* What is done with a buffer that was filled. */
enum after { KEEP_PINNED, UNPIN, GIVE_UP };

/* What a load got to, for the test to read. */
struct load {
	struct strata_pool_create buffers[PIECES];
	uint32_t crcs[PIECES];
	/* How many of them were pinned, and what stopped it. */
	int done;
	int error;
};

/*
 * Creates, pins, fills. A pin that finds no memory fails, where a page fault would
 * end in an endless retry once nobody can be killed.
 */
static int put(int fd, long long size, int seed, enum after after,
	       struct strata_pool_create *buffer, uint32_t *crc)
{
	void *map;
	int ret;

	ret = pool_create(fd, size, buffer) ?: pool_pin(fd, buffer->id);
	if (ret)
		return ret;
	map = pool_map(fd, buffer, PROT_READ | PROT_WRITE);
	if (map == MAP_FAILED)
		return -errno;
	fill(map, size, seed);
	*crc = crc32c(map, size);
	munmap(map, size);
	if (after != KEEP_PINNED)
		ret = pool_unpin(fd, buffer->id);
	if (!ret && after == GIVE_UP) {
		ret = pool_not_needed(fd, buffer->id);
		ret = ret == 1 ? 0 : ret ?: -ENODATA;
	}
	return ret;
}

static struct load *new_load(void)
{
	return mmap(NULL, sizeof(struct load), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* In a child that is in the group; its status. */
static int run_load(const struct cgroup *group, int fd, int pieces, enum after after,
		    bool immortal, struct load *load)
{
	pid_t child = fork();
	int ret;

	if (child)
		return child < 0 ? -errno : wait_for(child);
	if (!cgroup_enter(group))
		_exit(100);
	/* The kernel's report of a kill would be a failure of its own: let there be none. */
	if (immortal && write_text("/proc/self/oom_score_adj", "-1000"))
		_exit(101);
	for (load->done = 0; load->done < pieces; load->done++) {
		ret = put(fd, PIECE, load->done, after, &load->buffers[load->done],
			  &load->crcs[load->done]);
		if (ret) {
			load->error = ret;
			_exit(1);
		}
	}
	_exit(0);
}

static bool make_group(struct cgroup *group, const char *name, long long room, bool swap)
{
	if (!cgroup_make(group, name))
		return false;
	/* Not there without CONFIG_SWAP. */
	if (!swap)
		cgroup_write(group, "memory.swap.max", "0");
	return !room || cgroup_write_number(group, "memory.max", room);
}

static long long purged(void)
{
	struct pool_totals totals;

	return pool_totals(&totals) ?: totals.purged;
}

static long long triggers(void)
{
	struct drop_stats stats;

	return drop_stats(&stats, DROP_TOTAL) ?: stats.passes;
}

/* The limit of the pool is another matter. */
static void lift_limit(struct __test_metadata *_metadata)
{
	EXPECT_EQ(pool_set_limit(1ll << 40, 0), 0);
}

/* Nobody was killed, and nobody would have been. */
static void expect_no_oom(struct __test_metadata *_metadata, const struct cgroup *group)
{
	EXPECT_EQ(cgroup_number(group, "memory.events", "oom"), 0);
	EXPECT_EQ(cgroup_number(group, "memory.events", "oom_kill"), 0);
}

/* How many buffers of a load are what they were. Of the others, all must be zeros. */
static int count_retained(struct __test_metadata *_metadata, int fd, const struct load *load)
{
	int i, found = 0, there;

	for (i = 0; i < load->done; i++) {
		there = pool_needed(fd, load->buffers[i].id);
		EXPECT_GE(there, 0);
		EXPECT_TRUE(pool_contains(fd, &load->buffers[i],
					  there ? load->crcs[i] : crc32c_zeros(PIECE)))
			TH_LOG("buffer %d, retained %d", i, there);
		found += there;
	}
	return found;
}

/* The control: what the tests below do would fail without the pool's shrinker. */
TEST_F_TIMEOUT(pool, what_is_pinned_makes_no_room, 120)
{
	struct load *load = new_load();
	struct cgroup group;

	ASSERT_NE(load, MAP_FAILED);
	if (!make_group(&group, "pinned", ROOM, false))
		SKIP(return, "no memory controller");
	lift_limit(_metadata);
	EXPECT_EQ(run_load(&group, self->fd, PIECES, KEEP_PINNED, true, load), 1 << 8);
	EXPECT_EQ(load->error, -ENOMEM);
	EXPECT_LE(load->done, ROOM / PIECE);
	EXPECT_GT(cgroup_number(&group, "memory.events", "oom"), 0);
	EXPECT_EQ(cgroup_number(&group, "memory.events", "oom_kill"), 0);
	/* A pin that failed left nothing. */
	EXPECT_STAT(self->fd, load->done * PIECE, 0, 0);
	EXPECT_EQ(count_retained(_metadata, self->fd, load), load->done);
	EXPECT_TRUE(cgroup_remove(&group));
}

TEST_F_TIMEOUT(pool, what_is_given_up_makes_room, 120)
{
	long long before = purged(), passes = triggers();
	struct load *load = new_load();
	struct cgroup group;
	int kept;

	ASSERT_NE(load, MAP_FAILED);
	if (!make_group(&group, "given-up", ROOM, false))
		SKIP(return, "no memory controller");
	lift_limit(_metadata);
	EXPECT_EQ(run_load(&group, self->fd, PIECES, GIVE_UP, false, load), 0)
		TH_LOG("stopped at %d of %lld by %d", load->done, PIECES, load->error);
	EXPECT_EQ(load->done, PIECES);
	expect_no_oom(_metadata, &group);
	EXPECT_GE(purged() - before, (LOAD - ROOM) / PIECE);
	EXPECT_EQ(triggers(), passes);
	kept = count_retained(_metadata, self->fd, load);
	EXPECT_LE(kept, ROOM / PIECE);
	EXPECT_EQ(purged() - before, PIECES - kept);
	TH_LOG("%lld of %lld buffers purged by reclaim", purged() - before, PIECES);
	EXPECT_TRUE(cgroup_remove(&group));
}

TEST_F_TIMEOUT(pool, what_is_idle_makes_room_with_swap, 120)
{
	long long passes = triggers();
	struct load *load = new_load();
	struct strata_pool_stat stat;
	struct cgroup group;

	ASSERT_NE(load, MAP_FAILED);
	if (number_in("/proc/meminfo", "SwapFree") < LOAD / 1024)
		SKIP(return, "needs %lld MiB of free swap (swapon), and there is less", LOAD / MIB);
	if (!make_group(&group, "idle", ROOM, true))
		SKIP(return, "no memory controller");
	lift_limit(_metadata);
	EXPECT_EQ(run_load(&group, self->fd, PIECES, UNPIN, false, load), 0)
		TH_LOG("stopped at %d of %lld by %d", load->done, PIECES, load->error);
	expect_no_oom(_metadata, &group);
	ASSERT_EQ(pool_stat(self->fd, &stat), 0);
	EXPECT_LE(stat.idle, ROOM);
	EXPECT_EQ(triggers(), passes);
	EXPECT_EQ(count_retained(_metadata, self->fd, load), PIECES);
	EXPECT_TRUE(cgroup_remove(&group));
}

/* Letting go of contents that are still wanted gains nothing where they cannot go. */
TEST_F_TIMEOUT(pool, what_is_idle_makes_none_without_swap, 120)
{
	struct load *load = new_load();
	struct cgroup group;

	ASSERT_NE(load, MAP_FAILED);
	if (!make_group(&group, "no-swap", ROOM, false))
		SKIP(return, "no memory controller");
	lift_limit(_metadata);
	EXPECT_EQ(run_load(&group, self->fd, PIECES, UNPIN, true, load), 1 << 8);
	EXPECT_EQ(load->error, -ENOMEM);
	EXPECT_EQ(count_retained(_metadata, self->fd, load), load->done);
	EXPECT_TRUE(cgroup_remove(&group));
}

TEST_F_TIMEOUT(pool, memory_reclaim_purges, 120)
{
	const int pieces = 16 * MIB / PIECE;
	long long before = purged(), passes = triggers();
	struct load *load = new_load();
	struct cgroup group;

	ASSERT_NE(load, MAP_FAILED);
	if (!make_group(&group, "reclaim", 0, false))
		SKIP(return, "no memory controller");
	lift_limit(_metadata);
	ASSERT_EQ(run_load(&group, self->fd, pieces, GIVE_UP, false, load), 0);
	EXPECT_EQ(purged(), before);
	/* It says EAGAIN where it got less; what counts is what was purged. */
	cgroup_write(&group, "memory.reclaim", "8M");
	EXPECT_GE(purged() - before, 4 * MIB / PIECE);
	EXPECT_EQ(triggers(), passes);
	EXPECT_EQ(count_retained(_metadata, self->fd, load), pieces - (purged() - before));
	EXPECT_TRUE(cgroup_remove(&group));
}

TEST_F_TIMEOUT(pool, pressure_stays_in_its_cgroup, 120)
{
	const int pieces = 16 * MIB / PIECE;
	struct load *here = new_load(), *there = new_load();
	struct strata_pool_stat stat;
	struct cgroup a, b;
	int other = pool_open();

	ASSERT_NE(here, MAP_FAILED);
	ASSERT_NE(there, MAP_FAILED);
	ASSERT_GE(other, 0);
	if (!make_group(&a, "a", 0, false) || !make_group(&b, "b", 0, false))
		SKIP(return, "no memory controller");
	lift_limit(_metadata);
	ASSERT_EQ(run_load(&a, self->fd, pieces, GIVE_UP, false, here), 0);
	ASSERT_EQ(run_load(&b, other, pieces, GIVE_UP, false, there), 0);
	/* More than all that it has. */
	cgroup_write(&a, "memory.reclaim", "64M");
	ASSERT_EQ(pool_stat(self->fd, &stat), 0);
	EXPECT_LT(stat.purgeable, pieces * PIECE / 2);
	ASSERT_EQ(pool_stat(other, &stat), 0);
	EXPECT_EQ(stat.purgeable, pieces * PIECE);
	EXPECT_EQ(count_retained(_metadata, other, there), pieces);
	close(other);
	EXPECT_TRUE(cgroup_remove(&a));
	EXPECT_TRUE(cgroup_remove(&b));
}

/* A group that is gone leaves its buffers to the one above it. */
TEST_F_TIMEOUT(pool, buffers_outlive_their_cgroup, 120)
{
	const int pieces = 8 * MIB / PIECE;
	struct load *load = new_load();
	struct cgroup group;
	long long count;

	ASSERT_NE(load, MAP_FAILED);
	if (!make_group(&group, "gone", 0, false))
		SKIP(return, "no memory controller");
	lift_limit(_metadata);
	count = pool_count();
	ASSERT_EQ(run_load(&group, self->fd, pieces, GIVE_UP, false, load), 0);
	EXPECT_EQ(pool_count(), count + pieces * PIECE / self->page);
	ASSERT_TRUE(cgroup_remove(&group));
	EXPECT_EQ(pool_count(), count + pieces * PIECE / self->page);
	EXPECT_EQ(pool_drop("purge"), 0);
	EXPECT_EQ(pool_count(), count);
	EXPECT_EQ(count_retained(_metadata, self->fd, load), 0);
}

/* The whole machine, if it is a small one: more than all memory goes through the pool. */
TEST_F_TIMEOUT(pool, full_machine, 300)
{
	const long long total = number_in("/proc/meminfo", "MemTotal") << 10;
	const long long piece = 4 * MIB;
	long long before = purged(), passes = triggers(), kills, put_in;
	struct strata_pool_create buffer;
	int ret = 0;

	if (total > 4096 * MIB)
		SKIP(return, "a machine of %lld MiB is not filled in a moment", total / MIB);
	lift_limit(_metadata);
	kills = number_in("/proc/vmstat", "oom_kill");
	for (put_in = 0; !ret && put_in < total + total / 4; put_in += piece)
		ret = pool_create(self->fd, piece, &buffer) ?: pool_hold(self->fd, buffer.id) ?:
		      pool_not_needed(self->fd, buffer.id) - 1;
	EXPECT_EQ(ret, 0) TH_LOG("after %lld MiB", put_in / MIB);
	EXPECT_EQ(number_in("/proc/vmstat", "oom_kill"), kills);
	EXPECT_GE(purged() - before, total / 4 / piece);
	EXPECT_EQ(triggers(), passes);
	TH_LOG("%lld MiB put into %lld MiB, %lld buffers of %lld purged", put_in / MIB, total / MIB,
	       purged() - before, put_in / piece);
}

TEST_HARNESS_MAIN
