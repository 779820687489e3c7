// SPDX-License-Identifier: GPL-2.0

//! A lock of an earlier rank is taken under one of a later rank, for each pair of the kernel's
//! levels; mutexes and spinlocks alike.

use strata::{
    prelude::*,
    sync::{
        NotifierMutex,
        NotifierSpinLock,
        ReclaimMutex,
        ReclaimSpinLock,
        SignalMutex,
        SignalSpinLock, //
    },
};

struct Device {
    buffers: ReclaimMutex<u32>,
    ranges: NotifierMutex<u32>,
    jobs: SignalMutex<u32>,
    free: ReclaimSpinLock<u32>,
    stale: NotifierSpinLock<u32>,
    done: SignalSpinLock<u32>,
}

fn notifier_then_reclaim(cx: &mut Cx<'_, Process>, device: &Device) {
    device.ranges.lock(cx, |_, cx| {
        device.buffers.lock(cx, |count, _| *count += 1);
        //~^ ERROR E0277: a `NotifierLock` context may not acquire `ReclaimLock`
        device.free.lock(cx, |count, _| *count += 1);
        //~^ ERROR E0277: a `NotifierLock` context may not acquire `ReclaimLock`
    });
}

fn signal_then_reclaim(cx: &mut Cx<'_, Process>, device: &Device) {
    device.jobs.lock(cx, |_, cx| {
        device.buffers.lock(cx, |count, _| *count += 1);
        //~^ ERROR E0277: a `SignalLock` context may not acquire `ReclaimLock`
    });
}

fn signal_then_notifier(cx: &mut Cx<'_, Process>, device: &Device) {
    device.jobs.lock(cx, |_, cx| {
        device.ranges.lock(cx, |count, _| *count += 1);
        //~^ ERROR E0277: a `SignalLock` context may not acquire `NotifierLock`
        device.stale.lock(cx, |count, _| *count += 1);
        //~^ ERROR E0277: a `SignalLock` context may not acquire `NotifierLock`
    });
}

fn spinlocks(cx: &mut Cx<'_, Process>, device: &Device) {
    device.done.lock(cx, |_, cx| {
        device.free.lock(cx, |count, _| *count += 1);
        //~^ ERROR E0277: a `SignalLock` context may not acquire `ReclaimLock`
    });
    device.stale.lock(cx, |_, cx| {
        device.free.lock(cx, |count, _| *count += 1);
        //~^ ERROR E0277: a `NotifierLock` context may not acquire `ReclaimLock`
    });
}
