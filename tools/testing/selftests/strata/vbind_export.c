// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of /dev/strata-vbind as dma-bufs: the memory and the fences that others see,
 * and how long it all lives.
 */

#include <signal.h>

#include "vbind_share.h"

#define PAGES	4

static int given_away(struct __test_metadata *_metadata, int fd, uint32_t id)
{
	int buffer = vbind_export(fd, id);

	EXPECT_GE(buffer, 0);
	return buffer;
}

TEST_F(vbind, it_is_the_memory_of_the_buffer)
{
	struct area area = AREA(0, PAGES);
	int buffer = given_away(_metadata, self->fd, area.id);
	uint64_t *seen = buffer_map(buffer, area.size);
	size_t i;

	ASSERT_NE((void *)seen, MAP_FAILED);
	EXPECT_EQ(lseek(buffer, 0, SEEK_END), area.size);
	EXPECT_EQ(fcntl(buffer, F_GETFD), FD_CLOEXEC);
	fill(area.words, area.size, 3);
	EXPECT_EQ(memcmp(seen, area.words, area.size), 0);
	fill(seen, area.size, 4);
	EXPECT_EQ(memcmp(seen, area.words, area.size), 0);
	ASSERT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_fill(area.address, area.size, 77)),
				 JOB(USING(area.id))), 0);
	ASSERT_EQ(buffer_sync(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ), 0);
	for (i = 0; i < area.size / WORD; i++)
		ASSERT_EQ(seen[i], 77);
	EXPECT_EQ(buffer_sync(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ), 0);
	munmap(seen, area.size);
	munmap(area.words, area.size);
	close(buffer);
}

TEST_F(vbind, there_is_one_while_the_buffer_has_a_name)
{
	struct area area = AREA(0, PAGES), other = AREA(PAGES, PAGES);
	int buffer = given_away(_metadata, self->fd, area.id), again, third;

	again = given_away(_metadata, self->fd, area.id);
	EXPECT_NE(again, buffer);
	EXPECT_TRUE(same_file(again, buffer));
	third = given_away(_metadata, self->fd, other.id);
	EXPECT_FALSE(same_file(third, buffer));
	EXPECT_EQ(TOTALS().exported - self->before.exported, 2);
	close(buffer);
	close(third);
	/* Nobody has it open for a while. */
	buffer = given_away(_metadata, self->fd, area.id);
	EXPECT_TRUE(same_file(again, buffer));
	close(buffer);
	close(again);
	munmap(area.words, area.size);
	munmap(other.words, other.size);
}

/* Whatever goes first. */
TEST_F(vbind, the_memory_lives_with_it)
{
	int fd = vbind_open(), buffer;
	struct strata_vbind_buffer_create names;
	size_t size = PAGES * page_size();
	uint64_t *words, *model = malloc(size);
	long long held = self->before.held;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(vbind_buffer(fd, size, &names), 0);
	words = vbind_map(fd, &names, PROT_READ | PROT_WRITE);
	ASSERT_NE((void *)words, MAP_FAILED);
	fill(words, size, 9);
	fill(model, size, 9);
	munmap(words, size);
	buffer = given_away(_metadata, fd, names.id);
	ASSERT_EQ(vbind_destroy(fd, STRATA_VBIND_BUFFER_DESTROY, names.id), 0);
	EXPECT_EQ(vbind_export(fd, names.id), -ENOENT);
	close(fd);
	EXPECT_EQ(vbind_drop("all writeback"), 0);
	EXPECT_EQ(TOTALS().held - held, size);
	words = buffer_map(buffer, size);
	ASSERT_NE((void *)words, MAP_FAILED);
	EXPECT_EQ(memcmp(words, model, size), 0);
	munmap(words, size);
	close(buffer);
	free(model);
}

TEST_F(vbind, who_gave_it_away_is_killed)
{
	size_t size = PAGES * page_size();
	int sockets[2], buffer, status;
	struct strata_vbind_buffer_create names;
	uint64_t *words, *model = malloc(size), id;
	pid_t child;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		int fd = vbind_open();

		if (vbind_buffer(fd, size, &names))
			_exit(1);
		words = vbind_map(fd, &names, PROT_READ | PROT_WRITE);
		fill(words, size, 21);
		id = names.id;
		buffer = vbind_export(fd, names.id);
		if (buffer < 0 || !send_fd(sockets[1], buffer, &id, sizeof(id)))
			_exit(2);
		pause();
	}
	buffer = receive_fd(sockets[0], &id, sizeof(id));
	ASSERT_GE(buffer, 0);
	kill(child, SIGKILL);
	status = wait_for(child);
	EXPECT_TRUE(WIFSIGNALED(status));
	words = buffer_map(buffer, size);
	ASSERT_NE((void *)words, MAP_FAILED);
	fill(model, size, 21);
	EXPECT_EQ(memcmp(words, model, size), 0);
	/* And it is a buffer as before, for who takes it. */
	ASSERT_EQ(world_import(&self->world, buffer), 0);
	EXPECT_EQ(world_bind(&self->world, BINDS(op_map(at(&self->world, 0), size, id_of(&self->world, 0), 0))), 0);
	EXPECT_EQ(world_exec(&self->world, OPS(op_add(at(&self->world, 0), at(&self->world, 1), page_size()))), 0);
	EXPECT_TRUE(world_is_right(&self->world));
	munmap(words, size);
	close(buffer);
	close(sockets[0]);
	close(sockets[1]);
	free(model);
}

