// SPDX-License-Identifier: GPL-2.0

//! A lock is created where telling lockdep of its rank would itself invert the order.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::{
        NotifierLock,
        Reclaim,
        ReclaimLock,
        ResvHeld,
        SignalLock, //
    },
    prelude::*,
    sync::{
        Mutex,
        NotifierMutex,
        ReclaimMutex,
        SignalMutex, //
    },
};

fn in_shrinker(cx: &mut Cx<'_, Reclaim>) -> Result<Arc<ReclaimMutex<u32>>> {
    let init = Mutex::new(cx, strata::lock_class!(ReclaimLock, "evicted"), 0);
    //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
    gfp::nofs(cx).arc_init(init)
    //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
}

fn under_lock(
    cx: &mut Cx<'_, Process>,
    ranges: &NotifierMutex<KVec<Arc<NotifierMutex<u32>>>>,
) -> Result {
    ranges.lock(cx, |_, cx| {
        let init = Mutex::new(cx, strata::lock_class!(NotifierLock, "range"), 0);
        //~^ ERROR E0277: a `NotifierLock` context may not acquire `MmapHeld`
        let range: Arc<NotifierMutex<u32>> = gfp::nowait(cx).arc_init(init)?;
        //~^ ERROR E0277: a `NotifierLock` context may not acquire `MmapHeld`
        drop(range);
        Ok(())
    })
}

fn under_signal_lock(cx: &mut Cx<'_, SignalLock>) -> Result<Arc<SignalMutex<u32>>> {
    let init = Mutex::new(cx, strata::lock_class!(SignalLock, "job"), 0);
    //~^ ERROR E0277: a `SignalLock` context may not acquire `Signalling`
    gfp::nowait(cx).arc_init(init)
    //~^ ERROR E0277: a `SignalLock` context may not acquire `Signalling`
}

fn under_a_reservation(cx: &mut Cx<'_, ResvHeld>) -> Result<Arc<NotifierMutex<u32>>> {
    // What primes it is a real notifier, which takes the mmap lock.
    let init = Mutex::new(cx, strata::lock_class!(NotifierLock, "range"), 0);
    //~^ ERROR E0277: a `ResvHeld` context may not acquire `MmapHeld`
    gfp::kernel(cx).arc_init(init)
    //~^ ERROR E0277: a `ResvHeld` context may not acquire `MmapHeld`
}
