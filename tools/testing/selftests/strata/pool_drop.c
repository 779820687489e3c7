// SPDX-License-Identifier: GPL-2.0
/* The trigger in debugfs: each bit of its mask, and what its statistics promise. */

#include <pthread.h>
#include <signal.h>

#include "pool_fixture.h"

#define PAGES	4
#define BUFFERS	30
/* How many pages set_up() leaves with the pool, of each kind. */
#define EACH	(BUFFERS / 3 * PAGES)

/* Bits that the pool supports, by their numbers. */
static const char *const names[] = {
	[0] = "purge", [1] = "idle", [2] = "active", [3] = "writeback", [4] = "all", [7] = "freed",
	[8] = "rcu", [9] = "as_nofs", [10] = "as_kswapd", [11] = "pf_memalloc",
	[12] = "fail_trylock", [13] = "random_order",
};

struct set {
	struct strata_pool_create buffers[BUFFERS];
	uint32_t crcs[BUFFERS];
};

/* A third is given up, a third is idle, a third is pinned. */
static bool set_up(int fd, struct set *set)
{
	int i;

	for (i = 0; i < BUFFERS; i++) {
		struct strata_pool_create *buffer = &set->buffers[i];

		if (pool_filled(fd, PAGES * page_size(), i, buffer, &set->crcs[i]) ||
		    pool_pin(fd, buffer->id))
			return false;
		if (i % 3 != 2 && pool_unpin(fd, buffer->id))
			return false;
		if (i % 3 == 0 && pool_not_needed(fd, buffer->id) != 1)
			return false;
	}
	return true;
}

/* Whether nothing was lost but what was given up, and destroys it all. */
static bool is_intact(int fd, const struct set *set)
{
	int i, retained;

	for (i = 0; i < BUFFERS; i++) {
		const struct strata_pool_create *buffer = &set->buffers[i];
		uint32_t crc = set->crcs[i];

		retained = pool_needed(fd, buffer->id);
		if (retained < 0 || (!retained && i % 3 != 0))
			return false;
		if (!retained)
			crc = crc32c_zeros(buffer->size);
		if (!pool_contains(fd, buffer, crc) || pool_destroy(fd, buffer->id))
			return false;
	}
	return true;
}

/* Triggers, and checks what holds whatever was asked for. */
static void drop(struct __test_metadata *_metadata, const char *mask, struct drop_stats *last)
{
	struct drop_stats before, after;
	long long count = pool_count();

	ASSERT_EQ(drop_stats(&before, DROP_TOTAL), 0);
	EXPECT_EQ(pool_drop(mask), 0) TH_LOG("%s", mask);
	ASSERT_EQ(drop_stats(last, DROP_LAST), 0);
	ASSERT_EQ(drop_stats(&after, DROP_TOTAL), 0);

	EXPECT_EQ(last->count_before, count) TH_LOG("%s", mask);
	EXPECT_EQ(last->count_after, pool_count()) TH_LOG("%s", mask);
	EXPECT_EQ(last->count_before - last->count_after, last->freed) TH_LOG("%s", mask);
	EXPECT_EQ(last->freed, last->purged + last->idle + last->active) TH_LOG("%s", mask);
	EXPECT_LE(last->freed, last->scanned) TH_LOG("%s", mask);
	EXPECT_EQ(after.freed, before.freed + last->freed) TH_LOG("%s", mask);
	EXPECT_EQ(after.scanned, before.scanned + last->scanned) TH_LOG("%s", mask);
	EXPECT_EQ(after.passes, before.passes + last->passes) TH_LOG("%s", mask);
	EXPECT_EQ(after.purged, before.purged + last->purged) TH_LOG("%s", mask);
	EXPECT_EQ(after.ns, before.ns + last->ns) TH_LOG("%s", mask);
	/* Off where there is no lockdep, and after its first report. */
	EXPECT_EQ(last->debug_locks, before.debug_locks) TH_LOG("%s", mask);
	if (debug_kernel())
		EXPECT_EQ(last->debug_locks, 1) TH_LOG("%s: lockdep reported something", mask);
}

#define DROP(mask, last)	drop(_metadata, mask, last)

