// SPDX-License-Identifier: GPL-2.0

//! A fence is published before the section: what fails then would leave its waiters behind.

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};
use strata::{
    fence::{
        Fence,
        Signaller,
        Timeline, //
    },
    prelude::*,
};

fn submit(cx: &mut Cx<'_, Process>, timeline: &Timeline) -> Result<(ARef<Fence>, Signaller)> {
    let prepared = timeline.prepare(&mut gfp::kernel(cx))?;
    Ok(prepared.publish(cx))
    //~^ ERROR E0308: mismatched types
}

fn allocate_in_between(cx: &mut Cx<'_, Process>, timeline: &Timeline) -> Result<KBox<u32>> {
    let prepared = timeline.prepare(&mut gfp::kernel(cx))?;
    cx.signalling(|cx| {
        let (_, signaller) = prepared.publish(cx);
        let job = cx.alloc(1)?;
        //~^ ERROR E0277: a `Signalling` context may not allocate with class `Kernel`
        signaller.signal(cx, Ok(()));
        Ok(job)
    })
}
