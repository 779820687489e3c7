/* SPDX-License-Identifier: GPL-2.0 */
/* A file with one of each kind, which no bad call may change; and names of nothing. */
#ifndef STRATA_VBIND_BAD_H
#define STRATA_VBIND_BAD_H

#include "bad_calls.h"
#include "vbind_debugfs.h"

/* Where the address space begins, and where it ends, in bytes. */
#define BAD_START	(16 * 4096ull)
#define BAD_END		(32 * 4096ull)
#define NEVER		1000

/* Ids of what is there, of what is not any more, and of another file's. */
struct bad_ids {
	uint32_t vm, buffer, queue;
};

FIXTURE(bad)
{
	int fd;
	int other;
	struct bad_ids ours, destroyed, foreign;
	/* Two pages, mapped at the beginning of the address space. */
	struct strata_vbind_buffer_create buffer;
	uint64_t *words;
	/* Where mmap() would find the other file's. */
	uint64_t foreign_offset;
	/* Of a job that is over. */
	int fence;
	int files;
	struct strata_vbind_stat stat;
	struct vbind_totals before;
	struct limit limit;
};

static inline int bad_make(int fd, struct bad_ids *ids, struct strata_vbind_buffer_create *buffer)
{
	int ret = vbind_vm(fd, BAD_START, BAD_END - BAD_START, &ids->vm) ?:
		  vbind_queue(fd, ids->vm, 0, &ids->queue) ?: vbind_buffer(fd, 8192, buffer);

	ids->buffer = buffer->id;
	return ret;
}

FIXTURE_SETUP(bad)
{
	struct strata_vbind_buffer_create buffer;
	int i;

	self->fd = vbind_open();
	self->other = vbind_open();
	ASSERT_GE(self->fd, 0);
	ASSERT_GE(self->other, 0);
	ASSERT_EQ(bad_make(self->fd, &self->destroyed, &buffer), 0);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_QUEUE_DESTROY, self->destroyed.queue), 0);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_VM_DESTROY, self->destroyed.vm), 0);
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_BUFFER_DESTROY, self->destroyed.buffer), 0);
	/* Their ids are none that this file has. */
	for (i = 0; i < 10; i++)
		ASSERT_EQ(bad_make(self->other, &self->foreign, &buffer), 0);
	self->foreign_offset = buffer.map_offset;
	ASSERT_EQ(bad_make(self->fd, &self->ours, &self->buffer), 0);
	self->words = vbind_map(self->fd, &self->buffer, PROT_READ | PROT_WRITE);
	ASSERT_NE((void *)self->words, MAP_FAILED);
	fill(self->words, 8192, 11);
	ASSERT_EQ(vbind_bind(self->fd, self->ours.queue, BINDS(op_map(BAD_START, 8192, self->ours.buffer, 0)),
			     JOB(.fence = &self->fence)), 0);
	ASSERT_EQ(fence_wait(self->fence), 0);
	ASSERT_EQ(vbind_exec_now(self->fd, self->ours.queue, OPS(op_copy(BAD_START, BAD_START, 8192)),
				 JOB(USING(self->ours.buffer))), 0);
	do {
		ASSERT_EQ(vbind_stat(self->fd, &self->stat), 0);
	} while (self->stat.jobs || self->stat.vms != 1 || self->stat.queues != 1 || self->stat.buffers != 1);
	ASSERT_EQ(vbind_totals(&self->before), 0);
	ASSERT_EQ(vbind_limit(&self->limit), 0);
	self->files = open_files();
	if (page_size() != 4096)
		SKIP(return, "the sizes of these calls are for pages of 4096 bytes");
}

/* Whatever failed must have changed nothing. */
static inline void expect_nothing_changed(struct __test_metadata *_metadata,
					  const struct _test_data_bad *self)
{
	uint64_t *contents = malloc(8192);
	struct strata_vbind_stat stat;
	struct vbind_totals after;
	struct limit limit;

	EXPECT_EQ(vbind_stat(self->fd, &stat), 0);
	EXPECT_EQ(memcmp(&stat, &self->stat, sizeof(stat)), 0);
	EXPECT_EQ(vbind_totals(&after), 0);
	EXPECT_TRUE(same_vbind_totals(&after, &self->before));
	EXPECT_EQ(after.submitted, self->before.submitted);
	EXPECT_EQ(vbind_limit(&limit), 0);
	EXPECT_EQ(limit.soft, self->limit.soft);
	EXPECT_EQ(limit.hard, self->limit.hard);
	EXPECT_EQ(limit.used, self->limit.used);
	EXPECT_EQ(open_files(), self->files);
	ASSERT_NE(contents, NULL);
	fill(contents, 8192, 11);
	EXPECT_EQ(memcmp(contents, self->words, 8192), 0);
	free(contents);
}

FIXTURE_TEARDOWN(bad)
{
	expect_nothing_changed(_metadata, self);
	/* And what is there works as before. */
	EXPECT_EQ(vbind_exec_now(self->fd, self->ours.queue, OPS(op_fill(BAD_START, 8192, 5)),
				 JOB(USING(self->ours.buffer), AFTER(self->fence))), 0);
	EXPECT_EQ(self->words[0], 5);
	EXPECT_EQ(self->words[1023], 5);
	munmap(self->words, 8192);
	close(self->fence);
	close(self->fd);
	close(self->other);
}

/* One after the other, through a copy that the call may write to. */
#define TRY(fd, request, calls) do {						\
	uint64_t arg_[sizeof((calls)[0].arg) / sizeof(uint64_t)];		\
	int i_;									\
										\
	for (i_ = 0; i_ < ARRAY_SIZE(calls); i_++) {				\
		memcpy(arg_, &(calls)[i_].arg, sizeof(arg_));			\
		BAD(result(ioctl(fd, request, arg_)), (calls)[i_].error, (calls)[i_].what); \
		EXPECT_EQ(memcmp(arg_, &(calls)[i_].arg, sizeof(arg_)), 0)	\
			TH_LOG("wrote to the argument of: %s", (calls)[i_].what); \
	}									\
} while (0)

/* For the last test of a program: whether those before it made enough of them. */
static inline void expect_many(struct __test_metadata *_metadata)
{
	TH_LOG("%d distinct bad calls", *bad_calls);
	EXPECT_GE(*bad_calls, 80);
}

#endif /* STRATA_VBIND_BAD_H */
