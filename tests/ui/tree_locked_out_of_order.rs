// SPDX-License-Identifier: GPL-2.0

//! A tree's lock is taken out of its turn: where a later one is held, twice, by a notifier; and a tree
//! is made where lockdep cannot be told any more of its place.

use strata::{
    cx::{
        Notifier,
        Reclaim,
        ReclaimLock,
        SignalLock, //
    },
    maple::{
        MapleTree,
        Number,
        Spin, //
    },
    prelude::*,
    sync::NotifierMutex, //
};

type Jobs = MapleTree<Number>;
type Buffers = MapleTree<Number, Spin<ReclaimLock>>;

fn two_of_one_rank(cx: &mut Cx<'_, Process>, one: &Jobs, other: &Jobs) -> bool {
    one.lock(cx, |_, cx| other.lock(cx, |other, _| other.is_empty()))
    //~^ ERROR E0277: a `SignalLock` context may not acquire `SignalLock`
    //~| NOTE would invert the order
    //~| NOTE possible recursive locking detected
}

fn earlier_one(cx: &mut Cx<'_, Process>, jobs: &Jobs, buffers: &Buffers) -> bool {
    jobs.lock(cx, |_, cx| {
        buffers.lock(cx, |buffers, _| buffers.is_empty())
        //~^ ERROR E0277: a `SignalLock` context may not acquire `ReclaimLock`
    })
}

fn invalidate(cx: &mut Cx<'_, Notifier>, buffers: &Buffers) -> bool {
    buffers.lock(cx, |buffers, _| buffers.is_empty())
    //~^ ERROR E0277: a `Notifier` context may not acquire `ReclaimLock`
}

fn under_a_mutex(cx: &mut Cx<'_, Process>, mutex: &NotifierMutex<u64>, buffers: &Buffers) -> bool {
    mutex.lock(cx, |_, cx| {
        buffers.lock(cx, |buffers, _| buffers.is_empty())
        //~^ ERROR E0277: a `NotifierLock` context may not acquire `ReclaimLock`
    })
}

/// Trying is allowed, and leaves the task at the later level of the two.
fn tried(cx: &mut Cx<'_, Notifier>, buffers: &Buffers, mutex: &NotifierMutex<u64>) {
    buffers.try_lock(cx, |_, cx| mutex.lock(cx, |_, _| ()));
    //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
}

fn scan(cx: &mut Cx<'_, Reclaim>) {
    let class = strata::lock_class!(ReclaimLock, "buffers");
    let _ = Buffers::new(cx, class);
    //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
}

fn of_another_rank(cx: &mut Cx<'_, Process>) {
    let class = strata::lock_class!(ReclaimLock, "jobs");
    let _ = Jobs::new(cx, class);
    //~^ ERROR E0308: mismatched types
    //~| NOTE expected `&Class<SignalLock>`, found `&Class<ReclaimLock>`
}

fn under_a_spinlock(cx: &mut Cx<'_, Process>, jobs: &Jobs) {
    let class = strata::lock_class!(SignalLock, "jobs");
    jobs.lock(cx, |_, cx| {
        let _ = Jobs::new(cx, class);
        //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
        //~| ERROR E0277: a `SignalLock` context may not acquire `Signalling`
    });
}
