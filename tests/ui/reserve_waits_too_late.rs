// SPDX-License-Identifier: GPL-2.0

//! A signalling section, a shrinker and a spinlock's holder wait for an element of a reserve.

use strata::{
    cx::{
        Reclaim,
        Signalling, //
    },
    prelude::*,
    reserve::{
        Reserve,
        Reserved, //
    },
    sync::SignalSpinLock, //
};

fn in_section(cx: &mut Cx<'_, Signalling>, steps: &Reserve<u64>) -> Reserved<u64> {
    drop(steps.take(&mut gfp::kernel(cx), 1));
    //~^ ERROR E0277: a `Signalling` context may not allocate with class `Kernel`
    steps.take(&mut gfp::noio(cx), 2)
    //~^ ERROR E0277: a `Signalling` context may not allocate with class `NoIo`
}

fn in_reclaim(cx: &mut Cx<'_, Reclaim>, steps: &Reserve<u64>) -> Reserved<u64> {
    steps.take(&mut gfp::kernel(cx), 1)
    //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
}

fn under_spinlock(cx: &mut Cx<'_, Process>, last: &SignalSpinLock<u64>, steps: &Reserve<u64>) {
    last.lock(cx, |last, cx| *last = *steps.take(&mut gfp::noio(cx), 1));
    //~^ ERROR E0277: a `SignalLock` context may not allocate with class `NoIo`
    //~| ERROR E0277: this operation may sleep, but the context is `Atomic`
}

/// What does not wait may fail, and says so.
fn without_waiting(cx: &mut Cx<'_, Signalling>, steps: &Reserve<u64>) -> Reserved<u64> {
    steps.take(&mut gfp::nowait(cx), 1)
    //~^ ERROR E0277: class `NoWait` does not wait for memory
    //~| NOTE use the call that may fail: `try_take`
}
