// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of /dev/strata-vbind that must fail, each in its own way, and change nothing:
 * all that submits no job. The others are in vbind_bad_jobs.c.
 */

#include "vbind_bad.h"

#define MAX	STRATA_VBIND_ADDRESS_MAX

TEST_F(bad, vm_create)
{
	const struct { const char *what; struct strata_vbind_vm_create arg; int error; } calls[] = {
		{ "size 0", { .size = 0 }, EINVAL },
		{ "size 1", { .size = 1 }, EINVAL },
		{ "one less than a page", { .size = 4095 }, EINVAL },
		{ "one more than a page", { .size = 4097 }, EINVAL },
		{ "start in a page", { .start = 1, .size = 4096 }, EINVAL },
		{ "start in the middle of a page", { .start = 2048, .size = 4096 }, EINVAL },
		{ "a page over the end", { .start = 4096, .size = MAX }, EINVAL },
		{ "begins at the end", { .start = MAX, .size = 4096 }, EINVAL },
		{ "ends a page behind it", { .start = MAX - 4096, .size = 8192 }, EINVAL },
		{ "size over the maximum", { .size = MAX + 4096 }, EINVAL },
		{ "size 2^63", { .size = 1ull << 63 }, EINVAL },
		{ "size 2^64 - 4096", { .size = -4096ull }, EINVAL },
		{ "sum wraps to 0", { .start = -4096ull, .size = 4096 }, EINVAL },
		{ "sum wraps into the space", { .start = -4096ull, .size = 8192 }, EINVAL },
		{ "start 2^63", { .start = 1ull << 63, .size = 4096 }, EINVAL },
		{ "flag 0", { .size = 4096, .flags = 1 }, EINVAL },
		{ "flag 31", { .size = 4096, .flags = 1u << 31 }, EINVAL },
	};

	TRY(self->fd, STRATA_VBIND_VM_CREATE, calls);
}

TEST_F(bad, buffer_create)
{
	const uint64_t max = STRATA_VBIND_BUFFER_MAX;
	const struct { const char *what; struct strata_vbind_buffer_create arg; int error; } calls[] = {
		{ "size 0", { .size = 0 }, EINVAL },
		{ "size 1", { .size = 1 }, EINVAL },
		{ "one less than a page", { .size = 4095 }, EINVAL },
		{ "one more than a page", { .size = 4097 }, EINVAL },
		{ "over the maximum", { .size = max + 4096 }, EINVAL },
		{ "one byte over the maximum", { .size = max + 1 }, EINVAL },
		{ "2^44: its pages need 32 bits", { .size = 1ull << 44 }, EINVAL },
		{ "2^63", { .size = 1ull << 63 }, EINVAL },
		{ "2^64 - 4096", { .size = -4096ull }, EINVAL },
		{ "2^64 - 1", { .size = -1ull }, EINVAL },
		{ "flag 0", { .size = 4096, .flags = 1 }, EINVAL },
		{ "flag 31", { .size = 4096, .flags = 1u << 31 }, EINVAL },
	};

	TRY(self->fd, STRATA_VBIND_BUFFER_CREATE, calls);
}

TEST_F(bad, queue_create)
{
	const uint32_t vm = self->ours.vm, max = STRATA_VBIND_TIMEOUT_MAX_MS;
	const struct { const char *what; struct strata_vbind_queue_create arg; int error; } calls[] = {
		{ "of VM 0", { .vm = 0 }, ENOENT },
		{ "of a VM never given out", { .vm = NEVER }, ENOENT },
		{ "of the largest id", { .vm = -1u }, ENOENT },
		{ "of a destroyed VM", { .vm = self->destroyed.vm }, ENOENT },
		{ "of another file's VM", { .vm = self->foreign.vm }, ENOENT },
		{ "flag 0", { .vm = vm, .flags = 1 }, EINVAL },
		{ "flag 31", { .vm = vm, .flags = 1u << 31 }, EINVAL },
		{ "timeout over the maximum", { .vm = vm, .timeout_ms = max + 1 }, EINVAL },
		{ "timeout 2^31", { .vm = vm, .timeout_ms = 1u << 31 }, EINVAL },
		{ "timeout 2^32 - 1", { .vm = vm, .timeout_ms = -1u }, EINVAL },
	};

	TRY(self->fd, STRATA_VBIND_QUEUE_CREATE, calls);
}

static void destroys(struct __test_metadata *_metadata, const struct _test_data_bad *self,
		     unsigned int request, uint32_t ours, uint32_t destroyed, uint32_t foreign)
{
	const struct { const char *what; struct strata_vbind_destroy arg; int error; } calls[] = {
		{ "destroy 0", { .id = 0 }, ENOENT },
		{ "destroy what was never given out", { .id = NEVER }, ENOENT },
		{ "destroy the largest id", { .id = -1u }, ENOENT },
		{ "destroy it twice", { .id = destroyed }, ENOENT },
		{ "destroy another file's", { .id = foreign }, ENOENT },
		{ "destroy with flag 0", { .id = ours, .flags = 1 }, EINVAL },
		{ "destroy with flag 31", { .id = ours, .flags = 1u << 31 }, EINVAL },
	};

	TRY(self->fd, request, calls);
}

