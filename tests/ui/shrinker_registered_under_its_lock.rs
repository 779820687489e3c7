// SPDX-License-Identifier: GPL-2.0

//! A shrinker is registered, and one is made, under the lock that its scan will take. Registering
//! allocates, and reclaim may want that lock.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    prelude::*,
    shrinker::{
        Prepared,
        Registration,
        Shrinker, //
    },
    sync::ReclaimMutex, //
};

fn start<T: Shrinker>(
    cx: &mut Cx<'_, Process>,
    slot: &ReclaimMutex<Option<Registration<T>>>,
    prepared: Prepared,
    pool: Arc<T>,
) {
    slot.lock(cx, |slot, cx| {
        *slot = Some(prepared.register(cx, pool));
        //~^ ERROR E0277: a `ReclaimLock` context may not acquire `Reclaim`
        //~| ERROR E0277: a `ReclaimLock` context may not allocate with class `Kernel`
    });
}

fn prepare(cx: &mut Cx<'_, Process>, slot: &ReclaimMutex<Option<Prepared>>) -> Result {
    slot.lock(cx, |slot, cx| {
        *slot = Some(Prepared::new(cx, c"pool")?);
        //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `Kernel`
        Ok(())
    })
}
