// SPDX-License-Identifier: GPL-2.0
/*
 * What RCU readers may still see: it waits here for the end of their grace
 * period, and is destroyed by a worker, since destructors may sleep.
 */

#include <linux/llist.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include "helpers.h"

static LLIST_HEAD(retired);
static struct workqueue_struct *queue;

static void destroy_retired(struct work_struct *work)
{
	struct strata_retired *object, *next;
	struct llist_node *all;

	/* A destructor may retire more: who waits for this waits for that too. */
	while ((all = llist_del_all(&retired))) {
		synchronize_rcu();
		llist_for_each_entry_safe(object, next, all, link)
			object->destroy(object);
	}
}

static DECLARE_WORK(destroyer, destroy_retired);

/*
 * Destructors are code of the modules that retired something.  Their trees wait
 * for them, but a tree may be forgotten: what is left when a module is done with
 * its exit is destroyed while its code is there.
 */
static int module_goes(struct notifier_block *block, unsigned long state, void *module)
{
	if (state == MODULE_STATE_GOING)
		flush_work(&destroyer);
	return NOTIFY_OK;
}

static struct notifier_block on_module = {
	.notifier_call = module_goes,
};

/**
 * strata_helper_retire_start - make the queue
 *
 * Return: 0 or a negative errno; then there is nothing to stop.
 */
int strata_helper_retire_start(void)
{
	int ret;

	/* What waits here is memory. */
	queue = alloc_workqueue("strata_retire", WQ_UNBOUND | WQ_MEM_RECLAIM, 1);
	if (!queue)
		return -ENOMEM;
	ret = register_module_notifier(&on_module);
	if (ret)
		destroy_workqueue(queue);
	return ret;
}

/* Destroys what is left, and the queue. */
void strata_helper_retire_stop(void)
{
	unregister_module_notifier(&on_module);
	destroy_workqueue(queue);
}

/**
 * strata_helper_retire - destroy an object when no reader of now can see it
 * @object: what no reader that comes later can find
 *
 * Context: Any. Allocates nothing.
 */
void strata_helper_retire(struct strata_retired *object)
{
	llist_add(&object->link, &retired);
	queue_work(queue, &destroyer);
}

/**
 * strata_helper_retire_flush - wait until all that was retired is destroyed
 *
 * In the destructor of a retired object it returns at once: what is left is
 * destroyed after it, and who waits for that waits for the destructor as well.
 *
 * Context: May sleep.
 */
void strata_helper_retire_flush(void)
{
	if (current_work() != &destroyer)
		flush_work(&destroyer);
}
