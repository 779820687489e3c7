/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The workload `buffers`: who exports on the side of C.
 */
#ifndef STRATA_BENCH_BUFFERS_WORK_H
#define STRATA_BENCH_BUFFERS_WORK_H

#include <linux/types.h>

struct dma_buf;

/* A buffer of the twin: what our exporter is, written by hand. */
struct dma_buf *twin_export(size_t pages);

/* A buffer of the kernel's own system heap. */
struct dma_buf *heap_export(size_t pages);

#endif
