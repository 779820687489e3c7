// SPDX-License-Identifier: GPL-2.0

#include <linux/workqueue.h>

#include "helpers.h"

void strata_helper_init_work(struct work_struct *work, void (*run)(struct work_struct *work))
{
	INIT_WORK(work, run);
}
