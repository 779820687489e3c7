// SPDX-License-Identifier: GPL-2.0

//! Legal: a shrinker that lives on what was allocated before, takes its own lock, and tries for the
//! ones that come before it.

use kernel::prelude::*;
use strata::{
    cx::Reclaim,
    dev::work,
    prelude::*,
    sync::{
        Mutex,
        ReclaimMutex,
        SignalSpinLock, //
    },
};

strata::ranks! {
    after Process:
    /// What an ioctl holds while it allocates.
    Client,
}

struct Buffer {
    pages: usize,
}

fn scan<I: work::Item>(
    cx: &mut Cx<'_, Reclaim>,
    table: &ReclaimMutex<KVec<Buffer>>,
    client: &Mutex<usize, Client>,
    idle: &SignalSpinLock<usize>,
    cleanup: work::Prepared<I>,
) -> Result<usize> {
    let freed = table.lock(cx, |table, cx| {
        idle.lock(cx, |idle, _| *idle = 0);
        table.pop().map_or(0, |buffer| buffer.pages)
    });
    client.try_lock(cx, |used, cx| {
        *used -= freed;
        drop(gfp::nowait(cx).boxed(freed));
    });
    cleanup.queue(cx);
    drop(gfp::nofs(cx).boxed(freed)?);
    Ok(freed)
}
