// SPDX-License-Identifier: GPL-2.0
/*
 * Address spaces of /dev/strata-vbind: what is mapped in place of what, who may write,
 * what is missing, and what was done when a job finds that out.
 */

#include "vbind_fixture.h"

/* What each page of the space is, seen by jobs that read it and write it alone. */
static void expect_pages(struct __test_metadata *_metadata, struct world *world, size_t first,
			 size_t count)
{
	size_t i;

	for (i = first; i < first + count; i++) {
		ASSERT_NE(world_exec(world, OPS(op_add(at(world, i), at(world, i) + WORD, WORD))), -EPROTO)
			TH_LOG("writing page %zu", i);
		ASSERT_NE(world_exec(world, OPS(op_checksum(at(world, 1000), at(world, i), page_size()))),
			  -EPROTO) TH_LOG("reading page %zu", i);
		ASSERT_TRUE(world_is_right(world)) TH_LOG("page %zu", i);
	}
}

/* A mapping of eight pages, and another one in its place, from each page to each. */
TEST_F_TIMEOUT(vbind, in_place_of_what_is_there, 300)
{
	struct world *world = &self->world;
	const uint64_t p = self->page;
	size_t first, last;
	int kind;

	ASSERT_EQ(world_add(world, 16), 0);
	ASSERT_EQ(world_add(world, 16), 1);
	ASSERT_EQ(world_add(world, 1), 2);
	for (kind = 0; kind < 3; kind++)
		for (first = 0; first < 8; first += 1 + kind)
			for (last = first; last < 8; last += 1 + kind) {
				const uint64_t where = at(world, first), length = (last + 1 - first) * p;

				/* What lies beside it is to stay. */
				ASSERT_EQ(world_bind(world, BINDS(
					op_unmap(at(world, 0), 8 * p),
					op_map(at(world, 1000), p, id_of(world, 2), 0),
					op_map(at(world, 2), 4 * p, id_of(world, 0), 3 * p),
					op_map(at(world, 6), p, id_of(world, 0), 9 * p))), 0);
				ASSERT_EQ(world_bind(world, BINDS(
					kind == 0 ? op_map(where, length, id_of(world, 1), first * p) :
					kind == 1 ? op_unmap(where, length) : op_sparse(where, length))), 0);
				expect_pages(_metadata, world, 0, 8);
			}
}

TEST_F_TIMEOUT(vbind, many_in_one_call, 300)
{
	struct world *world = &self->world;
	const uint64_t p = self->page;
	struct strata_vbind_bind_op ops[STRATA_VBIND_OPS_MAX];
	uint64_t state = 99;
	int round, i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(world_add(world, 64), i);
	for (round = 0; round < 4; round++) {
		for (i = 0; i < ARRAY_SIZE(ops); i++) {
			size_t first = next_random(&state) % 60, count = 1 + next_random(&state) % 20;
			int kind = next_random(&state) % 6;

			ops[i] = kind == 0 ? op_unmap(at(world, first), count * p) :
				 kind == 1 ? op_sparse(at(world, first), count * p) :
				 op_map(at(world, first), count * p, id_of(world, kind % 3),
					next_random(&state) % (64 - count) * p);
			if (kind == 2)
				ops[i].flags = STRATA_VBIND_READ_ONLY;
		}
		ASSERT_EQ(world_bind(world, BINDS_OF(ops, ARRAY_SIZE(ops))), 0);
		ASSERT_EQ(world_bind(world, BINDS(op_map(at(world, 1000), p, id_of(world, 0), 0))), 0);
		expect_pages(_metadata, world, 0, 80);
	}
}

