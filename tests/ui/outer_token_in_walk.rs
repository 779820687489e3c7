// SPDX-License-Identifier: GPL-2.0

//! The closure of a walk, which holds an object's lock, uses the shrinker's token and control: for an
//! allocation that only a shrinker without locks may do, and for a walk within the walk.

use kernel::prelude::*;
use strata::{
    cx::{
        Reclaim,
        ReclaimLock, //
    },
    lru::{
        Cache,
        Item,
        Verdict, //
    },
    prelude::*,
    shrinker::ScanControl,
};

strata::lru_lists! {
    enum List {
        Purgeable,
        Idle,
    }
}

struct Buffer;

impl Item for Buffer {
    type Rank = ReclaimLock;
    type List = List;
    type State = KVec<u8>;
}

fn shrink(cx: &mut Cx<'_, Reclaim>, control: &mut ScanControl<'_>, cache: &Cache<Buffer>) -> usize {
    cache.walk(cx, control, List::Idle, None, |buffer, _| {
        //~^ ERROR E0500: closure requires unique access to `*cx` but it is already borrowed
        //~| ERROR E0501: cannot borrow `*cx` as mutable because previous closure requires unique access
        match gfp::nofs(cx).vec(1) {
            Ok(smaller) => **buffer = smaller,
            Err(_) => return Verdict::Kept,
        }
        Verdict::Evicted
    })
}

fn all(cx: &mut Cx<'_, Reclaim>, control: &mut ScanControl<'_>, cache: &Cache<Buffer>) -> usize {
    cache.walk(cx, control, List::Idle, None, |_, cx| {
        cache.walk(cx, control, List::Purgeable, None, |_, _| Verdict::Evicted);
        //~^ ERROR E0308: mismatched types
        Verdict::Evicted
    })
}
