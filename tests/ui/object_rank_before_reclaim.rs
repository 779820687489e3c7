// SPDX-License-Identifier: GPL-2.0

//! The objects of a cache have a lock under which the driver allocates: a shrinker cannot walk them.

use kernel::prelude::*;
use strata::{
    cx::Reclaim,
    lru::{
        Cache,
        Item,
        Object,
        Verdict, //
    },
    prelude::*,
    shrinker::ScanControl,
};

strata::ranks! {
    after Process:
    /// The state of one buffer.
    Contents,
}

strata::lru_lists! {
    enum List {
        Idle,
    }
}

struct Buffer;

impl Item for Buffer {
    type Rank = Contents;
    type List = List;
    type State = KVec<u8>;
}

fn fill(cx: &mut Cx<'_, Process>, buffer: &Object<Buffer>) -> Result {
    buffer.lock(cx, |buffer, cx| {
        **buffer = gfp::kernel(cx).vec(4096)?;
        buffer.put_on(List::Idle, 1);
        Ok(())
    })
}

fn evict(cx: &mut Cx<'_, Reclaim>, control: &mut ScanControl<'_>, cache: &Cache<Buffer>) -> usize {
    cache.walk(cx, control, List::Idle, None, |buffer, _| {
        //~^ ERROR E0277: a `Reclaim` context may not acquire `Contents`
        **buffer = KVec::new();
        Verdict::Evicted
    })
}
