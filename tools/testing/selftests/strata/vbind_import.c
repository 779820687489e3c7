// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of other drivers in the address spaces of /dev/strata-vbind: what jobs make of
 * them is what user space sees through their dma-bufs, byte by byte.
 */

#include "vbind_share.h"

#define PAGES	7

FIXTURE(import)
{
	struct world world;
	int buffer;
	size_t size;
	int files;
	struct vbind_totals before;
};

FIXTURE_VARIANT(import)
{
	int (*make)(size_t size);
};

FIXTURE_VARIANT_ADD(import, heap) { heap_buffer };
FIXTURE_VARIANT_ADD(import, udmabuf) { user_buffer };

/* Buffer 0 is the foreign one, buffers 1 and 2 are own ones; each is mapped, with a page between them. */
FIXTURE_SETUP(import)
{
	int i;

	self->files = open_files();
	ASSERT_EQ(vbind_totals(&self->before), 0);
	self->size = PAGES * page_size();
	self->buffer = variant->make(self->size);
	if (self->buffer == -ENOENT)
		SKIP(return, "this kernel has no such buffers");
	ASSERT_GE(self->buffer, 0);
	ASSERT_EQ(world_open(&self->world, FIRST_PAGE * page_size(), 64), 0);
	ASSERT_EQ(world_import(&self->world, self->buffer), 0);
	ASSERT_EQ(world_add(&self->world, PAGES), 1);
	ASSERT_EQ(world_add(&self->world, PAGES), 2);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(world_bind(&self->world, BINDS(op_map(at(&self->world, i * (PAGES + 1)), self->size,
							       id_of(&self->world, i), 0))), 0);
}

FIXTURE_TEARDOWN(import)
{
	world_close(&self->world);
	close(self->buffer);
	EXPECT_EQ(vbind_settles(&self->before), 0);
	EXPECT_EQ(open_files(), self->files);
}

#define ADDRESS(buffer)	at(&self->world, (buffer) * (PAGES + 1))

TEST_F(import, it_is_a_buffer)
{
	struct strata_vbind_buffer_import import;
	int again;

	EXPECT_EQ(self->world.buffer[0].names.size, self->size);
	EXPECT_EQ(STAT(self->world.fd).buffers, 3);
	/* Its memory is its exporter's. */
	EXPECT_EQ(STAT(self->world.fd).bytes, 2 * self->size);
	EXPECT_EQ(TOTALS().imported - self->before.imported, 1);
	EXPECT_EQ(TOTALS().exported, self->before.exported);
	ASSERT_EQ(vbind_import(self->world.fd, self->buffer, &import), 0);
	EXPECT_NE(import.id, id_of(&self->world, 0));
	EXPECT_EQ(import.size, self->size);
	EXPECT_EQ(TOTALS().imported - self->before.imported, 1);
	again = vbind_export(self->world.fd, import.id);
	ASSERT_GE(again, 0);
	EXPECT_TRUE(same_file(again, self->buffer));
	EXPECT_EQ(fcntl(again, F_GETFD), FD_CLOEXEC);
	close(again);
	EXPECT_EQ(mmap(NULL, self->size, PROT_READ, MAP_SHARED, self->world.fd,
		       import.id * STRATA_VBIND_BUFFER_MAX), MAP_FAILED);
	EXPECT_EQ(errno, ENODEV);
	ASSERT_EQ(vbind_destroy(self->world.fd, STRATA_VBIND_BUFFER_DESTROY, import.id), 0);
	EXPECT_EQ(world_exec(&self->world, OPS(op_fill(ADDRESS(0), WORD, 1))), 0);
	EXPECT_TRUE(world_is_right(&self->world));
}

TEST_F(import, each_operation)
{
	const uint64_t own = ADDRESS(1), foreign = ADDRESS(0), half = self->size / 2;
	const struct execs execs[] = {
		OPS(op_fill(foreign, self->size, 0x0123456789abcdefull)),
		OPS(op_fill(foreign + 8, 24, 1)),
		OPS(op_copy(foreign, own + 16, self->size - 16)),
		OPS(op_copy(own + 24, foreign + 8, self->size - 24)),
		OPS(op_copy(foreign + half, foreign, half)),
		OPS(op_copy(foreign + 8, foreign, 3 * page_size())),
		OPS(op_add(foreign, own, self->size)),
		OPS(op_add(own, foreign + 8, self->size - 8)),
		OPS(op_add(foreign + 8, foreign, self->size - 8)),
		OPS(op_checksum(own, foreign, self->size)),
		OPS(op_checksum(foreign, own + 8, self->size - 8)),
		OPS(op_checksum(foreign + half, foreign + 8, half)),
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(execs); i++) {
		EXPECT_EQ(world_exec(&self->world, execs[i]), 0) TH_LOG("job %d", i);
		ASSERT_TRUE(world_is_right(&self->world)) TH_LOG("job %d", i);
	}
}

