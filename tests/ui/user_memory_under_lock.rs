// SPDX-License-Identifier: GPL-2.0

//! Results are copied to user space under a lock: with a reservation held, and with the shrinker's
//! lock held, since the fault may wait for the shrinker.

use kernel::prelude::*;
use strata::{
    cx::ResvHeld,
    dev::user::UserRange,
    prelude::*,
    sync::ReclaimMutex, //
};

fn under_reservation(cx: &mut Cx<'_, ResvHeld>, to: UserRange, size: u64) -> Result {
    to.write(cx, &size)
    //~^ ERROR E0277: a `ResvHeld` context may not acquire `MmapHeld`
}

fn under_mutex(cx: &mut Cx<'_, Process>, table: &ReclaimMutex<[u8; 64]>, to: UserRange) -> Result {
    table.lock(cx, |table, cx| to.write(cx, table))
    //~^ ERROR E0277: a `ReclaimLock` context may not acquire `MmapHeld`
}
