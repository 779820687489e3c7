// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs for /dev/strata-vbind that must be refused, each in its own way: nothing is
 * submitted, no descriptor is left, and nothing has changed.
 */

#include <sys/resource.h>

#include "vbind_bad.h"

#define AT	(BAD_START + 2 * 4096)

/* Their fields, in the order of the tables below; what else they have comes last. */
#define BIND(a, l, o, what, f, b, ...) \
	{ .address = a, .length = l, .offset = o, .op = what, .flags = f, .buffer = b, __VA_ARGS__ }
#define EXEC(d, s, l, v, what, ...) \
	{ .dst = d, .src = s, .length = l, .value = v, .op = what, __VA_ARGS__ }
#define BIND_OF(o, w, count, waiting, on, f, ...) \
	{ .ops = o, .waits = w, .op_count = count, .wait_count = waiting, .queue = on, .flags = f, \
	  __VA_ARGS__ }
#define EXEC_OF(o, w, b, count, waiting, named, on, f, ...) \
	{ .ops = o, .waits = w, .buffers = b, .op_count = count, .wait_count = waiting, \
	  .buffer_count = named, .queue = on, .flags = f, __VA_ARGS__ }

static const struct strata_vbind_exec_op good = { .dst = BAD_START, .length = 8, .op = STRATA_VBIND_FILL };

/* --- what is wrong with an operation */

static int try_bind(const struct _test_data_bad *self, const struct strata_vbind_bind_op *ops, uint32_t count)
{
	int fence;

	return vbind_bind(self->fd, self->ours.queue, BINDS_OF(ops, count), JOB(.fence = &fence));
}

TEST_F_TIMEOUT(bad, bind_operations, 300)
{
	const uint32_t map = STRATA_VBIND_MAP, unmap = STRATA_VBIND_UNMAP, id = self->ours.buffer;
	const struct { const char *what; struct strata_vbind_bind_op op; int error; } calls[] = {
		{ "address in a page", BIND(AT + 1, 4096, 0, map, 0, id), EINVAL },
		{ "address in the middle of a page", BIND(AT + 2048, 4096, 0, map, 0, id), EINVAL },
		{ "length 0", BIND(AT, 0, 0, map, 0, id), EINVAL },
		{ "length 1", BIND(AT, 1, 0, map, 0, id), EINVAL },
		{ "length of no page", BIND(AT, 4097, 0, map, 0, id), EINVAL },
		{ "below the space", BIND(BAD_START - 4096, 4096, 0, map, 0, id), EINVAL },
		{ "begins below the space", BIND(BAD_START - 4096, 8192, 0, map, 0, id), EINVAL },
		{ "at the end of the space", BIND(BAD_END, 4096, 0, map, 0, id), EINVAL },
		{ "over the end of the space", BIND(BAD_END - 4096, 8192, 0, map, 0, id), EINVAL },
		{ "unmap over the end", BIND(BAD_END - 4096, 8192, 0, unmap, 0, 0), EINVAL },
		{ "unmap below the space", BIND(0, 4096, 0, unmap, 0, 0), EINVAL },
		{ "unmap of all addresses", BIND(0, STRATA_VBIND_ADDRESS_MAX, 0, unmap, 0, 0), EINVAL },
		{ "address 2^63", BIND(1ull << 63, 4096, 0, map, 0, id), EINVAL },
		{ "sum wraps to 0", BIND(-4096ull, 4096, 0, map, 0, id), EINVAL },
		{ "sum wraps into the space", BIND(-4096ull, BAD_START + 8192, 0, unmap, 0, 0), EINVAL },
		{ "length 2^64 - 4096", BIND(AT, -4096ull, 0, map, 0, id), EINVAL },
		{ "offset of no page", BIND(AT, 4096, 8, map, 0, id), EINVAL },
		{ "longer than the buffer", BIND(AT, 12288, 0, map, 0, id), EINVAL },
		{ "over its end", BIND(AT, 8192, 4096, map, 0, id), EINVAL },
		{ "at its end", BIND(AT, 4096, 8192, map, 0, id), EINVAL },
		{ "offset 2^63", BIND(AT, 4096, 1ull << 63, map, 0, id), EINVAL },
		{ "offset wraps", BIND(AT, 8192, -4096ull, map, 0, id), EINVAL },
		{ "no operation", BIND(AT, 4096, 0, 0, 0, id), EINVAL },
		{ "operation 3", BIND(AT, 4096, 0, 3, 0, id), EINVAL },
		{ "operation 2^32 - 1", BIND(AT, 4096, 0, -1u, 0, id), EINVAL },
		{ "flag 2", BIND(AT, 4096, 0, map, 4, id), EINVAL },
		{ "flag 31", BIND(AT, 4096, 0, map, 1u << 31, id), EINVAL },
		{ "unmap read-only", BIND(AT, 4096, 0, unmap, STRATA_VBIND_READ_ONLY, 0), EINVAL },
		{ "unmap sparse", BIND(AT, 4096, 0, unmap, STRATA_VBIND_SPARSE, 0), EINVAL },
		{ "unmap of a buffer", BIND(AT, 4096, 0, unmap, 0, id), EINVAL },
		{ "unmap at an offset", BIND(AT, 4096, 4096, unmap, 0, 0), EINVAL },
		{ "sparse of a buffer", BIND(AT, 4096, 0, map, STRATA_VBIND_SPARSE, id), EINVAL },
		{ "sparse at an offset", BIND(AT, 4096, 4096, map, STRATA_VBIND_SPARSE, 0), EINVAL },
		{ "reserved of map", BIND(AT, 4096, 0, map, 0, id, .reserved = 1), EINVAL },
		{ "reserved of unmap", BIND(AT, 4096, 0, unmap, 0, 0, .reserved = 1u << 31), EINVAL },
		{ "no buffer", BIND(AT, 4096, 0, map, 0, 0), ENOENT },
		{ "a buffer never given out", BIND(AT, 4096, 0, map, 0, NEVER), ENOENT },
		{ "a destroyed buffer", BIND(AT, 4096, 0, map, 0, self->destroyed.buffer), ENOENT },
		{ "another file's buffer", BIND(AT, 4096, 0, map, 0, self->foreign.buffer), ENOENT },
	};
	struct strata_vbind_bind_op many[STRATA_VBIND_OPS_MAX];
	int i, k;

	/* Alone, and as the last of many that would be good. */
	for (i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = op_unmap(BAD_START, 8192);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		BAD(try_bind(self, &calls[i].op, 1), calls[i].error, calls[i].what);
		many[ARRAY_SIZE(many) - 1] = calls[i].op;
		for (k = 2; k <= ARRAY_SIZE(many); k *= 8)
			EXPECT_EQ(try_bind(self, many + ARRAY_SIZE(many) - k, k), -calls[i].error)
				TH_LOG("last of %d: %s", k, calls[i].what);
	}
}

