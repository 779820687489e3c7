// SPDX-License-Identifier: GPL-2.0

//! A shrinker needs memory to free memory: a list of what there is when it counts, a note and a
//! table when it scans.

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
    sync::ReclaimMutex, //
};

struct Spare<O> {
    sizes: ReclaimMutex<KVec<usize>>,
    owner: PhantomData<fn() -> O>,
}

impl<O: Owner> Shrinker for Spare<O> {
    type Owner = O;

    fn count(&self, cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        let sizes = gfp::kernel(cx).vec::<usize>(64);
        //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
        Count::from(sizes.map_or(0, |sizes| sizes.capacity()))
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        _round: &mut Round<'_>,
    ) -> Scan {
        if cx.alloc(control.left()).is_err() {
            //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
            //~| NOTE at run time: lockdep reports fs_reclaim
            //~| NOTE allocate before this context is entered and pass the memory in, or use `gfp::nowait`
            return Scan::Stop;
        }
        let table = gfp::kernel(cx).large_vec::<u64>(1 << 16);
        //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
        drop(table);
        Scan::Freed(self.sizes.lock(cx, |sizes, _| sizes.pop().unwrap_or(0)))
    }
}
