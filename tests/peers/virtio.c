// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that virtio-gpu takes and gives up: it attaches as a device that knows
 * nothing of moves and maps all pages for DMA, before it finds that its host has
 * nothing to do with such memory. Whoever fails has to leave things as they were.
 */

#include <kselftest_harness.h>

#include "exporters.h"

FIXTURE(virtio) {
	struct buffer buffer;
	int card;
};

FIXTURE_VARIANT(virtio) {
	const struct exporter *exporter;
};

FIXTURE_VARIANT_ADD(virtio, heap) { &heap };
FIXTURE_VARIANT_ADD(virtio, udmabuf) { &udmabuf };
FIXTURE_VARIANT_ADD(virtio, pool) { &pool };
FIXTURE_VARIANT_ADD(virtio, vbind) { &vbind };

FIXTURE_SETUP(virtio)
{
	self->card = drm_open("virtio_gpu");
	ASSERT_GE(self->card, 0);
	ASSERT_EQ(buffer_new(variant->exporter, 129 * page_size(), &self->buffer), 0);
}

FIXTURE_TEARDOWN(virtio)
{
	EXPECT_EQ(close(self->card), 0);
	buffer_end(&self->buffer);
}

TEST_F(virtio, gives_it_up_unchanged)
{
	uint32_t handle;
	int i;

	ASSERT_EQ(buffer_fill(&self->buffer, 1), 0);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(drm_fd_to_handle(self->card, self->buffer.fd, &handle), -ENODEV);
	EXPECT_TRUE(buffer_contains(&self->buffer, 1));
	if (variant->exporter->move) {
		EXPECT_EQ(variant->exporter->move("local"), 0);
		EXPECT_TRUE(buffer_contains(&self->buffer, 1));
		ASSERT_EQ(drm_fd_to_handle(self->card, self->buffer.fd, &handle), -ENODEV);
		EXPECT_EQ(variant->exporter->move("home"), 0);
		EXPECT_TRUE(buffer_contains(&self->buffer, 1));
	}
}

TEST_HARNESS_MAIN
