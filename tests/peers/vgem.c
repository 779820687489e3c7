// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that vgem imports: it attaches to them without looking into them, names
 * them as its own, and puts fences of its own into their reservation.
 */

#include <kselftest_harness.h>

#include "exporters.h"

/* A buffer, and what vgem calls it. */
struct imported {
	struct buffer buffer;
	int card;
	uint32_t handle;
};

static void import(struct __test_metadata *_metadata, const struct exporter *exporter,
		   struct imported *imported)
{
	ASSERT_EQ(buffer_new(exporter, UDMABUF_PAGES * page_size(), &imported->buffer), 0);
	imported->card = drm_open("vgem");
	ASSERT_GE(imported->card, 0);
	ASSERT_EQ(drm_fd_to_handle(imported->card, imported->buffer.fd, &imported->handle), 0);
}

static void end(struct __test_metadata *_metadata, struct imported *imported)
{
	EXPECT_EQ(close(imported->card), 0);
	buffer_end(&imported->buffer);
}

FIXTURE(vgem) {
	struct imported imported;
};

FIXTURE_VARIANT(vgem) {
	const struct exporter *exporter;
};

FIXTURE_VARIANT_ADD(vgem, heap) { &heap };
FIXTURE_VARIANT_ADD(vgem, udmabuf) { &udmabuf };
FIXTURE_VARIANT_ADD(vgem, pool) { &pool };
FIXTURE_VARIANT_ADD(vgem, vbind) { &vbind };

FIXTURE_SETUP(vgem)
{
	import(_metadata, variant->exporter, &self->imported);
}

FIXTURE_TEARDOWN(vgem)
{
	end(_metadata, &self->imported);
}

/* There is one buffer, whatever it is called and by whom. */
TEST_F(vgem, gives_back_what_it_got)
{
	const struct imported *imported = &self->imported;
	struct buffer again = imported->buffer;
	uint32_t handle;

	EXPECT_EQ(drm_fd_to_handle(imported->card, imported->buffer.fd, &handle), 0);
	EXPECT_EQ(handle, imported->handle);
	again.fd = drm_handle_to_fd(imported->card, imported->handle);
	ASSERT_GE(again.fd, 0);
	EXPECT_TRUE(same_buffer(again.fd, imported->buffer.fd));
	EXPECT_FALSE(same_buffer(again.fd, imported->card));
	again.map = mmap(NULL, again.size, PROT_READ, MAP_SHARED, again.fd, 0);
	ASSERT_NE(again.map, MAP_FAILED);
	EXPECT_EQ(buffer_fill(&imported->buffer, 3), 0);
	EXPECT_TRUE(buffer_contains(&again, 3));
	EXPECT_FALSE(buffer_contains(&again, 4));
	EXPECT_EQ(drm_close(imported->card, imported->handle), 0);
	EXPECT_TRUE(buffer_contains(&again, 3));
	munmap(again.map, again.size);
	close(again.fd);
}

/* Whoever made it has gone, with all that was open of it. */
TEST_F(vgem, keeps_it_alone)
{
	struct imported *imported = &self->imported;
	struct buffer left = { .size = imported->buffer.size, .owner = -1 };

	ASSERT_EQ(buffer_fill(&imported->buffer, 5), 0);
	buffer_end(&imported->buffer);
	left.fd = drm_handle_to_fd(imported->card, imported->handle);
	ASSERT_GE(left.fd, 0);
	ASSERT_EQ(drm_close(imported->card, imported->handle), 0);
	left.map = mmap(NULL, left.size, PROT_READ | PROT_WRITE, MAP_SHARED, left.fd, 0);
	imported->buffer = left;
	ASSERT_NE(left.map, MAP_FAILED);
	EXPECT_TRUE(buffer_contains(&left, 5));
	EXPECT_EQ(buffer_fill(&left, 6), 0);
	EXPECT_TRUE(buffer_contains(&left, 6));
}

/* A fence that vgem adds is in the way of others, until it is signalled. */
TEST_F(vgem, fences_are_the_buffers)
{
	const struct imported *imported = &self->imported;
	uint32_t reads, writes, refused;

	EXPECT_TRUE(buffer_ready(imported->buffer.fd, POLLOUT));
	ASSERT_EQ(vgem_attach(imported->card, imported->handle, 0, &reads), 0);
	EXPECT_TRUE(buffer_ready(imported->buffer.fd, POLLIN));
	EXPECT_FALSE(buffer_ready(imported->buffer.fd, POLLOUT));
	ASSERT_EQ(vgem_signal(imported->card, reads), 0);
	EXPECT_TRUE(buffer_ready(imported->buffer.fd, POLLOUT));
	ASSERT_EQ(vgem_attach(imported->card, imported->handle, VGEM_FENCE_WRITE, &writes), 0);
	EXPECT_FALSE(buffer_ready(imported->buffer.fd, POLLIN));
	EXPECT_EQ(vgem_attach(imported->card, imported->handle, 0, &refused), -EBUSY);
	ASSERT_EQ(vgem_signal(imported->card, writes), 0);
	EXPECT_TRUE(buffer_ready(imported->buffer.fd, POLLIN));
}

/* --- buffers that move */

FIXTURE(vgem_move) {
	struct imported imported;
};

FIXTURE_VARIANT(vgem_move) {
	const struct exporter *exporter;
};

FIXTURE_VARIANT_ADD(vgem_move, pool) { &pool };

FIXTURE_SETUP(vgem_move)
{
	import(_metadata, variant->exporter, &self->imported);
}

FIXTURE_TEARDOWN(vgem_move)
{
	end(_metadata, &self->imported);
}

/* An importer that only attached is in nobody's way. */
TEST_F(vgem_move, is_not_hindered)
{
	const struct buffer *buffer = &self->imported.buffer;

	ASSERT_EQ(buffer_fill(buffer, 7), 0);
	EXPECT_EQ(variant->exporter->move("local"), 0);
	EXPECT_TRUE(buffer_contains(buffer, 7));
	EXPECT_EQ(buffer_fill(buffer, 8), 0);
	EXPECT_EQ(variant->exporter->move("home"), 0);
	EXPECT_TRUE(buffer_contains(buffer, 8));
}

/* Who moves it waits for the fences of others, and gives up before vgem does. */
TEST_F(vgem_move, waits_for_a_fence)
{
	const struct imported *imported = &self->imported;
	uint32_t fence;

	ASSERT_EQ(buffer_fill(&imported->buffer, 9), 0);
	ASSERT_EQ(vgem_attach(imported->card, imported->handle, 0, &fence), 0);
	EXPECT_EQ(variant->exporter->move("local"), -ETIME);
	EXPECT_TRUE(buffer_contains(&imported->buffer, 9));
	EXPECT_EQ(vgem_signal(imported->card, fence), 0);
	EXPECT_EQ(variant->exporter->move("local"), 0);
	EXPECT_TRUE(buffer_contains(&imported->buffer, 9));
	EXPECT_EQ(variant->exporter->move("home"), 0);
	EXPECT_TRUE(buffer_contains(&imported->buffer, 9));
}

TEST_HARNESS_MAIN
