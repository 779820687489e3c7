// SPDX-License-Identifier: GPL-2.0
/* What the kernel offers for every dma-buf, on buffers of the pool: access, fences, names, sizes. */

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "pool_export.h"
#include "pool_fixture.h"
#include "sw_sync.h"

#define PAGES	8

TEST_F(pool, access_of_every_kind)
{
	static const uint64_t kinds[] = { DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE, DMA_BUF_SYNC_RW };
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	int buf, i, round;
	uint8_t *map;

	buf = pool_new_exported(self->fd, size, &buffer);
	ASSERT_GE(buf, 0);
	map = buf_map(buf, size, PROT_READ | PROT_WRITE);
	ASSERT_NE(map, MAP_FAILED);
	for (round = 0; round < 4; round++) {
		for (i = 0; i < ARRAY_SIZE(kinds); i++) {
			ASSERT_EQ(buf_sync(buf, DMA_BUF_SYNC_START | kinds[i]), 0);
			fill(map, size, i);
			ASSERT_EQ(buf_sync(buf, DMA_BUF_SYNC_END | kinds[i]), 0);
			EXPECT_TRUE(pool_contains(self->fd, &buffer, crc32c(map, size)));
		}
		ASSERT_EQ(pool_move(round % 2 ? "home" : "local"), 0);
	}
	/* Neither is counted, nor do they have to fit together. */
	EXPECT_EQ(buf_sync(buf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW), 0);
	EXPECT_EQ(buf_sync(buf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE), 0);
	EXPECT_EQ(pool_move("local"), 0);
	munmap(map, size);
	close(buf);
}

struct accessor {
	int buf;
	int rounds;
	int wrong;
};

static void *access_all(void *arg)
{
	struct accessor *accessor = arg;
	int i, ret;

	for (i = 0; i < accessor->rounds; i++) {
		ret = buf_sync(accessor->buf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW) ?:
		      buf_sync(accessor->buf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
		if (ret)
			accessor->wrong = ret;
	}
	return NULL;
}

/* What several threads of one buffer do at once was a bug of another exporter (udmabuf). */
TEST_F(pool, threads_access_at_once)
{
	const int count = 4, rounds = debug_kernel() ? 2000 : 20000;
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	struct accessor accessors[4];
	pthread_t threads[4];
	uint32_t crc;
	int buf, i;

	buf = pool_filled_exported(self->fd, size, 1, &buffer, &crc);
	ASSERT_GE(buf, 0);
	for (i = 0; i < count; i++) {
		accessors[i] = (struct accessor){ buf, rounds, 0 };
		ASSERT_EQ(pthread_create(&threads[i], NULL, access_all, &accessors[i]), 0);
	}
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(pool_move(i % 2 ? "home" : "local"), 0);
		EXPECT_TRUE(pool_contains(self->fd, &buffer, crc));
	}
	for (i = 0; i < count; i++) {
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
		EXPECT_EQ(accessors[i].wrong, 0);
	}
	close(buf);
}

static bool is_ready(int fd, short events, int timeout)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	return poll(&poll_fd, 1, timeout) == 1 && (poll_fd.revents & events) == events;
}

TEST_F(pool, idle_buffer_has_signalled_fences)
{
	static const uint32_t kinds[] = { DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE, DMA_BUF_SYNC_RW };
	struct strata_pool_create buffer;
	int buf, i;

	buf = pool_new_exported(self->fd, self->page, &buffer);
	ASSERT_GE(buf, 0);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct dma_buf_export_sync_file export = { .flags = kinds[i], .fd = -1 };

		ASSERT_EQ(result(ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export)), 0);
		ASSERT_GE(export.fd, 0);
		EXPECT_TRUE(is_ready(export.fd, POLLIN, 0));
		close(export.fd);
	}
	EXPECT_TRUE(is_ready(buf, POLLIN | POLLOUT, 0));
	close(buf);
}

/* Adds a fence of a device that would write. */
static int import_fence(int buf, int fence, uint32_t flags)
{
	struct dma_buf_import_sync_file import = { .flags = flags, .fd = fence };

	return result(ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import));
}

/* What a child does to a buffer that is written to by a device that takes its time. */
typedef int (*act)(int fd, uint32_t id, uint32_t other, int buf, size_t size);

