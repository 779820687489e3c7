// SPDX-License-Identifier: GPL-2.0
/*
 * The files in debugfs that drivers have: one that its driver forgot would be
 * asked for its owner when that is gone.
 */

#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "helpers.h"

/**
 * struct strata_file - a file of a driver's
 * @link: its place among all of them
 * @owner: the driver's module
 * @dentry: the file, or NULL if its module went before it was removed
 * @dir: what is put when the file is removed
 */
struct strata_file {
	struct list_head link;
	struct module *owner;
	struct dentry *dentry;
	void *dir;
};

static LIST_HEAD(files);
/* Under it nothing else is taken: who removes a file waits for its readers. */
static DEFINE_MUTEX(files_lock);
static void (*put_dir)(void *dir);

static void remove_file(struct dentry *dentry, void *dir)
{
	/* Also for who is just opening it, and looks at the module. */
	debugfs_remove(dentry);
	if (dir)
		put_dir(dir);
}

/* Takes the file of @forgotten, which is one that @module left behind, or NULL. */
static struct dentry *take_forgotten(struct module *module, void **dir)
{
	struct strata_file *file;

	guard(mutex)(&files_lock);
	list_for_each_entry(file, &files, link) {
		struct dentry *dentry = file->dentry;

		if (file->owner != module || !dentry)
			continue;
		*dir = file->dir;
		file->dentry = NULL;
		file->dir = NULL;
		return dentry;
	}
	return NULL;
}

/*
 * Nobody has such a file open, since that holds the module, and nobody opens it
 * any more.  What it would have shown is not freed: whoever forgot it may still
 * have it.
 */
static int module_goes(struct notifier_block *block, unsigned long state, void *data)
{
	struct module *module = data;
	struct dentry *dentry;
	void *dir;

	if (state != MODULE_STATE_GOING)
		return NOTIFY_OK;
	while ((dentry = take_forgotten(module, &dir))) {
		pr_warn("%s: the debugfs file %pd was forgotten\n", module->name, dentry);
		remove_file(dentry, dir);
	}
	return NOTIFY_OK;
}

static struct notifier_block on_module = {
	.notifier_call = module_goes,
};

/**
 * strata_helper_files_start - look after files from here on
 * @put: called with the directory of each file when that was removed; may sleep
 *
 * Return: 0 or a negative errno; then there is nothing to stop.
 */
int strata_helper_files_start(void (*put)(void *dir))
{
	put_dir = put;
	return register_module_notifier(&on_module);
}

/* Frees what is left, which nobody looks for any more. */
void strata_helper_files_stop(void)
{
	struct strata_file *file, *next;

	unregister_module_notifier(&on_module);
	list_for_each_entry_safe(file, next, &files, link)
		kfree(file);
	INIT_LIST_HEAD(&files);
}

/**
 * strata_helper_file_note - look after a file that was made
 * @dentry: the file
 * @owner: the module whose code it calls
 * @dir: what is put after it was removed
 *
 * Context: Process context. Allocates with %GFP_KERNEL.
 *
 * Return: what strata_helper_file_remove() takes, or NULL: then the caller has
 * the file and the directory still.
 */
struct strata_file *strata_helper_file_note(struct dentry *dentry, struct module *owner, void *dir)
{
	struct strata_file *file = kmalloc_obj(*file);

	if (!file)
		return NULL;
	file->owner = owner;
	file->dentry = dentry;
	file->dir = dir;
	guard(mutex)(&files_lock);
	list_add(&file->link, &files);
	return file;
}

/**
 * strata_helper_file_remove - remove a file, unless its module went first
 * @file: what strata_helper_file_note() gave; it is freed
 *
 * Context: Process context. Waits for who reads or writes the file.
 */
void strata_helper_file_remove(struct strata_file *file)
{
	scoped_guard(mutex, &files_lock)
		list_del(&file->link);
	remove_file(file->dentry, file->dir);
	kfree(file);
}
