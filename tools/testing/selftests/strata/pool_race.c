// SPDX-License-Identifier: GPL-2.0
/*
 * Eight processes at the same pool, each with buffers of its own, whose contents it
 * knows, and with buffers that all of them share, of which none knows anything.
 * The same numbers in each run; STRATA_SEED takes others.
 */

#include <signal.h>

#include "pool_export.h"
#include "pool_fixture.h"

#define RACERS	8
#define OWN	24
#define SHARED	16

/* What a process knows of a buffer of its own. */
struct own {
	struct strata_pool_create buffer;
	/* Of its contents; of what they are, if they were given up and not purged. */
	uint32_t crc;
	int pins;
	bool given_up;
};

/* What all of them see: buffers of one file, some of them destroyed by now. */
struct board {
	struct strata_pool_create slots[SHARED];
};

struct racer {
	int own_fd;
	int shared_fd;
	struct board *board;
	uint64_t random;
	struct own own[OWN];
};

static uint64_t pick(struct racer *racer, uint64_t below)
{
	return (next_random(&racer->random) >> 16) % below;
}

/* Each of these returns whether what happened may happen. */

static bool make(struct racer *racer, struct own *own)
{
	uint64_t size = (1 + pick(racer, 8)) * page_size();

	if (own->buffer.id && pool_destroy(racer->own_fd, own->buffer.id))
		return false;
	*own = (struct own){};
	return !pool_filled(racer->own_fd, size, pick(racer, -1), &own->buffer, &own->crc);
}

static bool verify(struct racer *racer, struct own *own)
{
	uint32_t crc;

	if (!own->buffer.id)
		return true;
	if (own->given_up)
		return pool_checksum(racer->own_fd, own->buffer.id, 0, 1, &crc) == -ENODATA;
	return pool_contains(racer->own_fd, &own->buffer, own->crc);
}

/* Whoever asks for it back gets all or zeros, and knows which. */
static bool want_back(struct racer *racer, struct own *own)
{
	int retained;

	if (!own->buffer.id)
		return true;
	retained = pool_needed(racer->own_fd, own->buffer.id);
	if (retained < 0 || (!retained && !own->given_up))
		return false;
	if (!retained)
		own->crc = crc32c_zeros(own->buffer.size);
	own->given_up = false;
	return verify(racer, own);
}

static bool rewrite(struct racer *racer, struct own *own)
{
	void *map;

	if (!own->buffer.id || !want_back(racer, own))
		return !own->buffer.id;
	map = pool_map(racer->own_fd, &own->buffer, PROT_READ | PROT_WRITE);
	if (map == MAP_FAILED || crc32c(map, own->buffer.size) != own->crc)
		return false;
	fill(map, own->buffer.size, pick(racer, -1));
	own->crc = crc32c(map, own->buffer.size);
	return !munmap(map, own->buffer.size);
}

static bool pin(struct racer *racer, struct own *own)
{
	int ret;

	if (!own->buffer.id)
		return true;
	ret = pool_pin(racer->own_fd, own->buffer.id);
	if (own->given_up)
		return ret == -ENODATA;
	own->pins += !ret;
	return !ret;
}

static bool unpin(struct racer *racer, struct own *own)
{
	int ret;

	if (!own->buffer.id)
		return true;
	ret = pool_unpin(racer->own_fd, own->buffer.id);
	if (!own->pins)
		return ret == -EINVAL;
	own->pins--;
	return !ret && verify(racer, own);
}

static bool give_up(struct racer *racer, struct own *own)
{
	int ret;

	if (!own->buffer.id)
		return true;
	ret = pool_not_needed(racer->own_fd, own->buffer.id);
	if (own->pins)
		return ret == -EBUSY;
	if (ret < 0 || (!ret && !own->given_up))
		return false;
	own->given_up = true;
	return true;
}

