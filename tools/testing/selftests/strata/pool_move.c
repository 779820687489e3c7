// SPDX-License-Identifier: GPL-2.0
/* Exported buffers that move: what they contain, who sees it, and who makes them stay. */

#include <pthread.h>
#include <signal.h>

#include "pool_export.h"
#include "pool_fixture.h"
#include "sw_sync.h"

#define BUFFERS	5

/* What changed since @before must be just this, and so many must be local now. */
#define EXPECT_MOVES(before, want_moved, want_refused, want_timed_out, want_local) do {	\
	struct moves now_;							\
										\
	EXPECT_EQ(pool_moves(&now_), 0);					\
	EXPECT_EQ(now_.moved - (before).moved, want_moved);			\
	EXPECT_EQ(now_.refused - (before).refused, want_refused);		\
	EXPECT_EQ(now_.timed_out - (before).timed_out, want_timed_out);		\
	EXPECT_EQ(now_.local, want_local);					\
} while (0)

/* The tests count, and so want nobody else in the pool. */
static bool alone(const struct limit *limit)
{
	return !limit->used;
}

TEST_F(pool, contents_follow)
{
	struct strata_pool_create buffers[BUFFERS];
	int bufs[BUFFERS], i, round;
	uint8_t *maps[BUFFERS];
	struct moves before;
	uint32_t crc;

	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	ASSERT_EQ(pool_moves(&before), 0);
	for (i = 0; i < BUFFERS; i++) {
		bufs[i] = pool_filled_exported(self->fd, (1 << 2 * i) * self->page, i,
					       &buffers[i], &crc);
		ASSERT_GE(bufs[i], 0);
		maps[i] = buf_map(bufs[i], buffers[i].size, PROT_READ | PROT_WRITE);
		ASSERT_NE(maps[i], MAP_FAILED);
		EXPECT_EQ(crc32c(maps[i], buffers[i].size), crc);
	}
	for (round = 1; round <= 4; round++) {
		ASSERT_EQ(pool_move(round % 2 ? "local" : "home\n"), 0);
		EXPECT_MOVES(before, round * BUFFERS, 0, 0, round % 2 ? BUFFERS : 0);
		for (i = 0; i < BUFFERS; i++) {
			crc = crc32c(maps[i], buffers[i].size);
			EXPECT_TRUE(pool_contains(self->fd, &buffers[i], crc));
			EXPECT_TRUE(buf_contains(bufs[i], buffers[i].size, crc));
			fill(maps[i], buffers[i].size, round * BUFFERS + i);
			crc = crc32c(maps[i], buffers[i].size);
			EXPECT_TRUE(pool_contains(self->fd, &buffers[i], crc));
			EXPECT_TRUE(buf_contains(bufs[i], buffers[i].size, crc));
		}
		/* It is there already. */
		ASSERT_EQ(pool_move(round % 2 ? "local" : "home"), 0);
		EXPECT_MOVES(before, round * BUFFERS, 0, 0, round % 2 ? BUFFERS : 0);
	}
	for (i = 0; i < BUFFERS; i++) {
		fill(maps[i], buffers[i].size, 0);
		munmap(maps[i], buffers[i].size);
		close(bufs[i]);
	}
}

/* What a mapping by offset shows are the buffer's own pages: always, or it is refused. */
TEST_F(pool, mapped_by_offset_stays)
{
	const size_t size = 4 * self->page;
	struct strata_pool_create buffer;
	struct moves before;
	uint32_t crc;
	uint8_t *map;
	int buf;

	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	ASSERT_EQ(pool_moves(&before), 0);
	buf = pool_filled_exported(self->fd, size, 1, &buffer, &crc);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(pool_move("local"), 0);
	EXPECT_EQ(pool_map(self->fd, &buffer, PROT_READ), MAP_FAILED);
	EXPECT_EQ(errno, EBUSY);
	ASSERT_EQ(pool_move("home"), 0);
	EXPECT_MOVES(before, 2, 0, 0, 0);
	map = pool_map(self->fd, &buffer, PROT_READ | PROT_WRITE);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(crc32c(map, size), crc);
	ASSERT_EQ(pool_move("local"), 0);
	EXPECT_MOVES(before, 2, 1, 0, 0);
	fill(map, size, 2);
	crc = crc32c(map, size);
	munmap(map, size);
	/* It may be mapped anywhere still, by fork() or mremap(). */
	ASSERT_EQ(pool_move("local"), 0);
	EXPECT_MOVES(before, 2, 2, 0, 0);
	EXPECT_TRUE(buf_contains(buf, size, crc));
	close(buf);
}