TEST_F(vbind, read_only)
{
	struct world *world = &self->world;
	const uint64_t p = self->page, a = at(world, 0), b = at(world, 8);

	ASSERT_EQ(world_add(world, 4), 0);
	ASSERT_EQ(world_add(world, 4), 1);
	/* The same memory for reading at one address, for both at another. */
	ASSERT_EQ(world_bind(world, BINDS(
		op_map_read_only(a, 4 * p, id_of(world, 0), 0), op_map(b, 4 * p, id_of(world, 1), 0),
		op_map(at(world, 16), 4 * p, id_of(world, 0), 0))), 0);
	EXPECT_EQ(world_exec(world, OPS(op_copy(b, a, 4 * p))), 0);
	EXPECT_EQ(world_exec(world, OPS(op_fill(at(world, 16), 4 * p, 1), op_checksum(b, a, 4 * p))), 0);
	EXPECT_EQ(world_exec(world, OPS(op_fill(a, WORD, 2))), -EFAULT);
	EXPECT_EQ(world_exec(world, OPS(op_copy(a, b, WORD))), -EFAULT);
	EXPECT_EQ(world_exec(world, OPS(op_add(a + 4 * p - WORD, b, WORD))), -EFAULT);
	EXPECT_EQ(world_exec(world, OPS(op_checksum(a, b, p))), -EFAULT);
	EXPECT_TRUE(world_is_right(world));
	/* Its halves stay what it was. */
	ASSERT_EQ(world_bind(world, BINDS(op_unmap(a + p, p))), 0);
	EXPECT_EQ(world_exec(world, OPS(op_fill(a, WORD, 3))), -EFAULT);
	EXPECT_EQ(world_exec(world, OPS(op_fill(a + 2 * p, WORD, 3))), -EFAULT);
	EXPECT_EQ(world_exec(world, OPS(op_copy(b, a + 2 * p, 2 * p))), 0);
	EXPECT_TRUE(world_is_right(world));
}

TEST_F(vbind, sparse)
{
	struct world *world = &self->world;
	const uint64_t p = self->page, a = at(world, 0), b = at(world, 8);
	struct strata_vbind_bind_op read_only = op_sparse(a + 2 * p, p);

	read_only.flags |= STRATA_VBIND_READ_ONLY;
	ASSERT_EQ(world_add(world, 8), 0);
	ASSERT_EQ(world_bind(world, BINDS(op_sparse(a, 4 * p), op_map(b, 8 * p, id_of(world, 0), 0),
					  read_only)), 0);
	/* What is written is lost. */
	EXPECT_EQ(world_exec(world, OPS(op_copy(a, b, 2 * p), op_copy(b, a, 4 * p))), 0);
	EXPECT_TRUE(world_is_right(world));
	EXPECT_EQ(world_exec(world, OPS(op_fill(a, 2 * p, ~0ull), op_add(a, b, 2 * p),
					op_checksum(b, a, 4 * p), op_checksum(a, b, 8 * p),
					op_add(b + p, a, p))), 0);
	EXPECT_TRUE(world_is_right(world));
	EXPECT_EQ(world_exec(world, OPS(op_fill(a + p, 2 * p, 1))), -EFAULT);
	/* It needs no buffer, and takes no memory. */
	EXPECT_EQ(world_exec_named(world, OPS(op_fill(a, 2 * p, 1)), 0), 0);
	EXPECT_TRUE(world_is_right(world));
}

/* When a job faults, all below the address that faulted was done, and nothing else. */
TEST_F_TIMEOUT(vbind, what_is_below_a_fault_is_done, 120)
{
	struct world *world = &self->world;
	const uint64_t p = self->page;
	const uint64_t beginnings[] = { 0, WORD, p - WORD, p, p + WORD, 3 * p - WORD };
	int kind, i;

	ASSERT_EQ(world_add(world, 4), 0);
	ASSERT_EQ(world_add(world, 8), 1);
	ASSERT_EQ(world_add(world, 4), 2);
	for (kind = 0; kind < 3; kind++)
		for (i = 0; i < ARRAY_SIZE(beginnings); i++) {
			const uint64_t hole = at(world, 0) + beginnings[i], whole = at(world, 8) + 5 * WORD;

			/* After three pages: nothing, what cannot be written, what was not named. */
			ASSERT_EQ(world_bind(world, BINDS(
				op_map(at(world, 0), 4 * p, id_of(world, 0), 0),
				op_map(at(world, 8), 8 * p, id_of(world, 1), 0),
				kind == 0 ? op_unmap(at(world, 3), p) :
				kind == 1 ? op_map_read_only(at(world, 3), p, id_of(world, 0), 3 * p) :
				op_map(at(world, 3), p, id_of(world, 2), 0))), 0);
			EXPECT_EQ(world_exec_named(world, OPS(op_fill(hole, 4 * p - beginnings[i], i)), 3),
				  -EFAULT);
			EXPECT_EQ(world_exec_named(world, OPS(op_copy(hole, whole, 4 * p - beginnings[i])), 3),
				  -EFAULT);
			EXPECT_EQ(world_exec_named(world, OPS(op_add(hole, whole, 4 * p - beginnings[i])), 3),
				  -EFAULT);
			EXPECT_EQ(world_exec_named(world, OPS(
				op_fill(whole, WORD, 1), op_copy(whole, hole, 4 * p - beginnings[i]),
				op_checksum(whole, hole, 4 * p - beginnings[i]),
				op_fill(whole, WORD, 2)), 3), kind == 1 ? 0 : -EFAULT);
			ASSERT_TRUE(world_is_right(world)) TH_LOG("kind %d, from %llu", kind,
								  (unsigned long long)beginnings[i]);
		}
	EXPECT_EQ(world_exec(world, OPS(op_fill(at(world, 20), WORD, 1))), -EFAULT);
	EXPECT_EQ(world_exec(world, OPS(op_copy(at(world, 8), at(world, 20), WORD))), -EFAULT);
	EXPECT_TRUE(world_is_right(world));
}

