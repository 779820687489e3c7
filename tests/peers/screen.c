// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that bochs shows: it attaches to them, maps them into the kernel under
 * their reservation for as long as they are shown, and copies what is said to have
 * changed to QEMU's graphics card. What is there to see the host looks at.
 *
 * The picture does not begin where the buffer does, and its lines are longer than
 * the screen's.
 */

#include <kselftest_harness.h>

#include "ask.h"
#include "exporters.h"

#define OFFSET	(3 * 4096)
#define MARGIN	64

#define SAME	"same"
#define DIFFERS	"differs"

/* A buffer, and the screen that is to show it. */
struct shown {
	struct buffer buffer;
	int card;
	struct drm_screen screen;
	uint32_t width, height, pitch;
	uint32_t handle, fb;
};

/* Draws a rectangle of the pattern, as user space does it: through the dma-buf. */
static int paint(const struct shown *shown, struct painted to)
{
	int ret = buf_sync(shown->buffer.fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
	uint32_t x, y, *line;

	for (y = to.y; !ret && y < to.y + to.height; y++) {
		line = shown->buffer.map + OFFSET + (size_t)y * shown->pitch;
		for (x = to.x; x < to.x + to.width; x++)
			line[x] = pixel(x, y, to.round);
	}
	return ret ?: buf_sync(shown->buffer.fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
}

/* Whether all of it is in the buffer. */
static bool is_painted(const struct shown *shown, struct painted as)
{
	uint32_t *line = malloc(as.width * sizeof(*line)), x, y;
	size_t length = as.width * sizeof(*line);
	bool same = line;

	for (y = 0; same && y < as.height; y++) {
		for (x = 0; x < as.width; x++)
			line[x] = pixel(x, y, as.round);
		same = buffer_differs(&shown->buffer, line, OFFSET + (size_t)y * shown->pitch,
				      length) == (long)length;
	}
	free(line);
	return same;
}

static struct painted whole(const struct shown *shown, uint32_t round)
{
	return (struct painted){ 0, 0, shown->width, shown->height, round };
}

static int show(const struct shown *shown)
{
	return drm_show(shown->card, &shown->screen, shown->fb);
}

static int add_fb(struct shown *shown)
{
	return drm_add_fb(shown->card, &shown->screen, shown->handle, shown->pitch, OFFSET,
			  &shown->fb);
}

static void begin(struct __test_metadata *_metadata, const struct exporter *exporter,
		  struct shown *shown)
{
	size_t page = page_size();

	shown->card = drm_open("bochs-drm");
	ASSERT_GE(shown->card, 0);
	ASSERT_EQ(drm_first_screen(shown->card, &shown->screen), 0);
	shown->width = shown->screen.mode.hdisplay;
	shown->height = shown->screen.mode.vdisplay;
	shown->pitch = (shown->width + MARGIN) * sizeof(uint32_t);
	ASSERT_EQ(buffer_new(exporter, OFFSET + (shown->pitch * shown->height + page - 1) / page * page,
			     &shown->buffer), 0);
	ASSERT_EQ(drm_fd_to_handle(shown->card, shown->buffer.fd, &shown->handle), 0);
	ASSERT_EQ(add_fb(shown), 0);
}

static void end(struct __test_metadata *_metadata, struct shown *shown)
{
	if (shown->fb)
		EXPECT_EQ(drm_rm_fb(shown->card, shown->fb), 0);
	EXPECT_EQ(close(shown->card), 0);
	buffer_end(&shown->buffer);
}

FIXTURE(screen) {
	struct shown shown;
};

FIXTURE_VARIANT(screen) {
	const struct exporter *exporter;
};

FIXTURE_VARIANT_ADD(screen, heap) { &heap };
FIXTURE_VARIANT_ADD(screen, pool) { &pool };
FIXTURE_VARIANT_ADD(screen, vbind) { &vbind };

FIXTURE_SETUP(screen)
{
	begin(_metadata, variant->exporter, &self->shown);
}

FIXTURE_TEARDOWN(screen)
{
	end(_metadata, &self->shown);
}

TEST_F_TIMEOUT(screen, shows_each_pixel, 120)
{
	const struct shown *shown = &self->shown;
	struct painted first = whole(shown, 1), second = whole(shown, 2);
	struct painted corner = { shown->width - 1, shown->height - 1, 1, 1, 2 };

	ASSERT_EQ(paint(shown, first), 0);
	ASSERT_EQ(show(shown), 0);
	EXPECT_STREQ(SCREEN(first), SAME);
	/* The control: the host looks, at each pixel. */
	EXPECT_EQ(strncmp(SCREEN(second), DIFFERS, strlen(DIFFERS)), 0);
	EXPECT_EQ(strncmp(SCREEN(first, corner), DIFFERS, strlen(DIFFERS)), 0);
	ASSERT_EQ(paint(shown, second), 0);
	ASSERT_EQ(show(shown), 0);
	EXPECT_STREQ(SCREEN(second), SAME);
}

/* What it was not told of it does not copy: the screen is no window into the buffer. */
TEST_F_TIMEOUT(screen, shows_what_has_changed, 120)
{
	const struct shown *shown = &self->shown;
	struct painted first = whole(shown, 3), second = whole(shown, 4);
	struct painted part = { 33, 21, 211, 97, 4 };
	struct drm_clip_rect clip = {
		part.x, part.y, part.x + part.width, part.y + part.height,
	};

	ASSERT_EQ(paint(shown, first), 0);
	ASSERT_EQ(show(shown), 0);
	ASSERT_EQ(paint(shown, second), 0);
	EXPECT_STREQ(SCREEN(first), SAME);
	ASSERT_EQ(drm_dirty(shown->card, shown->fb, clip), 0);
	EXPECT_STREQ(SCREEN(first, part), SAME);
	clip = (struct drm_clip_rect){ 0, 0, shown->width, shown->height };
	ASSERT_EQ(drm_dirty(shown->card, shown->fb, clip), 0);
	EXPECT_STREQ(SCREEN(second), SAME);
}

/* Who shows a buffer may end without a word. */
TEST_F_TIMEOUT(screen, lets_go_with_its_file, 120)
{
	struct shown *shown = &self->shown;
	struct painted picture = whole(shown, 5);

	ASSERT_EQ(paint(shown, picture), 0);
	ASSERT_EQ(show(shown), 0);
	EXPECT_STREQ(SCREEN(picture), SAME);
	ASSERT_EQ(close(shown->card), 0);
	shown->fb = 0;
	shown->card = drm_open("bochs-drm");
	ASSERT_GE(shown->card, 0);
	EXPECT_TRUE(is_painted(shown, picture));
	EXPECT_FALSE(is_painted(shown, whole(shown, 6)));
	/* And another shows it. */
	ASSERT_EQ(drm_fd_to_handle(shown->card, shown->buffer.fd, &shown->handle), 0);
	ASSERT_EQ(add_fb(shown), 0);
	ASSERT_EQ(paint(shown, whole(shown, 6)), 0);
	ASSERT_EQ(show(shown), 0);
	EXPECT_STREQ(SCREEN(whole(shown, 6)), SAME);
}

/* --- buffers that move */

FIXTURE(screen_move) {
	struct shown shown;
};

FIXTURE_VARIANT(screen_move) {
	const struct exporter *exporter;
};

FIXTURE_VARIANT_ADD(screen_move, pool) { &pool };

FIXTURE_SETUP(screen_move)
{
	begin(_metadata, variant->exporter, &self->shown);
}

FIXTURE_TEARDOWN(screen_move)
{
	end(_metadata, &self->shown);
}

/* What is shown is mapped, and stays; then it moves, is the same, and can be shown again. */
TEST_F_TIMEOUT(screen_move, waits_for_the_screen, 120)
{
	const struct exporter *exporter = variant->exporter;
	struct shown *shown = &self->shown;
	struct painted first = whole(shown, 7), second = whole(shown, 8);

	ASSERT_EQ(paint(shown, first), 0);
	ASSERT_EQ(exporter->move("local"), 0);
	ASSERT_EQ(show(shown), 0);
	EXPECT_STREQ(SCREEN(first), SAME);
	EXPECT_EQ(exporter->move("home"), -EBUSY);
	ASSERT_EQ(paint(shown, second), 0);
	ASSERT_EQ(show(shown), 0);
	EXPECT_STREQ(SCREEN(second), SAME);
	EXPECT_EQ(exporter->move("home"), -EBUSY);
	ASSERT_EQ(drm_rm_fb(shown->card, shown->fb), 0);
	shown->fb = 0;
	EXPECT_EQ(exporter->move("home"), 0);
	EXPECT_TRUE(is_painted(shown, second));
	ASSERT_EQ(add_fb(shown), 0);
	ASSERT_EQ(show(shown), 0);
	EXPECT_STREQ(SCREEN(second), SAME);
}

TEST_HARNESS_MAIN
