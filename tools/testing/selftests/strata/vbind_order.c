// SPDX-License-Identifier: GPL-2.0
/*
 * In which order the jobs of /dev/strata-vbind are done: in one queue as they were
 * submitted, between queues by fences alone. What is computed depends on the order.
 */

#include "vbind_fixture.h"

/* Doubles the first word and adds the @nth of those behind it: of no two orders alike. */
#define STEP(area, nth) \
	OPS(op_add((area)->address, (area)->address, WORD), \
	    op_add((area)->address, (area)->address + (1 + (nth) % 500) * WORD, WORD))

static void set_steps(const struct area *area)
{
	fill(area->words + 1, area->size - WORD, 42);
	area->words[0] = 1;
}

static uint64_t steps_give(const struct area *area, int first, int count)
{
	uint64_t value = 1;
	int i;

	for (i = first; i < first + count; i++)
		value = 2 * value + area->words[1 + i % 500];
	return value;
}

static int many_jobs(void)
{
	return debug_kernel() ? 1000 : 4000;
}

TEST_F_TIMEOUT(vbind, one_queue_is_in_order, 120)
{
	struct area area = AREA(0, 1);
	int i;

	set_steps(&area);
	for (i = 0; i < many_jobs(); i++)
		ASSERT_EQ(vbind_exec(self->fd, self->queue, STEP(&area, i), JOB(USING(area.id))), 0);
	EXPECT_EQ(vbind_wait(self->fd, self->queue, FOREVER), 0);
	EXPECT_EQ(area.words[0], steps_give(&area, 0, many_jobs()));
	munmap(area.words, area.size);
}

/* Each job is of another queue, and waits for the one before it. */
TEST_F_TIMEOUT(vbind, thousands_of_fences, 240)
{
	struct area area = AREA(0, 1);
	int *fences = calloc(many_jobs(), sizeof(*fences)), i;
	uint32_t queues[5];

	ASSERT_NE(fences, NULL);
	allow_files(_metadata, 8192);
	for (i = 0; i < ARRAY_SIZE(queues); i++)
		ASSERT_EQ(vbind_queue(self->fd, self->world.vm, 0, &queues[i]), 0);
	set_steps(&area);
	for (i = 0; i < many_jobs(); i++)
		ASSERT_EQ(vbind_exec(self->fd, queues[i % ARRAY_SIZE(queues)], STEP(&area, i),
				     JOB(USING(area.id), .waits = fences + i - 1, .wait_count = i > 0,
					 .fence = &fences[i])), 0);
	ASSERT_EQ(fence_wait(fences[many_jobs() - 1]), 0);
	EXPECT_EQ(area.words[0], steps_give(&area, 0, many_jobs()));
	/* The last one was signalled last. */
	for (i = 0; i < many_jobs(); i++) {
		ASSERT_EQ(fence_status(fences[i]), 1);
		close(fences[i]);
	}
	free(fences);
	munmap(area.words, area.size);
}

/* A mapping is what it was when its turn came, not when somebody asked for it. */
TEST_F_TIMEOUT(vbind, binds_and_execs_take_turns, 120)
{
	struct area area = AREA(0, 8), window = AREA(8, 1);
	uint64_t first[8] = {}, rest[8] = {};
	const int rounds = many_jobs() / 4;
	int i;

	for (i = 0; i < rounds; i++) {
		const int page = i * 5 % 8, other = i * 3 % 8;

		ASSERT_EQ(vbind_bind(self->fd, self->queue, BINDS(
			op_map(window.address, self->page, area.id, page * self->page)), JOB()), 0);
		ASSERT_EQ(vbind_exec(self->fd, self->queue, OPS(op_fill(window.address, self->page, i)),
				     JOB(USING(area.id))), 0);
		ASSERT_EQ(vbind_bind(self->fd, self->queue, BINDS(
			op_unmap(window.address, self->page),
			op_map(window.address, self->page, area.id, other * self->page)), JOB()), 0);
		ASSERT_EQ(vbind_exec(self->fd, self->queue, OPS(op_add(window.address, area.address, WORD)),
				     JOB(USING(area.id))), 0);
		first[page] = rest[page] = i;
		first[other] += first[0];
	}
	ASSERT_EQ(vbind_wait(self->fd, self->queue, FOREVER), 0);
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(area.words[i * self->page / WORD], first[i]);
		EXPECT_EQ(area.words[i * self->page / WORD + 1], rest[i]);
	}
	munmap(area.words, area.size);
	munmap(window.words, window.size);
}

