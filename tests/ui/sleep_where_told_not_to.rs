// SPDX-License-Identifier: GPL-2.0

//! A callback whose contract says that it must not block waits for a mutex, be it by trylock: its
//! unlock may still sleep.

use strata::{
    prelude::*,
    sync::ReclaimMutex, //
};

fn poll(cx: &mut Cx<'_, Process>, table: &ReclaimMutex<u32>) -> Option<u32> {
    cx.atomic(|cx| {
        table.lock(cx, |count, _| *count += 1);
        //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
        table.try_lock(cx, |count, _| *count)
        //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
    })
}
