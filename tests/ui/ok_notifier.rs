// SPDX-License-Identifier: GPL-2.0

//! Legal: an `invalidate` callback that takes its own lock, and allocates without waiting.

use kernel::prelude::*;
use strata::{
    cx::Notifier,
    prelude::*,
    sync::{
        NotifierMutex,
        SignalMutex, //
    },
};

fn invalidate(
    cx: &mut Cx<'_, Notifier>,
    ranges: &NotifierMutex<KVec<usize>>,
    stop: &SignalMutex<bool>,
    start: usize,
) -> Result {
    let spare = gfp::strongest(cx).vec(1)?;
    ranges.lock(cx, |ranges, cx| {
        if ranges.len() == ranges.capacity() {
            *ranges = spare;
        }
        ranges.push_within_capacity(start).map_err(|_| ENOMEM)?;
        stop.lock(cx, |stop, _| *stop = true);
        gfp::atomic(cx).push(ranges, start)?;
        Ok(())
    })
}

fn trigger(cx: &mut Cx<'_, Process>, ranges: &NotifierMutex<KVec<usize>>) -> Result {
    cx.notifier(|cx| ranges.lock(cx, |ranges, _| ranges.clear()))
}