/*
 * Two addresses are of one buffer, or both of the other: a job that copies from one to
 * the other would mix them if it found one changed and one not.
 */
TEST_F_TIMEOUT(vbind, operations_of_a_bind_are_seen_together, 240)
{
	struct area a = AREA(0, 1), b = AREA(1, 1);
	const uint64_t x = at(&self->world, 16), y = at(&self->world, 512);
	const int rounds = debug_kernel() ? 300 : 3000;
	uint32_t binder;
	int i;

	ASSERT_EQ(vbind_queue(self->fd, self->world.vm, 0, &binder), 0);
	for (i = 0; i < self->page / WORD; i++) {
		a.words[i] = 1;
		b.words[i] = 2;
	}
	ASSERT_EQ(vbind_bind_now(self->fd, binder, BINDS(op_map(x, self->page, a.id, 0),
							 op_map(y, self->page, a.id, 0)), JOB()), 0);
	for (i = 0; i < rounds; i++) {
		const uint32_t id = i & 1 ? a.id : b.id;

		ASSERT_EQ(vbind_exec(self->fd, self->queue, OPS(
			op_copy(x, y, self->page), op_copy(y, x, self->page), op_copy(x, y, self->page)),
			JOB(USING(a.id, b.id))), 0);
		ASSERT_EQ(vbind_bind(self->fd, binder, BINDS(op_map(x, self->page, id, 0),
							     op_map(y, self->page, id, 0)), JOB()), 0);
		if (i % 64 == 0) {
			ASSERT_EQ(vbind_wait(self->fd, binder, FOREVER), 0);
			ASSERT_EQ(vbind_wait(self->fd, self->queue, FOREVER), 0);
		}
	}
	ASSERT_EQ(vbind_wait(self->fd, self->queue, FOREVER), 0);
	ASSERT_EQ(vbind_wait(self->fd, binder, FOREVER), 0);
	for (i = 0; i < self->page / WORD; i++) {
		ASSERT_EQ(a.words[i], 1);
		ASSERT_EQ(b.words[i], 2);
	}
	munmap(a.words, a.size);
	munmap(b.words, b.size);
}

/* Whoever was told that it is unmapped may use the memory for something else. */
TEST_F_TIMEOUT(vbind, what_is_unmapped_is_out_of_reach, 240)
{
	struct area area = AREA(0, 1);
	const int rounds = debug_kernel() ? 50 : 500;
	struct strata_vbind_exec_op ops[STRATA_VBIND_OPS_MAX];
	uint32_t binder;
	int round, fence, i;

	ASSERT_EQ(vbind_queue(self->fd, self->world.vm, 0, &binder), 0);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = op_fill(area.address, self->page, i);
	for (round = 0; round < rounds; round++) {
		ASSERT_EQ(vbind_bind_now(self->fd, binder, BINDS(
			op_map(area.address, self->page, area.id, 0)), JOB()), 0);
		area.words[0] = ~0ull;
		ASSERT_EQ(vbind_exec(self->fd, self->queue, OPS_OF(ops, ARRAY_SIZE(ops)),
				     JOB(USING(area.id), .fence = &fence)), 0);
		/* In the middle of it. */
		while (*(volatile uint64_t *)area.words == ~0ull && !fence_status(fence))
			;
		ASSERT_EQ(vbind_bind_now(self->fd, binder, BINDS(op_unmap(area.address, self->page)),
					 JOB()), 0);
		for (i = 0; i < self->page / WORD; i++)
			area.words[i] = 0x5a5a5a5a;
		i = fence_end(fence);
		ASSERT_TRUE(i == 0 || i == -EFAULT);
		for (i = 0; i < self->page / WORD; i++)
			ASSERT_EQ(area.words[i], 0x5a5a5a5a) TH_LOG("round %d, word %d", round, i);
	}
	munmap(area.words, area.size);
}

