// SPDX-License-Identifier: GPL-2.0
/*
 * The violation corpus: the files it is driven by.
 *
 *   /sys/kernel/debug/strata_corpus/cases   the names, one a line
 *   /sys/kernel/debug/strata_corpus/run     takes a name and runs that case
 *   /sys/kernel/debug/strata_corpus/calls   how often its callbacks have run
 *
 * There is no module exit: what a case leaves behind cannot be cleaned up.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "corpus.h"

static const struct corpus_case *const tables[] = {
	process_cases,
	mm_cases,
	scope_cases,
	rank_cases,
	resv_cases,
	dma_buf_cases,
	dma_buf_life_cases,
	importer_cases,
	reclaim_cases,
	shrinker_cases,
	notifier_cases,
	signalling_cases,
	callback_cases,
	atomic_cases,
	lifetime_cases,
	maple_cases,
};

atomic_t corpus_calls;

static const struct corpus_case *find_case(const char *name)
{
	const struct corpus_case *c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		for (c = tables[i]; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	return NULL;
}

static int run_case(const struct corpus_case *c)
{
	int err;

	if (c->story)
		return c->story();
	if (c->action->prepare) {
		err = c->action->prepare();
		if (err)
			return err;
	}
	err = c->context(c->action->run);
	if (!err && c->action->finish)
		c->action->finish();
	return err;
}

static ssize_t run_write(struct file *file, const char __user *from,
			 size_t len, loff_t *pos)
{
	const struct corpus_case *c;
	char name[64];
	int err;

	if (len >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, from, len))
		return -EFAULT;
	name[len] = '\0';

	c = find_case(strim(name));
	if (!c)
		return -ENOENT;
	err = run_case(c);
	return err ?: len;
}

static const struct file_operations run_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = run_write,
};

static int cases_show(struct seq_file *m, void *unused)
{
	const struct corpus_case *c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		for (c = tables[i]; c->name; c++)
			seq_printf(m, "%s\n", c->name);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cases);

static int __init corpus_init(void)
{
	struct dentry *dir;
	int err;

	corpus_waits_init();
	err = corpus_alloc_init();
	if (err)
		return err;
	err = corpus_ranks_init();
	if (err)
		return err;

	dir = debugfs_create_dir("strata_corpus", NULL);
	debugfs_create_file("cases", 0400, dir, NULL, &cases_fops);
	debugfs_create_file("run", 0200, dir, NULL, &run_fops);
	debugfs_create_atomic_t("calls", 0400, dir, &corpus_calls);
	return 0;
}
module_init(corpus_init);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Violations of the kernel's memory management rules, one at a time");
