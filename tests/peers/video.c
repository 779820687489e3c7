// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that vivid, a camera without the hardware, captures into. Its first
 * instance maps them into the kernel, without ever attaching to them. The second
 * attaches as a device that knows nothing of moves, and maps them for DMA in one
 * piece; what it writes to so little memory is metadata.
 */

#include <kselftest_harness.h>

#include "exporters.h"
#include "video_calls.h"

#define WIDTH	320
#define HEIGHT	180
/* Three bytes for each pixel: pictures end within a page. */
#define BYTES	(WIDTH * HEIGHT * 3)

/* In the order of vivid's menu. */
#define COLOUR_SQUARES	4
#define GRAY_RAMP	20

/* A buffer, and a queue that takes such. */
struct taken {
	struct buffer buffer;
	struct video_queue queue;
};

static void open_video(struct __test_metadata *_metadata, const struct exporter *exporter,
		       struct taken *taken)
{
	size_t page = page_size();
	int fd = video_open(0, V4L2_CAP_VIDEO_CAPTURE);

	taken->queue = (struct video_queue){ fd, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_DMABUF };
	ASSERT_GE(fd, 0);
	ASSERT_EQ(video_format(fd, WIDTH, HEIGHT, V4L2_PIX_FMT_RGB24), BYTES);
	/* Nothing in the picture moves. */
	ASSERT_EQ(video_set(fd, VIVID_OSD_TEXT_MODE, VIVID_OSD_NOTHING), 0);
	ASSERT_EQ(video_buffers(&taken->queue, 1), 0);
	ASSERT_EQ(buffer_new(exporter, (BYTES + page - 1) / page * page, &taken->buffer), 0);
}

static void open_metadata(struct __test_metadata *_metadata, const struct exporter *exporter,
			  struct taken *taken)
{
	int fd = video_open(1, V4L2_CAP_META_CAPTURE);

	taken->queue = (struct video_queue){ fd, V4L2_BUF_TYPE_META_CAPTURE, V4L2_MEMORY_DMABUF };
	ASSERT_GE(fd, 0);
	ASSERT_EQ(video_buffers(&taken->queue, 1), 0);
	ASSERT_EQ(buffer_new(exporter, page_size(), &taken->buffer), 0);
}

static void end(struct __test_metadata *_metadata, struct taken *taken)
{
	EXPECT_EQ(close(taken->queue.fd), 0);
	buffer_end(&taken->buffer);
}

FIXTURE(video) {
	struct taken taken;
};

FIXTURE_VARIANT(video) {
	const struct exporter *exporter;
};

FIXTURE_VARIANT_ADD(video, heap) { &heap };
FIXTURE_VARIANT_ADD(video, udmabuf) { &udmabuf };
FIXTURE_VARIANT_ADD(video, pool) { &pool };
FIXTURE_VARIANT_ADD(video, vbind) { &vbind };

FIXTURE_SETUP(video)
{
	open_video(_metadata, variant->exporter, &self->taken);
}

FIXTURE_TEARDOWN(video)
{
	end(_metadata, &self->taken);
}

/* The buffer is the picture that the driver's own memory gets, and behind it as it was. */
static void captures(struct __test_metadata *_metadata, const struct taken *taken, int scene,
		     uint8_t *picture)
{
	const struct buffer *buffer = &taken->buffer;
	uint8_t *before = filled(buffer->size, scene);
	size_t tail = buffer->size - BYTES;

	ASSERT_NE(before, NULL);
	ASSERT_EQ(video_buffers(&taken->queue, 0), 0);
	ASSERT_EQ(video_set(taken->queue.fd, VIVID_TEST_PATTERN, scene), 0);
	ASSERT_EQ(video_own(taken->queue.fd, picture, BYTES), BYTES);
	ASSERT_EQ(buffer_fill(buffer, scene), 0);
	ASSERT_EQ(video_buffers(&taken->queue, 1), 0);
	ASSERT_EQ(video_queue(&taken->queue, buffer->fd, buffer->size), 0);
	ASSERT_EQ(video_start(&taken->queue), 0);
	ASSERT_EQ(video_filled(&taken->queue), BYTES);
	ASSERT_EQ(video_stop(&taken->queue), 0);
	EXPECT_EQ(buffer_differs(buffer, picture, 0, BYTES), BYTES);
	EXPECT_EQ(buffer_differs(buffer, before + BYTES, BYTES, tail), tail);
	free(before);
}