/* Of 256 jobs in eight queues, in any order, none has begun after the one that waits for all. */
TEST_F_TIMEOUT(vbind, as_many_waits_as_there_may_be, 120)
{
	struct area area = AREA(0, 2);
	int fences[STRATA_VBIND_WAITS_MAX], last, merged, i;
	uint32_t queues[8];

	for (i = 0; i < ARRAY_SIZE(queues); i++)
		ASSERT_EQ(vbind_queue(self->fd, self->world.vm, 0, &queues[i]), 0);
	for (i = 0; i < ARRAY_SIZE(fences); i++)
		ASSERT_EQ(vbind_exec(self->fd, queues[i % 8], OPS(
			op_fill(area.address, self->page, 0),
			op_fill(area.address + self->page + i * WORD, WORD, i + 1)),
			JOB(USING(area.id), .fence = &fences[i])), 0);
	ASSERT_EQ(vbind_exec(self->fd, self->queue, OPS(
		op_checksum(area.address, area.address + self->page, ARRAY_SIZE(fences) * WORD)),
		JOB(USING(area.id), .waits = fences, .wait_count = ARRAY_SIZE(fences),
		    .fence = &last)), 0);
	ASSERT_EQ(fence_wait(last), 0);
	for (i = 0; i < ARRAY_SIZE(fences); i++) {
		ASSERT_EQ(fence_status(fences[i]), 1);
		ASSERT_EQ(area.words[self->page / WORD + i], i + 1);
	}
	EXPECT_EQ(area.words[0], crc32c(area.words + self->page / WORD, ARRAY_SIZE(fences) * WORD));
	/* What is signalled, and the same one again and again, are as good. */
	for (i = 0; i < ARRAY_SIZE(fences); i++) {
		close(fences[i]);
		fences[i] = last;
	}
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_fill(area.address, WORD, 3)),
				 JOB(USING(area.id), .waits = fences, .wait_count = ARRAY_SIZE(fences))), 0);
	EXPECT_EQ(area.words[0], 3);
	merged = fence_merge(last, last);
	ASSERT_GE(merged, 0);
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_fill(area.address, WORD, 4)),
				 JOB(USING(area.id), AFTER(merged))), 0);
	close(merged);
	close(last);
	munmap(area.words, area.size);
}

/* Many fences as one, of one queue and of several, of this file and of another. */
TEST_F_TIMEOUT(vbind, merged_fences, 120)
{
	struct area area = AREA(0, 1);
	struct world other;
	struct area there;
	int i, k, merged = -1, fence, all;
	uint32_t queues[4];

	ASSERT_EQ(world_open(&other, 0, 16), 0);
	there = area_at(_metadata, &other, 0, 16);
	for (i = 0; i < ARRAY_SIZE(queues); i++)
		ASSERT_EQ(vbind_queue(other.fd, other.vm, 0, &queues[i]), 0);
	for (k = 0; k < 4; k++) {
		set_steps(&area);
		for (i = 0; i < 64; i++) {
			ASSERT_EQ(vbind_exec(other.fd, queues[i % 4], OPS(
				op_fill(there.address, there.size, i + k)),
				JOB(USING(there.id), .fence = &fence)), 0);
			all = merged < 0 ? dup(fence) : fence_merge(merged, fence);
			ASSERT_GE(all, 0);
			close(fence);
			if (merged >= 0)
				close(merged);
			merged = all;
		}
		ASSERT_EQ(vbind_exec(self->fd, self->queue, STEP(&area, k),
				     JOB(USING(area.id), AFTER(merged), .fence = &fence)), 0);
		EXPECT_EQ(fence_end(fence), 0);
		EXPECT_EQ(fence_status(merged), 1);
		EXPECT_EQ(area.words[0], steps_give(&area, k, 1));
		close(merged);
		merged = -1;
	}
	munmap(there.words, there.size);
	munmap(area.words, area.size);
	world_close(&other);
}

/* Jobs of four files, each waiting for those of the others: like the threads of a rope. */
TEST_F_TIMEOUT(vbind, files_wait_for_each_other, 120)
{
	struct world others[3];
	struct area area[4];
	struct world *worlds[4] = { &self->world, &others[0], &others[1], &others[2] };
	int fences[4] = { -1, -1, -1, -1 }, next[4], rounds = many_jobs() / 8, round, i;

	for (i = 0; i < 4; i++) {
		if (i)
			ASSERT_EQ(world_open(worlds[i], 0, 16), 0);
		area[i] = area_at(_metadata, worlds[i], 1, 1);
		set_steps(&area[i]);
	}
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < 4; i++)
			ASSERT_EQ(vbind_exec(worlds[i]->fd, worlds[i]->queue, STEP(&area[i], round),
					     JOB(USING(area[i].id), .waits = fences,
						 .wait_count = round ? 4 : 0, .fence = &next[i])), 0);
		for (i = 0; i < 4; i++) {
			if (round)
				close(fences[i]);
			fences[i] = next[i];
		}
	}
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(fence_end(fences[i]), 0);
		EXPECT_EQ(area[i].words[0], steps_give(&area[i], 0, rounds));
		munmap(area[i].words, area[i].size);
		if (i)
			world_close(worlds[i]);
	}
}

TEST_HARNESS_MAIN