TEST_F(bad, destroy)
{
	destroys(_metadata, self, STRATA_VBIND_VM_DESTROY, self->ours.vm, self->destroyed.vm,
		 self->foreign.vm);
	destroys(_metadata, self, STRATA_VBIND_BUFFER_DESTROY, self->ours.buffer, self->destroyed.buffer,
		 self->foreign.buffer);
	destroys(_metadata, self, STRATA_VBIND_QUEUE_DESTROY, self->ours.queue, self->destroyed.queue,
		 self->foreign.queue);
	BAD(vbind_destroy(self->fd, STRATA_VBIND_VM_DESTROY, self->ours.vm), EBUSY, "a VM with a queue");
}

TEST_F(bad, wait)
{
	const struct { const char *what; struct strata_vbind_wait arg; int error; } calls[] = {
		{ "for queue 0", { .queue = 0 }, ENOENT },
		{ "for a queue never given out", { .queue = NEVER, .timeout_ns = 1 }, ENOENT },
		{ "for the largest id", { .queue = -1u, .timeout_ns = FOREVER }, ENOENT },
		{ "for a destroyed queue", { .queue = self->destroyed.queue }, ENOENT },
		{ "for another file's queue", { .queue = self->foreign.queue }, ENOENT },
		{ "with flag 0", { .queue = self->ours.queue, .flags = 1 }, EINVAL },
		{ "with flag 31", { .queue = self->ours.queue, .flags = 1u << 31 }, EINVAL },
	};

	TRY(self->fd, STRATA_VBIND_WAIT, calls);
}

TEST_F(bad, stat)
{
	const struct { const char *what; struct strata_vbind_stat arg; int error; } calls[] = {
		{ "flag 0", { .flags = 1 }, EINVAL },
		{ "flag 31", { .flags = 1u << 31 }, EINVAL },
		{ "reserved", { .reserved = 1 }, EINVAL },
		{ "all of reserved", { .reserved = -1u }, EINVAL },
	};

	TRY(self->fd, STRATA_VBIND_STAT, calls);
}

#define TYPE	STRATA_VBIND_IOC_TYPE

static const struct bad_request commands[] = {
	IOC(RW, TYPE, 0, sizeof(struct strata_vbind_vm_create) - 8),
	IOC(RW, TYPE, 0, sizeof(struct strata_vbind_vm_create) + 8),
	IOC(RW, TYPE, 0, 0),
	IOC(RW, TYPE, 0, 0x3fff),
	IOC(_IOC_READ, TYPE, 0, sizeof(struct strata_vbind_vm_create)),
	IOC(_IOC_WRITE, TYPE, 0, sizeof(struct strata_vbind_vm_create)),
	IOC(RW, TYPE, 1, sizeof(struct strata_vbind_destroy)),
	IOC(_IOC_WRITE, TYPE, 1, 4),
	IOC(RW, TYPE, 2, 16),
	IOC(_IOC_WRITE, TYPE, 3, 16),
	IOC(RW, TYPE, 4, 24),
	IOC(_IOC_READ, TYPE, 5, sizeof(struct strata_vbind_destroy)),
	IOC(_IOC_WRITE, TYPE, 6, sizeof(struct strata_vbind_bind)),
	IOC(RW, TYPE, 6, sizeof(struct strata_vbind_bind) - 8),
	IOC(_IOC_READ, TYPE, 7, sizeof(struct strata_vbind_exec)),
	IOC(RW, TYPE, 7, sizeof(struct strata_vbind_exec) + 8),
	IOC(RW, TYPE, 8, sizeof(struct strata_vbind_wait)),
	IOC(_IOC_READ, TYPE, 9, sizeof(struct strata_vbind_stat)),
	IOC(RW, TYPE, 10, sizeof(struct strata_vbind_buffer_export) + 8),
	IOC(_IOC_WRITE, TYPE, 10, sizeof(struct strata_vbind_buffer_export)),
	IOC(RW, TYPE, 11, sizeof(struct strata_vbind_buffer_import) - 8),
	IOC(_IOC_READ, TYPE, 11, sizeof(struct strata_vbind_buffer_import)),
	IOC(RW, TYPE, 12, sizeof(struct strata_vbind_buffer_import)),
	IOC(RW, TYPE, 255, sizeof(struct strata_vbind_stat)),
	IOC(RW, TYPE + 1, 0, sizeof(struct strata_vbind_vm_create)),
	IOC(RW, 0, 0, sizeof(struct strata_vbind_vm_create)),
	IOC(_IOC_NONE, TYPE, 0, 0),
	{ "0", 0 },
	{ "all bits", -1u },
	{ "TCGETS", 0x5401 },
	/* What its fences understand, and not it. */
	{ "SYNC_IOC_FILE_INFO", SYNC_IOC_FILE_INFO },
};

TEST_F(bad, command)
{
	bad_commands(_metadata, self->fd, commands, ARRAY_SIZE(commands));
}

