/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fences that are signalled when user space says so: the kernel's sw_sync, of
 * CONFIG_SW_SYNC. Its interface stands in drivers/dma-buf/sw_sync.c alone.
 */
#ifndef STRATA_SW_SYNC_H
#define STRATA_SW_SYNC_H

#include "strata.h"

#define SW_SYNC		"/sys/kernel/debug/sync/sw_sync"
#define NO_SW_SYNC	"this kernel has no " SW_SYNC " (CONFIG_SW_SYNC)"

struct sw_sync_create_fence_data {
	uint32_t value;
	char name[32];
	int32_t fence;
};

#define SW_SYNC_IOC_CREATE_FENCE	_IOWR('W', 0, struct sw_sync_create_fence_data)
#define SW_SYNC_IOC_INC			_IOW('W', 1, uint32_t)

/* A timeline of its own; the negative errno where there are none. */
static inline int sw_sync_open(void)
{
	return result(open(SW_SYNC, O_RDWR | O_CLOEXEC));
}

/* The fence that is signalled when the timeline gets to @value. */
static inline int sw_sync_fence(int timeline, uint32_t value)
{
	struct sw_sync_create_fence_data data = { .value = value, .name = "strata" };
	int ret = result(ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, &data));

	return ret ?: data.fence;
}

static inline int sw_sync_inc(int timeline, uint32_t by)
{
	return result(ioctl(timeline, SW_SYNC_IOC_INC, &by));
}

#endif /* STRATA_SW_SYNC_H */
