// SPDX-License-Identifier: GPL-2.0
/*
 * The sequence of a VA space: readers that take no lock find out with it whether
 * what they read was there at one moment.
 */

#include <linux/maple_tree.h>
#include <linux/seqlock.h>

#include "helpers.h"

/*
 * One class for all: writers hold the lock of a tree, and take no other of these
 * while they write.
 */
static struct lock_class_key key;

/**
 * strata_helper_va_init - start a sequence
 * @sequence: what is initialised
 * @tree: whose own spinlock writers hold
 */
void strata_helper_va_init(seqcount_spinlock_t *sequence, struct maple_tree *tree)
{
	__seqcount_init(&sequence->seqcount, "strata:va", &key);
	__SEQ_LOCK(sequence->lock = &tree->ma_lock);
}

/* From here to the end, readers wait. */
void strata_helper_va_write_begin(seqcount_spinlock_t *sequence)
{
	write_seqcount_begin(sequence);
}

void strata_helper_va_write_end(seqcount_spinlock_t *sequence)
{
	write_seqcount_end(sequence);
}

unsigned int strata_helper_va_read_begin(const seqcount_spinlock_t *sequence)
{
	return read_seqcount_begin(sequence);
}

/* Whether anything was written since read_begin() returned @start. */
bool strata_helper_va_read_retry(const seqcount_spinlock_t *sequence, unsigned int start)
{
	return read_seqcount_retry(sequence, start);
}
