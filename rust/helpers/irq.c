// SPDX-License-Identifier: GPL-2.0

#include <linux/spinlock.h>

#include "helpers.h"

unsigned long strata_helper_spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	return flags;
}

bool strata_helper_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags)
{
	return spin_trylock_irqsave(lock, *flags);
}

void strata_helper_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	spin_unlock_irqrestore(lock, flags);
}

void strata_helper_assert_spin_locked(spinlock_t *lock)
{
	lockdep_assert_held(lock);
}
