// SPDX-License-Identifier: GPL-2.0

//! A fence's callback, which runs with interrupts off, takes a mutex.

use strata::{
    cx::Signalling,
    prelude::*,
    sync::SignalMutex, //
};

fn on_signalled(cx: &mut Cx<'_, Signalling, Atomic>, done: &SignalMutex<u64>) {
    done.lock(cx, |done, _| *done += 1);
    //~^ ERROR E0277: this operation may sleep, but the context is `Atomic`
}