static int do_sync(int fd, uint32_t id, uint32_t other, int buf, size_t size)
{
	return buf_sync(buf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
}

static int do_checksum(int fd, uint32_t id, uint32_t other, int buf, size_t size)
{
	uint32_t crc;

	return pool_checksum(fd, id, 0, size, &crc);
}

static int do_copy_from(int fd, uint32_t id, uint32_t other, int buf, size_t size)
{
	return pool_copy_all(fd, other, buf, size, 0);
}

static int do_copy_to(int fd, uint32_t id, uint32_t other, int buf, size_t size)
{
	return pool_copy_all(fd, other, buf, size, STRATA_POOL_COPY_OUT);
}

static int do_copy_into(int fd, uint32_t id, uint32_t other, int buf, size_t size)
{
	return pool_copy_all(fd, id, buf, size, 0);
}

static const act acts[] = { do_sync, do_checksum, do_copy_from, do_copy_to, do_copy_into };

/* In a child, whose process says over the pipe when it is done. */
static pid_t fork_act(act act, int pipe, int fd, uint32_t id, uint32_t other, int buf, size_t size)
{
	pid_t child = fork();

	if (!child) {
		int ret = act(fd, id, other, buf, size);

		_exit(write(pipe, &ret, sizeof(ret)) != sizeof(ret) || ret ? 1 : 0);
	}
	return child;
}

TEST_F(pool, contents_are_waited_for)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer, other;
	int buf, fence, i, timeline = sw_sync_open();
	uint32_t crc;

	if (timeline < 0)
		SKIP(return, NO_SW_SYNC);
	buf = pool_filled_exported(self->fd, size, 2, &buffer, &crc);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(pool_create(self->fd, size, &other), 0);
	for (i = 0; i < 2 * ARRAY_SIZE(acts); i++) {
		const bool killed = i % 2;
		int pipes[2], ret = 1;
		pid_t child;

		ASSERT_EQ(pipe(pipes), 0);
		fence = sw_sync_fence(timeline, i + 1);
		ASSERT_GE(fence, 0);
		ASSERT_EQ(import_fence(buf, fence, DMA_BUF_SYNC_WRITE), 0);
		EXPECT_FALSE(is_ready(buf, POLLIN, 0));
		child = fork_act(acts[i / 2], pipes[1], self->fd, buffer.id, other.id, buf, size);
		ASSERT_GE(child, 0);
		/* No time is long enough to say that it waits; that it does not, shows soon. */
		EXPECT_FALSE(is_ready(pipes[0], POLLIN, 50)) TH_LOG("act %d", i / 2);
		if (killed) {
			ASSERT_EQ(kill(child, SIGKILL), 0);
			EXPECT_EQ(wait_for(child), SIGKILL);
			ASSERT_EQ(sw_sync_inc(timeline, 1), 0);
		} else {
			ASSERT_EQ(sw_sync_inc(timeline, 1), 0);
			EXPECT_EQ(wait_for(child), 0);
			EXPECT_EQ(read(pipes[0], &ret, sizeof(ret)), sizeof(ret));
			EXPECT_EQ(ret, 0);
		}
		EXPECT_TRUE(is_ready(buf, POLLIN, 0));
		close(pipes[0]);
		close(pipes[1]);
		close(fence);
	}
	close(timeline);
	close(buf);
}

/* What stands behind @key, which begins a line, in what /proc says of a descriptor. */
static int line_of(int fd, const char *key, char *value, size_t room)
{
	char path[64], text[1024], *line;
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	ret = read_text(path, text, sizeof(text));
	line = ret < 0 ? NULL : strstr(text, key);
	if (!line)
		return -ENOENT;
	snprintf(value, room, "%.*s", (int)strcspn(line + strlen(key), "\n"), line + strlen(key));
	return 0;
}

TEST_F(pool, has_a_name)
{
	struct strata_pool_create buffer;
	int buf, same;
	char text[128];

	buf = pool_new_exported(self->fd, self->page, &buffer);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(line_of(buf, "\nexp_name:\t", text, sizeof(text)), 0);
	EXPECT_STREQ(text, "strata-pool");
	ASSERT_EQ(result(ioctl(buf, DMA_BUF_SET_NAME, "frame of the test")), 0);
	same = pool_export(self->fd, buffer.id);
	ASSERT_GE(same, 0);
	ASSERT_EQ(line_of(same, "\nname:\t", text, sizeof(text)), 0);
	EXPECT_STREQ(text, "frame of the test");
	close(same);
	close(buf);
}

TEST_F(pool, has_a_size)
{
	const size_t size = PAGES * self->page;
	struct strata_pool_create buffer;
	char byte = 0;
	int buf;

	buf = pool_new_exported(self->fd, size, &buffer);
	ASSERT_GE(buf, 0);
	EXPECT_EQ(lseek(buf, 0, SEEK_END), size);
	EXPECT_EQ(lseek(buf, 0, SEEK_SET), 0);
	EXPECT_EQ(lseek(buf, 0, SEEK_CUR), -1);
	EXPECT_EQ(lseek(buf, 1, SEEK_SET), -1);
	EXPECT_EQ(lseek(buf, -1, SEEK_END), -1);
	EXPECT_EQ(read(buf, &byte, 1), -1);
	EXPECT_EQ(write(buf, &byte, 1), -1);
	EXPECT_EQ(ftruncate(buf, size / 2), -1);
	EXPECT_EQ(lseek(buf, 0, SEEK_END), size);
	close(buf);
}

TEST_HARNESS_MAIN
