// SPDX-License-Identifier: GPL-2.0
/*
 * For vbind_unload.sh:
 *
 *	vbind_hold fences
 *
 * has jobs of all ends, keeps their fences and closes the device, prints "held", and
 * when its standard input ends looks whether they still say what they said.
 *
 *	vbind_hold exported
 *
 * has a dma-buf of a buffer and closes the device, prints "held", and looks at the memory
 * when its standard input ends.
 *
 *	vbind_hold imported
 *
 * has a dma-buf of the system's heap whose memory is mapped in a VM, a job on it under
 * way and nobody who knows its id, prints "held", and works on it when its standard
 * input ends.
 *
 *	vbind_hold work
 *
 * does some work, looks at the results, and leaves jobs to whoever closes its file.
 */

#include "dma_buf.h"
#include "vbind_world.h"

enum { DONE, FAULTED, DEPENDED, CANCELLED, BEHIND, MERGED, FENCES };

static const int ends[FENCES] = { 0, -EFAULT, -EFAULT, -ECANCELED, -ECANCELED, -ECANCELED };

static void need(int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-ret));
	exit(1);
}

static void make_world(struct world *world)
{
	need(world_open(world, 0, 64), VBIND_DEVICE);
	need(world_add(world, 16), "buffer");
	need(world_bind(world, BINDS(op_map(0, 16 * page_size(), id_of(world, 0), 0))), "bind");
	need(world_exec(world, OPS(op_copy(WORD, 0, 4 * page_size()), op_add(page_size(), 0, page_size()),
				   op_checksum(0, 0, 16 * page_size()))), "exec");
	need(world_is_right(world) ? 0 : -EPROTO, "contents");
}

static void submit(struct world *world, uint32_t queue, struct strata_vbind_exec_op op, int after, int *fence)
{
	const uint32_t id = id_of(world, 0);

	need(vbind_exec(world->fd, queue, OPS_OF(&op, 1), JOB(USING(id), .waits = &after, .wait_count = after >= 0,
						      .fence = fence)), "submit");
}

static void hang(struct world *world, int *fence)
{
	uint32_t queue;

	need(vbind_queue(world->fd, world->vm, STRATA_VBIND_TIMEOUT_MAX_MS, &queue), "queue");
	submit(world, queue, op_hang(), -1, fence);
}

/* Whether they are what they should be, one by one and together. */
static void check(const int fences[FENCES])
{
	struct sync_fence_info parts[FENCES];
	struct sync_file_info info;
	int i, both;

	for (i = 0; i < FENCES; i++) {
		info = (struct sync_file_info){ .num_fences = FENCES, .sync_fence_info = (uintptr_t)parts };
		need(fence_wait(fences[i]) == ends[i] ? 0 : -EPROTO, "end of a fence");
		need(ioctl(fences[i], SYNC_IOC_FILE_INFO, &info) ? -errno : 0, "info of a fence");
		both = fence_merge(fences[i], fences[DONE]);
		need(both, "merge");
		close(both);
	}
}

/* Until standard input ends. */
static void wait_to_be_let_go(void)
{
	char byte;

	puts("held");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

static int hold_exported(void)
{
	struct strata_vbind_buffer_export export;
	size_t size = 16 * page_size();
	struct world world;
	uint64_t *seen;

	make_world(&world);
	export = (struct strata_vbind_buffer_export){ .id = id_of(&world, 0) };
	need(result(ioctl(world.fd, STRATA_VBIND_BUFFER_EXPORT, &export)), "export");
	close(world.fd);
	wait_to_be_let_go();
	seen = buffer_map(export.fd, size);
	need(seen == MAP_FAILED ? -errno : 0, "map");
	need(memcmp(seen, world.buffer[0].model, size) ? -EPROTO : 0, "contents");
	return 0;
}

static int hold_imported(void)
{
	struct strata_vbind_buffer_import import = { .fd = heap_buffer(16 * page_size()) };
	uint64_t *seen = buffer_map(import.fd, 16 * page_size());
	struct world world;
	uint32_t queue;
	int fence;

	need(import.fd, HEAP);
	need(seen == MAP_FAILED ? -errno : 0, "map");
	make_world(&world);
	need(result(ioctl(world.fd, STRATA_VBIND_BUFFER_IMPORT, &import)), "import");
	need(vbind_bind_now(world.fd, world.queue, BINDS(op_map(at(&world, 32), import.size, import.id, 0)), JOB()),
	     "bind");
	need(vbind_queue(world.fd, world.vm, STRATA_VBIND_TIMEOUT_MAX_MS, &queue), "queue");
	need(vbind_exec(world.fd, queue, OPS(op_hang()), JOB(USING(import.id))), "hang");
	need(vbind_exec(world.fd, world.queue, OPS(op_fill(at(&world, 32), import.size, 7)),
			JOB(USING(import.id), .fence = &fence)), "exec");
	need(vbind_destroy(world.fd, STRATA_VBIND_BUFFER_DESTROY, import.id), "destroy");
	need(fence_end(fence), "job");
	wait_to_be_let_go();
	need(seen[import.size / WORD - 1] == 7 ? 0 : -EPROTO, "contents");
	/* What is under way is left to whoever closes the file. */
	return 0;
}

static int hold_fences(void)
{
	struct world world;
	int fences[FENCES];

	make_world(&world);
	submit(&world, world.queue, op_fill(0, WORD, 1), -1, &fences[DONE]);
	submit(&world, world.queue, op_fill(32 * page_size(), WORD, 1), -1, &fences[FAULTED]);
	submit(&world, world.queue, op_fill(0, WORD, 1), fences[FAULTED], &fences[DEPENDED]);
	need(vbind_wait(world.fd, world.queue, FOREVER), "wait");
	hang(&world, &fences[CANCELLED]);
	submit(&world, world.queue, op_fill(0, WORD, 1), fences[CANCELLED], &fences[BEHIND]);
	fences[MERGED] = fence_merge(fences[CANCELLED], fences[BEHIND]);
	need(fences[MERGED], "merge");
	world_close(&world);
	check(fences);
	wait_to_be_let_go();
	check(fences);
	/* Where there is such a device again, its jobs may wait for them. */
	if (!access(VBIND_DEVICE, F_OK)) {
		make_world(&world);
		submit(&world, world.queue, op_fill(0, WORD, 1), fences[DONE], &fences[DONE]);
		need(fence_end(fences[DONE]), "after a fence of the one before");
		world_close(&world);
	}
	return 0;
}

static int work(void)
{
	struct world world;
	int fence, i;

	make_world(&world);
	hang(&world, &fence);
	for (i = 0; i < 50; i++)
		submit(&world, world.queue, op_fill(0, 16 * page_size(), i), i % 2 ? fence : -1, &fence);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "fences"))
		return hold_fences();
	if (argc == 2 && !strcmp(argv[1], "exported"))
		return hold_exported();
	if (argc == 2 && !strcmp(argv[1], "imported"))
		return hold_imported();
	if (argc == 2 && !strcmp(argv[1], "work"))
		return work();
	fprintf(stderr, "usage: %s fences|exported|imported|work\n", argv[0]);
	return 2;
}