TEST_F(pool, reading_says_what_is_supported)
{
	char text[4096], name[32], *line;
	unsigned int bits, seen = 0;
	int i;

	ASSERT_GT(read_text(POOL_DROP, text, sizeof(text)), 0);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		int words = 0, found;

		found = sscanf(line, "0x%4x %31s %n", &bits, name, &words);
		ASSERT_EQ(found, 2) TH_LOG("%s", line);
		i = __builtin_ctz(bits);
		ASSERT_EQ(bits, 1u << i) TH_LOG("%s", line);
		ASSERT_LT(i, ARRAY_SIZE(names)) TH_LOG("%s", line);
		ASSERT_NE(names[i], NULL) TH_LOG("%s", line);
		EXPECT_STREQ(name, names[i]);
		EXPECT_GT(strlen(line + words), 5) TH_LOG("no words for %s", name);
		EXPECT_EQ(seen & bits, 0) TH_LOG("%s is there twice", name);
		seen |= bits;
	}
	for (i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_EQ(seen >> i & 1, names[i] != NULL) TH_LOG("bit %d", i);
}

/* By its name, in capitals, in hexadecimal and in decimal, with other bits. */
static void spell(char masks[4][64], const char *name, const char *with, unsigned int bits)
{
	char *c;

	snprintf(masks[0], 64, "%s%s", name, with);
	snprintf(masks[1], 64, " %s%s\n", name, with);
	for (c = masks[1]; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c -= 'a' - 'A';
	snprintf(masks[2], 64, "0x%x", bits);
	snprintf(masks[3], 64, "%u\n", bits);
}

TEST_F(pool, each_round)
{
	struct drop_stats last;
	char masks[4][64];
	struct set set;
	int i, form;

	for (i = 0; i < 5; i++) {
		spell(masks, names[i], "", 1 << i);
		for (form = 0; form < 4; form++) {
			ASSERT_TRUE(set_up(self->fd, &set));
			DROP(masks[form], &last);
			EXPECT_EQ(last.purged, i == 0 || i == 4 ? EACH : 0) TH_LOG("%s", masks[form]);
			/* Both rounds take what is idle. */
			EXPECT_EQ(last.idle + last.active, i == 1 || i == 2 || i == 4 ? EACH : 0)
				TH_LOG("%s", masks[form]);
			EXPECT_EQ(last.stuck, 0) TH_LOG("%s", masks[form]);
			EXPECT_TRUE(is_intact(self->fd, &set)) TH_LOG("%s", masks[form]);
		}
	}
}

TEST_F(pool, each_bit_that_is_no_round)
{
	struct drop_stats before, last;
	char masks[4][64];
	struct set set;
	int i, form;

	for (i = 5; i < ARRAY_SIZE(names); i++) {
		if (!names[i])
			continue;
		ASSERT_TRUE(set_up(self->fd, &set));
		/* Alone, what comes after the rounds is nothing that the statistics are about. */
		spell(masks, names[i], i < 9 ? "" : "|purge", i < 9 ? 1 << i : 1 << i | 1);
		for (form = 0; form < 4; form++) {
			ASSERT_EQ(drop_stats(&before, DROP_TOTAL), 0);
			if (i >= 9) {
				DROP(masks[form], &last);
				EXPECT_EQ(last.idle + last.active, 0) TH_LOG("%s", masks[form]);
				continue;
			}
			EXPECT_EQ(pool_drop(masks[form]), 0) TH_LOG("%s", masks[form]);
			ASSERT_EQ(drop_stats(&last, DROP_TOTAL), 0);
			EXPECT_EQ(last.passes, before.passes) TH_LOG("%s", masks[form]);
		}
		EXPECT_TRUE(is_intact(self->fd, &set)) TH_LOG("%s", names[i]);
	}
}

TEST_F(pool, several_bits)
{
	static const char *const both[] = {
		"purge idle", "idle|purge", "IDLE,PURGE", "purge , | idle\n", "0x3", "3", "purge\nidle",
		"purge purge idle", "0x0103", "freed idle rcu purge", "0X183",
	};
	struct drop_stats last;
	struct set set;
	int i;

	for (i = 0; i < ARRAY_SIZE(both); i++) {
		ASSERT_TRUE(set_up(self->fd, &set));
		DROP(both[i], &last);
		EXPECT_EQ(last.purged, EACH) TH_LOG("%s", both[i]);
		EXPECT_EQ(last.idle, EACH) TH_LOG("%s", both[i]);
		EXPECT_EQ(last.active, 0) TH_LOG("%s", both[i]);
		EXPECT_TRUE(is_intact(self->fd, &set)) TH_LOG("%s", both[i]);
	}
}

TEST_F(pool, all_gets_all_that_can_be_had)
{
	static const char *const masks[] = {
		"all", "0x10", "all pf_memalloc", "all random_order", "all as_kswapd",
		"all fail_trylock", "all fail_trylock random_order pf_memalloc", "all writeback freed rcu",
	};
	const size_t third = EACH * self->page;
	struct drop_stats last;
	struct set set;
	int i;

	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		ASSERT_TRUE(set_up(self->fd, &set));
		EXPECT_EQ(pool_count(), self->count + 2 * EACH);
		DROP(masks[i], &last);
		EXPECT_EQ(last.count_after, self->count) TH_LOG("%s", masks[i]);
		EXPECT_EQ(last.stuck, 0) TH_LOG("%s", masks[i]);
		EXPECT_STAT(self->fd, third, 0, 0);
		EXPECT_EQ(pool_used(), self->limit.used + EACH);
		EXPECT_TRUE(is_intact(self->fd, &set)) TH_LOG("%s", masks[i]);
	}
}

