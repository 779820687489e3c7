// SPDX-License-Identifier: GPL-2.0

//! A shrinker brings up another one, when it is first called. Registering allocates, and takes the
//! lock of all shrinkers over it.

use kernel::sync::Arc;
use strata::{
    cx::Reclaim,
    prelude::*,
    shrinker::{
        Count,
        CountControl,
        Prepared,
        Registration,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
    sync::ReclaimMutex, //
};

struct Parent<C: Shrinker> {
    child: Arc<C>,
    prepared: ReclaimMutex<Option<Prepared>>,
    registration: ReclaimMutex<Option<Registration<C>>>,
}

impl<C: Shrinker> Shrinker for Parent<C> {
    type Owner = C::Owner;

    fn count(&self, cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        if let Ok(prepared) = Prepared::new(cx, c"child") {
            //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
            self.prepared.lock(cx, |slot, _| *slot = Some(prepared));
        }
        Count::Unknown
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        _control: &mut ScanControl<'_>,
        _round: &mut Round<'_>,
    ) -> Scan {
        if let Some(prepared) = self.prepared.lock(cx, |slot, _| slot.take()) {
            let registration = prepared.register(cx, self.child.clone());
            //~^ ERROR E0277: a `Reclaim` context may not acquire `Reclaim`
            //~| ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
            self.registration
                .lock(cx, |slot, _| *slot = Some(registration));
        }
        Scan::Stop
    }
}
