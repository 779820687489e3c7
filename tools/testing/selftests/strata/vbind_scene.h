/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What there is before an operation of /dev/strata-vbind, the operation, and what must
 * be so afterwards: the steps of which vbind_fault.c makes its table.
 */
#ifndef STRATA_VBIND_SCENE_H
#define STRATA_VBIND_SCENE_H

#include "vbind_debugfs.h"
#include "vbind_world.h"
#include "dma_buf.h"

#define SCENE_PAGES	9
#define SCENE_BUFFERS	8
#define SCENE_OPS	24
#define SCENE_WAITS	4

struct scene {
	struct world world;
	uint32_t vm, queue;
	struct strata_vbind_buffer_create buffer;
	int waits[SCENE_WAITS];
	int wait_count;
	int other_fd;
	int fence;
	/* What the model is to do when the job has been submitted. */
	struct strata_vbind_bind_op binds[SCENE_OPS];
	int bind_count;
	struct strata_vbind_exec_op execs[SCENE_OPS];
	int exec_count;
	const char *text;
	char read[4096];
};

/* 0, or what went wrong as a negative errno. */
typedef int (*step)(struct scene *scene);

static int wrong(bool is_so)
{
	return is_so ? -EPROTO : 0;
}

/* --- what there is before */

/* As many buffers, each mapped in a row with a page between them. */
static int make_buffers(struct scene *scene, int count)
{
	struct world *world = &scene->world;
	struct strata_vbind_bind_op ops[SCENE_BUFFERS];
	int ret = 0, i;

	for (i = 0; !ret && i < count; i++) {
		ret = world_add(world, SCENE_PAGES) - i;
		ops[i] = op_map(at(world, i * 10), SCENE_PAGES * page_size(), id_of(world, i), 0);
	}
	return ret ?: world_bind(world, BINDS_OF(ops, count));
}

static int make_one(struct scene *scene)
{
	return make_buffers(scene, 1);
}

static int make_many(struct scene *scene)
{
	struct world *world = &scene->world;
	int ret = make_buffers(scene, SCENE_BUFFERS);

	/* Fences of jobs that are over are as good as others. */
	for (; !ret && scene->wait_count < SCENE_WAITS; scene->wait_count++)
		ret = vbind_bind(world->fd, world->queue, BINDS(op_unmap(at(world, 1000), page_size())),
				 JOB(.fence = &scene->waits[scene->wait_count]));
	return ret ?: vbind_wait(world->fd, world->queue, FOREVER);
}

static int make_held(struct scene *scene)
{
	return make_many(scene) ?:
	       world_exec(&scene->world, OPS(op_add(at(&scene->world, 0), at(&scene->world, 10), 64)));
}

static int make_evicted(struct scene *scene)
{
	return make_held(scene) ?: vbind_drop("all");
}

static int make_swapped(struct scene *scene)
{
	return make_held(scene) ?: vbind_drop("all writeback");
}

/*
 * A buffer of another driver in the row, behind one of ours.  A job has it at hand: of
 * an exporter that has no memory to map it, dma_buf_vmap() warns.
 */
static int make_foreign(struct scene *scene)
{
	struct world *world = &scene->world;
	struct strata_vbind_buffer_import import = { .fd = heap_buffer(SCENE_PAGES * page_size()) };
	struct world_buffer *buffer = &world->buffer[1];
	int ret = import.fd < 0 ? import.fd : make_one(scene) ?:
		  result(ioctl(world->fd, STRATA_VBIND_BUFFER_IMPORT, &import));

	if (ret)
		return ret;
	buffer->names = (struct strata_vbind_buffer_create){ .id = import.id, .size = import.size };
	buffer->real = buffer_map(import.fd, import.size);
	buffer->model = calloc(1, import.size);
	world->buffers = 2;
	close(import.fd);
	return world_bind(world, BINDS(op_map(at(world, 10), import.size, import.id, 0))) ?:
	       vbind_queue(world->fd, world->vm, STRATA_VBIND_TIMEOUT_MAX_MS, &scene->queue) ?:
	       vbind_exec(world->fd, scene->queue, OPS(op_hang()), JOB(USING(import.id)));
}

/* The descriptor of a dma-buf. */
static int make_heap_buffer(struct scene *scene)
{
	scene->other_fd = heap_buffer(SCENE_PAGES * page_size());
	return scene->other_fd < 0 ? scene->other_fd : 0;
}

