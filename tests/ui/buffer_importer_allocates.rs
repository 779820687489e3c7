// SPDX-License-Identifier: GPL-2.0

//! An importer that is told of a move allocates, and locks a reservation: who moves the buffer holds
//! one, and may be in reclaim.

use kernel::prelude::*;
use strata::{
    cx::Reclaim,
    dma_buf::Importer,
    prelude::*,
    resv::Resv, //
};

struct Screen {
    shown: Pin<KBox<Resv<u32>>>,
}

impl Importer for Screen {
    fn invalidate(&self, cx: &mut Cx<'_, Reclaim>) {
        let _ = cx.alloc(0);
        //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
        self.shown.lock(cx, |_, shown, _| *shown = 0);
        //~^ ERROR E0277: a `Reclaim` context may not acquire `ResvHeld`
    }
}
