/* SPDX-License-Identifier: GPL-2.0 */
/* Buffers of /dev/strata-vbind that are given away and taken, alone and in a world. */
#ifndef STRATA_VBIND_SHARE_H
#define STRATA_VBIND_SHARE_H

#include "dma_buf.h"
#include "vbind_fixture.h"

/* Its dma-buf, or the negative errno. */
static inline int vbind_export(int fd, uint32_t id)
{
	struct strata_vbind_buffer_export export = { .id = id };
	int ret = result(ioctl(fd, STRATA_VBIND_BUFFER_EXPORT, &export));

	return ret ?: export.fd;
}

static inline int vbind_import(int fd, int buffer, struct strata_vbind_buffer_import *import)
{
	*import = (struct strata_vbind_buffer_import){ .fd = buffer };
	return result(ioctl(fd, STRATA_VBIND_BUFFER_IMPORT, import));
}

/* Takes a dma-buf as one more buffer, with contents that are its own; as world_add(). */
static inline int world_import(struct world *world, int dma_buf)
{
	struct world_buffer *buffer = &world->buffer[world->buffers];
	struct strata_vbind_buffer_import import;
	int ret = vbind_import(world->fd, dma_buf, &import);

	if (ret)
		return ret;
	buffer->names = (struct strata_vbind_buffer_create){ .id = import.id, .size = import.size };
	buffer->real = buffer_map(dma_buf, import.size);
	buffer->model = malloc(import.size);
	if (buffer->real == MAP_FAILED || !buffer->model)
		return -errno;
	fill(buffer->real, import.size, world->buffers + 1);
	fill(buffer->model, import.size, world->buffers + 1);
	return world->buffers++;
}

/* What was pinned for jobs is let go a little after their end. */
static inline int pinned_settles(long long count)
{
	struct vbind_totals totals;
	int ret;

	while (!(ret = vbind_totals(&totals)) && totals.pinned != count)
		usleep(1000);
	return ret;
}

#define TOTALS() ({								\
	struct vbind_totals totals_;						\
										\
	EXPECT_EQ(vbind_totals(&totals_), 0);					\
	totals_;								\
})

#endif /* STRATA_VBIND_SHARE_H */
