/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the meter counts with: the processor's own counter, which is a number of
 * instructions where the virtual machine makes it one, and time elsewhere.
 */
#ifndef STRATA_BENCH_METER_H
#define STRATA_BENCH_METER_H

#include <linux/irqflags.h>
#include <linux/types.h>

struct dentry;

/* The counter, after all that came before. */
static __always_inline u64 meter_now(void)
{
	u32 low, high;

	asm volatile("lfence\n\trdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (u64)high << 32 | low;
}

/*
 * What an expression took, the counter's own reading included. Interrupts are
 * off: what is called here does not sleep, though it might.
 */
#define METER(expression) ({					\
	unsigned long __flags;					\
	u64 __start;						\
								\
	local_irq_save(__flags);				\
	__start = meter_now();					\
	expression;						\
	__start = meter_now() - __start;			\
	local_irq_restore(__flags);				\
	__start;						\
})

/* What reading the counter twice takes. */
static inline u64 meter_nothing(void)
{
	return METER(barrier());
}

void meter_call_add(struct dentry *dir);

#ifdef CONFIG_KPROBES
int meter_scan_add(struct dentry *dir);
void meter_scan_remove(void);
#else
static inline int meter_scan_add(struct dentry *dir)
{
	return 0;
}

static inline void meter_scan_remove(void)
{
}
#endif

#endif
