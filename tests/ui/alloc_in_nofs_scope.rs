// SPDX-License-Identifier: GPL-2.0

//! `GFP_KERNEL` by name in a NOFS scope: at run time the scope would weaken it in silence, and the
//! reader would be misled.

use kernel::prelude::*;
use strata::prelude::*;

fn journal(cx: &mut Cx<'_, Process>) -> Result<KBox<[u8; 64]>> {
    cx.nofs(|cx| {
        let record = gfp::nofs(cx).boxed([0; 64])?;
        drop(record);
        Ok(cx.alloc([0; 64])?)
        //~^ ERROR E0277: a `NoFs` context may not allocate with class `Kernel`
    })
}
