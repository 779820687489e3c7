// SPDX-License-Identifier: GPL-2.0

//! A signalling section is opened under a lock that such sections take.

use strata::{
    prelude::*,
    sync::SignalMutex, //
};

fn retire(cx: &mut Cx<'_, Process>, done: &SignalMutex<u64>) {
    done.lock(cx, |done, cx| {
        cx.signalling(|_| *done += 1);
        //~^ ERROR E0277: a `SignalLock` context may not acquire `Signalling`
    });
}
