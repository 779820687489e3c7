/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an address space should be, page by page, and what jobs should make of the
 * memory behind it: the device once more, in user space and without haste.
 */
#ifndef STRATA_VBIND_MODEL_H
#define STRATA_VBIND_MODEL_H

#include <stddef.h>

#include "device.h"

/* What is mapped at a page. */
struct place {
	/* Of the request that mapped it; 0 for none. */
	uint32_t mapping;
	bool writable;
	/* NULL where it is sparse. */
	const struct buffer *buffer;
	uint64_t offset;
};

struct space {
	uint64_t start;
	size_t pages;
	size_t page_size;
	struct place *places;
	uint32_t last_mapping;
};

/* False where there is no memory. */
bool space_init(struct space *space, uint64_t start, size_t pages);
void space_free(struct space *space);

static inline struct place *place_of(const struct space *space, uint64_t address)
{
	return &space->places[(address - space->start) / space->page_size];
}

/* @buffer is the one that a map of a buffer names. */
void model_bind(struct space *space, const struct strata_vbind_bind_op *op,
		const struct buffer *buffer);
/* All that it touches is mapped, and may be written where it is. */
void model_exec(struct space *space, const struct strata_vbind_exec_op *op);

bool is_writable(const struct space *space, uint64_t address, uint64_t length);
uint32_t model_checksum(const struct space *space, uint64_t address, uint64_t length);
/* How many mappings there are: a request leaves several where later ones cut it up. */
uint64_t count_mappings(const struct space *space);

#endif /* STRATA_VBIND_MODEL_H */
