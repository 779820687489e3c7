// SPDX-License-Identifier: GPL-2.0

//! Legal: scopes nest inwards, and what is made inside comes out.

use kernel::prelude::*;
use strata::{
    cx::MmapHeld,
    prelude::*, //
};

fn nest(cx: &mut Cx<'_, Process>) -> Result<KBox<u32>> {
    cx.nofs(|cx| {
        let first = gfp::nofs(cx).boxed(1)?;
        let second = cx.noio(|cx| gfp::noio(cx).boxed(*first + 1))?;
        cx.signalling(|cx| cx.atomic(|cx| gfp::nowait(cx).boxed(*second + 1)))
            .map_err(Error::from)
    })
}

fn again(cx: &mut Cx<'_, Process>) -> Result<usize> {
    cx.nofs(|_| ());
    let node = cx.alloc(1)?;
    let freed = cx.reclaim(|cx| cx.noio(|_| 1));
    drop(node);
    Ok(freed)
}

fn fault(cx: &mut Cx<'_, MmapHeld>) -> Result<KBox<u32>> {
    let node = cx.alloc(1)?;
    cx.reclaim(|_| ());
    Ok(node)
}
