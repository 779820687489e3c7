// SPDX-License-Identifier: GPL-2.0

//! A lock is freed by its holder.

use kernel::prelude::*;
use strata::{
    prelude::*,
    resv::Resv,
    sync::ReclaimMutex, //
};

fn mutex(cx: &mut Cx<'_, Process>, table: Pin<KBox<ReclaimMutex<u32>>>) {
    table.lock(cx, |count, _| {
        //~^ ERROR E0505: cannot move out of `table` because it is borrowed
        drop(table);
        *count += 1;
    });
}

fn reservation(cx: &mut Cx<'_, Process>, buffer: Pin<KBox<Resv<u32>>>) {
    buffer.lock(cx, |_, count, _| {
        //~^ ERROR E0505: cannot move out of `buffer` because it is borrowed
        drop(buffer);
        *count += 1;
    });
}
