// SPDX-License-Identifier: GPL-2.0
/* What an address space should be, and what jobs should make of the memory behind it. */

#include "crc32c.h"
#include "demo.h"
#include "model.h"

#define WORD	sizeof(uint64_t)

bool space_init(struct space *space, uint64_t start, size_t pages)
{
	*space = (struct space){ .start = start, .pages = pages,
				 .page_size = sysconf(_SC_PAGESIZE) };
	space->places = calloc(pages, sizeof(*space->places));
	/* Made now, where there is one thread. */
	crc32c_tables();
	return space->places;
}

void space_free(struct space *space)
{
	free(space->places);
	space->places = NULL;
}

void model_bind(struct space *space, const struct strata_vbind_bind_op *op,
		const struct buffer *buffer)
{
	bool mapped = op->op == STRATA_VBIND_MAP;
	uint32_t mapping = mapped ? ++space->last_mapping : 0;
	uint64_t at;

	for (at = 0; at < op->length; at += space->page_size)
		*place_of(space, op->address + at) = (struct place){
			.mapping = mapping,
			.writable = mapped && !(op->flags & STRATA_VBIND_READ_ONLY),
			.buffer = buffer,
			.offset = op->offset + at,
		};
}

/* The words at an address, up to the end of the page; NULL for zeros. */
static uint64_t *words_at(const struct space *space, uint64_t address)
{
	const struct place *place = place_of(space, address);

	if (!place->buffer)
		return NULL;
	return place->buffer->model + (place->offset + address % space->page_size) / WORD;
}

static uint64_t in_page(const struct space *space, uint64_t address, uint64_t length)
{
	uint64_t rest = space->page_size - address % space->page_size;

	return length < rest ? length : rest;
}

static void fill(struct space *space, uint64_t dst, uint64_t length, uint64_t value)
{
	uint64_t part, *to, i;

	for (; length; dst += part, length -= part) {
		part = in_page(space, dst, length);
		to = words_at(space, dst);
		for (i = 0; to && i < part / WORD; i++)
			to[i] = value;
	}
}

/* One word after the other, since both may be the same memory. */
static void combine(struct space *space, const struct strata_vbind_exec_op *op)
{
	uint64_t keep = op->op == STRATA_VBIND_ADD ? ~0ull : 0;
	uint64_t done, part, *to, *from, i;

	for (done = 0; done < op->length; done += part) {
		part = in_page(space, op->dst + done, op->length - done);
		part = in_page(space, op->src + done, part);
		to = words_at(space, op->dst + done);
		from = words_at(space, op->src + done);
		for (i = 0; to && i < part / WORD; i++)
			to[i] = (to[i] & keep) + (from ? from[i] : 0);
	}
}

uint32_t model_checksum(const struct space *space, uint64_t address, uint64_t length)
{
	static const uint64_t zeros[65536 / WORD];
	const uint64_t *words;
	uint32_t crc = ~0u;
	uint64_t part;

	for (; length; address += part, length -= part) {
		part = in_page(space, address, length);
		words = words_at(space, address) ?: zeros;
		crc = crc32c_update(crc, words, part);
	}
	return ~crc;
}

void model_exec(struct space *space, const struct strata_vbind_exec_op *op)
{
	switch (op->op) {
	case STRATA_VBIND_FILL:
		fill(space, op->dst, op->length, op->value);
		break;
	case STRATA_VBIND_COPY:
	case STRATA_VBIND_ADD:
		combine(space, op);
		break;
	case STRATA_VBIND_CHECKSUM:
		fill(space, op->dst, WORD, model_checksum(space, op->src, op->length));
		break;
	}
}

bool is_writable(const struct space *space, uint64_t address, uint64_t length)
{
	uint64_t at;

	for (at = address - address % space->page_size; at < address + length;
	     at += space->page_size)
		if (!place_of(space, at)->writable)
			return false;
	return true;
}

uint64_t count_mappings(const struct space *space)
{
	uint64_t count = 0;
	uint32_t before = 0;
	size_t i;

	for (i = 0; i < space->pages; i++) {
		count += space->places[i].mapping && space->places[i].mapping != before;
		before = space->places[i].mapping;
	}
	return count;
}
