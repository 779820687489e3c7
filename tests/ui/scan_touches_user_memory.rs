// SPDX-License-Identifier: GPL-2.0

//! A shrinker looks into the process that owns what it frees: at its memory map, and at the hints
//! that it left in its memory.

use core::marker::PhantomData;
use kernel::{
    mm::MmWithUser,
    prelude::*,
    sync::aref::ARef, //
};
use strata::{
    cx::Reclaim,
    dev::{
        user::UserRange,
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
};

struct Mapped<O> {
    mm: ARef<MmWithUser>,
    address: usize,
    hints: UserRange,
    owner: PhantomData<fn() -> O>,
}

impl<O: Owner> Shrinker for Mapped<O> {
    type Owner = O;

    fn count(&self, cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        let hint = self.hints.read::<u64, _, _>(cx);
        //~^ ERROR E0277: a `Reclaim` context may not acquire `MmapHeld`
        Count::from(hint.unwrap_or(0) as usize)
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        _round: &mut Round<'_>,
    ) -> Scan {
        control.scanned(1);
        let mapped = cx.mmap_read(&self.mm, |mm, _| mm.vma_lookup(self.address).is_some());
        //~^ ERROR E0277: a `Reclaim` context may not acquire `MmapHeld`
        if self.hints.write(cx, &u64::from(mapped)).is_err() {
            //~^ ERROR E0277: a `Reclaim` context may not acquire `MmapHeld`
            return Scan::Stop;
        }
        Scan::Freed(1)
    }
}
