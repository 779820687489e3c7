// SPDX-License-Identifier: GPL-2.0

//! A buffer is let go of while the kernel still looks into it.

use kernel::prelude::*;
use strata::{
    dma_buf::{
        DmaBuf,
        Importer,
        Pinned,
        ReadWrite, //
    },
    prelude::*,
};

fn look<I: Importer>(cx: &mut Cx<'_, Process>, buf: &DmaBuf, pinned: Pinned<'_, I>) -> Result {
    let map = pinned.vmap(cx)?;
    pinned.close(cx);
    //~^ ERROR E0505: cannot move out of `pinned` because it is borrowed
    buf.access(cx, ReadWrite, |access, _| map.contents(access)?.store(0, 1))?
}
