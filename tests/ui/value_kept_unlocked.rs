// SPDX-License-Identifier: GPL-2.0

//! A reference to what a lock guards is kept after the lock was released.

use kernel::prelude::*;
use strata::{
    prelude::*,
    sync::{
        ReclaimMutex,
        SignalSpinLock, //
    },
};

fn first<'a>(cx: &mut Cx<'_, Process>, table: &'a ReclaimMutex<KVec<u64>>) -> Option<&'a mut u64> {
    table.lock(cx, |table, _| table.first_mut())
    //~^ ERROR lifetime may not live long enough
}

fn count(cx: &mut Cx<'_, Process>, jobs: &SignalSpinLock<u64>) -> u64 {
    let mut kept = None;
    jobs.lock(cx, |count, _| kept = Some(count));
    //~^ ERROR E0521: borrowed data escapes outside of closure
    kept.map_or(0, |count| *count)
}
