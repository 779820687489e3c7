// SPDX-License-Identifier: GPL-2.0

//! A table grows under the lock that the shrinker takes too. The shrinker need never have run for
//! the compiler to object.

use kernel::prelude::*;
use strata::{
    prelude::*,
    sync::ReclaimMutex, //
};

struct Buffer {
    pages: usize,
}

fn add(cx: &mut Cx<'_, Process>, table: &ReclaimMutex<KVec<KBox<Buffer>>>, pages: usize) -> Result {
    table.lock(cx, |table, cx| {
        let buffer = cx.alloc(Buffer { pages })?;
        //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `Kernel`
        gfp::kernel(cx).push(table, buffer)?;
        //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `Kernel`
        Ok(())
    })
}