TEST_F(pool, nothing_to_drop)
{
	struct drop_stats last;
	int i;

	for (i = 0; i < 3; i++) {
		DROP("all", &last);
		EXPECT_EQ(last.freed, 0);
		EXPECT_EQ(last.stuck, 0);
	}
}

TEST_F(pool, as_nofs_touches_nothing)
{
	static const char *const masks[] = {
		"purge as_nofs", "idle as_nofs", "active as_nofs", "purge idle active as_nofs",
		"all as_nofs", "0x207",
	};
	struct strata_pool_stat before, after;
	struct drop_stats last;
	struct set set;
	int i;

	ASSERT_TRUE(set_up(self->fd, &set));
	ASSERT_EQ(pool_stat(self->fd, &before), 0);
	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		DROP(masks[i], &last);
		EXPECT_GT(last.stop, 0) TH_LOG("%s", masks[i]);
		EXPECT_EQ(last.scanned, 0) TH_LOG("%s", masks[i]);
		EXPECT_EQ(last.freed, 0) TH_LOG("%s", masks[i]);
		EXPECT_EQ(last.count_before, self->count + 2 * EACH) TH_LOG("%s", masks[i]);
		ASSERT_EQ(pool_stat(self->fd, &after), 0);
		EXPECT_EQ(memcmp(&before, &after, sizeof(after)), 0) TH_LOG("%s", masks[i]);
	}
	EXPECT_TRUE(is_intact(self->fd, &set));
}

TEST_F(pool, failing_trylocks_are_counted)
{
	struct drop_stats last;
	struct set set;

	ASSERT_TRUE(set_up(self->fd, &set));
	DROP("purge idle", &last);
	EXPECT_EQ(last.trylock_failed, 0);
	EXPECT_TRUE(is_intact(self->fd, &set));

	/* One pass alone gets what it can, and more passes all. */
	ASSERT_TRUE(set_up(self->fd, &set));
	DROP("purge idle fail_trylock", &last);
	EXPECT_GT(last.trylock_failed, 0);
	EXPECT_GT(last.freed, 0);
	DROP("all fail_trylock", &last);
	EXPECT_EQ(last.count_after, self->count);
	EXPECT_TRUE(is_intact(self->fd, &set));
}

/* A thread that leaves a buffer hardly a moment in which nobody works on it. */
struct busy {
	int fd;
	struct strata_pool_create buffer;
	uint32_t crc;
	volatile bool stop;
	volatile long rounds;
	bool failed;
};

