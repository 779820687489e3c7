// SPDX-License-Identifier: GPL-2.0
/*
 * The meter's file `scan`: calls a module's shrinker as reclaim does, and counts
 * each call.
 *
 *   write "MODULE BATCH", read the result
 *
 * Modules that are measured are ordinary drivers and know nothing of this one:
 * a kprobe sees what they register. The shrinker is called for the node and the
 * cgroup of the task that writes.
 *
 * Lock order: running_lock, then registered_lock.
 */
#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "meter.h"
#include "text.h"

#define TARGETS 8

/* A shrinker, and the module that registered it. */
struct target {
	struct module *module;
	struct shrinker *shrinker;
};

/* Instructions of some calls of one kind. */
struct tally {
	u64 calls;
	u64 total;
	u64 least;
	u64 most;
};

struct result {
	struct tally counts;
	struct tally scans;
	u64 scanned;
	u64 freed;
};

/* Protects what follows it; a kprobe may not sleep. */
static DEFINE_SPINLOCK(registered_lock);
static struct target targets[TARGETS];
/* Modules are loaded one at a time here, each by one task. */
static struct module *loading;
static struct task_struct *loader;

/* One measurement at a time; protects `latest`. */
static DEFINE_MUTEX(running_lock);
static struct result latest;

static void tally_add(struct tally *tally, u64 counted)
{
	u64 spent = counted - meter_nothing();

	if (!tally->calls || spent < tally->least)
		tally->least = spent;
	tally->most = max(tally->most, spent);
	tally->total += spent;
	tally->calls++;
}

/* What do_shrink_slab() does, until everything was scanned once. */
static void shrink(struct shrinker *shrinker, unsigned long batch,
		   struct result *result)
{
	struct shrink_control sc = {
		.gfp_mask = GFP_KERNEL,
		.nid = numa_node_id(),
		.memcg = get_mem_cgroup_from_mm(current->mm),
	};
	unsigned long all = shrinker->count_objects(shrinker, &sc);
	unsigned long ret = all;

	if (all == SHRINK_EMPTY)
		all = 0;
	while (result->scanned < all) {
		sc.nr_to_scan = batch;
		sc.nr_scanned = batch;
		tally_add(&result->scans,
			  METER(ret = shrinker->scan_objects(shrinker, &sc)));
		if (ret == SHRINK_STOP)
			break;
		result->scanned += sc.nr_scanned;
		result->freed += ret;
		tally_add(&result->counts,
			  METER(ret = shrinker->count_objects(shrinker, &sc)));
	}
	mem_cgroup_put(sc.memcg);
}

/* The shrinker that `name` registered, with a reference to the module. */
static int find(const char *name, struct target *found)
{
	int err = -ENOENT;
	size_t i;

	spin_lock(&registered_lock);
	for (i = 0; i < TARGETS; i++) {
		if (targets[i].module && !strcmp(targets[i].module->name, name) &&
		    try_module_get(targets[i].module)) {
			*found = targets[i];
			err = 0;
			break;
		}
	}
	spin_unlock(&registered_lock);
	return err;
}

static int measure(const char *name, unsigned long batch)
{
	struct target target;
	unsigned int flags;
	int err;

	mutex_lock(&running_lock);
	err = find(name, &target);
	if (err)
		goto out;
	memset(&latest, 0, sizeof(latest));
	fs_reclaim_acquire(GFP_KERNEL);
	flags = memalloc_noreclaim_save();
	shrink(target.shrinker, batch, &latest);
	memalloc_noreclaim_restore(flags);
	fs_reclaim_release(GFP_KERNEL);
	module_put(target.module);
out:
	mutex_unlock(&running_lock);
	return err;
}

static ssize_t scan_write(struct file *file, const char __user *from,
			  size_t len, loff_t *pos)
{
	char text[MODULE_NAME_LEN + 24], *batch = text, *name;
	unsigned long number;
	int err;

	err = text_from_user(text, sizeof(text), from, len);
	if (err)
		return err;

	name = strsep(&batch, " ");
	if (!batch)
		return -EINVAL;
	err = kstrtoul(strim(batch), 10, &number);
	if (err)
		return err;
	if (!number)
		return -EINVAL;
	err = measure(name, number);
	return err ?: len;
}

static void tally_show(struct seq_file *m, const char *name,
		       const struct tally *tally)
{
	seq_printf(m, "%s %llu %llu %llu %llu\n", name, tally->calls,
		   tally->total, tally->least, tally->most);
}

static int scan_show(struct seq_file *m, void *unused)
{
	struct result result;

	mutex_lock(&running_lock);
	result = latest;
	mutex_unlock(&running_lock);
	tally_show(m, "counts", &result.counts);
	tally_show(m, "scans", &result.scans);
	seq_printf(m, "scanned %llu\n", result.scanned);
	seq_printf(m, "freed %llu\n", result.freed);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(scan);

/* Whoever registers a shrinker while a module is loaded by the same task is that module. */
static int on_register(struct kprobe *probe, struct pt_regs *regs)
{
	size_t i;

	spin_lock(&registered_lock);
	for (i = 0; loading && loader == current && i < TARGETS; i++) {
		if (!targets[i].module) {
			targets[i].module = loading;
			targets[i].shrinker = (void *)regs_get_kernel_argument(regs, 0);
			break;
		}
	}
	spin_unlock(&registered_lock);
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "shrinker_register",
	.pre_handler = on_register,
};

static int on_module(struct notifier_block *self, unsigned long state, void *data)
{
	size_t i;

	spin_lock(&registered_lock);
	if (state == MODULE_STATE_COMING) {
		loading = data;
		loader = current;
	} else if (loading == data) {
		loading = NULL;
	}
	for (i = 0; state == MODULE_STATE_GOING && i < TARGETS; i++)
		if (targets[i].module == data)
			targets[i].module = NULL;
	spin_unlock(&registered_lock);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = on_module };

int meter_scan_add(struct dentry *dir)
{
	int err;

	err = register_module_notifier(&notifier);
	if (err)
		return err;
	err = register_kprobe(&probe);
	if (err) {
		unregister_module_notifier(&notifier);
		return err;
	}
	debugfs_create_file("scan", 0600, dir, NULL, &scan_fops);
	return 0;
}

/* After the file is gone. */
void meter_scan_remove(void)
{
	unregister_kprobe(&probe);
	unregister_module_notifier(&notifier);
}
