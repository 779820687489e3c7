// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own files for a shrinker, /sys/kernel/debug/shrinker/strata-pool-N:
 * they see what ours see, by node and cgroup.
 */

#include <glob.h>

#include "cgroup.h"
#include "pool_fixture.h"

#define SHRINKERS	"/sys/kernel/debug/shrinker"
#define NO_SHRINKERS	"this kernel has no CONFIG_SHRINKER_DEBUG"
#define PAGES		8
#define BUFFERS		16
#define NODES		64

/* Its folder, if there is one and no more. */
static bool find_shrinker(char folder[128])
{
	glob_t found;
	bool one;

	one = !glob(SHRINKERS "/strata-pool-*", 0, NULL, &found) && found.gl_pathc == 1;
	if (one)
		snprintf(folder, 128, "%s", found.gl_pathv[0]);
	globfree(&found);
	return one;
}

/* One line of `count`: a cgroup by its inode number, and pages by node. */
struct group_count {
	unsigned long long ino;
	long long nodes[NODES];
	int node_count;
};

/* What all groups have together; @inode's line goes to @line. */
static long long counted(const char *folder, unsigned long long inode, struct group_count *line)
{
	char path[256], text[16384], *row, *end;
	long long sum = 0, value;

	snprintf(path, sizeof(path), "%s/count", folder);
	if (line)
		*line = (struct group_count){};
	if (read_text(path, text, sizeof(text)) < 0)
		return -1;
	for (row = strtok(text, "\n"); row; row = strtok(NULL, "\n")) {
		struct group_count group = { .ino = strtoull(row, &end, 10) };

		for (row = end; group.node_count < NODES; row = end) {
			value = strtoll(row, &end, 10);
			if (end == row)
				break;
			group.nodes[group.node_count++] = value;
			sum += value;
		}
		if (line && group.ino == inode)
			*line = group;
	}
	return sum;
}

static bool scan_pages(const char *folder, unsigned long long inode, int node, long long pages)
{
	char path[256], text[128];

	snprintf(path, sizeof(path), "%s/scan", folder);
	snprintf(text, sizeof(text), "%llu %d %lld\n", inode, node, pages);
	return !write_text(path, text);
}

/* Buffers that are given up, made by a child in a group. */
static bool fill_group(const struct cgroup *group, int fd)
{
	pid_t child = fork();
	int i;

	if (child)
		return child > 0 && !wait_for(child);
	if (!cgroup_enter(group))
		_exit(1);
	for (i = 0; i < BUFFERS; i++) {
		struct strata_pool_create buffer;
		uint32_t crc;

		if (pool_filled(fd, PAGES * page_size(), i, &buffer, &crc) ||
		    pool_hold(fd, buffer.id) || pool_not_needed(fd, buffer.id) != 1)
			_exit(2);
	}
	_exit(0);
}

static unsigned long long inode_of(const struct cgroup *group)
{
	struct stat stat_buf;

	return stat(group->path, &stat_buf) ? 0 : stat_buf.st_ino;
}

TEST_F(pool, count_is_that_of_the_pool)
{
	struct strata_pool_create buffer;
	char folder[128];
	uint32_t crc;
	int i;

	if (access(SHRINKERS, F_OK))
		SKIP(return, NO_SHRINKERS);
	ASSERT_TRUE(find_shrinker(folder));
	EXPECT_EQ(counted(folder, 0, NULL), self->count);
	for (i = 0; i < BUFFERS; i++) {
		ASSERT_EQ(pool_filled(self->fd, PAGES * self->page, i, &buffer, &crc), 0);
		ASSERT_EQ(pool_hold(self->fd, buffer.id), 0);
		if (i & 1)
			ASSERT_EQ(pool_not_needed(self->fd, buffer.id), 1);
		EXPECT_EQ(pool_count(), self->count + (i + 1) * PAGES);
		EXPECT_EQ(counted(folder, 0, NULL), pool_count());
	}
	ASSERT_EQ(pool_drop("all"), 0);
	EXPECT_EQ(counted(folder, 0, NULL), self->count);
}

TEST_F(pool, count_is_by_cgroup)
{
	struct group_count line;
	struct cgroup a, b;
	char folder[128];
	long long sum = 0;
	int i;

	if (access(SHRINKERS, F_OK))
		SKIP(return, NO_SHRINKERS);
	ASSERT_TRUE(find_shrinker(folder));
	if (!cgroup_make(&a, "a") || !cgroup_make(&b, "b"))
		SKIP(return, "no memory controller");
	ASSERT_TRUE(fill_group(&a, self->fd));
	EXPECT_EQ(counted(folder, inode_of(&a), &line), self->count + BUFFERS * PAGES);
	for (i = 0; i < line.node_count; i++)
		sum += line.nodes[i];
	EXPECT_EQ(sum, BUFFERS * PAGES);
	counted(folder, inode_of(&b), &line);
	EXPECT_EQ(line.node_count, 0);
	EXPECT_TRUE(cgroup_remove(&a));
	EXPECT_TRUE(cgroup_remove(&b));
	EXPECT_EQ(counted(folder, 0, NULL), self->count + BUFFERS * PAGES);
}

TEST_F(pool, scan_frees)
{
	const long long all = BUFFERS * PAGES;
	struct strata_pool_stat stat;
	struct pool_totals totals;
	struct group_count line;
	struct cgroup group;
	char folder[128];
	int i;

	if (access(SHRINKERS, F_OK))
		SKIP(return, NO_SHRINKERS);
	ASSERT_TRUE(find_shrinker(folder));
	if (!cgroup_make(&group, "scan"))
		SKIP(return, "no memory controller");
	ASSERT_TRUE(fill_group(&group, self->fd));

	/* A part of it, on whatever nodes it lies; a buffer is never purged in part. */
	counted(folder, inode_of(&group), &line);
	for (i = 0; i < line.node_count; i++)
		ASSERT_TRUE(scan_pages(folder, inode_of(&group), i, line.nodes[i] / 2));
	ASSERT_EQ(pool_stat(self->fd, &stat), 0);
	EXPECT_LT(stat.purgeable, all * self->page);
	EXPECT_GT(stat.purgeable, 0);
	EXPECT_EQ(stat.purgeable % (PAGES * self->page), 0);
	EXPECT_EQ(counted(folder, 0, NULL), self->count + stat.purgeable / self->page);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_EQ(totals.purged - self->before.purged,
		  BUFFERS - stat.purgeable / (PAGES * self->page));

	/* The rest; nothing; and more than there is. */
	for (i = 0; i < line.node_count; i++) {
		ASSERT_TRUE(scan_pages(folder, inode_of(&group), i, all));
		EXPECT_TRUE(scan_pages(folder, inode_of(&group), i, 0));
		EXPECT_TRUE(scan_pages(folder, inode_of(&group), i, 1ll << 40));
	}
	EXPECT_EQ(counted(folder, 0, NULL), self->count);
	EXPECT_STAT(self->fd, 0, 0, 0);
	ASSERT_EQ(pool_totals(&totals), 0);
	EXPECT_EQ(totals.purged - self->before.purged, BUFFERS);
	EXPECT_TRUE(cgroup_remove(&group));
}

TEST_HARNESS_MAIN
