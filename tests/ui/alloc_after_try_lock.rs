// SPDX-License-Identifier: GPL-2.0

//! A trylock cannot deadlock, so the author forgets that its holder can.

use kernel::prelude::*;
use strata::{
    prelude::*,
    sync::ReclaimMutex, //
};

fn trim(cx: &mut Cx<'_, Process>, table: &ReclaimMutex<KVec<u64>>) -> Option<Result<KVec<u64>>> {
    table.try_lock(cx, |table, cx| {
        let mut copy = gfp::kernel(cx).vec(table.len())?;
        //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `Kernel`
        for id in table.drain_all() {
            copy.push_within_capacity(id).map_err(|_| ENOMEM)?;
        }
        Ok(copy)
    })
}
