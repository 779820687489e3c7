// SPDX-License-Identifier: GPL-2.0
/* The pool between processes: sharing, racing, and dying in the middle of it. */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>

#include "pool_fixture.h"

#define RACERS	8

TEST_F(pool, by_fork)
{
	size_t size = 16 * self->page;
	struct strata_pool_create buffer;
	uint32_t crc;
	pid_t child;
	void *map;

	map = pool_new(self->fd, size, &buffer);
	ASSERT_NE(map, MAP_FAILED);
	fill(map, size, 1);
	crc = crc32c(map, size);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		uint32_t seen;

		/* Both the mapping and the descriptor are inherited. */
		if (crc32c(map, size) != crc)
			_exit(1);
		if (pool_checksum(self->fd, buffer.id, 0, size, &seen) || seen != crc)
			_exit(2);
		fill(map, size, 2);
		_exit(0);
	}
	ASSERT_EQ(wait_for(child), 0);
	EXPECT_NE(crc32c(map, size), crc);
	ASSERT_EQ(pool_checksum(self->fd, buffer.id, 0, size, &crc), 0);
	EXPECT_EQ(crc, crc32c(map, size));
	munmap(map, size);
}

TEST_F(pool, by_message)
{
	size_t size = 16 * self->page;
	struct strata_pool_create buffer;
	int sockets[2];
	uint32_t crc;
	pid_t child;
	void *map;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		uint32_t seen;
		int fd;

		close(self->fd);
		fd = receive_fd(sockets[1], &buffer, sizeof(buffer));
		if (fd < 0)
			_exit(1);
		map = pool_map(fd, &buffer, PROT_READ);
		if (map == MAP_FAILED)
			_exit(2);
		if (pool_checksum(fd, buffer.id, 0, size, &seen) || seen != crc32c(map, size))
			_exit(3);
		if (write(sockets[1], &seen, sizeof(seen)) != sizeof(seen))
			_exit(4);
		/* The sender's name for it works here too, and it is gone for both. */
		_exit(pool_destroy(fd, buffer.id) ? 5 : 0);
	}
	map = pool_new(self->fd, size, &buffer);
	ASSERT_NE(map, MAP_FAILED);
	fill(map, size, 3);
	ASSERT_TRUE(send_fd(sockets[0], self->fd, &buffer, sizeof(buffer)));
	ASSERT_EQ(read(sockets[0], &crc, sizeof(crc)), sizeof(crc));
	EXPECT_EQ(crc, crc32c(map, size));
	ASSERT_EQ(wait_for(child), 0);
	EXPECT_EQ(pool_destroy(self->fd, buffer.id), -ENOENT);
	EXPECT_EQ(crc, crc32c(map, size));
	munmap(map, size);
}

TEST_F(pool, file_in_flight_is_released_with_its_socket)
{
	struct pool_totals totals;
	struct strata_pool_create buffer;
	int fd = pool_open(), sockets[2];

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
	ASSERT_EQ(pool_create(fd, self->page, &buffer), 0);
	ASSERT_TRUE(send_fd(sockets[0], fd, "", 1));
	close(fd);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_EQ(totals.buffers, self->before.buffers + 1);
	close(sockets[0]);
	close(sockets[1]);
	/* Teardown checks that it is gone. */
}

#define MESS	21

/* Buffers of every state, and mappings of them; as many bytes of each state. */
static bool leave_mess(size_t page)
{
	struct strata_pool_create buffer;
	int fd = pool_open(), i;
	uint8_t *map;

	for (i = 0; i < MESS; i++) {
		map = pool_new(fd, 4 * page, &buffer);
		if (map == MAP_FAILED)
			return false;
		memset(map, i, 4 * page);
		if (i % 3 == 0 && pool_pin(fd, buffer.id))
			return false;
		if (i % 3 == 1 && pool_hold(fd, buffer.id))
			return false;
		if (i % 3 == 2 && pool_not_needed(fd, buffer.id) != 1)
			return false;
	}
	return true;
}

TEST_F(pool, exit_releases_everything)
{
	pid_t child;
	int round;

	for (round = 0; round < 3; round++) {
		child = fork();
		ASSERT_GE(child, 0);
		if (!child)
			_exit(leave_mess(self->page) ? 0 : 1);
		ASSERT_EQ(wait_for(child), 0);
	}
}