static int try_exec(const struct _test_data_bad *self, const struct strata_vbind_exec_op *ops, uint32_t count)
{
	int fence;

	return vbind_exec(self->fd, self->ours.queue, OPS_OF(ops, count),
			  JOB(USING(self->ours.buffer), .fence = &fence));
}

TEST_F_TIMEOUT(bad, exec_operations, 300)
{
	const uint64_t a = BAD_START, b = BAD_START + 4096;
	const struct { const char *what; struct strata_vbind_exec_op op; int error; } calls[] = {
		{ "dst of no word", EXEC(a + 1, 0, 8, 0, STRATA_VBIND_FILL), EINVAL },
		{ "dst of half a word", EXEC(a + 4, 0, 8, 0, STRATA_VBIND_FILL), EINVAL },
		{ "src of no word", EXEC(a, b + 7, 8, 0, STRATA_VBIND_COPY), EINVAL },
		{ "length 0", EXEC(a, 0, 0, 0, STRATA_VBIND_FILL), EINVAL },
		{ "length of no word", EXEC(a, b, 12, 0, STRATA_VBIND_COPY), EINVAL },
		{ "checksum of no word", EXEC(a, b, 1, 0, STRATA_VBIND_CHECKSUM), EINVAL },
		{ "dst below the space", EXEC(a - 8, 0, 8, 0, STRATA_VBIND_FILL), EINVAL },
		{ "dst begins below it", EXEC(a - 8, 0, 16, 0, STRATA_VBIND_FILL), EINVAL },
		{ "dst at its end", EXEC(BAD_END, 0, 8, 0, STRATA_VBIND_FILL), EINVAL },
		{ "dst over its end", EXEC(BAD_END - 8, a, 16, 0, STRATA_VBIND_COPY), EINVAL },
		{ "src below the space", EXEC(a, 0, 8, 0, STRATA_VBIND_COPY), EINVAL },
		{ "src over its end", EXEC(a, BAD_END - 8, 16, 0, STRATA_VBIND_ADD), EINVAL },
		{ "sum over its end", EXEC(a, BAD_END - 8, 16, 0, STRATA_VBIND_CHECKSUM), EINVAL },
		{ "sum goes to its end", EXEC(BAD_END, a, 8, 0, STRATA_VBIND_CHECKSUM), EINVAL },
		{ "dst wraps to 0", EXEC(-8ull, 0, 8, 0, STRATA_VBIND_FILL), EINVAL },
		{ "dst wraps into the space", EXEC(-8ull, 0, a + 16, 0, STRATA_VBIND_FILL), EINVAL },
		{ "src wraps into the space", EXEC(a, -8ull, a + 16, 0, STRATA_VBIND_CHECKSUM), EINVAL },
		{ "length 2^64 - 8", EXEC(a, 0, -8ull, 0, STRATA_VBIND_FILL), EINVAL },
		{ "length 2^63", EXEC(a, b, 1ull << 63, 0, STRATA_VBIND_COPY), EINVAL },
		{ "no operation", EXEC(a, 0, 8, 0, 0), EINVAL },
		{ "operation 6", EXEC(a, 0, 8, 0, 6), EINVAL },
		{ "operation 2^32 - 1", EXEC(a, 0, 8, 0, -1u), EINVAL },
		{ "flag 0", EXEC(a, 0, 8, 0, STRATA_VBIND_FILL, .flags = 1), EINVAL },
		{ "flag 31", EXEC(a, 0, 8, 0, STRATA_VBIND_FILL, .flags = 1u << 31), EINVAL },
		{ "fill with src", EXEC(a, b, 8, 0, STRATA_VBIND_FILL), EINVAL },
		{ "copy with a value", EXEC(a, b, 8, 1, STRATA_VBIND_COPY), EINVAL },
		{ "add with a value", EXEC(a, b, 8, 1, STRATA_VBIND_ADD), EINVAL },
		{ "checksum with a value", EXEC(a, b, 8, 1, STRATA_VBIND_CHECKSUM), EINVAL },
		{ "hang with dst", { .dst = a, .op = STRATA_VBIND_HANG }, EINVAL },
		{ "hang with src", { .src = a, .op = STRATA_VBIND_HANG }, EINVAL },
		{ "hang with a length", { .length = 8, .op = STRATA_VBIND_HANG }, EINVAL },
		{ "hang with a value", { .value = 1, .op = STRATA_VBIND_HANG }, EINVAL },
		{ "hang with a flag", { .op = STRATA_VBIND_HANG, .flags = 1 }, EINVAL },
	};
	struct strata_vbind_exec_op many[STRATA_VBIND_OPS_MAX];
	int i, k;

	for (i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = op_fill(a, 8192, 99);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		BAD(try_exec(self, &calls[i].op, 1), calls[i].error, calls[i].what);
		many[ARRAY_SIZE(many) - 1] = calls[i].op;
		for (k = 2; k <= ARRAY_SIZE(many); k *= 8)
			EXPECT_EQ(try_exec(self, many + ARRAY_SIZE(many) - k, k), -calls[i].error)
				TH_LOG("last of %d: %s", k, calls[i].what);
	}
}

