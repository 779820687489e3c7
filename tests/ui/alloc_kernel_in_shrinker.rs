// SPDX-License-Identifier: GPL-2.0

//! A shrinker allocates with `GFP_KERNEL`, to remember what it evicts.

use kernel::prelude::*;
use strata::{
    cx::Reclaim,
    prelude::*, //
};

struct Evicted {
    id: u64,
}

fn scan(cx: &mut Cx<'_, Reclaim>, log: &mut KVec<KBox<Evicted>>, id: u64) -> Result<usize> {
    let note = cx.alloc(Evicted { id })?;
    //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
    //~| NOTE this allocation may enter a level that the context already stands at or behind
    //~| NOTE `Kernel` acquires fs_reclaim: levels before Reclaim may
    //~| NOTE at run time: lockdep reports fs_reclaim
    //~| NOTE allocate before this context is entered and pass the memory in, or use `gfp::nowait`
    gfp::nowait(cx).push(log, note)?;
    Ok(1)
}