TEST_F(pool, sigkill_releases_everything)
{
	const long long each = MESS / 3 * 4 * self->page;
	struct pool_totals totals;
	int pipes[2];
	pid_t child;
	char byte;

	ASSERT_EQ(pipe(pipes), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		if (!leave_mess(self->page) || write(pipes[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ASSERT_EQ(read(pipes[0], &byte, 1), 1);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_EQ(totals.buffers, self->before.buffers + MESS);
	EXPECT_EQ(totals.pinned, self->before.pinned + each);
	EXPECT_EQ(totals.idle, self->before.idle + each);
	EXPECT_EQ(totals.purgeable, self->before.purgeable + each);
	ASSERT_EQ(kill(child, SIGKILL), 0);
	EXPECT_EQ(wait_for(child), SIGKILL);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_TRUE(same_totals(&totals, &self->before));
	EXPECT_EQ(pool_used(), self->limit.used);
}

TEST_F(pool, sigkill_interrupts_a_large_pin)
{
	const uint64_t size = debug_kernel() ? 16 << 20 : 64 << 20;
	struct strata_pool_create buffer;
	int round, fd;
	pid_t child;

	for (round = 0; round < 10; round++) {
		fd = pool_open();
		child = fork();
		ASSERT_GE(child, 0);
		if (!child) {
			for (;;)
				if (!pool_create(fd, size, &buffer) && !pool_pin(fd, buffer.id))
					pool_destroy(fd, buffer.id);
		}
		usleep(1000 + 7000 * round);
		ASSERT_EQ(kill(child, SIGKILL), 0);
		ASSERT_EQ(wait_for(child), SIGKILL);
		/* Of what it had pinned no more than one buffer is left. */
		EXPECT_LE(pool_used(), self->limit.used + size / self->page);
		close(fd);
		EXPECT_EQ(pool_used(), self->limit.used);
	}
}

/* What racers know of each other's buffers. */
struct board {
	struct strata_pool_create slots[32];
};

/*
 * Creates, maps, sums and destroys, its own and those of others, until time is
 * up. A buffer that is not there any more is no failure; anything else is.
 */
static int race(int fd, struct board *board, uint64_t seed, double until)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
	size_t page = page_size();
	struct strata_pool_create buffer;
	uint32_t crc;
	uint8_t *map;
	int ret;

	while (now() < until) {
		uint64_t choice = next_random(&state);
		struct strata_pool_create *slot = &board->slots[choice >> 32 & 31];

		buffer = *(volatile struct strata_pool_create *)slot;
		switch (choice % 5) {
		case 0:
		case 1:
			ret = pool_create(fd, (1 + choice % 7) * page, &buffer);
			if (ret)
				return 1;
			*slot = buffer;
			break;
		case 2:
			/* A slot may be half of one buffer and half of another. */
			map = pool_map(fd, &buffer, PROT_READ | PROT_WRITE);
			if (map == MAP_FAILED && errno != ENOENT && errno != EINVAL)
				return 2;
			if (map == MAP_FAILED)
				break;
			map[0] = choice;
			munmap(map, buffer.size);
			break;
		case 3:
			ret = pool_checksum(fd, buffer.id, 0, page, &crc);
			if (ret && ret != -ENOENT)
				return 3;
			break;
		case 4:
			ret = pool_destroy(fd, buffer.id);
			if (ret && ret != -ENOENT)
				return 4;
			break;
		}
	}
	return 0;
}

TEST_F(pool, racing_processes)
{
	struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double until = now() + 2;
	pid_t children[RACERS];
	int i;

	ASSERT_NE(board, MAP_FAILED);
	for (i = 0; i < RACERS; i++) {
		children[i] = fork();
		ASSERT_GE(children[i], 0);
		if (!children[i]) {
			int own = pool_open(), ret;

			/* Some leave while the others go on. */
			ret = race(self->fd, board, i + 1, until - (i % 4) * 0.3);
			if (!ret)
				ret = race(own, board, i + 100, until);
			_exit(ret);
		}
	}
	for (i = 0; i < RACERS; i++)
		EXPECT_EQ(wait_for(children[i]), 0);
}

TEST_F(pool, racing_processes_that_are_killed)
{
	struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double until = now() + 1.5;
	pid_t children[RACERS];
	int i, turn = 0;

	ASSERT_NE(board, MAP_FAILED);
	memset(children, 0, sizeof(children));
	while (now() < until) {
		i = turn++ % RACERS;
		if (children[i]) {
			ASSERT_EQ(kill(children[i], SIGKILL), 0);
			ASSERT_EQ(wait_for(children[i]), SIGKILL);
		}
		children[i] = fork();
		ASSERT_GE(children[i], 0);
		if (!children[i]) {
			race(turn % 2 ? self->fd : pool_open(), board, turn, now() + 1000);
			for (;;)
				pause();
		}
		usleep(10000);
	}
	for (i = 0; i < RACERS; i++)
		if (children[i]) {
			ASSERT_EQ(kill(children[i], SIGKILL), 0);
			ASSERT_EQ(wait_for(children[i]), SIGKILL);
		}
}

struct racer {
	int fd;
	struct board *board;
	uint64_t seed;
	double until;
	int ret;
};

static void *race_thread(void *arg)
{
	struct racer *racer = arg;

	racer->ret = race(racer->fd, racer->board, racer->seed, racer->until);
	return NULL;
}

TEST_F(pool, racing_threads)
{
	struct racer racers[RACERS];
	pthread_t threads[RACERS];
	struct board board = {};
	int i;

	/* One mm, so that mapping in one waits for mapping in the others. */
	for (i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ self->fd, &board, i + 50, now() + 1, 0 };
		ASSERT_EQ(pthread_create(&threads[i], NULL, race_thread, &racers[i]), 0);
	}
	for (i = 0; i < RACERS; i++) {
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
		EXPECT_EQ(racers[i].ret, 0);
	}
}

TEST_HARNESS_MAIN
