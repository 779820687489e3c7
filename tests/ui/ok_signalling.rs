// SPDX-License-Identifier: GPL-2.0

//! Legal: memory first, then the signalling section, and locks that such sections take in it;
//! sections nest, and are entered from everywhere else.

use kernel::prelude::*;
use strata::{
    cx::{
        Notifier,
        Reclaim,
        Signalling, //
    },
    prelude::*,
    sync::{
        ReclaimMutex,
        SignalMutex,
        SignalSpinLock, //
    },
};

struct Job {
    seqno: u64,
}

fn run(
    cx: &mut Cx<'_, Process>,
    queue: &SignalMutex<KVec<KBox<Job>>>,
    done: &SignalSpinLock<u64>,
) -> Result {
    let job = cx.alloc(Job { seqno: 1 })?;
    cx.signalling(|cx| {
        queue.lock(cx, |queue, cx| {
            queue.push_within_capacity(job).ok();
            drop(gfp::nowait(cx).boxed(1));
        });
        cx.signalling(|cx| done.lock(cx, |done, _| *done += 1));
    });
    Ok(())
}

fn try_others(cx: &mut Cx<'_, Signalling>, table: &ReclaimMutex<u32>) -> Option<u32> {
    table.try_lock(cx, |count, cx: &mut Cx<'_, Signalling>| {
        drop(gfp::nowait(cx).boxed(1));
        *count
    })
}

fn evict(cx: &mut Cx<'_, Reclaim>) -> usize {
    cx.signalling(|_| 1)
}

fn invalidate(cx: &mut Cx<'_, Notifier>) -> usize {
    cx.signalling(|_| 1)
}

fn on_signalled(cx: &mut Cx<'_, Signalling, Atomic>, done: &SignalSpinLock<u64>) {
    done.lock(cx, |done, _| *done += 1);
}
