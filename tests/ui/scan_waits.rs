// SPDX-License-Identifier: GPL-2.0

//! A shrinker waits for those who may need memory before they are done: for work items, for RCU's
//! readers and for its callbacks. For an object that is in use it may wait, with a `WaitToken`.

use core::marker::PhantomData;
use strata::{
    cx::Reclaim,
    dev::{
        work,
        Owner, //
    },
    prelude::*,
    shrinker::{
        Count,
        CountControl,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
    sync::{
        rcu_barrier,
        synchronize_rcu, //
    },
};

struct Deferred<O>(PhantomData<fn() -> O>);

impl<O: Owner> Shrinker for Deferred<O> {
    type Owner = O;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        Count::Unknown
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        _control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        match round {
            Round::Purge(_) => work::flush(cx),
            //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
            Round::Idle => synchronize_rcu(cx),
            //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
            Round::Active(_) => rcu_barrier(cx),
            //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
            Round::WriteBack(_) => (),
        }
        Scan::Stop
    }
}
