// SPDX-License-Identifier: GPL-2.0

//! The permission to wait is kept for a later scan, or made up in a round that has none: a shrinker
//! would wait where nobody waits for memory, or without an end.

use core::marker::PhantomData;
use strata::{
    cx::Reclaim,
    dev::Owner,
    prelude::*,
    shrinker::{
        Count,
        CountControl,
        Round,
        Scan,
        ScanControl,
        Shrinker,
        WaitToken, //
    },
    sync::ReclaimMutex, //
};

struct Impatient<O>(PhantomData<fn() -> O>);

fn wait(_wait: &mut WaitToken<'_>) -> Scan {
    Scan::Stop
}

impl<O: Owner> Shrinker for Impatient<O> {
    type Owner = O;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        Count::Unknown
    }

    fn scan(
        &self,
        _cx: &mut Cx<'_, Reclaim>,
        _control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        match round {
            Round::Idle => wait(&mut WaitToken::new(&mut Default::default())),
            //~^ ERROR E0624: associated function `new` is private
            Round::Purge(_) => wait(&mut WaitToken { jiffies: u32::MAX }),
            //~^ ERROR cannot construct `WaitToken<'_>` with struct literal syntax due to private fields
            Round::Active(token) => wait(token),
            Round::WriteBack(_) => Scan::Stop,
        }
    }
}

struct Hoarder<O> {
    kept: ReclaimMutex<Option<WaitToken<'static>>>,
    owner: PhantomData<fn() -> O>,
}

impl<O: Owner> Shrinker for Hoarder<O> {
    //~^ ERROR E0277: `*mut ()` cannot be sent between threads safely
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
        if let Round::Active(token) = core::mem::replace(round, Round::Idle) {
            //~^ ERROR E0521: borrowed data escapes outside of method
            self.kept.lock(cx, |kept, _| *kept = Some(token));
        }
        Scan::Stop
    }
}
