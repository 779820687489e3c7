// SPDX-License-Identifier: GPL-2.0

//! Not seen by the types: the kernel crate's own locks have no rank, and taking one changes no
//! token. Lockdep sees them, once both orders have happened.

use kernel::prelude::*;
use strata::{
    cx::Reclaim,
    prelude::*, //
};

fn scan(_cx: &mut Cx<'_, Reclaim>, table: &kernel::sync::Mutex<u32>) -> u32 {
    *table.lock()
}

fn fill(cx: &mut Cx<'_, Process>, table: &kernel::sync::Mutex<u32>) -> Result {
    let mut table = table.lock();
    *table = *cx.alloc(1)?;
    Ok(())
}

fn spin(cx: &mut Cx<'_, Process>, idle: &kernel::sync::SpinLock<u32>) -> Result {
    let mut idle = idle.lock();
    *idle = *cx.alloc(1)?;
    Ok(())
}
