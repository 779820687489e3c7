// SPDX-License-Identifier: GPL-2.0

//! What the tests of trees have in common: values that are counted, trees of every lock mode, and a
//! model to compare with.
//!
//! | file | suite |
//! |---|---|
//! | `cursor.rs` | `strata_maple_cursor`: cursors, against a list of all values |
//! | `gap.rs` | `strata_maple_gap`: gaps, against a map of all indices |
//! | `slot.rs` | `strata_maple_slot`: reserved slots |
//! | `whole.rs` | `strata_maple_whole`: draining and copying |
//! | `steps.rs` | `strata_maple_steps`: readers between whose steps the tree changes |
//! | `smoke.rs` | `strata_maple`: each call once |
//! | `fuzz.rs` | `strata_maple_fuzz`: random calls, compared with a flat array |
//! | `shapes.rs` | `strata_maple_shapes`: stores that change a tree's shape |
//! | `readers.rs` | `strata_maple_readers`: readers on other processors |
//!
//! `ledger.rs`, `model.rs` and `random.rs` are of `tests/fire` too, and take from here what that has
//! in other places.

use super::{
    Divide,
    Gaps,
    Mode,
    Plain,
    Range,
    Rcu,
    RcuBox,
    Retired,
    Split,
    Value, //
};
use crate::{
    bindings,
    cx::{
        Cx,
        Process, //
    },
    gfp::{
        self,
        Allocate,
        Gfp, //
    },
};

/// Says what is wrong, and that the test failed.
macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            pr_err!($($what)+);
            return Err(EINVAL);
        }
    };
}

mod checked;
mod cursor;
mod fuzz;
mod gap;
mod hold;
mod ledger;
mod model;
mod random;
mod readers;
mod shapes;
mod slot;
mod smoke;
mod steps;
mod whole;

/// What numbers a test begins with: another one at each run, which the log names.
fn seed() -> u32 {
    // SAFETY: It may be called everywhere.
    let seed = unsafe { bindings::get_random_u32() };
    kernel::pr_info!("strata: maple tests: seed {seed:#x}\n");
    seed
}
