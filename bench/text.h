/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is written to the files of the bench: a line of words.
 */
#ifndef STRATA_BENCH_TEXT_H
#define STRATA_BENCH_TEXT_H

#include <linux/errno.h>
#include <linux/types.h>
#include <linux/uaccess.h>

/* Makes a string of all that was written, if that fits into `size` bytes with its end. */
static inline int text_from_user(char *text, size_t size, const char __user *from, size_t len)
{
	if (len >= size)
		return -EINVAL;
	if (copy_from_user(text, from, len))
		return -EFAULT;
	text[len] = '\0';
	return 0;
}

#endif
