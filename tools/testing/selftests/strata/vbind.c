// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/strata-vbind as one process sees it: names, memory, and what the operations
 * make of it, compared word by word with the same machine in user space.
 */

#include <sys/stat.h>

#include "vbind_fixture.h"

TEST_F(vbind, is_for_root_alone)
{
	static const struct { const char *file; mode_t mode; } files[] = {
		{ VBIND_DEBUGFS "stat", 0400 }, { VBIND_DEBUGFS "map", 0400 },
		{ VBIND_DEBUGFS "queues", 0400 }, { VBIND_DEBUGFS "fences", 0400 },
		{ VBIND_DEBUGFS "timings", 0400 }, { VBIND_DEBUGFS "limit", 0600 },
		{ VBIND_DEBUGFS "drop_caches", 0600 },
	};
	struct stat file;
	int i;

	ASSERT_EQ(stat(VBIND_DEVICE, &file), 0);
	EXPECT_TRUE(S_ISCHR(file.st_mode));
	EXPECT_EQ(file.st_mode & 0777, 0600);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_EQ(stat(files[i].file, &file), 0) TH_LOG("%s", files[i].file);
		EXPECT_EQ(file.st_mode & 0777, files[i].mode) TH_LOG("%s", files[i].file);
	}
}

TEST_F(vbind, names_are_never_used_again)
{
	static const unsigned int destroy[] = {
		STRATA_VBIND_VM_DESTROY, STRATA_VBIND_BUFFER_DESTROY, STRATA_VBIND_QUEUE_DESTROY,
	};
	struct strata_vbind_buffer_create buffer;
	uint32_t ids[3], last[3] = {};
	uint64_t offset = 0;
	int i, kind;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(vbind_vm(self->fd, 0, self->page, &ids[0]), 0);
		ASSERT_EQ(vbind_buffer(self->fd, self->page, &buffer), 0);
		ids[1] = buffer.id;
		ASSERT_EQ(vbind_queue(self->fd, self->world.vm, 0, &ids[2]), 0);
		ASSERT_NE(buffer.map_offset, offset);
		ASSERT_EQ(buffer.map_offset % self->page, 0);
		offset = buffer.map_offset;
		for (kind = 0; kind < 3; kind++) {
			ASSERT_GT(ids[kind], last[kind]);
			last[kind] = ids[kind];
			ASSERT_EQ(vbind_destroy(self->fd, destroy[kind], ids[kind]), 0);
			ASSERT_EQ(vbind_destroy(self->fd, destroy[kind], ids[kind]), -ENOENT);
		}
	}
}

