// SPDX-License-Identifier: GPL-2.0

//! An importer that is told of a move allocates, and locks a reservation: who moves the buffer holds
//! one, and may be in reclaim, with a lock that a shrinker takes.

use core::marker::PhantomData;
use kernel::prelude::*;
use strata::{
    cx::ReclaimLock,
    dev::Owner,
    dma_buf::Importer,
    prelude::*,
    resv::Resv, //
};

struct Screen<O> {
    shown: Pin<KBox<Resv<u32>>>,
    _owner: PhantomData<fn() -> O>,
}

impl<O: Owner> Importer for Screen<O> {
    type Owner = O;

    fn invalidate(&self, cx: &mut Cx<'_, ReclaimLock>) {
        let _ = gfp::kernel(cx).boxed(0);
        //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `Kernel`
        self.shown.lock(cx, |_, shown, _| *shown = 0);
        //~^ ERROR E0277: a `ReclaimLock` context may not acquire `ResvHeld`
    }
}
