// SPDX-License-Identifier: GPL-2.0

//! A shrinker that may wait does so under a spinlock, and in a section that others wait for.

use strata::{
    cx::Reclaim,
    prelude::*,
    shrinker::WaitToken,
    sync::ReclaimSpinLock, //
};

fn scan(cx: &mut Cx<'_, Reclaim>, wait: &mut WaitToken<'_>, idle: &ReclaimSpinLock<bool>) -> bool {
    idle.lock(cx, |idle, cx| wait.until(cx, || *idle))
    //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
}

fn finish(cx: &mut Cx<'_, Reclaim>, wait: &mut WaitToken<'_>) -> bool {
    cx.signalling(|cx| wait.until(cx, || true))
    //~^ ERROR E0277: a `Signalling` context may not acquire `FenceWait`
}