TEST_F_TIMEOUT(video, captures_what_there_is, 120)
{
	uint8_t *squares = calloc(1, BYTES), *ramp = calloc(1, BYTES);

	captures(_metadata, &self->taken, COLOUR_SQUARES, squares);
	captures(_metadata, &self->taken, GRAY_RAMP, ramp);
	/* The control: these are two pictures, and both show something. */
	EXPECT_NE(memcmp(squares, ramp, BYTES), 0);
	EXPECT_NE(memcmp(squares, squares + 1, BYTES - 1), 0);
	EXPECT_NE(memcmp(ramp, ramp + 1, BYTES - 1), 0);
	free(squares);
	free(ramp);
}

/* --- what the second one writes to one page */

#define METADATA_MORE		10

/* As vivid has it, drivers/media/test-drivers/vivid/vivid-meta-cap.h. */
struct metadata {
	uint64_t ns;
	uint16_t frame;
	uint8_t length;
	uint8_t flags;
	/* Time stamps, where they were asked for. */
	uint8_t more[METADATA_MORE];
};

/* There are no holes in it, nor behind it. */
#define METADATA_SIZE		(offsetof(struct metadata, more) + METADATA_MORE)

#define METADATA_FRAME_ENDS	0x80
/* It writes ones behind it. */
#define METADATA_REST		1

FIXTURE(metadata) {
	struct taken taken;
};

FIXTURE_VARIANT(metadata) {
	const struct exporter *exporter;
};

FIXTURE_VARIANT_ADD(metadata, heap) { &heap };
FIXTURE_VARIANT_ADD(metadata, udmabuf) { &udmabuf };
FIXTURE_VARIANT_ADD(metadata, pool) { &pool };
FIXTURE_VARIANT_ADD(metadata, vbind) { &vbind };

FIXTURE_SETUP(metadata)
{
	open_metadata(_metadata, variant->exporter, &self->taken);
}

FIXTURE_TEARDOWN(metadata)
{
	end(_metadata, &self->taken);
}

TEST_F_TIMEOUT(metadata, arrives_by_dma, 120)
{
	const struct buffer *buffer = &self->taken.buffer;
	size_t rest = buffer->size - METADATA_SIZE;
	uint8_t *ones = malloc(rest);
	struct metadata seen;

	ASSERT_NE(ones, NULL);
	memset(ones, METADATA_REST, rest);
	ASSERT_EQ(buffer_fill(buffer, 1), 0);
	ASSERT_EQ(video_queue(&self->taken.queue, buffer->fd, buffer->size), 0);
	ASSERT_EQ(video_start(&self->taken.queue), 0);
	ASSERT_EQ(video_filled(&self->taken.queue), METADATA_SIZE);
	ASSERT_EQ(video_stop(&self->taken.queue), 0);
	EXPECT_EQ(buffer_differs(buffer, ones, METADATA_SIZE, rest), rest);
	ASSERT_EQ(buffer_read(buffer, &seen, METADATA_SIZE), 0);
	EXPECT_EQ(seen.frame, 0);
	EXPECT_EQ(seen.length, METADATA_SIZE - offsetof(struct metadata, length));
	EXPECT_TRUE(seen.flags & METADATA_FRAME_ENDS);
	free(ones);
}

/* --- what they have is held, and what they gave back moves */

FIXTURE(video_move) {
	struct taken taken;
};

FIXTURE_VARIANT(video_move) {
	const struct exporter *exporter;
	void (*open)(struct __test_metadata *_metadata, const struct exporter *exporter,
		     struct taken *taken);
};

FIXTURE_VARIANT_ADD(video_move, pool_mapped) { &pool, open_video };
FIXTURE_VARIANT_ADD(video_move, pool_dma) { &pool, open_metadata };

FIXTURE_SETUP(video_move)
{
	variant->open(_metadata, variant->exporter, &self->taken);
}

FIXTURE_TEARDOWN(video_move)
{
	end(_metadata, &self->taken);
}

TEST_F_TIMEOUT(video_move, waits_for_the_camera, 120)
{
	const struct exporter *exporter = variant->exporter;
	const struct buffer *buffer = &self->taken.buffer;
	const struct video_queue *queue = &self->taken.queue;

	ASSERT_EQ(buffer_fill(buffer, 1), 0);
	ASSERT_EQ(exporter->move("local"), 0);
	EXPECT_TRUE(buffer_contains(buffer, 1));
	ASSERT_EQ(video_queue(queue, buffer->fd, buffer->size), 0);
	EXPECT_EQ(exporter->move("home"), -EBUSY);
	EXPECT_TRUE(buffer_contains(buffer, 1));
	/* It was never filled. */
	ASSERT_EQ(video_buffers(queue, 0), 0);
	EXPECT_EQ(exporter->move("home"), 0);
	EXPECT_TRUE(buffer_contains(buffer, 1));
}

TEST_HARNESS_MAIN