/* --- what is wrong with the call */

TEST_F(bad, bind_call)
{
	const struct strata_vbind_bind_op op = op_unmap(BAD_START, 8192);
	const uint64_t ops = (uintptr_t)&op;
	const uint32_t queue = self->ours.queue, out = STRATA_VBIND_FENCE_OUT;
	const struct { const char *what; struct strata_vbind_bind arg; int error; } calls[] = {
		{ "no operations", BIND_OF(ops, 0, 0, 0, queue, out), EINVAL },
		{ "too many", BIND_OF(ops, 0, STRATA_VBIND_OPS_MAX + 1, 0, queue, out), E2BIG },
		{ "2^32 - 1 operations", BIND_OF(ops, 0, -1u, 0, queue, out), E2BIG },
		{ "operations nowhere", BIND_OF(0, 0, 1, 0, queue, out), EFAULT },
		{ "operations in the kernel", BIND_OF(-4096ull, 0, 1, 0, queue, out), EFAULT },
		{ "more than there are", BIND_OF((uintptr_t)&op & ~0xfffull, 0, 1000000, 0, queue, out), E2BIG },
		{ "too many fences", BIND_OF(ops, ops, 1, STRATA_VBIND_WAITS_MAX + 1, queue, out), E2BIG },
		{ "2^32 - 1 fences", BIND_OF(ops, ops, 1, -1u, queue, out), E2BIG },
		{ "fences nowhere", BIND_OF(ops, 0, 1, 1, queue, out), EFAULT },
		{ "fences in the kernel", BIND_OF(ops, -4096ull, 1, 256, queue, out), EFAULT },
		{ "queue 0", BIND_OF(ops, 0, 1, 0, 0, out), ENOENT },
		{ "a queue never given out", BIND_OF(ops, 0, 1, 0, NEVER, out), ENOENT },
		{ "a destroyed queue", BIND_OF(ops, 0, 1, 0, self->destroyed.queue, out), ENOENT },
		{ "another file's queue", BIND_OF(ops, 0, 1, 0, self->foreign.queue, out), ENOENT },
		{ "flag 1", BIND_OF(ops, 0, 1, 0, queue, 2), EINVAL },
		{ "flag 31", BIND_OF(ops, 0, 1, 0, queue, out | 1u << 31), EINVAL },
		{ "fence 3", BIND_OF(ops, 0, 1, 0, queue, out, .fence = 3), EINVAL },
		{ "fence -1 and none wanted", BIND_OF(ops, 0, 1, 0, queue, 0, .fence = -1), EINVAL },
		{ "reserved", BIND_OF(ops, 0, 1, 0, queue, out, .reserved = 1), EINVAL },
	};

	TRY(self->fd, STRATA_VBIND_BIND, calls);
}