TEST_F(vbind, only_what_is_named_is_reached)
{
	struct area a = AREA(0, 2), b = AREA(8, 2);
	uint32_t twice[STRATA_VBIND_BUFFERS_MAX];
	int i;

	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_fill(a.address, WORD, 1)), JOB()), -EFAULT);
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_fill(a.address, WORD, 1)),
				 JOB(USING(b.id))), -EFAULT);
	EXPECT_EQ(a.words[0], 0);
	/* Naming is no use: what was not named before is not reached now. */
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_fill(a.address, WORD, 2)),
				 JOB(USING(b.id, a.id, a.id))), 0);
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_copy(b.address, a.address, WORD)),
				 JOB(USING(b.id))), -EFAULT);
	EXPECT_EQ(b.words[0], 0);
	for (i = 0; i < ARRAY_SIZE(twice); i++)
		twice[i] = i & 1 ? a.id : b.id;
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_copy(b.address, a.address, WORD)),
				 JOB(.buffers = twice, .buffer_count = ARRAY_SIZE(twice))), 0);
	EXPECT_EQ(b.words[0], 2);
	EXPECT_EQ(STAT(self->fd).held, a.size + b.size);

	/* A buffer that is destroyed stays where it is mapped, for those who can name it: nobody. */
	EXPECT_EQ(vbind_destroy(self->fd, STRATA_VBIND_BUFFER_DESTROY, a.id), 0);
	EXPECT_EQ(STAT(self->fd).buffers, 2);
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_fill(a.address, WORD, 1)),
				 JOB(USING(b.id))), -EFAULT);
	EXPECT_EQ(vbind_bind_now(self->fd, self->queue, BINDS(op_unmap(a.address, a.size)), JOB()), 0);
	SETTLES(self->fd, buffers, 1);
	munmap(a.words, a.size);
	munmap(b.words, b.size);
}

/* Names, buffers and addresses mean nothing in another file or space. */
TEST_F(vbind, spaces_are_apart)
{
	struct area a = AREA(0, 1);
	struct world other;
	uint32_t vm, queue;

	ASSERT_EQ(world_open(&other, FIRST_PAGE * self->page, SPACE_PAGES), 0);
	ASSERT_EQ(world_add(&other, 1), 0);
	ASSERT_EQ(world_bind(&other, BINDS(op_map(a.address, self->page, id_of(&other, 0), 0))), 0);
	ASSERT_EQ(world_exec(&other, OPS(op_fill(a.address, self->page, 5))), 0);
	EXPECT_TRUE(world_is_right(&other));
	EXPECT_EQ(a.words[0], 0);
	world_close(&other);

	/* Two spaces of one file share its buffers, at addresses of their own. */
	ASSERT_EQ(vbind_vm(self->fd, 0, 1ull << 30, &vm), 0);
	ASSERT_EQ(vbind_queue(self->fd, vm, 0, &queue), 0);
	EXPECT_EQ(vbind_exec_now(self->fd, queue, OPS(op_fill(a.address, WORD, 6)), JOB(USING(a.id))), -EFAULT);
	ASSERT_EQ(vbind_bind_now(self->fd, queue, BINDS(op_map(1 << 29, self->page, a.id, 0)), JOB()), 0);
	EXPECT_EQ(vbind_exec_now(self->fd, queue, OPS(op_fill(1 << 29, WORD, 6)), JOB(USING(a.id))), 0);
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_add(a.address, a.address, WORD)),
				 JOB(USING(a.id))), 0);
	EXPECT_EQ(a.words[0], 12);
	munmap(a.words, a.size);
}

TEST_HARNESS_MAIN