static void *keep_busy(void *arg)
{
	struct busy *busy = arg;

	for (; !busy->stop; busy->rounds++)
		if (pool_pin(busy->fd, busy->buffer.id) ||
		    !pool_contains(busy->fd, &busy->buffer, busy->crc) ||
		    pool_unpin(busy->fd, busy->buffer.id))
			busy->failed = true;
	return NULL;
}

TEST_F_TIMEOUT(pool, active_waits_within_bounds, 120)
{
	struct drop_stats last;
	struct busy busy = { .fd = self->fd };
	pthread_t thread;
	double began;
	int i;

	ASSERT_EQ(pool_filled(self->fd, 64 * self->page, 1, &busy.buffer, &busy.crc), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, keep_busy, &busy), 0);
	while (!busy.rounds)
		usleep(1000);
	for (i = 0; i < 20; i++) {
		began = now();
		EXPECT_EQ(pool_drop(i & 1 ? "all" : "purge idle active"), 0);
		EXPECT_LT(now() - began, debug_kernel() ? 60 : 10);
		ASSERT_EQ(drop_stats(&last, DROP_LAST), 0);
		EXPECT_LE(last.wait_timeout, last.waited);
		/* As kswapd there is no waiting, whatever is asked for. */
		EXPECT_EQ(pool_drop("active as_kswapd"), 0);
		ASSERT_EQ(drop_stats(&last, DROP_LAST), 0);
		EXPECT_EQ(last.waited, 0);
		EXPECT_EQ(last.wait_timeout, 0);
	}
	busy.stop = true;
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_FALSE(busy.failed);
	EXPECT_TRUE(pool_contains(self->fd, &busy.buffer, busy.crc));
}

TEST_F_TIMEOUT(pool, several_triggers_at_once, 120)
{
	const int rounds = debug_kernel() ? 5 : 50;
	struct set set;
	pid_t children[4];
	int i, round;

	ASSERT_TRUE(set_up(self->fd, &set));
	for (i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		ASSERT_GE(children[i], 0);
		if (!children[i]) {
			static const char *const masks[] = {
				"all", "purge", "idle|random_order", "all fail_trylock",
			};

			for (round = 0; round < rounds; round++)
				if (pool_drop(masks[i]) || pool_count() < 0)
					_exit(1);
			_exit(0);
		}
	}
	for (round = 0; round < rounds; round++)
		for (i = 1; i < BUFFERS; i += 3)
			ASSERT_EQ(pool_hold(self->fd, set.buffers[i].id), 0);
	for (i = 0; i < ARRAY_SIZE(children); i++)
		EXPECT_EQ(wait_for(children[i]), 0);
	EXPECT_EQ(pool_drop("all"), 0);
	EXPECT_EQ(pool_count(), self->count);
	EXPECT_TRUE(is_intact(self->fd, &set));
}

TEST_F_TIMEOUT(pool, killed_writer_ends, 120)
{
	const int buffers = debug_kernel() ? 500 : 5000;
	struct strata_pool_create *made = calloc(buffers, sizeof(*made));
	struct drop_stats last;
	int i, round;
	pid_t child;
	double began;

	ASSERT_NE(made, NULL);
	for (i = 0; i < buffers; i++)
		ASSERT_EQ(pool_create(self->fd, self->page, &made[i]), 0);
	for (round = 0; round < 8; round++) {
		for (i = 0; i < buffers; i++)
			ASSERT_EQ(pool_hold(self->fd, made[i].id), 0);
		ASSERT_EQ(pool_count(), self->count + buffers);
		child = fork();
		ASSERT_GE(child, 0);
		if (!child) {
			for (;;)
				pool_drop("all fail_trylock random_order");
		}
		usleep(200 << round);
		began = now();
		ASSERT_EQ(kill(child, SIGKILL), 0);
		EXPECT_EQ(wait_for(child), SIGKILL);
		EXPECT_LT(now() - began, debug_kernel() ? 60 : 10);
		/* Whatever it left is right, and can be had. */
		EXPECT_LE(pool_count(), self->count + buffers);
		DROP("all", &last);
		EXPECT_EQ(last.count_after, self->count);
		EXPECT_STAT(self->fd, 0, 0, 0);
	}
	free(made);
}

TEST_HARNESS_MAIN
