// SPDX-License-Identifier: GPL-2.0

//! An ioctl walks a list itself, to evict what a process left behind: that is for shrinkers, and for
//! who plays one with `shrinker::evict()`.

use strata::{
    cx::ReclaimLock,
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
        Idle,
    }
}

struct Buffer;

impl Item for Buffer {
    type Rank = ReclaimLock;
    type List = List;
    type State = ();
}

fn trim(cx: &mut Cx<'_, Process>, control: &mut ScanControl<'_>, cache: &Cache<Buffer>) -> usize {
    cache.walk(cx, control, List::Idle, None, |_, _| Verdict::Evicted)
    //~^ ERROR E0308: mismatched types
}
