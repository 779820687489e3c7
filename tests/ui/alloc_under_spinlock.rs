// SPDX-License-Identifier: GPL-2.0

//! Memory that may sleep, under a spinlock. Its rank would allow `GFP_KERNEL`; that it spins does
//! not.

use kernel::prelude::*;
use strata::{
    prelude::*,
    sync::SpinLock, //
};

strata::ranks! { after ResvHeld: Counters }

struct Stats {
    names: KVec<u32>,
}

fn record(cx: &mut Cx<'_, Process>, stats: &SpinLock<Stats, Counters>, name: u32) -> Result {
    stats.lock(cx, |stats, cx| {
        gfp::nofs(cx).push(&mut stats.names, name)?;
        //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
        //~| NOTE sleeps in an atomic context
        //~| NOTE BUG: sleeping function called from invalid context
        //~| NOTE use what never sleeps: `gfp::nowait`, `gfp::atomic`, `try_lock`
        drop(cx.alloc(name)?);
        //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
        Ok(())
    })
}
