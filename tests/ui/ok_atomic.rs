// SPDX-License-Identifier: GPL-2.0

//! Legal: what never sleeps, where nothing may: memory without waiting, other spinlocks, trylocks
//! of them, queueing a prepared item.

use strata::{
    dev::work,
    prelude::*,
    sync::{
        NotifierSpinLock,
        ReclaimSpinLock,
        SignalSpinLock, //
    },
};

struct Lists {
    idle: ReclaimSpinLock<u32>,
    stale: NotifierSpinLock<u32>,
    done: SignalSpinLock<u32>,
}

fn rotate<I: work::Item>(cx: &mut Cx<'_, Process>, lists: &Lists, item: work::Prepared<I>) {
    lists.idle.lock(cx, |idle, cx| {
        lists.stale.lock(cx, |stale, cx| {
            lists.done.lock(cx, |done, cx| {
                *idle = core::mem::take(stale) + core::mem::take(done);
                drop(gfp::atomic(cx).boxed(1));
                item.queue(cx);
            });
        });
        cx.signalling(|cx| drop(gfp::nowait(cx).boxed(1)));
    });
    lists.stale.lock(cx, |stale, cx| {
        lists
            .idle
            .try_lock(cx, |idle, _| core::mem::swap(idle, stale));
    });
}

fn poll(cx: &mut Cx<'_, Process>, lists: &Lists) -> u32 {
    cx.atomic(|cx| lists.idle.lock(cx, |idle, _| *idle))
}