TEST_F(vbind, stat_counts)
{
	struct strata_vbind_buffer_create buffer;
	struct strata_vbind_stat stat = STAT(self->fd);
	struct vbind_totals totals;
	uint32_t vm, queue;

	EXPECT_EQ(stat.vms, 1);
	EXPECT_EQ(stat.queues, 1);
	EXPECT_EQ(stat.buffers + stat.bytes + stat.jobs + stat.mappings + stat.held, 0);
	ASSERT_EQ(vbind_vm(self->fd, 0, STRATA_VBIND_ADDRESS_MAX, &vm), 0);
	ASSERT_EQ(vbind_queue(self->fd, vm, 100, &queue), 0);
	ASSERT_EQ(vbind_buffer(self->fd, 5 * self->page, &buffer), 0);
	EXPECT_EQ(STAT(self->fd).held, 0);
	ASSERT_EQ(vbind_bind_now(self->fd, queue, BINDS(
		op_map(STRATA_VBIND_ADDRESS_MAX - 5 * self->page, 5 * self->page, buffer.id, 0),
		op_sparse(0, self->page)), JOB()), 0);
	stat = STAT(self->fd);
	EXPECT_EQ(stat.vms, 2);
	EXPECT_EQ(stat.queues, 2);
	EXPECT_EQ(stat.buffers, 1);
	EXPECT_EQ(stat.bytes, 5 * self->page);
	EXPECT_EQ(stat.mappings, 2);
	/* One without its middle is two. */
	ASSERT_EQ(vbind_bind_now(self->fd, queue, BINDS(
		op_unmap(STRATA_VBIND_ADDRESS_MAX - 3 * self->page, self->page)), JOB()), 0);
	EXPECT_EQ(STAT(self->fd).mappings, 3);
	ASSERT_EQ(vbind_exec_now(self->fd, queue, OPS(
		op_fill(STRATA_VBIND_ADDRESS_MAX - self->page, self->page, 1)),
		JOB(USING(buffer.id))), 0);
	EXPECT_EQ(STAT(self->fd).held, 5 * self->page);

	ASSERT_EQ(vbind_totals(&totals), 0);
	EXPECT_EQ(totals.vms, self->before.vms + 2);
	EXPECT_EQ(totals.queues, self->before.queues + 2);
	EXPECT_EQ(totals.buffers, self->before.buffers + 1);
	EXPECT_EQ(totals.bytes, self->before.bytes + 5 * self->page);
	EXPECT_EQ(totals.held, self->before.held + 5 * self->page);
	EXPECT_EQ(totals.submitted, self->before.submitted + 3);

	/* What is mapped stays until it is not. */
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_BUFFER_DESTROY, buffer.id), 0);
	EXPECT_EQ(STAT(self->fd).buffers, 1);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_VM_DESTROY, vm), -EBUSY);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_VM_DESTROY, vm), 0);
	SETTLES(self->fd, vms, 1);
	SETTLES(self->fd, queues, 1);
	SETTLES(self->fd, mappings, 0);
	SETTLES(self->fd, buffers, 0);
	SETTLES(self->fd, bytes, 0);
	SETTLES(self->fd, held, 0);
}

TEST_F(vbind, memory_is_shared_and_zeroed)
{
	struct area area;
	int round;
	size_t i;

	/* What one buffer leaves behind must not be seen in the next. */
	for (round = 0; round < 3; round++) {
		area = AREA(0, 16);
		for (i = 0; i < area.size / WORD; i++)
			ASSERT_EQ(area.words[i], 0);
		area.words[0] = 77;
		ASSERT_EQ(vbind_exec_now(self->fd, self->queue, OPS(
			op_copy(area.address + WORD, area.address, area.size - WORD)),
			JOB(USING(area.id))), 0);
		for (i = 0; i < area.size / WORD; i++)
			ASSERT_EQ(area.words[i], 77);
		munmap(area.words, area.size);
		ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_BUFFER_DESTROY, area.id), 0);
	}
}

/* What user space maps stays where the buffer does not. */
TEST_F(vbind, memory_outlives_its_buffer)
{
	struct strata_vbind_buffer_create buffer;
	int fd = vbind_open();
	uint64_t *words, *others;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(vbind_buffer(fd, 4 * self->page, &buffer), 0);
	words = vbind_map(fd, &buffer, PROT_READ | PROT_WRITE);
	ASSERT_NE((void *)words, MAP_FAILED);
	words[0] = 5;
	ASSERT_EQ(vbind_destroy(fd, STRATA_VBIND_BUFFER_DESTROY, buffer.id), 0);
	others = vbind_map(fd, &buffer, PROT_READ);
	EXPECT_EQ((void *)others, MAP_FAILED);
	EXPECT_EQ(errno, ENOENT);
	ASSERT_EQ(close(fd), 0);
	EXPECT_EQ(words[0], 5);
	memset(words, 1, 4 * self->page);
	EXPECT_EQ(munmap(words, 4 * self->page), 0);
}

