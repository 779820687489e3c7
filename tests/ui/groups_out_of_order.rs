// SPDX-License-Identifier: GPL-2.0

//! A set whose groups do not stand in the order of their levels: its ranks would contradict them.

strata::ranks! {
    //~^ ERROR E0080: evaluation of constant value failed
    after ReclaimLock:
    pub(crate) Table;

    after Process:
    pub(crate) Config,
}