TEST_F(bad, exec_call)
{
	const uint64_t ops = (uintptr_t)&good;
	const uint32_t queue = self->ours.queue, out = STRATA_VBIND_FENCE_OUT;
	const uint32_t buffers[][2] = {
		{ 0 }, { NEVER }, { self->destroyed.buffer }, { self->foreign.buffer },
		{ self->ours.buffer, 0 }, { self->ours.buffer, -1u },
	};
	const uint64_t b = (uintptr_t)buffers;
	const struct { const char *what; struct strata_vbind_exec arg; int error; } calls[] = {
		{ "no operations", EXEC_OF(ops, 0, 0, 0, 0, 0, queue, out), EINVAL },
		{ "too many", EXEC_OF(ops, 0, 0, STRATA_VBIND_OPS_MAX + 1, 0, 0, queue, out), E2BIG },
		{ "operations nowhere", EXEC_OF(0, 0, 0, 1, 0, 0, queue, out), EFAULT },
		{ "too many fences", EXEC_OF(ops, ops, 0, 1, STRATA_VBIND_WAITS_MAX + 1, 0, queue, out), E2BIG },
		{ "fences nowhere", EXEC_OF(ops, 8, 0, 1, 1, 0, queue, out), EFAULT },
		{ "too many buffers", EXEC_OF(ops, 0, b, 1, 0, STRATA_VBIND_BUFFERS_MAX + 1, queue, out), E2BIG },
		{ "2^32 - 1 buffers", EXEC_OF(ops, 0, b, 1, 0, -1u, queue, out), E2BIG },
		{ "buffers nowhere", EXEC_OF(ops, 0, 0, 1, 0, 1, queue, out), EFAULT },
		{ "buffers in the kernel", EXEC_OF(ops, 0, -64ull, 1, 0, 4096, queue, out), EFAULT },
		{ "buffer 0", EXEC_OF(ops, 0, b, 1, 0, 1, queue, out), ENOENT },
		{ "a buffer never given out", EXEC_OF(ops, 0, b + 8, 1, 0, 1, queue, out), ENOENT },
		{ "a destroyed buffer", EXEC_OF(ops, 0, b + 16, 1, 0, 1, queue, out), ENOENT },
		{ "another file's buffer", EXEC_OF(ops, 0, b + 24, 1, 0, 1, queue, out), ENOENT },
		{ "ours and buffer 0", EXEC_OF(ops, 0, b + 32, 1, 0, 2, queue, out), ENOENT },
		{ "ours and the largest id", EXEC_OF(ops, 0, b + 40, 1, 0, 2, queue, out), ENOENT },
		{ "queue 0", EXEC_OF(ops, 0, 0, 1, 0, 0, 0, out), ENOENT },
		{ "a destroyed queue", EXEC_OF(ops, 0, 0, 1, 0, 0, self->destroyed.queue, out), ENOENT },
		{ "another file's queue", EXEC_OF(ops, 0, 0, 1, 0, 0, self->foreign.queue, out), ENOENT },
		{ "flag 1", EXEC_OF(ops, 0, 0, 1, 0, 0, queue, 2), EINVAL },
		{ "flag 31", EXEC_OF(ops, 0, 0, 1, 0, 0, queue, 1u << 31), EINVAL },
		{ "fence -1", EXEC_OF(ops, 0, 0, 1, 0, 0, queue, out, .fence = -1), EINVAL },
		{ "fence 3 and none wanted", EXEC_OF(ops, 0, 0, 1, 0, 0, queue, 0, .fence = 3), EINVAL },
	};

	TRY(self->fd, STRATA_VBIND_EXEC, calls);
}

