// SPDX-License-Identifier: GPL-2.0

//! Inside of a trigger that plays reclaim, the author goes back to the token of the ioctl.

use strata::prelude::*;

fn drop_caches(cx: &mut Cx<'_, Process>) {
    cx.reclaim(|_| cx.alloc(1_u32).is_ok());
    //~^ ERROR E0500: closure requires unique access to `*cx` but it is already borrowed
    //~| ERROR E0501: cannot borrow `*cx` as mutable because previous closure requires unique access
    cx.signalling(|_| {
        //~^ ERROR E0500: closure requires unique access to `*cx` but it is already borrowed
        //~| ERROR E0501: cannot borrow `*cx` as mutable because previous closure requires unique access
        cx.nofs(|_| ());
    });
}
