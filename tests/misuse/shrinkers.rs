// SPDX-License-Identifier: GPL-2.0

//! Shrinkers with a mistake in them that the types do not see, and the ways to call them. A case that
//! is called after its scan registers the shrinker; another one, or the shell, then calls it.

use crate::{
    cases::{
        cases,
        forged,
        untokened,
        Case, //
    },
    live::Live,
};
use core::num::NonZeroUsize;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::Reclaim,
    prelude::*,
    shrinker::{
        self,
        Count,
        Prepared,
        Scan,
        ScanControl, //
    },
};

cases![
    live:
    scan_that_allocates,
    scan_that_needs_no_reclaim,
    scan_that_takes_foreign_lock,
    scan_that_tries_foreign_lock,
    scan_that_drops_its_shrinker,
    scan_that_prepares_shrinker,
    scan_that_reserves,
    scan_that_says_nothing,
    scan_that_frees_more,
    count_that_allocates,
    count_that_says_empty,
    count_that_says_unknown,
    evict,
    reserve_over_the_limit,
];

fn some(_live: &Live, _cx: &mut Cx<'_, Reclaim>) -> Count {
    NonZeroUsize::new(1000).map_or(Count::Empty, Count::Pages)
}

/// All that was asked for.
fn freed(control: &mut ScanControl<'_>) -> Scan {
    let pages = control.left();
    control.scanned(pages);
    Scan::Freed(pages)
}

/// `result` is that of an attempt, which must have been made; what it got is of no interest.
fn attempted<T, E>(result: core::result::Result<T, E>, control: &mut ScanControl<'_>) -> Scan {
    drop(result);
    freed(control)
}

fn scan_that_allocates(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    live.register(cx, some, |_, _, control| attempted(untokened(), control))
}

fn scan_that_needs_no_reclaim(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    live.register(cx, some, |_, cx, control| {
        attempted(gfp::nowait(cx).boxed(0u64), control)
    })
}

/// Allocates under the lock that the scan is going to take.
fn under_foreign_lock(live: &Live) -> Result {
    let _guard = live.foreign.lock();
    untokened()
}

fn scan_that_takes_foreign_lock(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    under_foreign_lock(live)?;
    live.register(cx, some, |live, _, control| {
        drop(live.foreign.lock());
        freed(control)
    })
}

fn scan_that_tries_foreign_lock(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    under_foreign_lock(live)?;
    live.register(cx, some, |live, _, control| {
        attempted(live.foreign.try_lock().ok_or(EBUSY), control)
    })
}

fn scan_that_drops_its_shrinker(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    live.register(cx, some, |live, _, control| {
        let registration = live.registration.lock().take();
        drop(registration);
        freed(control)
    })
}

fn scan_that_prepares_shrinker(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    live.register(cx, some, |_, cx, control| {
        attempted(
            forged(cx, |cx| Prepared::new(cx, c"strata_misuse_child")),
            control,
        )
    })
}

fn scan_that_reserves(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    live.register(cx, some, |live, cx, control| {
        // Far from the limit: nothing need be evicted for it.
        attempted(forged(cx, |cx| live.budget.reserve(cx, 1, live)), control)
    })
}

fn scan_that_says_nothing(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    live.register(cx, some, |_, _, _| Scan::Freed(0))
}

fn scan_that_frees_more(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    live.register(cx, some, |_, _, control| Scan::Freed(10 * control.left()))
}

fn count_that_allocates(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    let count = |live: &Live, cx: &mut Cx<'_, Reclaim>| match untokened() {
        Ok(()) => some(live, cx),
        Err(_) => Count::Unknown,
    };
    live.register(cx, count, |_, _, control| freed(control))
}

fn count_that_says_empty(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    live.register(cx, |_, _| Count::Empty, |_, _, control| freed(control))
}

fn count_that_says_unknown(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    live.register(cx, |_, _| Count::Unknown, |_, _, control| freed(control))
}

/// What a driver calls to make room.
fn evict(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    let before = live.calls();
    shrinker::evict(cx, &**live, 10);
    if live.calls() == before {
        return Err(EAGAIN);
    }
    Ok(())
}

/// A page limit that is reached, and calls the shrinker.
fn reserve_over_the_limit(cx: &mut Cx<'_, Process>, live: &Arc<Live>) -> Result {
    let before = live.calls();
    drop(
        live.budget
            .reserve(cx, live.budget.limits().soft() + 10, &**live)?,
    );
    if live.calls() == before {
        return Err(EAGAIN);
    }
    Ok(())
}
