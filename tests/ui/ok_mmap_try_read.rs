// SPDX-License-Identifier: GPL-2.0

//! Legal: the mmap lock by trylock, wherever the task may sleep; the context is then the later of
//! the two.

use kernel::mm::MmWithUser;
use strata::{
    cx::{
        MmapHeld,
        Reclaim,
        Signalling, //
    },
    prelude::*, //
};

fn evict(cx: &mut Cx<'_, Reclaim>, mm: &MmWithUser, address: usize) -> bool {
    cx.mmap_try_read(mm, |mm, cx: &mut Cx<'_, Reclaim>| {
        drop(gfp::nofs(cx).boxed(1));
        mm.vma_lookup(address).is_some()
    })
    .unwrap_or(false)
}

fn look(cx: &mut Cx<'_, Process>, mm: &MmWithUser, address: usize) -> bool {
    cx.mmap_try_read(mm, |mm, cx: &mut Cx<'_, MmapHeld>| {
        drop(cx.alloc(1));
        mm.vma_lookup(address).is_some()
    })
    .unwrap_or(false)
}

fn signal(cx: &mut Cx<'_, Signalling>, mm: &MmWithUser) -> bool {
    cx.mmap_try_read(mm, |_, _: &mut Cx<'_, Signalling>| ())
        .is_some()
}
