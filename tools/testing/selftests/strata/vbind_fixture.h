/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One open file with an address space, which nobody else uses, for the tests named
 * vbind.*. Whatever a test does, the device is afterwards as it was.
 */
#ifndef STRATA_VBIND_FIXTURE_H
#define STRATA_VBIND_FIXTURE_H

#include "vbind_steps.h"

FIXTURE(vbind)
{
	struct world world;
	int fd;
	uint32_t queue;
	size_t page;
	int files;
	struct vbind_totals before;
	struct limit limit;
};

FIXTURE_SETUP(vbind)
{
	self->page = page_size();
	self->files = open_files();
	ASSERT_EQ(vbind_totals(&self->before), 0);
	ASSERT_EQ(vbind_limit(&self->limit), 0);
	ASSERT_EQ(world_open(&self->world, FIRST_PAGE * self->page, SPACE_PAGES), 0);
	self->fd = self->world.fd;
	self->queue = self->world.queue;
}

FIXTURE_TEARDOWN(vbind)
{
	struct limit limit;

	world_close(&self->world);
	EXPECT_EQ(vbind_settles(&self->before), 0);
	EXPECT_EQ(vbind_limit(&limit), 0);
	EXPECT_EQ(limit.used, self->limit.used);
	EXPECT_EQ(vbind_set_limit(self->limit.soft, self->limit.hard), 0);
	EXPECT_EQ(open_files(), self->files);
}

/* The next @pages of its address space from @page on, with a buffer. */
#define AREA(page, pages)	area_at(_metadata, &self->world, page, pages)

#endif /* STRATA_VBIND_FIXTURE_H */
