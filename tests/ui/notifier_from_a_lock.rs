// SPDX-License-Identifier: GPL-2.0

//! The trigger that plays an mmu notifier maps and unmaps a page, so it is for process context
//! alone.

use strata::{
    cx::{
        MmapHeld,
        Reclaim, //
    },
    prelude::*, //
};

fn fault(cx: &mut Cx<'_, MmapHeld>) -> bool {
    cx.notifier(|_| ()).is_ok()
    //~^ ERROR E0599: no method named `notifier` found for mutable reference `&mut Cx<'_, MmapHeld>`
}

fn scan(cx: &mut Cx<'_, Reclaim>) -> bool {
    cx.notifier(|_| ()).is_ok()
    //~^ ERROR E0599: no method named `notifier` found for mutable reference `&mut Cx<'_, Reclaim>`
}