static const struct bad_request requests[] = {
	{ "VM_CREATE", STRATA_VBIND_VM_CREATE }, { "VM_DESTROY", STRATA_VBIND_VM_DESTROY },
	{ "BUFFER_CREATE", STRATA_VBIND_BUFFER_CREATE }, { "BUFFER_DESTROY", STRATA_VBIND_BUFFER_DESTROY },
	{ "QUEUE_CREATE", STRATA_VBIND_QUEUE_CREATE }, { "QUEUE_DESTROY", STRATA_VBIND_QUEUE_DESTROY },
	{ "BIND", STRATA_VBIND_BIND }, { "EXEC", STRATA_VBIND_EXEC }, { "WAIT", STRATA_VBIND_WAIT },
	{ "STAT", STRATA_VBIND_STAT }, { "BUFFER_EXPORT", STRATA_VBIND_BUFFER_EXPORT },
	{ "BUFFER_IMPORT", STRATA_VBIND_BUFFER_IMPORT },
};

TEST_F(bad, pointer)
{
	bad_pointers(_metadata, self->fd, requests, ARRAY_SIZE(requests));
}

/* There was something before the answer failed: it must be gone. */
TEST_F(bad, answer_cannot_be_written)
{
	union {
		struct strata_vbind_vm_create vm;
		struct strata_vbind_buffer_create buffer;
		struct strata_vbind_queue_create queue;
		struct strata_vbind_stat stat;
	} *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE((void *)page, MAP_FAILED);
	page[0].vm = (struct strata_vbind_vm_create){ .size = 4096 };
	page[1].buffer = (struct strata_vbind_buffer_create){ .size = 4096 };
	page[2].queue = (struct strata_vbind_queue_create){ .vm = self->ours.vm };
	ASSERT_EQ(mprotect(page, 4096, PROT_READ), 0);
	BAD(result(ioctl(self->fd, STRATA_VBIND_VM_CREATE, &page[0])), EFAULT, "read-only VM_CREATE");
	BAD(result(ioctl(self->fd, STRATA_VBIND_BUFFER_CREATE, &page[1])), EFAULT, "read-only BUFFER_CREATE");
	BAD(result(ioctl(self->fd, STRATA_VBIND_QUEUE_CREATE, &page[2])), EFAULT, "read-only QUEUE_CREATE");
	BAD(result(ioctl(self->fd, STRATA_VBIND_STAT, &page[3])), EFAULT, "read-only STAT");
	munmap(page, 4096);
}

TEST_F(bad, mapping)
{
	const uint64_t offset = self->buffer.map_offset;
	const int rw = PROT_READ | PROT_WRITE;
	const struct { const char *what; size_t length; int flags; uint64_t at; int error; } maps[] = {
		{ "private", 8192, MAP_PRIVATE, offset, EINVAL },
		{ "the first page", 4096, MAP_SHARED, offset, EINVAL },
		{ "a page too much", 12288, MAP_SHARED, offset, EINVAL },
		{ "nothing", 0, MAP_SHARED, offset, EINVAL },
		{ "the second page", 4096, MAP_SHARED, offset + 4096, EINVAL },
		{ "from the second page", 8192, MAP_SHARED, offset + 4096, EINVAL },
		{ "behind the end", 8192, MAP_SHARED, offset + 8192, EINVAL },
		{ "offset of no page", 8192, MAP_SHARED, offset + 1, EINVAL },
		{ "offset 0", 8192, MAP_SHARED, 0, ENOENT },
		{ "another file's offset", 8192, MAP_SHARED, self->foreign_offset, ENOENT },
		{ "offset 2^62", 8192, MAP_SHARED, 1ull << 62, ENOENT },
	};
	void *map;
	int i;

	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		map = mmap(NULL, maps[i].length, rw, maps[i].flags, self->fd, maps[i].at);
		BAD(map == MAP_FAILED ? -errno : 0, maps[i].error, maps[i].what);
	}
}

TEST_F(bad, file_operation)
{
	char byte = 0;

	BAD(result(read(self->fd, &byte, 1)), EINVAL, "read");
	BAD(result(write(self->fd, &byte, 1)), EINVAL, "write");
	BAD(lseek(self->fd, 1, SEEK_SET) < 0 ? -errno : 0, ESPIPE, "lseek");
	BAD(result(ftruncate(self->fd, 4096)), EINVAL, "ftruncate");
}

TEST_F(bad, debugfs)
{
	static const struct { const char *file, *text; } writes[] = {
		{ "limit", "soft" }, { "limit", "soft many" }, { "limit", "soft -1" }, { "limit", "hard 1.5" },
		{ "limit", "soft 18446744073709551616" }, { "limit", "soft 1 hard" }, { "limit", "both 1" },
		{ "drop_caches", "nothing" }, { "drop_caches", "0x100000" }, { "drop_caches", "-1" },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(writes); i++)
		BAD(write_in(VBIND_DEBUGFS, writes[i].file, writes[i].text), EINVAL, writes[i].text);
}

TEST_F(bad, calls_are_many)
{
	expect_many(_metadata);
}

TEST_HARNESS_MAIN
