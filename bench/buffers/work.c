// SPDX-License-Identifier: GPL-2.0
/*
 * The workload `buffers` in C: who exports buffers, and who imports them.
 *
 *   /sys/kernel/debug/strata-bench-buffers-SIDE/work
 *
 * SIDE is `C`, the twin of an exporter on Strata (twin.c), or `heap`, the kernel's
 * system heap. It takes one of
 *
 *   prepare PAGES 0   makes a buffer of so many pages
 *   share 0 0         the task that writes has it open as the number that is read
 *   take FD 0         a device has the buffer that the task has open as FD
 *   attach COUNT 0    attaches the device to it and detaches it, so many times
 *   map COUNT 0       locks it, maps it for the device and unmaps it
 *   vmap COUNT 0      locks it, maps it into the kernel and unmaps it
 *   access COUNT 0    hands it over to the CPU, and takes it back
 *   create COUNT 0    makes so many more buffers
 *   cold COUNT 0      as `vmap`, each of these once
 *   release COUNT 0   drops them
 *   drop 0 0          drops what was taken
 *   nothing 0 0       does nothing
 *   empty 0 0         drops all
 *
 * and shows the sum of what the last one saw: of the bytes that the device finds, or
 * of how often it was done.
 */
#include <linux/debugfs.h>
#include <linux/device/faux.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../text.h"
#include "work.h"

#define LONGEST 64
/* How many buffers there may be at once. */
#define MOST 512

/* One of the two, and what it has. */
struct side {
	const char *dir;
	struct dma_buf *(*export)(size_t pages);
	size_t pages;
	struct dma_buf *own;
	struct dma_buf *taken;
	struct dma_buf_attachment *at;
	struct dma_buf *made[MOST];
	size_t count;
	u64 sum;
};

/* Protects all sides. */
static DEFINE_MUTEX(working);
static struct faux_device *faux;
static struct device_dma_parameters parameters;

static struct side sides[] = {
	{ .dir = "strata-bench-buffers-C", .export = twin_export },
	{ .dir = "strata-bench-buffers-heap", .export = heap_export },
};
static struct dentry *dirs[ARRAY_SIZE(sides)];

/* Each mapping is new: there is nothing to be made void. */
static void invalidate(struct dma_buf_attachment *at)
{
}

static const struct dma_buf_attach_ops importer = {
	.invalidate_mappings = invalidate,
};

static void let_go(struct side *side)
{
	if (side->at)
		dma_buf_detach(side->taken, side->at);
	if (side->taken)
		dma_buf_put(side->taken);
	side->at = NULL;
	side->taken = NULL;
}

static int release(struct side *side, size_t count)
{
	for (; count && side->count; count--)
		dma_buf_put(side->made[--side->count]);
	return 0;
}

static int empty(struct side *side, size_t number)
{
	let_go(side);
	release(side, MOST);
	if (side->own)
		dma_buf_put(side->own);
	side->own = NULL;
	return 0;
}

static int prepare(struct side *side, size_t pages)
{
	struct dma_buf *buf;

	empty(side, 0);
	buf = side->export(pages);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	side->own = buf;
	side->pages = pages;
	return 0;
}

static int share(struct side *side, size_t number)
{
	int fd;

	if (!side->own)
		return -EINVAL;
	get_dma_buf(side->own);
	fd = dma_buf_fd(side->own, O_CLOEXEC);
	if (fd < 0) {
		dma_buf_put(side->own);
		return fd;
	}
	side->sum = fd;
	return 0;
}

