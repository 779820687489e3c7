// SPDX-License-Identifier: GPL-2.0
/* Buffers of the pool as dma-bufs: what they contain, who has them, and how they end. */

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/socket.h>

#include "pool_export.h"
#include "pool_fixture.h"

#define PAGES	8

static bool same_file(int a, int b)
{
	struct stat first, second;

	return !fstat(a, &first) && !fstat(b, &second) && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

TEST_F(pool, is_the_same_memory)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	uint8_t *map, *own;
	int buf;

	own = pool_new(self->fd, size, &buffer);
	ASSERT_NE(own, MAP_FAILED);
	fill(own, size, 1);
	buf = pool_export(self->fd, buffer.id);
	ASSERT_GE(buf, 0);
	map = buf_map(buf, size, PROT_READ | PROT_WRITE);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(memcmp(map, own, size), 0);
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c(own, size)));

	/* Both ways, and as the kernel sees it. */
	fill(map, size, 2);
	EXPECT_EQ(memcmp(map, own, size), 0);
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c(own, size)));
	fill(own, size, 3);
	EXPECT_EQ(memcmp(map, own, size), 0);
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c(map, size)));
	munmap(map, size);
	munmap(own, size);
	close(buf);
}

TEST_F(pool, is_new_memory_of_zeros)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	int buf = pool_new_exported(self->fd, size, &buffer);

	ASSERT_GE(buf, 0);
	EXPECT_TRUE(buf_contains(buf, size, crc32c_zeros(size)));
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c_zeros(size)));
	close(buf);
}

TEST_F(pool, is_the_same_each_time)
{
	struct strata_pool_create buffer, other;
	int bufs[3], i;

	ASSERT_EQ(pool_create(self->fd, self->page, &buffer), 0);
	for (i = 0; i < 2; i++) {
		bufs[i] = pool_export(self->fd, buffer.id);
		ASSERT_GE(bufs[i], 0);
		EXPECT_EQ(fcntl(bufs[i], F_GETFD), FD_CLOEXEC);
	}
	bufs[2] = pool_new_exported(self->fd, self->page, &other);
	EXPECT_NE(bufs[0], bufs[1]);
	EXPECT_TRUE(same_file(bufs[0], bufs[1]));
	EXPECT_FALSE(same_file(bufs[0], bufs[2]));
	close(bufs[0]);
	/* It has a name still, and so has its dma-buf. */
	bufs[0] = pool_export(self->fd, buffer.id);
	EXPECT_TRUE(same_file(bufs[0], bufs[1]));
	for (i = 0; i < 3; i++)
		close(bufs[i]);
	EXPECT_STAT(self->fd, 2 * self->page, 0, 0);
}

TEST_F(pool, is_pinned)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	int buf, i;

	ASSERT_EQ(pool_create(self->fd, size, &buffer), 0);
	for (i = 0; i < 3; i++) {
		buf = pool_export(self->fd, buffer.id);
		ASSERT_GE(buf, 0);
		close(buf);
		EXPECT_STAT(self->fd, size, 0, 0);
		EXPECT_EQ(pool_used(), self->limit.used + PAGES);
	}
	/* That pin is nobody's to end. */
	EXPECT_EQ(pool_unpin(self->fd, buffer.id), -EINVAL);
	EXPECT_EQ(pool_not_needed(self->fd, buffer.id), -EBUSY);
	EXPECT_EQ(pool_pin(self->fd, buffer.id), 0);
	EXPECT_EQ(pool_unpin(self->fd, buffer.id), 0);
	EXPECT_EQ(pool_unpin(self->fd, buffer.id), -EINVAL);
	EXPECT_EQ(pool_drop("all"), 0);
	EXPECT_STAT(self->fd, size, 0, 0);
	EXPECT_EQ(pool_used(), self->limit.used + PAGES);
	ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
	EXPECT_STAT(self->fd, 0, 0, 0);
	EXPECT_EQ(pool_used(), self->limit.used);
}

TEST_F(pool, takes_over_a_pinned_buffer)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	uint32_t crc;
	int buf;

	ASSERT_EQ(pool_filled(self->fd, size, 4, &buffer, &crc), 0);
	ASSERT_EQ(pool_pin(self->fd, buffer.id), 0);
	buf = pool_export(self->fd, buffer.id);
	ASSERT_GE(buf, 0);
	EXPECT_EQ(pool_used(), self->limit.used + PAGES);
	EXPECT_EQ(pool_unpin(self->fd, buffer.id), 0);
	EXPECT_EQ(pool_unpin(self->fd, buffer.id), -EINVAL);
	EXPECT_STAT(self->fd, size, 0, 0);
	EXPECT_TRUE(buf_contains(buf, size, crc));
	close(buf);
}

