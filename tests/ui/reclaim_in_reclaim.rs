// SPDX-License-Identifier: GPL-2.0

//! A shrinker calls the trigger that plays reclaim; and so does code that holds the shrinker's lock.

use strata::{
    cx::Reclaim,
    prelude::*,
    sync::ReclaimMutex, //
};

fn scan(cx: &mut Cx<'_, Reclaim>) -> usize {
    cx.reclaim(|_| 1)
    //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
}

fn make_room(cx: &mut Cx<'_, Process>, table: &ReclaimMutex<usize>) -> usize {
    table.lock(cx, |_, cx| cx.reclaim(|_| 1))
    //~^ ERROR E0277: a `ReclaimLock` context may not acquire `Reclaim`
}
