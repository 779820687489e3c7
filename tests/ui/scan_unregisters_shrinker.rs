// SPDX-License-Identifier: GPL-2.0

//! A shrinker that has nothing left unregisters another one, and then itself. Both wait for all
//! calls to end: its own among them, for ever.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::Reclaim,
    dev::Owner,
    prelude::*,
    shrinker::{
        Count,
        CountControl,
        Registration,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
    sync::ReclaimMutex, //
};

struct Spare<O: Owner> {
    itself: ReclaimMutex<Option<Registration<Spare<O>>>>,
    other: ReclaimMutex<Option<Registration<Spare<O>>>>,
}

impl<O: Owner> Shrinker for Spare<O> {
    type Owner = O;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        Count::Empty
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        _control: &mut ScanControl<'_>,
        _round: &mut Round<'_>,
    ) -> Scan {
        if let Some(other) = self.other.lock(cx, |slot, _| slot.take()) {
            other.unregister(cx);
            //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
        }
        if let Some(itself) = self.itself.lock(cx, |slot, _| slot.take()) {
            itself.unregister(cx);
            //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
        }
        Scan::Stop
    }
}

fn remove<O: Owner>(spare: &Arc<Spare<O>>, cx: &mut Cx<'_, Process>) {
    spare.itself.lock(cx, |slot, cx| {
        if let Some(itself) = slot.take() {
            itself.unregister(cx);
            //~^ ERROR E0277: a `ReclaimLock` context may not acquire `Reclaim`
        }
    });
}
