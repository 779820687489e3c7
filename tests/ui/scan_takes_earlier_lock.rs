// SPDX-License-Identifier: GPL-2.0

//! A shrinker takes a mutex under which the driver allocates. It may try it, but then it is still in
//! reclaim; and under a mutex of its own that it tries, it is that mutex's holder.

use core::marker::PhantomData;
use kernel::prelude::*;
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
        Shrinker, //
    },
    sync::{
        Mutex,
        ReclaimMutex, //
    },
};

strata::ranks! {
    after Process:
    /// What an ioctl holds while it allocates.
    Client,
}

struct Spare<O> {
    client: Mutex<KVec<usize>, Client>,
    pages: ReclaimMutex<usize>,
    owner: PhantomData<fn() -> O>,
}

impl<O: Owner> Shrinker for Spare<O> {
    type Owner = O;

    fn count(&self, cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        Count::from(self.client.lock(cx, |client, _| client.len()))
        //~^ ERROR E0277: a `Reclaim` context may not acquire `Client`
        //~| NOTE take it before this context is entered, use `try_lock`, or hand the work to a work item
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        _control: &mut ScanControl<'_>,
        _round: &mut Round<'_>,
    ) -> Scan {
        let freed = self.client.try_lock(cx, |client, cx| {
            let freed = client.len();
            gfp::kernel(cx).push(client, freed).map_or(0, |()| freed)
            //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
        });
        self.pages.try_lock(cx, |pages, cx| {
            *pages -= cx.alloc(freed).map_or(0, |_| 1);
            //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `Kernel`
            gfp::noio(cx).boxed(freed).is_ok()
            //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `NoIo`
        });
        freed.map_or(Scan::Stop, Scan::Freed)
    }
}
