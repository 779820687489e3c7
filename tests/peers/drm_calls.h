/* SPDX-License-Identifier: GPL-2.0 */
/* Calls of the kernel's graphics drivers, without the boilerplate and without libdrm. */
#ifndef STRATA_PEERS_DRM_CALLS_H
#define STRATA_PEERS_DRM_CALLS_H

#include <drm/drm.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_mode.h>
#include <drm/vgem_drm.h>

#include "strata.h"

#define DRM_CARDS	8

static inline bool drm_is(int fd, const char *driver)
{
	char name[32] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	return !ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, driver);
}

/* The first card of a driver, or -ENODEV. */
static inline int drm_open(const char *driver)
{
	char path[32];
	int card, fd;

	for (card = 0; card < DRM_CARDS; card++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", card);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && drm_is(fd, driver))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -ENODEV;
}

static inline int drm_dumb(int fd, size_t size, uint32_t *handle)
{
	struct drm_mode_create_dumb dumb = { .width = size / 4096, .height = 1024, .bpp = 32 };
	int ret = result(ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb));

	*handle = dumb.handle;
	return ret ?: dumb.size == size ? 0 : -EINVAL;
}

static inline int drm_fd_to_handle(int fd, int buffer, uint32_t *handle)
{
	struct drm_prime_handle prime = { .fd = buffer };
	int ret = result(ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime));

	*handle = prime.handle;
	return ret;
}

static inline int drm_handle_to_fd(int fd, uint32_t handle)
{
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };
	int ret = result(ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime));

	return ret ?: prime.fd;
}

static inline int drm_close(int fd, uint32_t handle)
{
	struct drm_gem_close gem = { .handle = handle };

	return result(ioctl(fd, DRM_IOCTL_GEM_CLOSE, &gem));
}

/* A fence of vgem's in the reservation of a buffer. */
static inline int vgem_attach(int fd, uint32_t handle, uint32_t flags, uint32_t *fence)
{
	struct drm_vgem_fence_attach attach = { .handle = handle, .flags = flags };
	int ret = result(ioctl(fd, DRM_IOCTL_VGEM_FENCE_ATTACH, &attach));

	*fence = attach.out_fence;
	return ret;
}

static inline int vgem_signal(int fd, uint32_t fence)
{
	struct drm_vgem_fence_signal signal = { .fence = fence };

	return result(ioctl(fd, DRM_IOCTL_VGEM_FENCE_SIGNAL, &signal));
}

/* What a card shows pictures on: its first screen, in the mode that it likes best. */
struct drm_screen {
	uint32_t connector;
	uint32_t crtc;
	struct drm_mode_modeinfo mode;
};

static inline int drm_first_screen(int fd, struct drm_screen *screen)
{
	struct drm_mode_modeinfo modes[128] = {};
	struct drm_mode_card_res res = {
		.connector_id_ptr = (uintptr_t)&screen->connector, .count_connectors = 1,
		.crtc_id_ptr = (uintptr_t)&screen->crtc, .count_crtcs = 1,
	};
	/* Without room for modes the card would look for its screen first. */
	struct drm_mode_get_connector connector = {};
	int ret = result(ioctl(fd, DRM_IOCTL_MODE_GETRESOURCES, &res));

	if (ret || res.count_connectors != 1 || res.count_crtcs != 1)
		return ret ?: -ENXIO;
	connector.connector_id = screen->connector;
	ret = result(ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector));
	if (ret || !connector.count_modes || connector.count_modes > ARRAY_SIZE(modes))
		return ret ?: -ENXIO;
	connector = (struct drm_mode_get_connector){
		.connector_id = screen->connector,
		.modes_ptr = (uintptr_t)modes, .count_modes = connector.count_modes,
	};
	ret = result(ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector));
	screen->mode = modes[0];
	return ret;
}

static inline int drm_add_fb(int fd, const struct drm_screen *screen, uint32_t handle,
			     uint32_t pitch, uint32_t offset, uint32_t *fb)
{
	struct drm_mode_fb_cmd2 cmd = {
		.width = screen->mode.hdisplay, .height = screen->mode.vdisplay,
		.pixel_format = DRM_FORMAT_XRGB8888,
		.handles = { handle }, .pitches = { pitch }, .offsets = { offset },
	};
	int ret = result(ioctl(fd, DRM_IOCTL_MODE_ADDFB2, &cmd));

	*fb = cmd.fb_id;
	return ret;
}

static inline int drm_rm_fb(int fd, uint32_t fb)
{
	return result(ioctl(fd, DRM_IOCTL_MODE_RMFB, &fb));
}

static inline int drm_show(int fd, const struct drm_screen *screen, uint32_t fb)
{
	struct drm_mode_crtc crtc = {
		.set_connectors_ptr = (uintptr_t)&screen->connector, .count_connectors = 1,
		.crtc_id = screen->crtc, .fb_id = fb, .mode_valid = 1, .mode = screen->mode,
	};

	return result(ioctl(fd, DRM_IOCTL_MODE_SETCRTC, &crtc));
}

/* Says that a part of what is shown has changed. */
static inline int drm_dirty(int fd, uint32_t fb, struct drm_clip_rect clip)
{
	struct drm_mode_fb_dirty_cmd dirty = {
		.fb_id = fb, .num_clips = 1, .clips_ptr = (uintptr_t)&clip,
	};

	return result(ioctl(fd, DRM_IOCTL_MODE_DIRTYFB, &dirty));
}

#endif /* STRATA_PEERS_DRM_CALLS_H */
