// SPDX-License-Identifier: GPL-2.0

//! Not seen by the types: one class for a mutex and a spinlock. Lockdep would take them for one
//! lock.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::ReclaimLock,
    prelude::*,
    sync::{
        Mutex,
        ReclaimMutex,
        ReclaimSpinLock,
        SpinLock, //
    },
};

struct Locks {
    table: Arc<ReclaimMutex<u32>>,
    idle: Arc<ReclaimSpinLock<u32>>,
}

fn probe(cx: &mut Cx<'_, Process>) -> Result<Locks> {
    let class = strata::lock_class!(ReclaimLock, "pool");
    let table = Mutex::new(cx, class, 0);
    let idle = SpinLock::new(cx, class, 0);
    Ok(Locks {
        table: gfp::kernel(cx).arc_init(table)?,
        idle: gfp::kernel(cx).arc_init(idle)?,
    })
}
