// SPDX-License-Identifier: GPL-2.0

//! `GFP_NOFS` and `GFP_NOIO` under the lock that the shrinker takes: they still call shrinkers, and
//! lockdep does not know it.

use kernel::prelude::*;
use strata::{
    prelude::*,
    sync::ReclaimMutex, //
};

fn add(cx: &mut Cx<'_, Process>, table: &ReclaimMutex<KVec<u64>>, id: u64) -> Result {
    table.lock(cx, |table, cx| {
        gfp::nofs(cx).push(table, id)?;
        //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `NoFs`
        //~| NOTE `NoFs` under a lock that a shrinker takes is a hang that nothing reports
        gfp::noio(cx).push(table, id)?;
        //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `NoIo`
        cx.noio(|cx| gfp::noio(cx).push(table, id))?;
        //~^ ERROR E0277: a `ReclaimLock` context may not acquire `NoIo`
        Ok(())
    })
}
