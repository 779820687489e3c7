// SPDX-License-Identifier: GPL-2.0

//! Permission to allocate is carried out of the context that gave it, or kept over a narrower one.

use kernel::prelude::*;
use strata::{
    prelude::*,
    sync::ReclaimMutex, //
};

fn keep(cx: &mut Cx<'_, Process>) {
    let mut gfp = cx.nofs(|cx| gfp::nofs(cx));
    //~^ ERROR lifetime may not live long enough
    let _ = gfp.boxed(1);
}

fn smuggle(cx: &mut Cx<'_, Process>, table: &ReclaimMutex<KVec<u32>>) -> Result {
    let mut gfp = gfp::kernel(cx);
    table.lock(cx, |table, _| gfp.push(table, 1))?;
    //~^ ERROR E0499: cannot borrow `*cx` as mutable more than once at a time
    Ok(())
}
