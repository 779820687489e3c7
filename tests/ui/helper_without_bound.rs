// SPDX-License-Identifier: GPL-2.0

//! A helper that is generic over its context does not say what it needs of it.

use kernel::prelude::*;
use strata::{
    prelude::*,
    sync::ReclaimMutex, //
};

fn node<L: Level, S: Sleep>(cx: &mut Cx<'_, L, S>) -> Result<KBox<u32>> {
    Ok(cx.alloc(1)?)
    //~^ ERROR E0277: a `L` context may not allocate with class `Kernel`
    //~| HELP consider further restricting type parameter `L` with trait `MayAlloc`
    //~| ERROR E0277: this operation may sleep, but the context is `S`
    //~| HELP consider further restricting type parameter `S` with trait `MaySleep`
}

fn count<L: Level>(cx: &mut Cx<'_, L>, table: &ReclaimMutex<u32>) -> u32 {
    table.lock(cx, |count, _| *count)
    //~^ ERROR E0277: a `L` context may not acquire `ReclaimLock`
    //~| HELP consider further restricting type parameter `L` with trait `Before`
}
