// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own drm_gpuvm, for a kernel that was built without: nothing there
 * selects it, and it cannot be asked for by itself.
 */
#include <../drivers/gpu/drm/drm_exec.c>
#include <../drivers/gpu/drm/drm_gpuvm.c>
