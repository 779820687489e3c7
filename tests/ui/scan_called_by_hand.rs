// SPDX-License-Identifier: GPL-2.0

//! A driver calls its own scan when it wants room, with a control and a round of its own making.
//! That is what `shrinker::evict()` is for: it goes into reclaim first, and keeps the accounts.

use strata::{
    prelude::*,
    shrinker::{
        Count,
        CountControl,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
};

fn make_room<T: Shrinker>(cx: &mut Cx<'_, Process>, pool: &T) -> Scan {
    cx.reclaim(|cx| {
        let mut control = ScanControl::default();
        //~^ ERROR E0599: no function or associated item named `default` found for struct `ScanControl`
        pool.scan(cx, &mut control, &mut Round::Idle)
    })
}

fn look<T: Shrinker>(cx: &mut Cx<'_, Process>, pool: &T, control: &CountControl<'_>) -> Count {
    pool.count(cx, control)
    //~^ ERROR E0308: mismatched types
}

fn throw_away<T: Shrinker>(
    cx: &mut Cx<'_, strata::cx::Reclaim>,
    pool: &T,
    control: &mut ScanControl<'_>,
) -> Scan {
    pool.scan(cx, control, &mut Round::Purge(Default::default()))
    //~^ ERROR E0277: the trait bound `EnterFs<'_>: Default` is not satisfied
}
