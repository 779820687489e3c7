// SPDX-License-Identifier: GPL-2.0

//! A lock gets the class of another rank: lockdep would be told one order and the types another.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::NotifierLock,
    prelude::*,
    sync::ReclaimMutex, //
};

fn probe(cx: &mut Cx<'_, Process>) -> Result<Arc<ReclaimMutex<u32>>> {
    let class = strata::lock_class!(NotifierLock, "table");
    let init = ReclaimMutex::new(cx, class, 0);
    //~^ ERROR E0308: mismatched types
    //~| NOTE expected `&Class<ReclaimLock>`, found `&Class<NotifierLock>`
    gfp::kernel(cx).arc_init(init)
}
