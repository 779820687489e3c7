// SPDX-License-Identifier: GPL-2.0

//! What the tests of trees have in common: values that are counted, trees of every lock mode, and a
//! model to compare with.
//!
//! | file | suite |
//! |---|---|
//! | `cursor.rs` | `strata_maple_cursor`: cursors, against the same array |
//! | `gap.rs` | `strata_maple_gap`: gaps, against a map of all indices |
//! | `slot.rs` | `strata_maple_slot`: reserved slots |
//! | `whole.rs` | `strata_maple_whole`: draining and copying |
//! | `steps.rs` | `strata_maple_steps`: readers between whose steps the tree changes |
//! | `smoke.rs` | `strata_maple`: what is in a tree, and where |
//! | `stores.rs` | `strata_maple_stores`: stores over what is there |
//! | `locks.rs` | `strata_maple_locks`: who may use a tree |
//! | `fuzz.rs` | `strata_maple_fuzz`: random calls, compared with a flat array |
//! | `shapes.rs` | `strata_maple_shapes`: stores that change a tree's shape |
//! | `readers.rs` | `strata_maple_readers`: readers on other processors |
//!
//! `hold.rs`, `ledger.rs`, `model.rs`, `random.rs` and `rooms.rs` are of `tests/fire` too, and take
//! from here what that has in other places.

use super::{
    Cycle,
    Divide,
    Exclusive,
    External,
    FindsGaps,
    Gaps,
    Locked,
    MapleTree,
    Mode,
    Nodes,
    Plain,
    Range,
    Rcu,
    RcuBox,
    Retired,
    Room,
    Spin,
    Split,
    StoreError,
    TryClone,
    Value, //
};
use crate::{
    bindings,
    cx::{
        Cx,
        Process,
        SignalLock, //
    },
    gfp::{
        self,
        Allocate,
        Gfp,
        NoWait, //
    },
    lock_class,
    sync::Mutex, //
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
mod locks;
mod model;
mod random;
mod readers;
mod rooms;
mod shapes;
mod slot;
mod small;
mod smoke;
mod steps;
mod stores;
mod whole;

use self::ledger::{
    Boxed,
    Keeps,
    Token, //
};

/// The seed of a run that is to be seen again: what the log of that one names.
const AGAIN: Option<u32> = None;

/// What numbers a test begins with: another one at each run, which the log names.
fn seed() -> u32 {
    // SAFETY: It may be called everywhere.
    let seed = AGAIN.unwrap_or_else(|| unsafe { bindings::get_random_u32() });
    kernel::pr_info!("strata: maple tests: seed {seed:#x}\n");
    seed
}
