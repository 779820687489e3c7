/* SPDX-License-Identifier: GPL-2.0 */
/* Calls of a video device that captures into one buffer at a time, without the boilerplate. */
#ifndef STRATA_PEERS_VIDEO_CALLS_H
#define STRATA_PEERS_VIDEO_CALLS_H

#include <linux/videodev2.h>
#include <poll.h>

#include "strata.h"

#define VIDEO_DEVICES	16

/* vivid's own controls: the scene, and what is written over it. */
#define VIVID_TEST_PATTERN	(0x00f00000 | 0xf000)
#define VIVID_OSD_TEXT_MODE	(VIVID_TEST_PATTERN + 1)
#define VIVID_OSD_NOTHING	2

/* The device of vivid's instance that can do @capability, or -ENODEV. */
static inline int video_open(int instance, uint32_t capability)
{
	struct v4l2_capability cap;
	char path[32], bus[32];
	int number, fd;

	snprintf(bus, sizeof(bus), "platform:vivid-%03d", instance);
	for (number = 0; number < VIDEO_DEVICES; number++) {
		snprintf(path, sizeof(path), "/dev/video%d", number);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && !ioctl(fd, VIDIOC_QUERYCAP, &cap) &&
		    !strcmp((char *)cap.bus_info, bus) && (cap.device_caps & capability))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -ENODEV;
}

static inline int video_set(int fd, uint32_t id, int32_t value)
{
	struct v4l2_control control = { .id = id, .value = value };

	return result(ioctl(fd, VIDIOC_S_CTRL, &control));
}

/* Returns the bytes of a picture, or the negative errno. */
static inline int video_format(int fd, uint32_t width, uint32_t height, uint32_t pixels)
{
	struct v4l2_format format = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.fmt.pix = {
			.width = width, .height = height, .pixelformat = pixels,
			.field = V4L2_FIELD_NONE,
		},
	};
	int ret = result(ioctl(fd, VIDIOC_S_FMT, &format));

	if (ret)
		return ret;
	return format.fmt.pix.width == width && format.fmt.pix.height == height &&
	       format.fmt.pix.pixelformat == pixels ? format.fmt.pix.sizeimage : -EINVAL;
}

/* A queue of one kind of what is captured, into one kind of memory. */
struct video_queue {
	int fd;
	uint32_t type;
	uint32_t memory;
};

/* Without any (0) it lets go of all that it has. */
static inline int video_buffers(const struct video_queue *queue, uint32_t count)
{
	struct v4l2_requestbuffers request = {
		.count = count, .type = queue->type, .memory = queue->memory,
	};

	return result(ioctl(queue->fd, VIDIOC_REQBUFS, &request));
}

/* Gives it the first buffer to fill: a dma-buf, where it takes these. */
static inline int video_queue(const struct video_queue *queue, int fd, size_t length)
{
	struct v4l2_buffer buffer = { .type = queue->type, .memory = queue->memory };

	if (queue->memory == V4L2_MEMORY_DMABUF) {
		buffer.m.fd = fd;
		buffer.length = length;
	}
	return result(ioctl(queue->fd, VIDIOC_QBUF, &buffer));
}

static inline int video_start(const struct video_queue *queue)
{
	return result(ioctl(queue->fd, VIDIOC_STREAMON, &queue->type));
}

static inline int video_stop(const struct video_queue *queue)
{
	return result(ioctl(queue->fd, VIDIOC_STREAMOFF, &queue->type));
}

/* Waits until it is filled. Returns the bytes that were written, or the negative errno. */
static inline int video_filled(const struct video_queue *queue)
{
	struct v4l2_buffer buffer = { .type = queue->type, .memory = queue->memory };
	struct pollfd ready = { .fd = queue->fd, .events = POLLIN };
	int ret = result(poll(&ready, 1, -1));

	if (ret != 1)
		return ret ?: -ETIME;
	ret = result(ioctl(queue->fd, VIDIOC_DQBUF, &buffer));
	if (!ret && (buffer.flags & V4L2_BUF_FLAG_ERROR))
		ret = -EIO;
	return ret ?: (int)buffer.bytesused;
}

/* The first buffer of the driver's own memory as a dma-buf, or the negative errno. */
static inline int video_export(const struct video_queue *queue)
{
	struct v4l2_exportbuffer export = { .type = queue->type, .flags = O_RDWR | O_CLOEXEC };
	int ret = result(ioctl(queue->fd, VIDIOC_EXPBUF, &export));

	return ret ?: export.fd;
}

/* A picture in the driver's own memory, copied to @to. Returns its bytes, or the negative errno. */
static inline int video_own(int fd, void *to, size_t room)
{
	struct video_queue queue = { fd, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP };
	struct v4l2_buffer buffer = { .type = queue.type, .memory = queue.memory };
	void *map = MAP_FAILED;
	int ret = video_buffers(&queue, 1);

	if (!ret)
		ret = result(ioctl(fd, VIDIOC_QUERYBUF, &buffer));
	if (!ret)
		map = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, fd, buffer.m.offset);
	if (map == MAP_FAILED)
		return ret ?: -errno;
	ret = video_queue(&queue, -1, 0) ?: video_start(&queue) ?: video_filled(&queue);
	if (ret > 0 && ret <= room)
		memcpy(to, map, ret);
	munmap(map, buffer.length);
	return video_stop(&queue) ?: video_buffers(&queue, 0) ?: ret > (int)room ? -E2BIG : ret;
}

#endif /* STRATA_PEERS_VIDEO_CALLS_H */