TEST_F(vbind, it_stays_in_memory)
{
	struct area area = AREA(0, PAGES);
	int buffer = given_away(_metadata, self->fd, area.id);

	EXPECT_EQ(STAT(self->fd).held, area.size);
	ASSERT_EQ(vbind_drop("all writeback"), 0);
	EXPECT_EQ(STAT(self->fd).held, area.size);
	EXPECT_EQ(STAT(self->fd).evictions, 0);
	close(buffer);
	/* It has a name, and so its dma-buf. */
	ASSERT_EQ(vbind_drop("all"), 0);
	EXPECT_EQ(STAT(self->fd).held, area.size);
	munmap(area.words, area.size);
}

TEST_F(vbind, it_counts_against_the_limit)
{
	struct area area = AREA(0, PAGES), other = AREA(PAGES, PAGES);
	int buffer;

	ASSERT_EQ(vbind_set_limit(self->limit.used + PAGES, self->limit.used + PAGES), 0);
	buffer = given_away(_metadata, self->fd, area.id);
	EXPECT_EQ(vbind_export(self->fd, other.id), -ENOSPC);
	EXPECT_EQ(vbind_exec(self->fd, self->queue, OPS(op_fill(other.address, WORD, 1)),
			     JOB(USING(other.id))), -ENOSPC);
	ASSERT_EQ(vbind_set_limit(self->limit.soft, self->limit.hard), 0);
	close(buffer);
	munmap(area.words, area.size);
	munmap(other.words, other.size);
}

/* Nobody got it: it is not there, and does not keep the memory. */
TEST_F(vbind, a_call_that_fails)
{
	struct area area = AREA(0, PAGES);
	struct rlimit before, few = { .rlim_cur = 0, .rlim_max = 4096 };
	struct strata_vbind_buffer_export *unwritable;

	ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	few.rlim_max = before.rlim_max;
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	EXPECT_EQ(vbind_export(self->fd, area.id), -EMFILE);
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	EXPECT_EQ(TOTALS().exported, self->before.exported);
	unwritable = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE((void *)unwritable, MAP_FAILED);
	unwritable->id = area.id;
	ASSERT_EQ(mprotect(unwritable, page_size(), PROT_READ), 0);
	EXPECT_EQ(result(ioctl(self->fd, STRATA_VBIND_BUFFER_EXPORT, unwritable)), -EFAULT);
	EXPECT_EQ(TOTALS().exported, self->before.exported);
	EXPECT_EQ(vbind_drop("all"), 0);
	EXPECT_EQ(STAT(self->fd).held, 0);
	munmap(unwritable, page_size());
	munmap(area.words, area.size);
}

/* What a job is doing is seen by who has the dma-buf, in each of its ways. */
TEST_F(vbind, fences_of_jobs_are_seen)
{
	struct area area = AREA(0, PAGES);
	int buffer = given_away(_metadata, self->fd, area.id), job, read, write;
	uint32_t queue = new_queue(_metadata, &self->world, LONG_MS);

	EXPECT_TRUE(buffer_is_free(buffer, POLLIN));
	EXPECT_TRUE(buffer_is_free(buffer, POLLOUT));
	ASSERT_EQ(vbind_exec(self->fd, queue, OPS(op_hang()), JOB(USING(area.id), .fence = &job)), 0);
	EXPECT_FALSE(buffer_is_free(buffer, POLLIN));
	EXPECT_FALSE(buffer_is_free(buffer, POLLOUT));
	read = buffer_fence(buffer, DMA_BUF_SYNC_READ);
	write = buffer_fence(buffer, DMA_BUF_SYNC_RW);
	ASSERT_GE(read, 0);
	ASSERT_GE(write, 0);
	EXPECT_EQ(fence_status(read), 0);
	EXPECT_EQ(fence_status(write), 0);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(fence_end(read), -ECANCELED);
	EXPECT_EQ(fence_end(write), -ECANCELED);
	EXPECT_EQ(fence_end(job), -ECANCELED);
	EXPECT_TRUE(buffer_is_free(buffer, POLLIN));
	EXPECT_TRUE(buffer_is_free(buffer, POLLOUT));
	close(buffer);
	munmap(area.words, area.size);
}

