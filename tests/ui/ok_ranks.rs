// SPDX-License-Identifier: GPL-2.0

//! Legal: locks of one set of ranks nest in the order of the set, with ranks left out or not, and
//! between the kernel's levels where the set says that they stand.

use kernel::prelude::*;
use strata::{
    cx::{
        NoFs,
        Reclaim,
        ReclaimLock, //
    },
    prelude::*,
    sync::{
        Mutex,
        NotifierMutex,
        ReclaimMutex,
        SpinLock, //
    },
};

strata::ranks! {
    after ReclaimLock:
    /// The table of buffers.
    pub Table,
    /// One buffer.
    pub Buffer,
    /// Its pages.
    pub(crate) Page,
}

struct Pool {
    shrinker: ReclaimMutex<u32>,
    table: Mutex<KVec<u32>, Table>,
    buffer: Mutex<u32, Buffer>,
    pages: SpinLock<u32, Page>,
    ranges: NotifierMutex<u32>,
}

fn all<L: Before<ReclaimLock>>(cx: &mut Cx<'_, L>, pool: &Pool) -> Result {
    pool.shrinker.lock(cx, |_, cx| {
        pool.table.lock(cx, |table, cx| {
            gfp::nowait(cx).push(table, 1)?;
            pool.buffer.lock(cx, |buffer, cx| {
                pool.pages.lock(cx, |pages, _| *pages += 1);
                pool.ranges.lock(cx, |ranges, _| *ranges += *buffer);
            });
            pool.pages.lock(cx, |pages, _| *pages -= 1);
            Ok(())
        })
    })
}

fn from_everywhere(process: &mut Cx<'_, Process>, pool: &Pool) -> Result {
    all(process, pool)?;
    process.reclaim(|cx: &mut Cx<'_, Reclaim>| all(cx, pool))?;
    process.nofs(|cx: &mut Cx<'_, NoFs>| all(cx, pool))
}

fn try_backwards(cx: &mut Cx<'_, Process>, pool: &Pool) -> Option<u32> {
    pool.buffer.lock(cx, |buffer, cx| {
        pool.table.try_lock(cx, |table, cx: &mut Cx<'_, Buffer>| {
            table.pop();
            pool.pages.lock(cx, |pages, _| *pages + *buffer)
        })
    })
}

fn probe(cx: &mut Cx<'_, Process>) -> Result<Pin<KBox<Mutex<u32, Buffer>>>> {
    let init = Mutex::new(cx, strata::lock_class!(Buffer, "buffer"), 0);
    gfp::kernel(cx).boxed_init(init)
}
