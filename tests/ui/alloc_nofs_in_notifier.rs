// SPDX-License-Identifier: GPL-2.0

//! An mmu notifier allocates with `GFP_NOFS`, which still waits for notifiers.

use kernel::prelude::*;
use strata::{
    cx::Notifier,
    prelude::*, //
};

struct Unmapped {
    start: usize,
    end: usize,
}

fn invalidate(
    cx: &mut Cx<'_, Notifier>,
    done: &mut KVec<Unmapped>,
    start: usize,
    end: usize,
) -> Result {
    gfp::nofs(cx).push(done, Unmapped { start, end })?;
    //~^ ERROR E0277: a `Notifier` context may not allocate with class `NoFs`
    //~| NOTE `NoFs` and `NoIo` still call shrinkers and mmu notifiers
    Ok(())
}
