// SPDX-License-Identifier: GPL-2.0

//! What the shrinker does to a buffer.

use super::{
    change,
    Buffer,
    Contents,
    List,
    State, //
};
use strata::{
    cx::{
        EnterFs,
        StartIo, //
    },
    lru::{
        Locked,
        Verdict, //
    },
    prelude::*, //
};

/// Throws the contents away that were given up.
pub(crate) fn purge(
    buffer: &mut Locked<'_, Buffer>,
    cx: &mut Cx<'_, Contents>,
    reach: EnterFs<'_>,
) -> Verdict {
    let item = buffer.item();
    if !item.memory.purge_in_reclaim(cx, reach) {
        return Verdict::Kept;
    }
    change(buffer, |_| (State::Purged, ()));
    buffer.purges += 1;
    for figures in &item.figures {
        figures.purge();
    }
    Verdict::Evicted
}

/// Lets go of pages that nobody has pinned. They can be swapped then.
pub(crate) fn let_go(buffer: &mut Locked<'_, Buffer>) -> Verdict {
    let count = buffer.item().memory.count();
    drop(change(buffer, |state| (State::Plain, state)));
    buffer.put_on(List::Unheld, count);
    Verdict::Evicted
}

/// Writes pages to swap that were let go. Counts them.
pub(crate) fn write_back(
    buffer: &mut Locked<'_, Buffer>,
    cx: &mut Cx<'_, Contents>,
    reach: StartIo<'_>,
    written: &mut usize,
) -> Verdict {
    let memory = &buffer.item().memory;
    let resident = memory.resident();
    let pages = memory.write_back(cx, reach);
    *written += pages;
    if pages < resident {
        // There is no room in swap, or it is mapped: that is for the kernel to look at.
        Verdict::Kept
    } else {
        Verdict::Evicted
    }
}