/* Also those that were under way before it was given away. */
TEST_F(vbind, sync_waits_for_jobs)
{
	struct area area = AREA(0, 64);
	int buffer, i, k;

	for (i = 1; i <= 20; i++) {
		for (k = 0; k < 4; k++)
			ASSERT_EQ(vbind_exec(self->fd, self->queue,
					     OPS(op_fill(area.address, area.size, 0),
						 op_fill(area.address + area.size - WORD, WORD, i)),
					     JOB(USING(area.id))), 0);
		buffer = given_away(_metadata, self->fd, area.id);
		ASSERT_EQ(buffer_sync(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW), 0);
		ASSERT_EQ(area.words[area.size / WORD - 1], i);
		ASSERT_EQ(buffer_sync(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW), 0);
		close(buffer);
	}
	munmap(area.words, area.size);
}

/* A job waits for what others put there if it is told to, and only then. */
TEST_F(vbind, order_of_own_buffers_is_explicit)
{
	struct area area = AREA(0, PAGES);
	int buffer = given_away(_metadata, self->fd, area.id), hung, all, fence;
	uint32_t queue = new_queue(_metadata, &self->world, LONG_MS);

	hung = hangs(_metadata, self->fd, queue);
	ASSERT_EQ(buffer_add_fence(buffer, DMA_BUF_SYNC_WRITE, hung), 0);
	EXPECT_FALSE(buffer_is_free(buffer, POLLIN));
	ASSERT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_fill(area.address, area.size, 5)),
				 JOB(USING(area.id))), 0);
	EXPECT_EQ(fence_status(hung), 0);
	EXPECT_EQ(area.words[0], 5);
	all = buffer_fence(buffer, DMA_BUF_SYNC_RW);
	ASSERT_GE(all, 0);
	fence = writes(_metadata, self->fd, self->queue, &area, 1, all);
	EXPECT_EQ(fence_status(fence), 0);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	/* Its error is the error of whoever was to wait for it. */
	EXPECT_EQ(fence_end(fence), -ECANCELED);
	EXPECT_EQ(fence_end(all), -ECANCELED);
	EXPECT_EQ(fence_end(hung), -ECANCELED);
	EXPECT_EQ(area.words[1], 5);
	close(buffer);
	munmap(area.words, area.size);
}

/* Another file takes it: it is the same buffer, with an id of its own there. */
TEST_F(vbind, another_file_takes_it)
{
	struct area area = AREA(0, PAGES);
	struct strata_vbind_buffer_import import, again;
	struct world other;
	int buffer = given_away(_metadata, self->fd, area.id), back;

	ASSERT_EQ(world_open(&other, 0, 64), 0);
	ASSERT_EQ(vbind_import(other.fd, buffer, &import), 0);
	EXPECT_EQ(import.size, area.size);
	ASSERT_EQ(vbind_import(other.fd, buffer, &again), 0);
	EXPECT_NE(again.id, import.id);
	EXPECT_EQ(STAT(other.fd).buffers, 0);
	EXPECT_EQ(STAT(self->fd).buffers, 1);
	EXPECT_EQ(TOTALS().imported, self->before.imported);
	ASSERT_EQ(vbind_bind_now(other.fd, other.queue, BINDS(op_map(0, area.size, import.id, 0)), JOB()), 0);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_BUFFER_DESTROY, area.id), 0);
	ASSERT_EQ(vbind_destroy(other.fd, STRATA_VBIND_BUFFER_DESTROY, import.id), 0);
	/* Named by one id, mapped by another that is gone. */
	ASSERT_EQ(vbind_exec_now(other.fd, other.queue, OPS(op_fill(0, area.size, 6)), JOB(USING(again.id))), 0);
	EXPECT_EQ(area.words[area.size / WORD - 1], 6);
	back = given_away(_metadata, other.fd, again.id);
	EXPECT_TRUE(same_file(back, buffer));
	close(back);
	close(buffer);
	ASSERT_EQ(vbind_destroy(other.fd, STRATA_VBIND_BUFFER_DESTROY, again.id), 0);
	world_close(&other);
	munmap(area.words, area.size);
}

/* Its last id goes while it is given away, and taken: it has one dma-buf, or none. */
TEST_F(vbind, ids_come_and_go)
{
	struct strata_vbind_buffer_create names;
	struct strata_vbind_buffer_import import;
	int buffer, again, i;

	for (i = 0; i < 200; i++) {
		ASSERT_EQ(vbind_buffer(self->fd, page_size(), &names), 0);
		buffer = given_away(_metadata, self->fd, names.id);
		ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_BUFFER_DESTROY, names.id), 0);
		ASSERT_EQ(vbind_import(self->fd, buffer, &import), 0);
		again = given_away(_metadata, self->fd, import.id);
		ASSERT_TRUE(same_file(again, buffer));
		close(buffer);
		close(again);
		ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_BUFFER_DESTROY, import.id), 0);
	}
}

TEST_HARNESS_MAIN
