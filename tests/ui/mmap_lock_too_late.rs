// SPDX-License-Identifier: GPL-2.0

//! The mmap lock is taken where it is, or may be, held already: under a reservation, and in a
//! notifier, which runs under it.

use kernel::mm::MmWithUser;
use strata::{
    cx::{
        Notifier,
        ResvHeld, //
    },
    prelude::*, //
};

fn validate(cx: &mut Cx<'_, ResvHeld>, mm: &MmWithUser, address: usize) -> bool {
    cx.mmap_read(mm, |mm, _| mm.vma_lookup(address).is_some())
    //~^ ERROR E0277: a `ResvHeld` context may not acquire `MmapHeld`
}

fn invalidate(cx: &mut Cx<'_, Notifier>, mm: &MmWithUser, address: usize) -> bool {
    cx.mmap_read(mm, |mm, _| mm.vma_lookup(address).is_some())
    //~^ ERROR E0277: a `Notifier` context may not acquire `MmapHeld`
}