static int make_other_file(struct scene *scene)
{
	uint32_t vm, queue;

	scene->other_fd = vbind_open();
	return scene->other_fd < 0 ? -errno :
	       vbind_vm(scene->other_fd, 0, 1 << 20, &vm) ?: vbind_queue(scene->other_fd, vm, 0, &queue) ?:
	       vbind_bind(scene->other_fd, queue, BINDS(op_sparse(0, 1 << 20)), JOB()) ?:
	       vbind_exec(scene->other_fd, queue, OPS(op_fill(0, 1 << 20, 1), op_hang()), JOB());
}

static int make_vm(struct scene *scene)
{
	return vbind_vm(scene->world.fd, 0, 1 << 20, &scene->vm);
}

static int make_buffer(struct scene *scene)
{
	return vbind_buffer(scene->world.fd, SCENE_PAGES * page_size(), &scene->buffer);
}

static int make_given(struct scene *scene)
{
	struct strata_vbind_buffer_export export = {};
	int ret = make_buffer(scene);

	export.id = scene->buffer.id;
	ret = ret ?: result(ioctl(scene->world.fd, STRATA_VBIND_BUFFER_EXPORT, &export));
	scene->other_fd = ret ? -1 : export.fd;
	return ret;
}

static int make_queue(struct scene *scene)
{
	return vbind_queue(scene->world.fd, scene->world.vm, 0, &scene->queue);
}

static int make_hung_queue(struct scene *scene)
{
	return vbind_queue(scene->world.fd, scene->world.vm, STRATA_VBIND_TIMEOUT_MAX_MS, &scene->queue) ?:
	       vbind_exec(scene->world.fd, scene->queue, OPS(op_hang()), JOB());
}

/* --- what is done, with one allocation failing */

static int do_open(struct scene *scene)
{
	scene->other_fd = vbind_open();
	return scene->other_fd < 0 ? -errno : 0;
}

static int do_close(struct scene *scene)
{
	int fd = scene->other_fd;

	scene->other_fd = -1;
	return result(close(fd));
}

static int do_vm_destroy(struct scene *scene)
{
	return vbind_destroy(scene->world.fd, STRATA_VBIND_VM_DESTROY, scene->vm);
}

static int do_buffer_destroy(struct scene *scene)
{
	return vbind_destroy(scene->world.fd, STRATA_VBIND_BUFFER_DESTROY, scene->buffer.id);
}

static int do_export(struct scene *scene)
{
	struct strata_vbind_buffer_export export = { .id = scene->buffer.id };
	int ret = result(ioctl(scene->world.fd, STRATA_VBIND_BUFFER_EXPORT, &export));

	scene->fence = ret ? -1 : export.fd;
	return ret;
}

static int do_import(struct scene *scene)
{
	struct strata_vbind_buffer_import import = { .fd = scene->other_fd };
	int ret = result(ioctl(scene->world.fd, STRATA_VBIND_BUFFER_IMPORT, &import));

	if (!ret)
		scene->buffer.id = import.id;
	return ret ?: wrong(import.size != SCENE_PAGES * page_size());
}

static int do_queue_destroy(struct scene *scene)
{
	return vbind_destroy(scene->world.fd, STRATA_VBIND_QUEUE_DESTROY, scene->queue);
}

static int submit_binds(struct scene *scene)
{
	return vbind_bind(scene->world.fd, scene->world.queue, BINDS_OF(scene->binds, scene->bind_count),
			  JOB(.waits = scene->waits, .wait_count = scene->wait_count,
			      .fence = &scene->fence));
}

static int do_bind(struct scene *scene)
{
	const struct world *world = &scene->world;

	scene->binds[0] = op_map(at(world, 200), 5 * page_size(), id_of(world, 0), page_size());
	scene->bind_count = 1;
	return submit_binds(scene);
}

/* Maps, cuts, and takes away, across what is there. */
static int do_many_binds(struct scene *scene)
{
	const struct world *world = &scene->world;
	int i;

	for (i = 0; i < SCENE_OPS; i++) {
		const uint64_t address = at(world, i * 3 + 1), length = (1 + i % 5) * page_size();

		scene->binds[i] = i % 4 == 0 ? op_unmap(address, length) :
				  i % 4 == 1 ? op_sparse(address, length) :
				  op_map(address, length, id_of(world, i % SCENE_BUFFERS), i % 4 * page_size());
	}
	scene->bind_count = SCENE_OPS;
	return submit_binds(scene);
}

