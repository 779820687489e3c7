// SPDX-License-Identifier: GPL-2.0

//! Work items may allocate with `GFP_KERNEL`, so nothing that memory waits for may wait for them.

use strata::{
    cx::{
        Notifier,
        Reclaim,
        Signalling, //
    },
    dev::work,
    prelude::*, //
};

fn scan(cx: &mut Cx<'_, Reclaim>) {
    work::flush(cx);
    //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
}

fn invalidate(cx: &mut Cx<'_, Notifier>) {
    work::flush(cx);
    //~^ ERROR E0277: a `Notifier` context may not acquire `Reclaim`
}

fn signal(cx: &mut Cx<'_, Signalling>) {
    work::flush(cx);
    //~^ ERROR E0277: a `Signalling` context may not acquire `Reclaim`
    //~| NOTE hand the work to a work item
}
