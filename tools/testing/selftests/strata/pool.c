// SPDX-License-Identifier: GPL-2.0
/* /dev/strata-pool as one process sees it: buffers, their memory, their names. */

#include <sys/stat.h>

#include "cgroup.h"
#include "pool_fixture.h"

#define NOBODY	65534

TEST(crc32c_of_known_vectors)
{
	static const uint8_t zeros[4099];
	uint8_t ones[32], up[32];
	int i;

	memset(ones, 0xff, sizeof(ones));
	for (i = 0; i < sizeof(up); i++)
		up[i] = i;
	/* RFC 3720, B.4, and the check value of the catalogues. */
	EXPECT_EQ(crc32c("123456789", 9), 0xe3069283u);
	EXPECT_EQ(crc32c(zeros, 32), 0x8a9136aau);
	EXPECT_EQ(crc32c(ones, 32), 0x62a8ab43u);
	EXPECT_EQ(crc32c(up, 32), 0x46dd794eu);
	EXPECT_EQ(crc32c_zeros(32), 0x8a9136aau);
	for (i = 0; i < sizeof(zeros); i += 13)
		ASSERT_EQ(crc32c_zeros(i), crc32c(zeros, i));
}

TEST_F(pool, is_for_root_alone)
{
	static const struct { const char *path; mode_t mode; } files[] = {
		{ POOL_STAT, 0400 }, { POOL_COUNT, 0400 }, { POOL_DROP_STATS, 0400 },
		{ POOL_DROP, 0600 }, { POOL_LIMIT, 0600 },
	};
	struct stat file;
	pid_t child;
	int i;

	ASSERT_EQ(stat(POOL_DEVICE, &file), 0);
	EXPECT_TRUE(S_ISCHR(file.st_mode));
	EXPECT_EQ(file.st_mode & 0777, 0600);
	EXPECT_EQ(file.st_uid, 0);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_EQ(stat(files[i].path, &file), 0);
		EXPECT_EQ(file.st_mode & 0777, files[i].mode) TH_LOG("%s", files[i].path);
		EXPECT_EQ(file.st_uid, 0);
	}

	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
			_exit(1);
		_exit(open(POOL_DEVICE, O_RDONLY) < 0 && errno == EACCES ? 0 : 2);
	}
	EXPECT_EQ(wait_for(child), 0);
}

TEST_F(pool, create_names_a_buffer)
{
	struct strata_pool_create a, b;

	ASSERT_EQ(pool_create(self->fd, self->page, &a), 0);
	ASSERT_EQ(pool_create(self->fd, 3 * self->page, &b), 0);
	EXPECT_NE(a.id, 0);
	EXPECT_NE(b.id, 0);
	EXPECT_NE(a.id, b.id);
	EXPECT_NE(a.map_offset, b.map_offset);
	EXPECT_EQ(a.map_offset % self->page, 0);
	EXPECT_EQ(a.size, self->page);
	EXPECT_EQ(a.flags, 0);
}

TEST_F(pool, stat_counts)
{
	struct strata_pool_create buffer[3];
	struct pool_totals totals;
	struct strata_pool_stat stat;
	int i;

	ASSERT_EQ(pool_stat(self->fd, &stat), 0);
	EXPECT_EQ(stat.buffers, 0);
	EXPECT_EQ(stat.bytes, 0);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(pool_create(self->fd, (i + 1) * self->page, &buffer[i]), 0);
	ASSERT_EQ(pool_stat(self->fd, &stat), 0);
	EXPECT_EQ(stat.buffers, 3);
	EXPECT_EQ(stat.bytes, 6 * self->page);
	EXPECT_STAT(self->fd, 0, 0, 0);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_EQ(totals.buffers, self->before.buffers + 3);
	EXPECT_EQ(totals.bytes, self->before.bytes + 6 * self->page);

	ASSERT_EQ(pool_destroy(self->fd, buffer[1].id), 0);
	ASSERT_EQ(pool_stat(self->fd, &stat), 0);
	EXPECT_EQ(stat.buffers, 2);
	EXPECT_EQ(stat.bytes, 4 * self->page);
}

TEST_F(pool, untouched_buffers_take_no_memory)
{
	const uint64_t size = 256ull << 20;
	struct strata_pool_create buffer;
	long long before, after;
	uint32_t crc;
	int i;

	before = number_in("/proc/meminfo", "Shmem");
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(pool_create(self->fd, size, &buffer), 0);
		/* Two pages of 4 GiB are touched. */
		ASSERT_EQ(pool_checksum(self->fd, buffer.id, size - 1, 1, &crc), 0);
		EXPECT_EQ(crc, crc32c_zeros(1));
	}
	after = number_in("/proc/meminfo", "Shmem");
	/* Whoever else uses shmem, and huge pages where they are the default. */
	EXPECT_LT(after - before, 48 << 10);
}

