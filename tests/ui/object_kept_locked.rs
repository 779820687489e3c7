// SPDX-License-Identifier: GPL-2.0

//! A locked object, or what it guards, leaves the closure that holds the lock: that of `lock()`, and
//! that of a walk.

use strata::{
    cx::{
        Reclaim,
        ReclaimLock, //
    },
    lru::{
        Cache,
        Item,
        Locked,
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

fn value<'a>(cx: &mut Cx<'_, Process>, buffer: &'a Object<Buffer>) -> &'a mut u64 {
    buffer.lock(cx, |buffer, _| &mut **buffer)
    //~^ ERROR lifetime may not live long enough
}

fn evict(cx: &mut Cx<'_, Reclaim>, control: &mut ScanControl<'_>, cache: &Cache<Buffer>) -> u64 {
    let mut last: Option<&mut Locked<'_, Buffer>> = None;
    cache.walk(cx, control, List::Idle, None, |buffer, _| {
        last = Some(buffer);
        //~^ ERROR E0521: borrowed data escapes outside of closure
        Verdict::Evicted
    });
    last.map_or(0, |buffer| **buffer)
}

fn unlocked(buffer: &Object<Buffer>) -> u64 {
    **buffer
    //~^ ERROR E0614: type `Object<Buffer>` cannot be dereferenced
}
