// SPDX-License-Identifier: GPL-2.0

#include <linux/jiffies.h>
#include <linux/workqueue.h>

#include "helpers.h"

void strata_helper_init_work(struct work_struct *work, void (*run)(struct work_struct *work))
{
	INIT_WORK(work, run);
}

void strata_helper_init_delayed_work(struct delayed_work *work,
				     void (*run)(struct work_struct *work))
{
	INIT_DELAYED_WORK(work, run);
}

void strata_helper_queue_delayed_work(struct workqueue_struct *queue, struct delayed_work *work,
				      unsigned long delay)
{
	queue_delayed_work(queue, work, delay);
}

void strata_helper_mod_delayed_work(struct workqueue_struct *queue, struct delayed_work *work,
				    unsigned long delay)
{
	mod_delayed_work(queue, work, delay);
}

unsigned long strata_helper_now_in_jiffies(void)
{
	return jiffies;
}
