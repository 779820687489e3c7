// SPDX-License-Identifier: GPL-2.0

//! Two buffers are locked at once: two locks of one rank have no order.

use strata::{
    prelude::*,
    sync::ReclaimMutex, //
};

struct Buffer {
    pages: usize,
}

fn move_pages(
    cx: &mut Cx<'_, Process>,
    from: &ReclaimMutex<Buffer>,
    to: &ReclaimMutex<Buffer>,
    count: usize,
) {
    from.lock(cx, |from, cx| {
        to.lock(cx, |to, _| {
            //~^ ERROR E0277: a `ReclaimLock` context may not acquire `ReclaimLock`
            //~| NOTE `possible recursive locking detected` for a level taken twice
            from.pages -= count;
            to.pages += count;
        });
    });
}
