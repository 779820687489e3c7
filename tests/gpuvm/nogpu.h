/* SPDX-License-Identifier: GPL-2.0 */
/*
 * drm_gpuvm without a GPU: a device that is never registered, below a faux one.
 * Objects are pointers that nobody looks at, but for the one that each VM has for
 * its reservation lock.
 */
#ifndef STRATA_TESTS_GPUVM_NOGPU_H
#define STRATA_TESTS_GPUVM_NOGPU_H

#include <linux/device/faux.h>
#include <linux/err.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_gpuvm.h>

/**
 * struct nogpu - what a VM needs of a GPU
 * @faux: the parent of the device
 * @drm: the device
 */
struct nogpu {
	struct faux_device *faux;
	struct drm_device *drm;
};

/* Makes the device. Names are unique. */
static inline int nogpu_create(struct nogpu *gpu, const char *name)
{
	static const struct drm_driver driver = {
		.driver_features = DRIVER_GEM,
		.name = KBUILD_MODNAME,
		.desc = "Strata: drm_gpuvm without a GPU",
	};

	gpu->faux = faux_device_create(name, NULL, NULL);
	if (!gpu->faux)
		return -ENODEV;
	gpu->drm = drm_dev_alloc(&driver, &gpu->faux->dev);
	if (IS_ERR(gpu->drm)) {
		faux_device_destroy(gpu->faux);
		return PTR_ERR(gpu->drm);
	}
	return 0;
}

/* After the last VM is gone. */
static inline void nogpu_destroy(struct nogpu *gpu)
{
	drm_dev_put(gpu->drm);
	faux_device_destroy(gpu->faux);
}

/* An empty VM, of which the kernel keeps some for itself if @kernel_range is not 0. */
static inline int nogpu_vm_init(struct nogpu *gpu, struct drm_gpuvm *vm, u64 start, u64 range,
				u64 kernel_start, u64 kernel_range, const struct drm_gpuvm_ops *ops)
{
	struct drm_gem_object *root = drm_gpuvm_resv_object_alloc(gpu->drm);

	if (!root)
		return -ENOMEM;
	drm_gpuvm_init(vm, "strata", 0, gpu->drm, root, start, range, kernel_start, kernel_range, ops);
	/* The VM has a reference of its own. */
	drm_gem_object_put(root);
	return 0;
}

#endif