static int submit_execs(struct scene *scene)
{
	uint32_t buffers[WORLD_BUFFERS], i;

	for (i = 0; i < scene->world.buffers; i++)
		buffers[i] = id_of(&scene->world, i);
	return vbind_exec(scene->world.fd, scene->world.queue, OPS_OF(scene->execs, scene->exec_count),
			  JOB(.waits = scene->waits, .wait_count = scene->wait_count, .buffers = buffers,
			      .buffer_count = i, .fence = &scene->fence));
}

static int do_exec(struct scene *scene)
{
	const struct world *world = &scene->world;

	scene->execs[0] = op_copy(at(world, 0) + WORD, at(world, 0), 3 * page_size());
	scene->exec_count = 1;
	return submit_execs(scene);
}

static int do_exec_foreign(struct scene *scene)
{
	const struct world *world = &scene->world;

	scene->execs[0] = op_copy(at(world, 10) + WORD, at(world, 0), 3 * page_size());
	scene->execs[1] = op_add(at(world, 0), at(world, 10), 2 * page_size());
	scene->execs[2] = op_checksum(at(world, 10), at(world, 10), page_size());
	scene->exec_count = 3;
	return submit_execs(scene);
}

static int do_many_execs(struct scene *scene)
{
	const struct world *world = &scene->world;
	int i;

	for (i = 0; i < SCENE_OPS; i++) {
		const uint64_t dst = at(world, i % SCENE_BUFFERS * 10) + i * WORD,
			       src = at(world, i * 5 % SCENE_BUFFERS * 10);

		scene->execs[i] = i % 3 == 0 ? op_checksum(dst, src, page_size()) :
				  i % 3 == 1 ? op_add(dst, src, page_size()) : op_copy(dst, src, page_size());
	}
	scene->exec_count = SCENE_OPS;
	return submit_execs(scene);
}

static int do_wait(struct scene *scene)
{
	return vbind_wait(scene->world.fd, scene->world.queue, FOREVER);
}

static int do_wait_in_vain(struct scene *scene)
{
	int ret = vbind_wait(scene->world.fd, scene->queue, 1000);

	return ret == -ETIME ? 0 : ret ?: -EPROTO;
}

static int do_stat(struct scene *scene)
{
	struct strata_vbind_stat stat;

	return vbind_stat(scene->world.fd, &stat) ?: wrong(stat.vms != 1);
}

static int read_file(struct scene *scene)
{
	int ret = read_in(VBIND_DEBUGFS, scene->text, scene->read, sizeof(scene->read));

	return ret < 0 ? ret : wrong(!ret);
}

static int drop(struct scene *scene)
{
	return vbind_drop(scene->text);
}

/* --- what must be so when it went well */

/* The job that was submitted is done, once, and nothing else. */
static int is_done(struct scene *scene)
{
	struct world *world = &scene->world;
	int ret = fence_end(scene->fence), i;

	for (i = 0; i < scene->bind_count; i++)
		model_bind(world, &scene->binds[i]);
	for (i = 0; i < scene->exec_count; i++)
		model_exec(world, &scene->execs[i], ALL_BUFFERS);
	/* What is mapped now is seen by a job that may touch all of it. */
	for (i = 0; !ret && i < SCENE_BUFFERS * 10; i += 3)
		ret = wrong(world_exec(world, OPS(op_fill(at(world, i), WORD, i))) == -EPROTO);
	return ret ?: wrong(!world_is_right(world));
}

/* There is a dma-buf, and nobody has another. */
static int is_given(struct scene *scene)
{
	int first = scene->fence, ret = do_export(scene) ?: wrong(!same_file(first, scene->fence));

	close(first);
	close(scene->fence);
	return ret;
}

static int is_taken(struct scene *scene)
{
	return do_buffer_destroy(scene);
}

static int is_intact(struct scene *scene)
{
	return world_exec(&scene->world, OPS(op_add(at(&scene->world, 0), at(&scene->world, 20), 64))) ?:
	       wrong(!world_is_right(&scene->world));
}

#endif /* STRATA_VBIND_SCENE_H */
