// SPDX-License-Identifier: GPL-2.0
/*
 * The sequences of a VA space: readers that take no lock find out with them
 * whether what they read was there at one moment.
 *
 * A reader waits for a commit that is under way, so it must not be in an
 * interrupt which that was interrupted by.  A commit may take long: it may be of
 * many requests, of which each but the first walks over what it displaces.  Each
 * change to the tree takes a few stores, whatever it displaces, and is made with
 * interrupts off; readers in an interrupt wait for those alone.
 */

#include <linux/irqflags.h>
#include <linux/maple_tree.h>
#include <linux/preempt.h>
#include <linux/seqlock.h>

#include "helpers.h"

/*
 * One class for all of each: writers hold the lock of a tree, and take no other
 * of these while they write.
 */
static struct lock_class_key commit_key, store_key;

/* Whether who runs may have interrupted a commit. A timer's callback may as well. */
static __always_inline bool interrupts(void)
{
	return in_hardirq() || in_serving_softirq();
}

/**
 * strata_helper_va_init - start the sequences of a space
 * @sequence: what is initialised
 * @tree: whose own spinlock writers hold
 */
void strata_helper_va_init(struct strata_va_sequence *sequence, struct maple_tree *tree)
{
	__seqcount_init(&sequence->commit.seqcount, "strata:va", &commit_key);
	__SEQ_LOCK(sequence->commit.lock = &tree->ma_lock);
	__seqcount_init(&sequence->store.seqcount, "strata:va:store", &store_key);
	__SEQ_LOCK(sequence->store.lock = &tree->ma_lock);
}

/* From here to the end, readers wait that are in no interrupt. */
void strata_helper_va_write_begin(struct strata_va_sequence *sequence)
{
	write_seqcount_begin(&sequence->commit);
}

void strata_helper_va_write_end(struct strata_va_sequence *sequence)
{
	write_seqcount_end(&sequence->commit);
}

/**
 * strata_helper_va_store_begin - from here to the end, all readers wait
 * @sequence: of which write_begin() was called
 *
 * Return: what store_end() is to be given.
 */
unsigned long strata_helper_va_store_begin(struct strata_va_sequence *sequence)
{
	unsigned long flags;

	local_irq_save(flags);
	write_seqcount_begin(&sequence->store);
	return flags;
}

void strata_helper_va_store_end(struct strata_va_sequence *sequence, unsigned long flags)
{
	write_seqcount_end(&sequence->store);
	local_irq_restore(flags);
}

/**
 * strata_helper_va_read_begin - wait until nothing is written
 * @sequence: of the space that is read
 *
 * Context: Any but an NMI.
 *
 * Return: the moment, for read_retry() in the same context.
 */
unsigned int strata_helper_va_read_begin(const struct strata_va_sequence *sequence)
{
	if (unlikely(interrupts()))
		return read_seqcount_begin(&sequence->store);
	return read_seqcount_begin(&sequence->commit);
}

/* Whether anything was written since read_begin() returned @start. */
bool strata_helper_va_read_retry(const struct strata_va_sequence *sequence, unsigned int start)
{
	if (unlikely(interrupts()))
		return read_seqcount_retry(&sequence->store, start);
	return read_seqcount_retry(&sequence->commit, start);
}