TEST_F(pool, local_outlives_its_buffer)
{
	const size_t size = 4 * self->page;
	struct strata_pool_create buffer, other;
	struct moves before;
	uint32_t crc;
	int buf;

	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	ASSERT_EQ(pool_moves(&before), 0);
	buf = pool_filled_exported(self->fd, size, 3, &buffer, &crc);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(pool_move("local"), 0);
	/* Both places are held, and count. */
	EXPECT_EQ(pool_used(), 8);
	ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
	EXPECT_EQ(pool_used(), 8);
	/* Who has no name cannot be told to move. */
	ASSERT_EQ(pool_move("home"), 0);
	EXPECT_MOVES(before, 1, 0, 0, 1);
	EXPECT_TRUE(buf_contains(buf, size, crc));
	ASSERT_EQ(pool_create(self->fd, size, &other), 0);
	EXPECT_EQ(pool_copy_all(self->fd, other.id, buf, size, 0), 0);
	EXPECT_TRUE(pool_contains(self->fd, &other, crc));
	close(buf);
	EXPECT_EQ(pool_used(), 0);
	EXPECT_MOVES(before, 1, 0, 0, 0);
}

TEST_F(pool, limit_counts_both_places)
{
	const size_t size = 16 * self->page;
	struct strata_pool_create buffer;
	struct moves before;
	uint32_t crc;
	int buf;

	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	ASSERT_EQ(pool_moves(&before), 0);
	buf = pool_filled_exported(self->fd, size, 4, &buffer, &crc);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(pool_set_limit(31, 31), 0);
	EXPECT_EQ(pool_move("local"), -ENOSPC);
	EXPECT_MOVES(before, 0, 0, 0, 0);
	EXPECT_EQ(pool_used(), 16);
	ASSERT_EQ(pool_set_limit(32, 32), 0);
	EXPECT_EQ(pool_move("local"), 0);
	EXPECT_EQ(pool_used(), 32);
	EXPECT_EQ(pool_move("home"), 0);
	EXPECT_EQ(pool_used(), 16);
	EXPECT_MOVES(before, 2, 0, 0, 0);
	EXPECT_TRUE(buf_contains(buf, size, crc));
	close(buf);
}

/* A device that may still read or write is waited for, and not for ever. */
TEST_F(pool, waits_for_fences)
{
	struct dma_buf_import_sync_file import = {
		.flags = DMA_BUF_SYNC_RW, .fd = -1,
	};
	const size_t size = 4 * self->page;
	struct strata_pool_create buffer;
	int buf, timeline = sw_sync_open();
	struct moves before;
	uint32_t crc;

	if (timeline < 0)
		SKIP(return, NO_SW_SYNC);
	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	ASSERT_EQ(pool_moves(&before), 0);
	buf = pool_filled_exported(self->fd, size, 5, &buffer, &crc);
	ASSERT_GE(buf, 0);
	import.fd = sw_sync_fence(timeline, 1);
	ASSERT_GE(import.fd, 0);
	ASSERT_EQ(result(ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import)), 0);
	ASSERT_EQ(pool_move("local"), 0);
	EXPECT_MOVES(before, 0, 0, 1, 0);
	EXPECT_EQ(pool_used(), 4);
	EXPECT_TRUE(buf_contains(buf, size, crc));
	ASSERT_EQ(sw_sync_inc(timeline, 1), 0);
	ASSERT_EQ(pool_move("local"), 0);
	EXPECT_MOVES(before, 1, 0, 1, 1);
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
	close(import.fd);
	close(timeline);
	close(buf);
}

/* Counts up in its own word of each page, and says if one ever went back. */
struct writer {
	volatile uint64_t *words;
	size_t size;
	size_t word;
	volatile bool *stop;
	uint64_t count;
	bool wrong;
};

static void *count_up(void *arg)
{
	struct writer *writer = arg;
	size_t step = page_size() / sizeof(uint64_t), i;

	while (!*writer->stop) {
		for (i = writer->word; i < writer->size / sizeof(uint64_t); i += step) {
			writer->wrong |= writer->words[i] != writer->count;
			writer->words[i] = writer->count + 1;
		}
		writer->count++;
	}
	return NULL;
}

#define WRITERS	3

TEST_F(pool, nothing_that_is_written_is_lost)
{
	const int rounds = debug_kernel() ? 40 : 400;
	const size_t size = 16 * self->page;
	struct writer writers[WRITERS];
	struct strata_pool_create buffer;
	volatile bool stop = false;
	pthread_t threads[WRITERS];
	int buf, i, round;
	uint64_t *map;
	size_t at;

	buf = pool_new_exported(self->fd, size, &buffer);
	ASSERT_GE(buf, 0);
	map = buf_map(buf, size, PROT_READ | PROT_WRITE);
	ASSERT_NE((void *)map, MAP_FAILED);
	for (i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ map, size, i, &stop, 0, false };
		ASSERT_EQ(pthread_create(&threads[i], NULL, count_up, &writers[i]), 0);
	}
	for (round = 0; round < rounds; round++)
		EXPECT_EQ(pool_move(round % 2 ? "home" : "local"), 0);
	stop = true;
	for (i = 0; i < WRITERS; i++) {
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
		EXPECT_FALSE(writers[i].wrong);
		EXPECT_GT(writers[i].count, 0);
		for (at = i; at < size / sizeof(*map); at += self->page / sizeof(*map))
			ASSERT_EQ(map[at], writers[i].count);
	}
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c(map, size)));
	munmap(map, size);
	close(buf);
}

