// SPDX-License-Identifier: GPL-2.0

//! What sleeps, under a spinlock: a mutex, a grace period, a flush, user memory.

use kernel::prelude::*;
use strata::{
    dev::{
        user::UserRange,
        work, //
    },
    prelude::*,
    sync::{
        synchronize_rcu,
        SignalMutex,
        SpinLock, //
    },
};

strata::ranks! { after Process: State }

fn stop(cx: &mut Cx<'_, Process>, state: &SpinLock<u32, State>, jobs: &SignalMutex<u32>) {
    state.lock(cx, |state, cx| {
        jobs.lock(cx, |jobs, _| *jobs = *state);
        //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
        //~| NOTE move the call before the spinlock or `atomic` section
        synchronize_rcu(cx);
        //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
        work::flush(cx);
        //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
    });
}

fn report(cx: &mut Cx<'_, Process>, state: &SpinLock<u32, State>, to: UserRange) -> Result {
    state.lock(cx, |state, cx| to.write(cx, state))
    //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
}
