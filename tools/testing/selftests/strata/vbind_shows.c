// SPDX-License-Identifier: GPL-2.0
/* The files of /dev/strata-vbind in debugfs say what was done, and nothing else. */

#include "vbind_fixture.h"
#include "vbind_seen.h"

#define SHORT_MS	20

/* From what sync_file calls one that is not signalled yet. */
static struct name name_of(struct __test_metadata *_metadata, int fence)
{
	struct sync_file_info info = {};
	struct name name = {};
	int found;

	EXPECT_EQ(ioctl(fence, SYNC_IOC_FILE_INFO, &info), 0);
	found = sscanf(info.name, "strata-vbind-queue%llu-%llu", &name.context, &name.seqno);
	EXPECT_EQ(found, 2);
	return name;
}

#define NAME(fence)	name_of(_metadata, fence)

/* Waits until a file has this text: what a job does is seen a little later. */
#define SHOWS(file, ...) do {								\
	char want[1024];								\
	snprintf(want, sizeof(want), __VA_ARGS__);					\
	while (!strstr(show(_metadata, file), want))					\
		usleep(1000);								\
} while (0)

TEST_F(vbind, map_shows_what_is_mapped)
{
	struct world *world = &self->world;
	unsigned long long file = file_number(_metadata), page = self->page;
	unsigned long long start = at(world, 0), end = start + SPACE_PAGES * page;
	struct strata_vbind_buffer_create buffer;
	char want[1024];

	snprintf(want, sizeof(want), "file %llu vm %u 0x%llx-0x%llx\n", file, world->vm, start, end);
	EXPECT_STREQ(show(_metadata, "map"), want);

	ASSERT_EQ(vbind_buffer(self->fd, 8 * page, &buffer), 0);
	ASSERT_EQ(vbind_bind_now(self->fd, self->queue, BINDS(
		op_map(start, 4 * page, buffer.id, page),
		op_map_read_only(start + page, page, buffer.id, 0),
		op_unmap(start + 3 * page, page),
		op_sparse(end - page, page)), JOB()), 0);
	snprintf(want, sizeof(want),
		 "file %llu vm %u 0x%llx-0x%llx\n"
		 "  0x%llx-0x%llx buffer %u offset 0x%llx rw\n"
		 "  0x%llx-0x%llx buffer %u offset 0x0 ro\n"
		 "  0x%llx-0x%llx buffer %u offset 0x%llx rw\n"
		 "  0x%llx-0x%llx sparse rw\n",
		 file, world->vm, start, end, start, start + page, buffer.id, page,
		 start + page, start + 2 * page, buffer.id,
		 start + 2 * page, start + 3 * page, buffer.id, 3 * page, end - page, end);
	EXPECT_STREQ(show(_metadata, "map"), want);
}

TEST_F(vbind, queues_show_what_they_do)
{
	unsigned long long file = file_number(_metadata);
	uint32_t vm = self->world.vm, patient, hasty;
	int fences[2];

	ASSERT_EQ(vbind_queue(self->fd, vm, LONG_MS, &patient), 0);
	ASSERT_EQ(vbind_queue(self->fd, vm, SHORT_MS, &hasty), 0);
	SHOWS("queues", "file %llu queue %u vm %u jobs 0 resets 0 timeout_ms %u idle\n", file,
	      patient, vm, LONG_MS);
	ASSERT_EQ(vbind_exec(self->fd, patient, OPS(op_hang()), JOB(.fence = &fences[0])), 0);
	ASSERT_EQ(vbind_exec(self->fd, patient, OPS(op_hang()), JOB(.fence = &fences[1])), 0);
	SHOWS("queues", "file %llu queue %u vm %u jobs 2 resets 0 timeout_ms %u hangs\n", file,
	      patient, vm, LONG_MS);
	EXPECT_EQ(vbind_exec_now(self->fd, hasty, OPS(op_hang()), JOB()), -ETIME);
	SHOWS("queues", "file %llu queue %u vm %u jobs 0 resets 1 timeout_ms %u idle\n", file,
	      hasty, vm, SHORT_MS);
	EXPECT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, patient), 0);
	EXPECT_EQ(fence_end(fences[0]), -ECANCELED);
	EXPECT_EQ(fence_end(fences[1]), -ECANCELED);
}