/* What it may not touch it does not touch, up to the word. */
TEST_F(import, faults)
{
	const uint64_t end = ADDRESS(0) + self->size, page = page_size();
	const uint32_t own = 6;

	EXPECT_EQ(world_exec(&self->world, OPS(op_fill(end - 16, 32, 1))), -EFAULT);
	EXPECT_EQ(world_exec_named(&self->world, OPS(op_fill(ADDRESS(0), 8, 2)), own), -EFAULT);
	EXPECT_EQ(world_exec_named(&self->world, OPS(op_copy(ADDRESS(1), ADDRESS(0), 8)), own), -EFAULT);
	EXPECT_EQ(world_exec_named(&self->world, OPS(op_fill(ADDRESS(1), 8, 2)), own), 0);
	ASSERT_EQ(world_bind(&self->world, BINDS(op_map_read_only(ADDRESS(0), page, id_of(&self->world, 0), page))), 0);
	EXPECT_EQ(world_exec(&self->world, OPS(op_fill(ADDRESS(0), 8, 3))), -EFAULT);
	EXPECT_EQ(world_exec(&self->world, OPS(op_copy(ADDRESS(1), ADDRESS(0), 2 * page))), 0);
	EXPECT_TRUE(world_is_right(&self->world));
	EXPECT_EQ(vbind_bind(self->world.fd, self->world.queue,
			     BINDS(op_map(ADDRESS(0), page, id_of(&self->world, 0), self->size)), JOB()), -EINVAL);
}

/* Parts of it anywhere, of own and foreign ones, and jobs across them. */
TEST_F_TIMEOUT(import, mixed, 120)
{
	struct world *world = &self->world;
	uint64_t state = 17;
	int i, k;

	for (i = 0; i < 300; i++) {
		uint64_t random = next_random(&state) >> 8;
		uint64_t page = page_size(), from = random % 48, pages = 1 + random / 64 % 4;
		uint64_t offset = random / 1024 % (PAGES - 4), dst = (random >> 20) % 4096 * 8;
		uint64_t src = (random >> 32) % 4096 * 8, length = 8 + (random >> 16) % 1500 * 8;
		struct strata_vbind_exec_op op[3];

		ASSERT_EQ(world_bind(world, BINDS(op_map(at(world, from), pages * page,
							 id_of(world, random % 3), offset * page))), 0);
		op[0] = op_copy(world->start + dst, world->start + src, length);
		op[1] = op_add(world->start + src, world->start + dst, length);
		op[2] = op_checksum(world->start + dst, world->start + src, length);
		for (k = 0; k < 3; k++)
			ASSERT_NE(world_exec(world, OPS_OF(&op[(i + k) % 3], 1)), -EPROTO);
		ASSERT_TRUE(world_is_right(world)) TH_LOG("round %d", i);
	}
}

/* Nothing of it is pinned when no job needs it. */
TEST_F(import, it_is_pinned_for_jobs_only)
{
	uint32_t queue = new_queue(_metadata, &self->world, LONG_MS);
	uint32_t id = id_of(&self->world, 0);
	int fence;

	EXPECT_EQ(pinned_settles(self->before.pinned), 0);
	ASSERT_EQ(vbind_exec(self->world.fd, queue, OPS(op_hang()), JOB(USING(id), .fence = &fence)), 0);
	EXPECT_EQ(TOTALS().pinned - self->before.pinned, 1);
	/* Others join. */
	EXPECT_EQ(world_exec(&self->world, OPS(op_add(ADDRESS(0), ADDRESS(1), self->size))), 0);
	EXPECT_EQ(TOTALS().pinned - self->before.pinned, 1);
	EXPECT_EQ(fence_status(fence), 0);
	ASSERT_EQ(vbind_destroy(self->world.fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(fence_end(fence), -ECANCELED);
	EXPECT_EQ(pinned_settles(self->before.pinned), 0);
	EXPECT_TRUE(world_is_right(&self->world));
}

/* Neither its descriptor nor its id is needed where it is mapped. */
TEST_F(import, it_stays_where_it_is_mapped)
{
	uint32_t id = id_of(&self->world, 0);
	struct strata_vbind_buffer_import import;

	ASSERT_EQ(vbind_import(self->world.fd, self->buffer, &import), 0);
	ASSERT_EQ(vbind_destroy(self->world.fd, STRATA_VBIND_BUFFER_DESTROY, id), 0);
	EXPECT_EQ(vbind_exec(self->world.fd, self->world.queue, OPS(op_fill(ADDRESS(0), 8, 1)), JOB(USING(id))),
		  -ENOENT);
	self->world.buffer[0].names.id = import.id;
	EXPECT_EQ(world_exec(&self->world, OPS(op_copy(ADDRESS(1), ADDRESS(0), self->size))), 0);
	EXPECT_TRUE(world_is_right(&self->world));
	/* A job that nobody could submit again. */
	ASSERT_EQ(vbind_exec(self->world.fd, self->world.queue, OPS(op_fill(ADDRESS(0), self->size, 8)),
			     JOB(USING(import.id))), 0);
	ASSERT_EQ(vbind_destroy(self->world.fd, STRATA_VBIND_BUFFER_DESTROY, import.id), 0);
	ASSERT_EQ(vbind_wait(self->world.fd, self->world.queue, FOREVER), 0);
	EXPECT_EQ(self->world.buffer[0].real[self->size / WORD - 1], 8);
	EXPECT_EQ(TOTALS().imported - self->before.imported, 1);
}

TEST_HARNESS_MAIN
