// SPDX-License-Identifier: GPL-2.0

//! Two objects of one cache are locked at once, by an ioctl and by a walk: somebody else may lock
//! them the other way round.

use strata::{
    cx::{
        Reclaim,
        ReclaimLock, //
    },
    lru::{
        Cache,
        Item,
        Object,
        Verdict, //
    },
    prelude::*,
    shrinker::ScanControl,
};

strata::lru_lists! {
    enum List {
        Idle,
    }
}

struct Buffer;

impl Item for Buffer {
    type Rank = ReclaimLock;
    type List = List;
    type State = u64;
}

fn swap(cx: &mut Cx<'_, Process>, one: &Object<Buffer>, other: &Object<Buffer>) {
    one.lock(cx, |one, cx| {
        other.lock(cx, |other, _| core::mem::swap(&mut **one, &mut **other));
        //~^ ERROR E0277: a `ReclaimLock` context may not acquire `ReclaimLock`
    });
}

fn merge(
    cx: &mut Cx<'_, Reclaim>,
    control: &mut ScanControl<'_>,
    cache: &Cache<Buffer>,
    into: &Object<Buffer>,
) -> usize {
    cache.walk(cx, control, List::Idle, None, |buffer, cx| {
        let value = **buffer;
        into.lock(cx, |into, _| **into += value);
        //~^ ERROR E0277: a `ReclaimLock` context may not acquire `ReclaimLock`
        Verdict::Evicted
    })
}