TEST_F(pool, memory_is_zeroed)
{
	size_t size = 64 * self->page;
	struct strata_pool_create buffer;
	uint32_t crc;
	int round;
	void *map;

	/* What one buffer leaves behind must not be seen in the next. */
	for (round = 0; round < 3; round++) {
		map = pool_new(self->fd, size, &buffer);
		ASSERT_NE(map, MAP_FAILED);
		ASSERT_EQ(pool_checksum(self->fd, buffer.id, 0, size, &crc), 0);
		EXPECT_EQ(crc, crc32c_zeros(size));
		EXPECT_EQ(crc, crc32c(map, size));
		memset(map, 0xa5, size);
		ASSERT_EQ(munmap(map, size), 0);
		ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
	}
}

TEST_F(pool, checksum_of_the_whole)
{
	static const int pages[] = { 1, 2, 3, 17, 256 };
	struct strata_pool_create buffer;
	uint32_t crc;
	size_t size;
	void *map;
	int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		size = pages[i] * self->page;
		map = pool_new(self->fd, size, &buffer);
		ASSERT_NE(map, MAP_FAILED);
		fill(map, size, i + 1);
		ASSERT_EQ(pool_checksum(self->fd, buffer.id, 0, size, &crc), 0);
		EXPECT_EQ(crc, crc32c(map, size));
		munmap(map, size);
	}
}

TEST_F(pool, checksum_of_windows)
{
	const uint64_t p = self->page, size = 5 * p;
	const struct { uint64_t offset, length; } windows[] = {
		{ 0, 1 }, { 0, p - 1 }, { 0, p }, { 0, p + 1 }, { 1, p - 1 }, { 1, p },
		{ p - 1, 1 }, { p - 1, 2 }, { p - 1, p + 2 }, { p, 1 }, { p, p },
		{ p + 1, p - 2 }, { p / 2, 3 * p }, { 2 * p - 3, 7 }, { 3, 5 * p - 5 },
		{ size - 1, 1 }, { size - p, p }, { size - p - 1, p + 1 }, { 0, size },
	};
	struct strata_pool_create buffer;
	uint64_t state = 88172645463325252ull, offset, length;
	uint8_t *map;
	uint32_t crc;
	int i;

	map = pool_new(self->fd, size, &buffer);
	ASSERT_NE(map, MAP_FAILED);
	fill(map, size, 7);
	for (i = 0; i < ARRAY_SIZE(windows) + 100; i++) {
		if (i < ARRAY_SIZE(windows)) {
			offset = windows[i].offset;
			length = windows[i].length;
		} else {
			offset = next_random(&state) % size;
			length = 1 + next_random(&state) % (size - offset);
		}
		ASSERT_EQ(pool_checksum(self->fd, buffer.id, offset, length, &crc), 0);
		EXPECT_EQ(crc, crc32c(map + offset, length))
			TH_LOG("offset %llu length %llu", (unsigned long long)offset,
			       (unsigned long long)length);
	}
	munmap(map, size);
}

TEST_F(pool, checksum_sees_each_write)
{
	struct strata_pool_create buffer;
	uint32_t before, after;
	uint8_t *map;

	map = pool_new(self->fd, 2 * self->page, &buffer);
	ASSERT_NE(map, MAP_FAILED);
	fill(map, 2 * self->page, 3);
	ASSERT_EQ(pool_checksum(self->fd, buffer.id, 0, 2 * self->page, &before), 0);
	map[self->page] ^= 1;
	ASSERT_EQ(pool_checksum(self->fd, buffer.id, 0, 2 * self->page, &after), 0);
	EXPECT_NE(before, after);
	map[self->page] ^= 1;
	ASSERT_EQ(pool_checksum(self->fd, buffer.id, 0, 2 * self->page, &after), 0);
	EXPECT_EQ(before, after);
	munmap(map, 2 * self->page);
}

TEST_F(pool, mappings_share_memory)
{
	struct strata_pool_create buffer, other;
	uint8_t *a, *b, *c;

	a = pool_new(self->fd, self->page, &buffer);
	b = pool_map(self->fd, &buffer, PROT_READ);
	c = pool_new(self->fd, self->page, &other);
	ASSERT_NE(a, MAP_FAILED);
	ASSERT_NE(b, MAP_FAILED);
	ASSERT_NE(c, MAP_FAILED);
	snprintf((char *)a, self->page, "strata");
	EXPECT_STREQ((char *)b, "strata");
	EXPECT_EQ(c[0], 0);
	munmap(a, self->page);
	munmap(b, self->page);
	munmap(c, self->page);
}

