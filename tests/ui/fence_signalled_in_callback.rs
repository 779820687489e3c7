// SPDX-License-Identifier: GPL-2.0

//! The callback of one fence signals another, waits, and takes a lock that interrupts must not.

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};
use strata::{
    cx::{
        Atomic,
        FenceCallback, //
    },
    fence::{
        Fence,
        Signaller,
        Wake, //
    },
    prelude::*,
    sync::SignalSpinLock, //
};

fn called(
    cx: &mut Cx<'_, FenceCallback, Atomic>,
    other: ARef<Fence>,
    signaller: Signaller,
    jobs: &SignalSpinLock<u32>,
) {
    other.wait(cx, Wake::Done).ok();
    //~^ ERROR E0277: a `FenceCallback` context may not wait for a fence
    //~| ERROR E0277: this operation may sleep, but the context is `Atomic`
    jobs.lock(cx, |jobs, _| *jobs -= 1);
    //~^ ERROR E0277: a `FenceCallback` context may not acquire `SignalLock`
    signaller.signal(cx, Ok(()));
    //~^ ERROR E0308: mismatched types
}
