// SPDX-License-Identifier: GPL-2.0
/*
 * What strata_fire asks of fault injection, of the scheduler and of the slab:
 * fields of the running task that only C reaches, and a file of sysfs. That the
 * flags mean anything is for debugfs' failslab, which the test's runner sets up.
 */

#include <linux/err.h>
#include <linux/fault-inject.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "inject.h"

/* From here on, or no more: allocations of the task fail as failslab says. */
void strata_fire_fail(bool on)
{
#ifdef CONFIG_FAULT_INJECTION
	current->make_it_fail = on;
#endif
}

/* The n-th allocation from now on fails, once; none if that is 0. */
void strata_fire_fail_nth(unsigned int n)
{
#ifdef CONFIG_FAULT_INJECTION
	current->fail_nth = n;
#endif
}

/* How many allocations are left until one fails; 0 if it did, or none is to. */
unsigned int strata_fire_nth_left(void)
{
#ifdef CONFIG_FAULT_INJECTION
	return current->fail_nth;
#else
	return 0;
#endif
}

/* Lets others run: a loop of commits is long. */
void strata_fire_breathe(void)
{
	cond_resched();
}

/* Waits until all nodes that trees let go of are free. */
void strata_fire_settle(void)
{
	kvfree_rcu_barrier();
}

/* What says how many nodes there are, in all trees and reservations of the machine. */
struct file *strata_fire_census_begin(void)
{
	return filp_open("/sys/kernel/slab/maple_node/objects", O_RDONLY, 0);
}

/* How many there are; below 0 if nobody knows. */
long strata_fire_census(struct file *file)
{
	char text[32] = {};
	loff_t start = 0;
	long count;

	if (kernel_read(file, text, sizeof(text) - 1, &start) < 0 ||
	    sscanf(text, "%ld", &count) != 1)
		return -EIO;
	return count;
}

void strata_fire_census_end(struct file *file)
{
	fput(file);
}