/* Copies between two of the buffers that all share, by a dma-buf of one of them. */
static bool copy(struct racer *racer, uint32_t id)
{
	uint32_t other = ((volatile struct board *)racer->board)->slots[pick(racer, SHARED)].id;
	int buf = pool_export(racer->shared_fd, id), ret;

	if (buf < 0)
		return buf == -ENOENT || buf == -ENODATA;
	ret = pool_copy_all(racer->shared_fd, other, buf, page_size(),
			    pick(racer, 2) ? STRATA_POOL_COPY_OUT : 0);
	close(buf);
	return !ret || ret == -ENOENT || ret == -ENODATA;
}

/* Somebody else may do the same, or destroy it, at the same moment. */
static bool share(struct racer *racer)
{
	struct strata_pool_create *slot = &racer->board->slots[pick(racer, SHARED)];
	struct strata_pool_create buffer = *(volatile struct strata_pool_create *)slot;
	uint32_t crc;
	uint8_t *map;
	int ret;

	switch (pick(racer, 11)) {
	case 0:
		ret = pool_destroy(racer->shared_fd, buffer.id);
		if (ret && ret != -ENOENT)
			return false;
		if (pool_create(racer->shared_fd, (1 + pick(racer, 8)) * page_size(), &buffer))
			return false;
		*slot = buffer;
		return true;
	case 1:
	case 2:
		ret = pool_pin(racer->shared_fd, buffer.id);
		return !ret || ret == -ENOENT || ret == -ENODATA;
	case 3:
		ret = pool_unpin(racer->shared_fd, buffer.id);
		return !ret || ret == -ENOENT || ret == -EINVAL;
	case 4:
		ret = pool_not_needed(racer->shared_fd, buffer.id);
		return ret >= 0 || ret == -ENOENT || ret == -EBUSY;
	case 5:
		ret = pool_needed(racer->shared_fd, buffer.id);
		return ret >= 0 || ret == -ENOENT;
	case 6:
		ret = pool_checksum(racer->shared_fd, buffer.id, 0, page_size(), &crc);
		return !ret || ret == -ENOENT || ret == -ENODATA;
	case 7:
	case 8:
		return copy(racer, buffer.id);
	case 9:
		return !pool_move(pick(racer, 2) ? "local" : "home");
	default:
		/* A slot may be half of one buffer and half of another. */
		map = pool_map(racer->shared_fd, &buffer, PROT_READ | PROT_WRITE);
		if (map == MAP_FAILED)
			return errno == ENOENT || errno == EINVAL || errno == EBUSY;
		map[pick(racer, buffer.size)] = 1;
		return !munmap(map, buffer.size);
	}
}

static bool trigger(struct racer *racer)
{
	static const char *const masks[] = {
		"purge", "idle", "purge idle", "all", "all fail_trylock", "purge idle random_order",
		"all pf_memalloc", "idle as_kswapd", "all as_nofs", "purge rcu", "active", "writeback",
	};

	return !pool_drop(masks[pick(racer, ARRAY_SIZE(masks))]);
}

/* One of the 32 things that a process may do; which of them it was, if it went wrong. */
static int step(struct racer *racer)
{
	struct own *own = &racer->own[pick(racer, OWN)];
	uint64_t what = pick(racer, 32);
	bool good;

	if (what < 4)
		good = make(racer, own);
	else if (what < 7)
		good = rewrite(racer, own);
	else if (what < 11)
		good = pin(racer, own);
	else if (what < 15)
		good = unpin(racer, own);
	else if (what < 19)
		good = give_up(racer, own);
	else if (what < 22)
		good = want_back(racer, own);
	else if (what < 25)
		good = verify(racer, own);
	else if (what < 31)
		good = share(racer);
	else
		good = trigger(racer);
	return good ? 0 : what + 1;
}

/* What a process of its own does: so many steps. Its status says what went wrong. */
static int race(int shared_fd, struct board *board, uint64_t seed, int steps)
{
	struct racer racer = {
		.own_fd = pool_open(), .shared_fd = shared_fd, .board = board,
		.random = seed * 0x9e3779b97f4a7c15ull + 1,
	};
	int ret = 0;

	while (!ret && steps--)
		ret = step(&racer);
	return ret;
}

