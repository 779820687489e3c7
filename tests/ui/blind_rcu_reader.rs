// SPDX-License-Identifier: GPL-2.0

//! Not seen by the types: the kernel crate's RCU guard changes no token. Open it inside of
//! `Cx::atomic`, as the table's column does.

use kernel::{
    prelude::*,
    sync::rcu, //
};
use strata::prelude::*;

fn read(cx: &mut Cx<'_, Process>) -> Result<KBox<u32>> {
    let _reader = rcu::read_lock();
    Ok(cx.alloc(1)?)
}
