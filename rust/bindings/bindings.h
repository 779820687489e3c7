/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads for the items of allow.txt. */
#include <linux/debugfs.h>
#include <linux/dma-fence.h>
#include <linux/lockdep.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/sync_file.h>
#include <linux/workqueue.h>

#include "../helpers/helpers.h"