/* Moves back and forth until it is killed. */
static pid_t fork_mover(void)
{
	pid_t child = fork();

	if (!child)
		for (;;) {
			pool_move("local");
			pool_move("home");
		}
	return child;
}

/* Copies go where the contents are, in both directions, exported in the middle of it or not. */
TEST_F(pool, copies_find_the_contents)
{
	const int rounds = debug_kernel() ? 50 : 500;
	const size_t size = 8 * self->page;
	struct strata_pool_create source, target;
	pid_t child = fork_mover();
	int i, from, to = -1;
	uint32_t crc;

	ASSERT_GE(child, 0);
	for (i = 0; i < rounds; i++) {
		from = pool_filled_exported(self->fd, size, i, &source, &crc);
		ASSERT_GE(from, 0);
		ASSERT_EQ(pool_create(self->fd, size, &target), 0);
		if (i % 3 == 0)
			to = pool_export(self->fd, target.id);
		ASSERT_EQ(pool_copy_all(self->fd, target.id, from, size, 0), 0);
		if (i % 3 == 1)
			to = pool_export(self->fd, target.id);
		ASSERT_TRUE(pool_contains(self->fd, &target, crc));
		ASSERT_TRUE(i % 3 == 2 || buf_contains(to, size, crc));
		memset(&crc, 0, sizeof(crc));
		ASSERT_EQ(pool_destroy(self->fd, source.id), 0);
		/* The other way, from a buffer that may be anywhere into one that has no name. */
		ASSERT_EQ(pool_checksum(self->fd, target.id, 0, size, &crc), 0);
		ASSERT_EQ(pool_copy_all(self->fd, target.id, from, size, STRATA_POOL_COPY_OUT), 0);
		ASSERT_TRUE(buf_contains(from, size, crc));
		ASSERT_EQ(pool_destroy(self->fd, target.id), 0);
		close(from);
		if (i % 3 != 2)
			close(to);
	}
	ASSERT_EQ(kill(child, SIGKILL), 0);
	ASSERT_EQ(wait_for(child), SIGKILL);
}

/* Who is first decides: mapped, it stays; moved, it is not mapped. */
TEST_F(pool, mapping_races_with_moving)
{
	const int rounds = debug_kernel() ? 100 : 1000;
	const size_t size = 2 * self->page;
	struct strata_pool_create buffer;
	int buf, i, mapped = 0, busy = 0;
	pid_t child = fork_mover();
	uint8_t *own, *map;
	uint32_t crc;

	ASSERT_GE(child, 0);
	for (i = 0; i < rounds; i++) {
		buf = pool_filled_exported(self->fd, size, i, &buffer, &crc);
		ASSERT_GE(buf, 0);
		map = buf_map(buf, size, PROT_READ | PROT_WRITE);
		ASSERT_NE(map, MAP_FAILED);
		own = pool_map(self->fd, &buffer, PROT_READ | PROT_WRITE);
		if (own == MAP_FAILED) {
			ASSERT_EQ(errno, EBUSY);
			busy++;
		} else {
			mapped++;
			map[i % size] = i;
			ASSERT_EQ(memcmp(own, map, size), 0);
			own[(i + 1) % size] = i;
			ASSERT_EQ(memcmp(own, map, size), 0);
			munmap(own, size);
		}
		munmap(map, size);
		close(buf);
		ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
	}
	TH_LOG("%d mapped, %d busy", mapped, busy);
	EXPECT_GT(mapped, 0);
	ASSERT_EQ(kill(child, SIGKILL), 0);
	ASSERT_EQ(wait_for(child), SIGKILL);
}

TEST_F(pool, killed_mover_leaves_order)
{
	const size_t size = debug_kernel() ? 1 << 20 : 16 << 20;
	struct strata_pool_create buffer;
	struct moves moves;
	int buf, round;
	uint32_t crc;
	pid_t child;

	if (!alone(&self->limit))
		SKIP(return, "somebody else uses the pool");
	buf = pool_filled_exported(self->fd, size, 6, &buffer, &crc);
	ASSERT_GE(buf, 0);
	for (round = 0; round < 10; round++) {
		child = fork_mover();
		ASSERT_GE(child, 0);
		usleep(1000 + 3000 * round);
		ASSERT_EQ(kill(child, SIGKILL), 0);
		ASSERT_EQ(wait_for(child), SIGKILL);
		ASSERT_EQ(pool_moves(&moves), 0);
		EXPECT_EQ(pool_used(), size / self->page * (1 + moves.local));
		EXPECT_TRUE(buf_contains(buf, size, crc));
		EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
	}
	close(buf);
}

TEST_HARNESS_MAIN