TEST_F(pool, outlives_its_buffer)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	struct pool_totals totals;
	uint32_t crc, seen;
	int buf, own = pool_open();

	buf = pool_filled_exported(own, size, 5, &buffer, &crc);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(pool_destroy(own, buffer.id), 0);
	EXPECT_EQ(pool_export(own, buffer.id), -ENOENT);
	EXPECT_EQ(pool_unpin(own, buffer.id), -ENOENT);
	EXPECT_EQ(pool_checksum(own, buffer.id, 0, size, &seen), -ENOENT);
	/* What is held counts as long as it is. */
	EXPECT_STAT(own, size, 0, 0);
	EXPECT_EQ(pool_used(), self->limit.used + PAGES);
	EXPECT_TRUE(buf_contains(buf, size, crc));
	close(own);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_EQ(totals.pinned, self->before.pinned + size);
	EXPECT_EQ(totals.buffers, self->before.buffers + 1);
	EXPECT_TRUE(buf_contains(buf, size, crc));
	close(buf);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_TRUE(same_totals(&totals, &self->before));
}

TEST_F(pool, mapping_outlives_all)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	struct moves moves;
	int buf, own = pool_open();
	uint32_t crc;
	uint8_t *map;

	buf = pool_filled_exported(own, size, 6, &buffer, &crc);
	ASSERT_GE(buf, 0);
	map = buf_map(buf, size, PROT_READ | PROT_WRITE);
	ASSERT_NE(map, MAP_FAILED);
	close(buf);
	close(own);
	EXPECT_EQ(crc32c(map, size), crc);
	fill(map, size, 7);
	EXPECT_EQ(pool_used(), self->limit.used + PAGES);
	ASSERT_EQ(pool_moves(&moves), 0);
	EXPECT_GE(moves.exported, 1);
	munmap(map, size);
	EXPECT_EQ(pool_used(), self->limit.used);
}

/* Sends a dma-buf and goes away, by exit or by a signal, with everything that it had. */
static int give_and_leave(int socket, size_t size, bool killed)
{
	struct strata_pool_create buffer;
	uint32_t crc;
	int buf, fd;
	pid_t child = fork();

	if (child)
		return child;
	fd = pool_open();
	buf = pool_filled_exported(fd, size, 8, &buffer, &crc);
	if (buf < 0 || !send_fd(socket, buf, &crc, sizeof(crc)))
		_exit(1);
	if (killed)
		raise(SIGKILL);
	_exit(0);
}

TEST_F(pool, outlives_its_process)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	int sockets[2], buf, killed;
	uint32_t crc;
	pid_t child;

	for (killed = 0; killed < 2; killed++) {
		ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
		child = give_and_leave(sockets[0], size, killed);
		ASSERT_GE(child, 0);
		EXPECT_EQ(wait_for(child), killed ? SIGKILL : 0);
		/* Nobody but the socket has it. */
		EXPECT_EQ(pool_used(), self->limit.used + PAGES);
		buf = receive_fd(sockets[1], &crc, sizeof(crc));
		ASSERT_GE(buf, 0);
		EXPECT_TRUE(buf_contains(buf, size, crc));
		ASSERT_EQ(pool_create(self->fd, size, &buffer), 0);
		EXPECT_EQ(pool_copy_all(self->fd, buffer.id, buf, size, 0), 0);
		EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
		ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
		close(buf);
		close(sockets[0]);
		close(sockets[1]);
		EXPECT_EQ(pool_used(), self->limit.used);
	}
}

TEST_F(pool, is_released_with_its_socket)
{
	const size_t size = PAGES * self->page;
	int sockets[2];
	pid_t child;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
	child = give_and_leave(sockets[0], size, true);
	ASSERT_GE(child, 0);
	EXPECT_EQ(wait_for(child), SIGKILL);
	EXPECT_EQ(pool_used(), self->limit.used + PAGES);
	close(sockets[0]);
	close(sockets[1]);
	EXPECT_EQ(pool_used(), self->limit.used);
}

TEST_F(pool, is_inherited)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	uint32_t crc;
	pid_t child;
	uint8_t *map;
	int buf;

	buf = pool_filled_exported(self->fd, size, 9, &buffer, &crc);
	ASSERT_GE(buf, 0);
	map = buf_map(buf, size, PROT_READ | PROT_WRITE);
	ASSERT_NE(map, MAP_FAILED);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		/* The mapping, the dma-buf, and a new name for it. */
		if (crc32c(map, size) != crc || !buf_contains(buf, size, crc))
			_exit(1);
		if (!same_file(buf, pool_export(self->fd, buffer.id)))
			_exit(2);
		fill(map, size, 10);
		_exit(0);
	}
	ASSERT_EQ(wait_for(child), 0);
	EXPECT_NE(crc32c(map, size), crc);
	EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c(map, size)));
	munmap(map, size);
	close(buf);
}

