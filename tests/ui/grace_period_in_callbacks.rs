// SPDX-License-Identifier: GPL-2.0

//! A grace period is waited for where its readers may be waiting for memory. Lockdep says nothing
//! about any of these.

use strata::{
    cx::{
        Notifier,
        Reclaim,
        Signalling, //
    },
    prelude::*,
    sync::synchronize_rcu, //
};

fn scan(cx: &mut Cx<'_, Reclaim>) {
    synchronize_rcu(cx);
    //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
}

fn invalidate(cx: &mut Cx<'_, Notifier>) {
    synchronize_rcu(cx);
    //~^ ERROR E0277: a `Notifier` context may not acquire `Reclaim`
}

fn signal(cx: &mut Cx<'_, Signalling>) {
    synchronize_rcu(cx);
    //~^ ERROR E0277: a `Signalling` context may not acquire `Reclaim`
}
