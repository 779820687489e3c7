// SPDX-License-Identifier: GPL-2.0
/*
 * The meter of `make bench`: calls into the modules that are measured, and counts
 * each call.
 *
 *   /sys/kernel/debug/strata-bench/clock   what a loop of known length took
 *   /sys/kernel/debug/strata-bench/call    writes to another file, see call.c
 *   /sys/kernel/debug/strata-bench/settle  waits for what is freed later
 *   /sys/kernel/debug/strata-bench/scan    calls a shrinker, see scan.c
 *
 * The virtual machine has one processor and advances its time stamp counter by
 * one for each instruction (scripts/strata/bench.py), so that a difference of
 * two readings is a number of instructions. `clock` is how the host checks it.
 * In user-mode Linux it is the host's counter, and measures time.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "meter.h"

#define ROUNDS 1000000UL

static struct dentry *dir;

static int clock_show(struct seq_file *m, void *unused)
{
	unsigned long rounds = ROUNDS;
	u64 counted;

	counted = METER(asm volatile("1: dec %0\n\tjnz 1b" : "+r" (rounds)));
	seq_printf(m, "%lu %llu\n", 2 * ROUNDS, counted - meter_nothing());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(clock);

static int __init meter_init(void)
{
	int err;

	dir = debugfs_create_dir("strata-bench", NULL);
	err = meter_scan_add(dir);
	if (err) {
		debugfs_remove(dir);
		return err;
	}
	debugfs_create_file("clock", 0400, dir, NULL, &clock_fops);
	meter_call_add(dir);
	return 0;
}
module_init(meter_init);

static void __exit meter_exit(void)
{
	debugfs_remove(dir);
	meter_scan_remove();
}
module_exit(meter_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Bench: counts what calls take");