TEST_F(pool, mapping_outlives_destroy)
{
	struct strata_pool_create buffer;
	struct strata_pool_stat stat;
	uint32_t crc;
	void *map;

	map = pool_new(self->fd, 4 * self->page, &buffer);
	ASSERT_NE(map, MAP_FAILED);
	fill(map, 4 * self->page, 9);
	crc = crc32c(map, 4 * self->page);
	ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
	ASSERT_EQ(pool_stat(self->fd, &stat), 0);
	EXPECT_EQ(stat.buffers, 0);
	EXPECT_EQ(pool_map(self->fd, &buffer, PROT_READ), MAP_FAILED);
	EXPECT_EQ(errno, ENOENT);
	/* Others would get the pages now if they had been freed. */
	ASSERT_EQ(pool_create(self->fd, 64 * self->page, &buffer), 0);
	ASSERT_EQ(pool_hold(self->fd, buffer.id), 0);
	EXPECT_EQ(crc32c(map, 4 * self->page), crc);
	memset(map, 1, 4 * self->page);
	EXPECT_EQ(munmap(map, 4 * self->page), 0);
}

TEST_F(pool, mapping_outlives_close)
{
	struct strata_pool_create buffer;
	int fd = pool_open();
	uint32_t crc;
	void *map;

	map = pool_new(fd, 4 * self->page, &buffer);
	ASSERT_NE(map, MAP_FAILED);
	fill(map, 4 * self->page, 10);
	crc = crc32c(map, 4 * self->page);
	ASSERT_EQ(close(fd), 0);
	EXPECT_EQ(crc32c(map, 4 * self->page), crc);
	memset(map, 2, 4 * self->page);
	EXPECT_EQ(munmap(map, 4 * self->page), 0);
}

TEST_F(pool, ids_are_never_reused)
{
	struct strata_pool_create buffer, last = {};
	int i;

	for (i = 0; i < 200; i++) {
		ASSERT_EQ(pool_create(self->fd, self->page, &buffer), 0);
		ASSERT_GT(buffer.id, last.id);
		ASSERT_GT(buffer.map_offset, last.map_offset);
		ASSERT_EQ(pool_destroy(self->fd, buffer.id), 0);
		ASSERT_EQ(pool_destroy(self->fd, buffer.id), -ENOENT);
		last = buffer;
	}
}

TEST_F(pool, ids_belong_to_their_file)
{
	struct strata_pool_create buffer;
	int other = pool_open(), same = dup(self->fd);
	uint32_t crc;

	ASSERT_GE(other, 0);
	ASSERT_GE(same, 0);
	ASSERT_EQ(pool_create(self->fd, self->page, &buffer), 0);
	EXPECT_EQ(pool_checksum(other, buffer.id, 0, 1, &crc), -ENOENT);
	EXPECT_EQ(pool_destroy(other, buffer.id), -ENOENT);
	EXPECT_EQ(pool_map(other, &buffer, PROT_READ), MAP_FAILED);
	EXPECT_EQ(errno, ENOENT);
	/* A duplicate is the same file. */
	EXPECT_EQ(pool_checksum(same, buffer.id, 0, 1, &crc), 0);
	EXPECT_EQ(pool_destroy(same, buffer.id), 0);
	EXPECT_EQ(pool_destroy(self->fd, buffer.id), -ENOENT);
	close(other);
	close(same);
}

TEST_F(pool, kernel_copies_to_and_from_mappings)
{
	struct strata_pool_create buffer;
	size_t size = 2 * self->page;
	int pipes[2];
	char *map;

	map = pool_new(self->fd, size, &buffer);
	ASSERT_NE(map, MAP_FAILED);
	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(write(pipes[1], "through a pipe", 15), 15);
	/* Across a page border. */
	ASSERT_EQ(read(pipes[0], map + self->page - 7, 15), 15);
	EXPECT_STREQ(map + self->page - 7, "through a pipe");
	ASSERT_EQ(write(pipes[1], map, size), size);
	close(pipes[0]);
	close(pipes[1]);
	munmap(map, size);
}

TEST_F(pool, memory_is_charged_to_who_touches_it)
{
	const long long size = 16 << 20;
	struct strata_pool_create buffer;
	struct cgroup group;
	pid_t child;

	if (!cgroup_make(&group, "charged"))
		SKIP(return, "no memory controller");
	/* Created here, it is charged there. */
	ASSERT_EQ(pool_create(self->fd, size, &buffer), 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		if (!cgroup_enter(&group))
			_exit(1);
		if (cgroup_number(&group, "memory.current", NULL) >= size)
			_exit(2);
		if (pool_hold(self->fd, buffer.id))
			_exit(3);
		_exit(cgroup_number(&group, "memory.current", NULL) >= size ? 0 : 4);
	}
	EXPECT_EQ(wait_for(child), 0);
	EXPECT_TRUE(cgroup_remove(&group));
}

TEST_HARNESS_MAIN
