// SPDX-License-Identifier: GPL-2.0
/* Calls that give buffers of /dev/strata-vbind away, or take others, and must fail. */

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "dma_buf.h"
#include "vbind_bad.h"

TEST_F(bad, export)
{
	const uint32_t id = self->ours.buffer;
	const struct { const char *what; struct strata_vbind_buffer_export arg; int error; } calls[] = {
		{ "export buffer 0", { .id = 0 }, ENOENT },
		{ "export what was never given out", { .id = NEVER }, ENOENT },
		{ "export the largest id", { .id = -1u }, ENOENT },
		{ "export what was destroyed", { .id = self->destroyed.buffer }, ENOENT },
		{ "export another file's", { .id = self->foreign.buffer }, ENOENT },
		{ "export with flag 0", { .id = id, .flags = 1 }, EINVAL },
		{ "export with flag 31", { .id = id, .flags = 1u << 31 }, EINVAL },
		{ "export with O_CLOEXEC", { .id = id, .flags = O_CLOEXEC }, EINVAL },
		{ "export with a descriptor", { .id = id, .fd = 1 }, EINVAL },
		{ "export with descriptor -1", { .id = id, .fd = -1 }, EINVAL },
		{ "export with reserved", { .id = id, .reserved = 1 }, EINVAL },
		{ "export with all of reserved", { .id = id, .reserved = -1u }, EINVAL },
		{ "export buffer 0 with flag 0", { .flags = 1 }, EINVAL },
	};

	TRY(self->fd, STRATA_VBIND_BUFFER_EXPORT, calls);
}

/* Files that are no dma-buf. */
TEST_F(bad, import)
{
	const int files[] = {
		open("/dev/null", O_RDWR), open("/", O_RDONLY), memfd_create("strata", 0), eventfd(0, 0),
		epoll_create(1), vbind_open(),
	};
	const struct { const char *what; struct strata_vbind_buffer_import arg; int error; } calls[] = {
		{ "import descriptor -1", { .fd = -1 }, EBADF },
		{ "import the smallest descriptor", { .fd = 1 << 31 }, EBADF },
		{ "import one that is not open", { .fd = 1 << 20 }, EBADF },
		{ "import the device itself", { .fd = self->fd }, EINVAL },
		{ "import a fence", { .fd = self->fence }, EINVAL },
		{ "import with flag 0", { .fd = self->fd, .flags = 1 }, EINVAL },
		{ "import with flag 31", { .fd = -1, .flags = 1u << 31 }, EINVAL },
		{ "import with an id", { .fd = -1, .id = 1 }, EINVAL },
		{ "import with reserved", { .fd = -1, .reserved = 1u << 31 }, EINVAL },
		{ "import with a size", { .fd = -1, .size = 4096 }, EINVAL },
	};
	int i;

	TRY(self->fd, STRATA_VBIND_BUFFER_IMPORT, calls);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		struct strata_vbind_buffer_import arg = { .fd = files[i] };

		ASSERT_GE(files[i], 0);
		BAD(result(ioctl(self->fd, STRATA_VBIND_BUFFER_IMPORT, &arg)), EINVAL, "import some file");
		close(files[i]);
	}
}

/* A good dma-buf and a call that fails, of which nothing may stay. */
TEST_F(bad, import_of_a_buffer)
{
	const size_t size = 8192;
	struct strata_vbind_buffer_import *page;
	int buffer = heap_buffer(size);

	if (buffer == -ENOENT)
		SKIP(return, "this kernel has no " HEAP);
	ASSERT_GE(buffer, 0);
	const struct { const char *what; struct strata_vbind_buffer_import arg; int error; } calls[] = {
		{ "import a dma-buf with flag 0", { .fd = buffer, .flags = 1 }, EINVAL },
		{ "import a dma-buf with an id", { .fd = buffer, .id = self->ours.buffer }, EINVAL },
		{ "import a dma-buf with reserved", { .fd = buffer, .reserved = 1 }, EINVAL },
		{ "import a dma-buf with its size", { .fd = buffer, .size = size }, EINVAL },
	};

	TRY(self->fd, STRATA_VBIND_BUFFER_IMPORT, calls);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE((void *)page, MAP_FAILED);
	page->fd = buffer;
	ASSERT_EQ(mprotect(page, 4096, PROT_READ), 0);
	BAD(result(ioctl(self->fd, STRATA_VBIND_BUFFER_IMPORT, page)), EFAULT, "read-only IMPORT");
	munmap(page, 4096);
	close(buffer);
}

/* What is mapped of a foreign buffer lies in it. */
TEST_F(bad, bind_of_a_foreign_buffer)
{
	struct strata_vbind_buffer_import import = { .fd = heap_buffer(8192) };

	if (import.fd == -ENOENT)
		SKIP(return, "this kernel has no " HEAP);
	ASSERT_GE(import.fd, 0);
	ASSERT_EQ(result(ioctl(self->fd, STRATA_VBIND_BUFFER_IMPORT, &import)), 0);
	close(import.fd);
	const struct { const char *what; struct strata_vbind_bind_op op; } binds[] = {
		{ "map more than it has", op_map(BAD_START, 12288, import.id, 0) },
		{ "map what lies behind it", op_map(BAD_START, 4096, import.id, 8192) },
		{ "map across its end", op_map(BAD_START, 8192, import.id, 4096) },
		{ "map at an odd offset", op_map(BAD_START, 4096, import.id, 8) },
		{ "map an odd length", op_map(BAD_START, 4104, import.id, 0) },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(binds); i++)
		BAD(vbind_bind(self->fd, self->ours.queue, BINDS_OF(&binds[i].op, 1), JOB()), EINVAL, binds[i].what);
	BAD(vbind_bind(self->other, self->foreign.queue, BINDS(op_map(BAD_START, 4096, import.id + NEVER, 0)), JOB()),
	    ENOENT, "map a buffer of another file");
	ASSERT_EQ(vbind_destroy(self->fd, STRATA_VBIND_BUFFER_DESTROY, import.id), 0);
	BAD(vbind_destroy(self->fd, STRATA_VBIND_BUFFER_DESTROY, import.id), ENOENT, "destroy an import twice");
	BAD(vbind_exec(self->fd, self->ours.queue, OPS(op_fill(BAD_START, 8, 1)), JOB(USING(import.id))), ENOENT,
	    "name an import that was destroyed");
}

TEST_HARNESS_MAIN