static uint64_t seed(void)
{
	const char *chosen = getenv("STRATA_SEED");

	return chosen ? strtoull(chosen, NULL, 0) : 4711;
}

static int steps(void)
{
	return debug_kernel() ? 200 : 3000;
}

static struct board *new_board(void)
{
	return mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Nobody is there any more: all that is counted can be had. The fixture looks at the rest. */
static void expect_all_to_go(struct __test_metadata *_metadata, int fd)
{
	struct strata_pool_stat stat;

	/* What is not at home counts in both places. */
	EXPECT_EQ(pool_move("home"), 0);
	EXPECT_EQ(pool_drop("all"), 0);
	EXPECT_EQ(pool_count(), 0);
	EXPECT_EQ(pool_stat(fd, &stat), 0);
	EXPECT_EQ(stat.idle, 0);
	EXPECT_EQ(stat.purgeable, 0);
	EXPECT_EQ(pool_used(), stat.pinned / page_size());
}

TEST_F_TIMEOUT(pool, racing_to_the_end, 300)
{
	struct board *board = new_board();
	pid_t children[RACERS];
	int i;

	ASSERT_NE(board, MAP_FAILED);
	for (i = 0; i < RACERS; i++) {
		children[i] = fork();
		ASSERT_GE(children[i], 0);
		/* Some are done while others are in the middle of it. */
		if (!children[i])
			_exit(race(self->fd, board, seed() + i, steps() / 4 * (1 + i % 4)));
	}
	for (i = 0; i < RACERS; i++)
		EXPECT_EQ(wait_for(children[i]), 0) TH_LOG("racer %d, seed %lu", i, seed());
	expect_all_to_go(_metadata, self->fd);
}

TEST_F_TIMEOUT(pool, racing_and_killed, 300)
{
	const int kills = debug_kernel() ? 24 : 200;
	struct board *board = new_board();
	uint64_t random = seed();
	pid_t children[RACERS] = {};
	int turn, i;

	ASSERT_NE(board, MAP_FAILED);
	for (turn = 0; turn < kills + RACERS; turn++) {
		i = turn % RACERS;
		if (children[i]) {
			usleep(next_random(&random) % 10000);
			ASSERT_EQ(kill(children[i], SIGKILL), 0);
			/* Or it was done; but nothing may have gone wrong. */
			EXPECT_EQ(wait_for(children[i]) & ~0x7f, 0) TH_LOG("turn %d", turn);
			children[i] = 0;
		}
		if (turn >= kills)
			continue;
		children[i] = fork();
		ASSERT_GE(children[i], 0);
		if (!children[i])
			_exit(race(self->fd, board, seed() + 1000 + turn, 100000));
	}
	expect_all_to_go(_metadata, self->fd);
}

TEST_F_TIMEOUT(pool, racing_under_a_limit, 300)
{
	struct board *board = new_board();
	struct limit limit;
	pid_t children[RACERS];
	int i;

	ASSERT_NE(board, MAP_FAILED);
	/* Soft: pins succeed, and everybody evicts what everybody left. */
	ASSERT_EQ(pool_set_limit(RACERS * 16, 0), 0);
	for (i = 0; i < RACERS; i++) {
		children[i] = fork();
		ASSERT_GE(children[i], 0);
		if (!children[i])
			_exit(race(self->fd, board, seed() + 100 + i, steps() / 2));
	}
	for (i = 0; i < RACERS; i++)
		EXPECT_EQ(wait_for(children[i]), 0) TH_LOG("racer %d, seed %lu", i, seed());
	ASSERT_EQ(pool_limit(&limit), 0);
	EXPECT_LE(limit.used, limit.peak);
	expect_all_to_go(_metadata, self->fd);
}

TEST_HARNESS_MAIN
