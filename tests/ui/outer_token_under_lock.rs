// SPDX-License-Identifier: GPL-2.0

//! The closure that holds a lock uses the token from outside of it, which would still allow
//! everything.

use strata::{
    prelude::*,
    sync::ReclaimMutex, //
};

fn fill(cx: &mut Cx<'_, Process>, table: &ReclaimMutex<u32>) {
    table.lock(cx, |count, _| {
        //~^ ERROR E0500: closure requires unique access to `*cx` but it is already borrowed
        //~| ERROR E0501: cannot borrow `*cx` as mutable because previous closure requires unique access
        if cx.alloc([0_u8; 64]).is_ok() {
            *count += 1;
        }
    });
}