TEST_F(pool, hard_limit_refuses_an_export)
{
	struct strata_pool_create first, second;
	struct pool_totals before, after;
	int buf;

	if (self->limit.used)
		SKIP(return, "somebody else uses the pool");
	ASSERT_EQ(pool_create(self->fd, 60 * self->page, &first), 0);
	ASSERT_EQ(pool_create(self->fd, 8 * self->page, &second), 0);
	ASSERT_EQ(pool_set_limit(64, 64), 0);
	buf = pool_export(self->fd, first.id);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(pool_totals(&before), 0);
	EXPECT_EQ(pool_export(self->fd, second.id), -ENOSPC);
	ASSERT_EQ(pool_totals(&after), 0);
	EXPECT_TRUE(same_totals(&before, &after));
	EXPECT_EQ(pool_used(), 60);
	/* The room is there again when the last user is gone. */
	ASSERT_EQ(pool_destroy(self->fd, first.id), 0);
	EXPECT_EQ(pool_export(self->fd, second.id), -ENOSPC);
	close(buf);
	buf = pool_export(self->fd, second.id);
	EXPECT_GE(buf, 0);
	EXPECT_EQ(pool_used(), 8);
	close(buf);
}

TEST_F(pool, contents_have_to_be_there)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	uint32_t crc;
	int buf;

	ASSERT_EQ(pool_filled(self->fd, size, 11, &buffer, &crc), 0);
	ASSERT_EQ(pool_not_needed(self->fd, buffer.id), 1);
	EXPECT_EQ(pool_export(self->fd, buffer.id), -ENODATA);
	ASSERT_EQ(pool_drop("purge"), 0);
	EXPECT_EQ(pool_export(self->fd, buffer.id), -ENODATA);
	ASSERT_EQ(pool_needed(self->fd, buffer.id), 0);
	buf = pool_export(self->fd, buffer.id);
	ASSERT_GE(buf, 0);
	EXPECT_TRUE(buf_contains(buf, size, crc32c_zeros(size)));
	close(buf);
}

/* Exports and destroys the same buffers as others do. */
struct racer {
	int fd;
	const struct strata_pool_create *buffers;
	int count;
	int wrong;
};

static void *export_all(void *arg)
{
	struct racer *racer = arg;
	int i, buf;

	for (i = 0; i < racer->count; i++) {
		buf = pool_export(racer->fd, racer->buffers[i].id);
		if (buf < 0 && buf != -ENOENT)
			racer->wrong = -buf;
		if (buf >= 0 && !buf_contains(buf, page_size(), crc32c_zeros(page_size())))
			racer->wrong = EPROTO;
		if (buf >= 0)
			close(buf);
		if (i % 3 == 2)
			pool_destroy(racer->fd, racer->buffers[i - 1].id);
	}
	return NULL;
}

TEST_F(pool, racing_exports)
{
	const int count = debug_kernel() ? 150 : 1500;
	struct strata_pool_create *buffers = calloc(count, sizeof(*buffers));
	struct racer racers[4];
	pthread_t threads[4];
	struct moves moves;
	int i;

	ASSERT_NE(buffers, NULL);
	/* It makes its tables the first time, which is not for threads. */
	crc32c("", 1);
	for (i = 0; i < count; i++)
		ASSERT_EQ(pool_create(self->fd, self->page, &buffers[i]), 0);
	for (i = 0; i < 4; i++) {
		racers[i] = (struct racer){ self->fd, buffers, count, 0 };
		ASSERT_EQ(pthread_create(&threads[i], NULL, export_all, &racers[i]), 0);
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
		EXPECT_EQ(racers[i].wrong, 0);
	}
	/* A third was destroyed; of the others each has one dma-buf, and one pin. */
	EXPECT_STAT(self->fd, (count - count / 3) * self->page, 0, 0);
	ASSERT_EQ(pool_moves(&moves), 0);
	EXPECT_EQ(moves.exported, count - count / 3);
	for (i = 0; i < count; i++)
		EXPECT_EQ(pool_unpin(self->fd, buffers[i].id), i % 3 == 1 ? -ENOENT : -EINVAL);
	free(buffers);
}

TEST_HARNESS_MAIN
