/* SPDX-License-Identifier: GPL-2.0 */
#ifndef STRATA_FIRE_INJECT_H
#define STRATA_FIRE_INJECT_H

#include <linux/types.h>

struct file;

void strata_fire_fail(bool on);
void strata_fire_fail_nth(unsigned int n);
unsigned int strata_fire_nth_left(void);
void strata_fire_breathe(void);
void strata_fire_settle(void);
struct file *strata_fire_census_begin(void);
long strata_fire_census(struct file *file);
void strata_fire_census_end(struct file *file);

#endif /* STRATA_FIRE_INJECT_H */
