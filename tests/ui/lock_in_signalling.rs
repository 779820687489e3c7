// SPDX-License-Identifier: GPL-2.0

//! A completion handler takes locks that are held elsewhere while memory is waited for.

use strata::{
    prelude::*,
    sync::{
        NotifierMutex,
        ReclaimMutex, //
    },
};

struct Queue {
    buffers: ReclaimMutex<u32>,
    ranges: NotifierMutex<u32>,
}

fn complete(cx: &mut Cx<'_, Process>, queue: &Queue) {
    cx.signalling(|cx| {
        queue.buffers.lock(cx, |busy, _| *busy -= 1);
        //~^ ERROR E0277: a `Signalling` context may not acquire `ReclaimLock`
        //~| NOTE nothing but SignalLock, FenceCallback and IrqLock may follow Signalling
        //~| NOTE possible circular locking dependency detected
        queue.ranges.lock(cx, |busy, _| *busy -= 1);
        //~^ ERROR E0277: a `Signalling` context may not acquire `NotifierLock`
    });
}