TEST_F_TIMEOUT(bad, fences, 120)
{
	int closed = dup(self->fence), null = open("/dev/null", O_RDONLY), pipes[2], i, k, fence;
	int32_t waits[STRATA_VBIND_WAITS_MAX];

	ASSERT_EQ(pipe(pipes), 0);
	close(closed);
	const struct { const char *what; int fd; } calls[] = {
		{ "-1", -1 }, { "the smallest", 1 << 31 }, { "the largest", 0x7fffffff }, { "a closed one", closed },
		{ "/dev/null", null }, { "a pipe", pipes[0] }, { "the device", self->fd }, { "AT_FDCWD", AT_FDCWD },
	};

	/* Alone, and behind others that are good. */
	for (i = 0; i < ARRAY_SIZE(waits); i++)
		waits[i] = self->fence;
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		BAD(vbind_bind(self->fd, self->ours.queue, BINDS(op_unmap(BAD_START, 4096)),
			       JOB(AFTER(calls[i].fd), .fence = &fence)), EINVAL, calls[i].what);
		waits[ARRAY_SIZE(waits) - 1] = calls[i].fd;
		for (k = 2; k <= ARRAY_SIZE(waits); k *= 2)
			EXPECT_EQ(vbind_exec(self->fd, self->ours.queue, OPS_OF(&good, 1),
					     JOB(USING(self->ours.buffer), .waits = waits + ARRAY_SIZE(waits) - k,
						 .wait_count = k, .fence = &fence)), -EINVAL)
				TH_LOG("last of %d: %s", k, calls[i].what);
	}
	close(null);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(bad, answer_cannot_be_written)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct strata_vbind_bind_op op = op_unmap(BAD_START, 8192);
	struct strata_vbind_bind *bind = page;
	struct strata_vbind_exec *exec = page + 2048;

	ASSERT_NE(page, MAP_FAILED);
	*bind = (struct strata_vbind_bind)
		BIND_OF((uintptr_t)&op, 0, 1, 0, self->ours.queue, STRATA_VBIND_FENCE_OUT);
	*exec = (struct strata_vbind_exec)
		EXEC_OF((uintptr_t)&good, 0, (uintptr_t)&self->ours.buffer, 1, 0, 1, self->ours.queue,
			STRATA_VBIND_FENCE_OUT);
	ASSERT_EQ(mprotect(page, 4096, PROT_READ), 0);
	BAD(result(ioctl(self->fd, STRATA_VBIND_BIND, bind)), EFAULT, "read-only BIND");
	BAD(result(ioctl(self->fd, STRATA_VBIND_EXEC, exec)), EFAULT, "read-only EXEC");
	munmap(page, 4096);
}

TEST_F(bad, no_descriptor_left)
{
	struct rlimit before, none = { .rlim_cur = 0 };
	int fence, bind, exec;

	ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	none.rlim_max = before.rlim_max;
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	bind = vbind_bind(self->fd, self->ours.queue, BINDS(op_unmap(BAD_START, 8192)), JOB(.fence = &fence));
	exec = vbind_exec(self->fd, self->ours.queue, OPS_OF(&good, 1), JOB(USING(self->ours.buffer), .fence = &fence));
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	BAD(bind, EMFILE, "BIND without descriptors");
	BAD(exec, EMFILE, "EXEC without descriptors");
}

#ifdef __x86_64__
TEST_F(bad, compat_calls_are_checked_too)
{
	struct strata_vbind_vm_create *vm = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
						 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct strata_vbind_exec *exec = (void *)(vm + 1);
	struct strata_vbind_exec_op *op = (void *)(exec + 1);

	ASSERT_NE((void *)vm, MAP_FAILED);
	if (!has_compat())
		SKIP(return, "no 32 bit system calls");
	*op = good;
	op->length = 4;
	*exec = (struct strata_vbind_exec){ .ops = (uintptr_t)op, .op_count = 1, .queue = self->ours.queue };
	BAD(compat_ioctl(self->fd, STRATA_VBIND_EXEC, exec), EINVAL, "compat EXEC");
	vm->size = 4097;
	BAD(compat_ioctl(self->fd, STRATA_VBIND_VM_CREATE, vm), EINVAL, "compat VM_CREATE");
	BAD(compat_ioctl(self->fd, STRATA_VBIND_BIND, NULL), EFAULT, "compat BIND at NULL");
	BAD(compat_ioctl(self->fd, 0, vm), ENOTTY, "compat 0");
	munmap(vm, 4096);
}
#endif

TEST_F(bad, calls_are_many)
{
	expect_many(_metadata);
}

TEST_HARNESS_MAIN
