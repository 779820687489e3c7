/* SPDX-License-Identifier: GPL-2.0 */
#ifndef STRATA_FIRE_INJECT_H
#define STRATA_FIRE_INJECT_H

#include <linux/types.h>

void strata_fire_fail(bool on);
void strata_fire_fail_nth(unsigned int n);
unsigned int strata_fire_nth_left(void);
void strata_fire_breathe(void);
void strata_fire_settle(void);

#endif /* STRATA_FIRE_INJECT_H */