TEST_F(vbind, fences_are_files_of_this_process_alone)
{
	int fence;

	ASSERT_EQ(vbind_bind(self->fd, self->queue, BINDS(op_sparse(at(&self->world, 0), self->page)),
			     JOB(.fence = &fence)), 0);
	EXPECT_EQ(fcntl(fence, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fence_end(fence), 0);
	/* Without the flag there is none. */
	ASSERT_EQ(vbind_bind(self->fd, self->queue, BINDS(op_unmap(at(&self->world, 0), self->page)),
			     JOB()), 0);
	EXPECT_EQ(vbind_wait(self->fd, self->queue, FOREVER), 0);
	EXPECT_EQ(open_files(), self->files + 1);
}

/* --- with a model */

TEST_F(vbind, each_operation)
{
	struct world *world = &self->world;
	const uint64_t a = at(world, 0), b = at(world, 8), p = self->page;

	ASSERT_EQ(world_add(world, 4), 0);
	ASSERT_EQ(world_add(world, 4), 1);
	ASSERT_EQ(world_bind(world, BINDS(op_map(a, 4 * p, id_of(world, 0), 0),
					  op_map(b, 4 * p, id_of(world, 1), 0))), 0);
	EXPECT_EQ(world_exec(world, OPS(op_fill(a + 3 * WORD, 2 * p, 0x0123456789abcdef))), 0);
	EXPECT_TRUE(world_is_right(world));
	EXPECT_EQ(world_exec(world, OPS(op_copy(b + WORD, a + p - WORD, 2 * p + WORD))), 0);
	EXPECT_TRUE(world_is_right(world));
	EXPECT_EQ(world_exec(world, OPS(op_add(b + WORD, a + p - WORD, 3 * p))), 0);
	EXPECT_TRUE(world_is_right(world));
	EXPECT_EQ(world_exec(world, OPS(op_checksum(a, b, 4 * p),
					op_checksum(a + WORD, b + WORD, WORD),
					op_checksum(a + 2 * WORD, b + p - WORD, 2 * WORD),
					op_checksum(b, b, p))), 0);
	EXPECT_TRUE(world_is_right(world));
}

TEST_F(vbind, as_many_operations_as_there_may_be)
{
	struct world *world = &self->world;
	const uint64_t a = at(world, 0), b = at(world, 8);
	struct strata_vbind_exec_op ops[STRATA_VBIND_OPS_MAX];
	int i;

	ASSERT_EQ(world_add(world, 4), 0);
	ASSERT_EQ(world_add(world, 4), 1);
	ASSERT_EQ(world_bind(world, BINDS(op_map(a, 4 * self->page, id_of(world, 0), 0),
					  op_map(b, 4 * self->page, id_of(world, 1), 0))), 0);
	/* Each with the results of those before. */
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = i % 3 == 0 ? op_add(a + i % 7 * WORD, a + i % 5 * WORD, 3 * WORD) :
			 i % 3 == 1 ? op_checksum(a + i % 11 * WORD, a, 64 * WORD) :
			 op_copy(b + i * WORD, a + i % 13 * WORD, i % 9 * WORD + WORD);
	EXPECT_EQ(world_exec(world, OPS_OF(ops, ARRAY_SIZE(ops))), 0);
	EXPECT_TRUE(world_is_right(world));
}

/* Each kind of operation with its ranges at all distances from each other. */
TEST_F_TIMEOUT(vbind, ranges_that_overlap, 120)
{
	struct world *world = &self->world;
	const int64_t p = self->page, w = WORD;
	const int64_t distances[] = {
		-3 * p, -p - w, -p, -p + w, -2 * w, -w, 0, w, 2 * w, 7 * w, p - w, p, p + w, 3 * p,
	};
	int i;

	ASSERT_EQ(world_add(world, 16), 0);
	ASSERT_EQ(world_bind(world, BINDS(op_map(at(world, 0), 16 * p, id_of(world, 0), 0))), 0);
	for (i = 0; i < ARRAY_SIZE(distances); i++) {
		const uint64_t dst = at(world, 6) + 5 * w, src = dst + distances[i];

		EXPECT_EQ(world_exec(world, OPS(op_copy(dst, src, 3 * p + w))), 0);
		EXPECT_EQ(world_exec(world, OPS(op_add(dst, src, 2 * p + w))), 0);
		EXPECT_EQ(world_exec(world, OPS(op_checksum(dst, src, p + w))), 0);
		EXPECT_TRUE(world_is_right(world)) TH_LOG("at a distance of %lld", (long long)distances[i]);
	}
}

/* The same memory at two addresses, as it is and a page further on. */
TEST_F_TIMEOUT(vbind, aliases, 120)
{
	struct world *world = &self->world;
	const uint64_t p = self->page;
	size_t shift;

	ASSERT_EQ(world_add(world, 8), 0);
	for (shift = 0; shift < 4; shift++) {
		ASSERT_EQ(world_bind(world, BINDS(
			op_map(at(world, 0), 8 * p, id_of(world, 0), 0),
			op_map(at(world, 16), (8 - shift) * p, id_of(world, 0), shift * p),
			op_map(at(world, 32), p, id_of(world, 0), shift * p),
			op_map(at(world, 33), p, id_of(world, 0), 0))), 0);
		EXPECT_EQ(world_exec(world, OPS(
			op_copy(at(world, 0) + WORD, at(world, 16), 4 * p),
			op_copy(at(world, 16), at(world, 0) + WORD, 4 * p),
			op_add(at(world, 16), at(world, 0) + p, 3 * p),
			op_copy(at(world, 32) + WORD, at(world, 32), 2 * p - WORD),
			op_checksum(at(world, 33), at(world, 32), 2 * p))), 0);
		EXPECT_TRUE(world_is_right(world)) TH_LOG("%zu pages further on", shift);
	}
}

/* Each page is another buffer's, from another place in it. */
TEST_F_TIMEOUT(vbind, parts_across_borders, 120)
{
	struct world *world = &self->world;
	const uint64_t p = self->page;
	struct strata_vbind_bind_op ops[64];
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(world_add(world, 32), i);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = op_map(at(world, i), p, id_of(world, i % 3), (i * 7 % 32) * p);
	ASSERT_EQ(world_bind(world, BINDS_OF(ops, ARRAY_SIZE(ops))), 0);
	for (i = 0; i < 24; i++) {
		const uint64_t dst = at(world, i) + i * 5 * WORD, src = at(world, 30 + i) + i * WORD;

		EXPECT_EQ(world_exec(world, OPS(
			op_copy(dst, src, 9 * p + i * WORD), op_add(src, dst, 2 * p),
			op_fill(dst + 3 * p, p + WORD, i), op_checksum(dst, src, 5 * p))), 0);
		ASSERT_TRUE(world_is_right(world)) TH_LOG("round %d", i);
	}
}

TEST_F(vbind, spaces_begin_and_end_anywhere)
{
	const uint64_t p = self->page, end = STRATA_VBIND_ADDRESS_MAX;
	const struct { uint64_t start, size; } spaces[] = {
		{ 0, end }, { 0, p }, { end - p, p }, { 1ull << 40, 1ull << 30 }, { p, end - p },
	};
	struct area area = AREA(0, 2);
	uint32_t vm, queue;
	uint64_t last;
	int i;

	for (i = 0; i < ARRAY_SIZE(spaces); i++) {
		last = spaces[i].start + spaces[i].size - p;
		ASSERT_EQ(vbind_vm(self->fd, spaces[i].start, spaces[i].size, &vm), 0);
		ASSERT_EQ(vbind_queue(self->fd, vm, 0, &queue), 0);
		/* A range of all addresses, of nothing but zeros, and a page at either end of it. */
		ASSERT_EQ(vbind_bind_now(self->fd, queue, BINDS(
			op_sparse(spaces[i].start, spaces[i].size), op_map(spaces[i].start, p, area.id, p),
			op_map(last, p, area.id, 0)), JOB()), 0);
		ASSERT_EQ(vbind_exec_now(self->fd, queue, OPS(op_fill(last + p - WORD, WORD, i + 1)),
					 JOB(USING(area.id))), 0);
		EXPECT_EQ(area.words[p / WORD - 1], i + 1);
		ASSERT_EQ(vbind_bind_now(self->fd, queue, BINDS(
			op_unmap(spaces[i].start, spaces[i].size)), JOB()), 0);
		EXPECT_EQ(vbind_exec_now(self->fd, queue, OPS(op_fill(last, WORD, 9)),
					 JOB(USING(area.id))), -EFAULT);
		ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
		ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_VM_DESTROY, vm), 0);
	}
	munmap(area.words, area.size);
}

TEST_HARNESS_MAIN
