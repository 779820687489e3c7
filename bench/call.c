// SPDX-License-Identifier: GPL-2.0
/*
 * The meter's file `call`: hands a text to another file of debugfs, and counts
 * what that file's write operation took.
 *
 *   write "FILE TEXT", read what it took
 *
 * its file `settle`, which is read to wait for what is freed later, and its file
 * `now`, the counter, for what is done beside a call.
 *
 * FILE is opened before, and a failure to write is this write's failure. The
 * text goes on as it came, in the memory of the task that writes.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "meter.h"
#include "text.h"

#define LONGEST 128

/* One measurement at a time; protects `latest`. */
static DEFINE_MUTEX(calling_lock);
static u64 latest;

/* What others gave up is free again, so that the same call finds the same. */
static void settle(void)
{
	rcu_barrier();
	kvfree_rcu_barrier();
}

static int call(struct file *file, const char __user *text, size_t len)
{
	ssize_t written = 0;
	loff_t pos = 0;
	u64 counted;

	if (!file->f_op->write)
		return -EINVAL;
	mutex_lock(&calling_lock);
	settle();
	counted = METER(written = file->f_op->write(file, text, len, &pos));
	latest = counted - meter_nothing();
	mutex_unlock(&calling_lock);
	return written < 0 ? written : 0;
}

static ssize_t call_write(struct file *self, const char __user *from,
			  size_t len, loff_t *pos)
{
	char text[LONGEST], *rest = text, *name;
	struct file *file;
	int err;

	err = text_from_user(text, sizeof(text), from, len);
	if (err)
		return err;

	name = strsep(&rest, " ");
	if (!rest)
		return -EINVAL;
	file = filp_open(name, O_WRONLY, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = call(file, from + (rest - text), len - (rest - text));
	filp_close(file, NULL);
	return err ?: len;
}

static int call_show(struct seq_file *m, void *unused)
{
	u64 counted;

	mutex_lock(&calling_lock);
	counted = latest;
	mutex_unlock(&calling_lock);
	seq_printf(m, "%llu\n", counted);
	return 0;
}
DEFINE_SHOW_STORE_ATTRIBUTE(call);

static int settle_show(struct seq_file *m, void *unused)
{
	settle();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(settle);

static int now_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "%llu\n", meter_now());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(now);

void meter_call_add(struct dentry *dir)
{
	debugfs_create_file("call", 0600, dir, NULL, &call_fops);
	debugfs_create_file("settle", 0400, dir, NULL, &settle_fops);
	debugfs_create_file("now", 0400, dir, NULL, &now_fops);
}