TEST_F(vbind, fences_show_who_uses_a_buffer)
{
	unsigned long long file = file_number(_metadata);
	struct area area = AREA(0, 1);
	struct name hung, behind;
	int hang, fence;
	uint32_t queue;

	ASSERT_EQ(vbind_queue(self->fd, self->world.vm, LONG_MS, &queue), 0);
	SHOWS("fences", "file %llu queue %u context ", file, queue);
	EXPECT_NE(strstr(show(_metadata, "fences"), " unused\n"), NULL);
	/* A job that has the buffer for as long as it hangs, and one that waits for it. */
	ASSERT_EQ(vbind_exec(self->fd, queue, OPS(op_hang()),
			     JOB(USING(area.id), .fence = &hang)), 0);
	ASSERT_EQ(vbind_exec(self->fd, self->queue, OPS(op_fill(area.address, WORD, 1)),
			     JOB(AFTER(hang), .fence = &fence)), 0);
	hung = NAME(hang);
	behind = NAME(fence);
	SHOWS("fences", "file %llu queue %u context %llu last %llu pending\n", file, queue,
	      hung.context, hung.seqno);
	SHOWS("fences", "file %llu queue %u context %llu last %llu pending\n", file, self->queue,
	      behind.context, behind.seqno);
	SHOWS("fences", "file %llu buffer %u held %llu:%llu\n", file, area.id, hung.context,
	      hung.seqno);
	EXPECT_EQ(vbind_drop("idle"), 0);
	SHOWS("fences", "file %llu buffer %u held %llu:%llu\n", file, area.id, hung.context,
	      hung.seqno);

	EXPECT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, queue), 0);
	EXPECT_EQ(fence_end(hang), -ECANCELED);
	EXPECT_EQ(fence_end(fence), -ECANCELED);
	SHOWS("fences", "file %llu queue %u context %llu last %llu error -125\n", file, self->queue,
	      behind.context, behind.seqno);
	SHOWS("fences", "file %llu buffer %u held\n", file, area.id);
	EXPECT_EQ(vbind_drop("idle"), 0);
	SHOWS("fences", "file %llu buffer %u let go\n", file, area.id);
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue, OPS(op_fill(area.address, WORD, 1)),
				 JOB(USING(area.id))), 0);
	SHOWS("fences", "file %llu queue %u context %llu last %llu signalled\n", file, self->queue,
	      behind.context, behind.seqno + 1);
	SHOWS("fences", "file %llu buffer %u held\n", file, area.id);
	munmap(area.words, area.size);
}

/* How many jobs have waited and run so far, of all times that they took. */
static void count_timings(struct __test_metadata *_metadata, long long *waited, long long *ran)
{
	const char *line = show(_metadata, "timings");
	long long one, other;
	int found;

	EXPECT_EQ(strncmp(line, "below_us waited ran\n", 20), 0);
	*waited = *ran = 0;
	while ((line = strchr(line, '\n')) && *++line) {
		found = sscanf(line, "%*s %lld %lld\n", &one, &other);
		ASSERT_EQ(found, 2);
		*waited += one;
		*ran += other;
	}
}

TEST_F(vbind, timings_count_each_job_once)
{
	long long waited[2], ran[2];
	struct vbind_totals before, after;

	count_timings(_metadata, &waited[0], &ran[0]);
	ASSERT_EQ(vbind_totals(&before), 0);
	EXPECT_EQ(vbind_bind_now(self->fd, self->queue,
				 BINDS(op_sparse(at(&self->world, 0), self->page)), JOB()), 0);
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue,
				 OPS(op_fill(at(&self->world, 0), WORD, 1)), JOB()), 0);
	EXPECT_EQ(vbind_exec_now(self->fd, self->queue,
				 OPS(op_fill(at(&self->world, 1), WORD, 1)), JOB()), -EFAULT);
	count_timings(_metadata, &waited[1], &ran[1]);
	ASSERT_EQ(vbind_totals(&after), 0);
	EXPECT_EQ(waited[1] - waited[0], 3);
	EXPECT_EQ(ran[1] - ran[0], 3);
	EXPECT_EQ(after.submitted - before.submitted, 3);
	EXPECT_EQ(after.completed - before.completed, 2);
	EXPECT_EQ(after.failed - before.failed, 1);
}

TEST_HARNESS_MAIN
