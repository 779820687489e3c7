/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An address space with buffers and a queue, and beside it what it should be: the
 * same machine in user space, page by page and word by word.
 */
#ifndef STRATA_VBIND_WORLD_H
#define STRATA_VBIND_WORLD_H

#include "vbind_calls.h"

#define WORLD_BUFFERS	16
#define ALL_BUFFERS	((1u << WORLD_BUFFERS) - 1)

struct world_page {
	bool mapped;
	bool read_only;
	/* NULL where reads give zeros. */
	uint64_t *words;
	int buffer;
};

struct world_buffer {
	struct strata_vbind_buffer_create names;
	/* Its memory, and what that should be. */
	uint64_t *real;
	uint64_t *model;
};

struct world {
	int fd;
	uint32_t vm;
	uint32_t queue;
	uint64_t start;
	size_t pages;
	struct world_page *page;
	struct world_buffer buffer[WORLD_BUFFERS];
	int buffers;
};

static inline int world_open(struct world *world, uint64_t start, size_t pages)
{
	*world = (struct world){ .start = start, .pages = pages };
	world->page = calloc(pages, sizeof(*world->page));
	world->fd = vbind_open();
	if (world->fd < 0 || !world->page)
		return -errno;
	return vbind_vm(world->fd, start, pages * page_size(), &world->vm) ?:
	       vbind_queue(world->fd, world->vm, 0, &world->queue);
}

static inline void world_close(struct world *world)
{
	int i;

	for (i = 0; i < world->buffers; i++) {
		munmap(world->buffer[i].real, world->buffer[i].names.size);
		free(world->buffer[i].model);
	}
	free(world->page);
	close(world->fd);
}

/* The address of a page of it. */
static inline uint64_t at(const struct world *world, size_t page)
{
	return world->start + page * page_size();
}

static inline uint32_t id_of(const struct world *world, int buffer)
{
	return world->buffer[buffer].names.id;
}

/* One more buffer, with contents that are its own; its number, or the negative errno. */
static inline int world_add(struct world *world, size_t pages)
{
	struct world_buffer *buffer = &world->buffer[world->buffers];
	size_t size = pages * page_size();
	int ret = vbind_buffer(world->fd, size, &buffer->names);

	if (ret)
		return ret;
	buffer->real = vbind_map(world->fd, &buffer->names, PROT_READ | PROT_WRITE);
	buffer->model = malloc(size);
	if (buffer->real == MAP_FAILED || !buffer->model)
		return -errno;
	fill(buffer->real, size, world->buffers + 1);
	fill(buffer->model, size, world->buffers + 1);
	return world->buffers++;
}

static inline int world_find(const struct world *world, uint32_t id)
{
	int i = 0;

	while (id_of(world, i) != id)
		i++;
	return i;
}

static inline void model_bind(struct world *world, const struct strata_vbind_bind_op *op)
{
	size_t page = page_size(), first = (op->address - world->start) / page, i;
	bool memory = op->op == STRATA_VBIND_MAP && !(op->flags & STRATA_VBIND_SPARSE);
	int buffer = memory ? world_find(world, op->buffer) : 0;

	for (i = 0; i < op->length / page; i++)
		world->page[first + i] = (struct world_page){
			.mapped = op->op == STRATA_VBIND_MAP,
			.read_only = op->flags & STRATA_VBIND_READ_ONLY,
			.words = memory ? world->buffer[buffer].model +
					  (op->offset + i * page) / WORD : NULL,
			.buffer = buffer,
		};
}

/* A word for a job that named the buffers with these bits; NULL for a fault. */
static inline uint64_t *model_word(struct world *world, uint64_t address, uint32_t named, bool write)
{
	static uint64_t sparse;
	size_t page = page_size();
	struct world_page *there = &world->page[(address - world->start) / page];

	sparse = 0;
	if (!there->mapped || (write && there->read_only))
		return NULL;
	if (!there->words)
		return &sparse;
	return named >> there->buffer & 1 ? there->words + address % page / WORD : NULL;
}

static inline int model_checksum(struct world *world, const struct strata_vbind_exec_op *op, uint32_t named)
{
	uint64_t *src, *dst, i;
	uint32_t crc = ~0u;

	for (i = 0; i < op->length; i += WORD) {
		src = model_word(world, op->src + i, named, false);
		if (!src)
			return -EFAULT;
		crc = crc32c_update(crc, src, WORD);
	}
	dst = model_word(world, op->dst, named, true);
	if (dst)
		*dst = (uint32_t)~crc;
	return dst ? 0 : -EFAULT;
}

static inline int model_exec(struct world *world, const struct strata_vbind_exec_op *op, uint32_t named)
{
	uint64_t *src, *dst, value, i;

	if (op->op == STRATA_VBIND_CHECKSUM)
		return model_checksum(world, op, named);
	for (i = 0; i < op->length; i += WORD) {
		value = op->value;
		if (op->op != STRATA_VBIND_FILL) {
			src = model_word(world, op->src + i, named, false);
			if (!src)
				return -EFAULT;
			value = *src;
		}
		dst = model_word(world, op->dst + i, named, true);
		if (!dst)
			return -EFAULT;
		*dst = value + (op->op == STRATA_VBIND_ADD ? *dst : 0);
	}
	return 0;
}

/* Both at once. 0, or what went wrong. */
static inline int world_bind(struct world *world, struct binds binds)
{
	uint32_t i;

	for (i = 0; i < binds.count; i++)
		model_bind(world, &binds.ops[i]);
	return vbind_bind_now(world->fd, world->queue, binds, JOB());
}

/* What both say; -EPROTO where they differ. */
static inline int world_exec_named(struct world *world, struct execs execs, uint32_t named)
{
	uint32_t buffers[WORLD_BUFFERS], i;
	int want = 0, ret;
	struct job job = { .buffers = buffers };

	for (i = 0; i < world->buffers; i++)
		if (named >> i & 1)
			buffers[job.buffer_count++] = id_of(world, i);
	for (i = 0; !want && i < execs.count; i++)
		want = model_exec(world, &execs.ops[i], named);
	ret = vbind_exec_now(world->fd, world->queue, execs, job);
	return ret == want ? ret : -EPROTO;
}

static inline int world_exec(struct world *world, struct execs execs)
{
	return world_exec_named(world, execs, ALL_BUFFERS);
}

/* Whether all that is in memory is what it should be. */
static inline bool world_is_right(const struct world *world)
{
	const struct world_buffer *buffer;
	size_t word;
	int i;

	for (i = 0; i < world->buffers; i++) {
		buffer = &world->buffer[i];
		for (word = 0; word < buffer->names.size / WORD; word++)
			if (buffer->real[word] != buffer->model[word]) {
				printf("# buffer %d, word %zu: 0x%llx instead of 0x%llx\n", i, word,
				       (unsigned long long)buffer->real[word],
				       (unsigned long long)buffer->model[word]);
				return false;
			}
	}
	return true;
}

#endif /* STRATA_VBIND_WORLD_H */
