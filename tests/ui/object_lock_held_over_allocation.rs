// SPDX-License-Identifier: GPL-2.0

//! Memory is allocated under the lock of an object that the shrinker evicts: by the ioctl that fills
//! it, and by the walk that empties it.

use kernel::prelude::*;
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
    type State = KVec<u8>;
}

fn fill(cx: &mut Cx<'_, Process>, buffer: &Object<Buffer>) -> Result {
    buffer.lock(cx, |buffer, cx| {
        **buffer = gfp::kernel(cx).vec(4096)?;
        //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `Kernel`
        buffer.put_on(List::Idle, 1);
        Ok(())
    })
}

fn empty(cx: &mut Cx<'_, Reclaim>, control: &mut ScanControl<'_>, cache: &Cache<Buffer>) -> usize {
    cache.walk(cx, control, List::Idle, None, |buffer, cx| {
        match gfp::nofs(cx).vec(buffer.len()) {
            //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `NoFs`
            Ok(smaller) => **buffer = smaller,
            Err(_) => return Verdict::Kept,
        }
        Verdict::Evicted
    })
}