static int take(struct side *side, size_t fd)
{
	struct dma_buf_attachment *at;
	struct dma_buf *buf;

	let_go(side);
	buf = dma_buf_get(fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	at = dma_buf_dynamic_attach(buf, &faux->dev, &importer, side);
	if (IS_ERR(at)) {
		dma_buf_put(buf);
		return PTR_ERR(at);
	}
	side->taken = buf;
	side->at = at;
	return 0;
}

/* An attachment keeps its buffer, and its device. */
static int attach(struct side *side, size_t count)
{
	for (; side->sum < count; side->sum++) {
		struct device *dev = get_device(&faux->dev);
		struct dma_buf_attachment *at;

		get_dma_buf(side->taken);
		at = dma_buf_dynamic_attach(side->taken, dev, &importer, side);
		if (!IS_ERR(at))
			dma_buf_detach(side->taken, at);
		dma_buf_put(side->taken);
		put_device(dev);
		if (IS_ERR(at))
			return PTR_ERR(at);
	}
	return 0;
}

static int map_locked(struct side *side)
{
	struct sg_table *table;
	struct scatterlist *sg;
	long left;
	int i;

	table = dma_buf_map_attachment(side->at, DMA_BIDIRECTIONAL);
	if (IS_ERR(table))
		return PTR_ERR(table);
	left = dma_resv_wait_timeout(side->taken->resv, DMA_RESV_USAGE_KERNEL, true,
				     MAX_SCHEDULE_TIMEOUT);
	if (left >= 0)
		for_each_sgtable_dma_sg(table, sg, i)
			side->sum += sg_dma_len(sg);
	dma_buf_unmap_attachment(side->at, table, DMA_BIDIRECTIONAL);
	return left < 0 ? left : 0;
}

static int map(struct side *side, size_t count)
{
	int err = 0;

	for (; count && !err; count--) {
		dma_resv_lock(side->taken->resv, NULL);
		err = map_locked(side);
		dma_resv_unlock(side->taken->resv);
	}
	return err;
}

static int vmap_one(struct side *side, struct dma_buf *buf)
{
	struct iosys_map map;
	int err;

	dma_resv_lock(buf->resv, NULL);
	err = dma_buf_vmap(buf, &map);
	if (!err)
		dma_buf_vunmap(buf, &map);
	dma_resv_unlock(buf->resv);
	side->sum++;
	return err;
}

static int vmap_taken(struct side *side, size_t count)
{
	int err = 0;

	for (; count && !err; count--)
		err = vmap_one(side, side->taken);
	return err;
}

static int cold(struct side *side, size_t count)
{
	size_t i;
	int err = 0;

	for (i = 0; i < count && i < side->count && !err; i++)
		err = vmap_one(side, side->made[i]);
	return err;
}

static int access_taken(struct side *side, size_t count)
{
	int err = 0;

	for (; side->sum < count && !err; side->sum++)
		err = dma_buf_begin_cpu_access(side->taken, DMA_FROM_DEVICE) ?:
		      dma_buf_end_cpu_access(side->taken, DMA_FROM_DEVICE);
	return err;
}

static int create(struct side *side, size_t count)
{
	for (; side->sum < count; side->sum++) {
		struct dma_buf *buf;

		if (side->count == MOST)
			return -ENOSPC;
		buf = side->export(side->pages);
		if (IS_ERR(buf))
			return PTR_ERR(buf);
		side->made[side->count++] = buf;
	}
	return 0;
}

static int drop(struct side *side, size_t number)
{
	let_go(side);
	return 0;
}

static int nothing(struct side *side, size_t count)
{
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct side *side, size_t number);
	/* Whether it needs a buffer that was taken. */
	bool taken;
} verbs[] = {
	{ "prepare", prepare },
	{ "share", share },
	{ "take", take },
	{ "attach", attach, true },
	{ "map", map, true },
	{ "vmap", vmap_taken, true },
	{ "access", access_taken, true },
	{ "create", create },
	{ "cold", cold },
	{ "release", release },
	{ "drop", drop },
	{ "nothing", nothing },
	{ "empty", empty },
};

static int command(struct side *side, const char *verb, size_t number)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verb, verbs[i].name))
			continue;
		if (verbs[i].taken && !side->taken)
			return -EINVAL;
		side->sum = 0;
		return verbs[i].run(side, number);
	}
	return -EINVAL;
}

static ssize_t work_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	struct seq_file *m = file->private_data;
	char text[LONGEST], verb[16];
	unsigned long number;
	int err;

	err = text_from_user(text, sizeof(text), from, len);
	if (err)
		return err;
	if (sscanf(text, "%15s %lu", verb, &number) != 2)
		return -EINVAL;
	mutex_lock(&working);
	err = command(m->private, verb, number);
	mutex_unlock(&working);
	return err ?: len;
}

static int work_show(struct seq_file *m, void *unused)
{
	struct side *side = m->private;
	u64 sum;

	mutex_lock(&working);
	sum = side->sum;
	mutex_unlock(&working);
	seq_printf(m, "%llu\n", sum);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(work);

static int make_device(void)
{
	faux = faux_device_create("strata-bench-buffers", NULL, NULL);
	if (!faux)
		return -ENODEV;
	faux->dev.dma_parms = &parameters;
	/* As large as what the system heap allocates in one piece. */
	dma_set_max_seg_size(&faux->dev, SZ_1M);
	return dma_coerce_mask_and_coherent(&faux->dev, DMA_BIT_MASK(64));
}

static int __init work_init(void)
{
	size_t i;
	int err;

	err = make_device();
	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(sides); i++) {
		dirs[i] = debugfs_create_dir(sides[i].dir, NULL);
		debugfs_create_file("work", 0600, dirs[i], &sides[i], &work_fops);
	}
	return 0;
}

/* Its own buffers keep the module: none is left here but those of others. */
static void __exit work_exit(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sides); i++) {
		debugfs_remove(dirs[i]);
		empty(&sides[i], 0);
	}
	faux_device_destroy(faux);
}

module_init(work_init);
module_exit(work_exit);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Bench: buffers that drivers share, in C");
