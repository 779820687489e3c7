// SPDX-License-Identifier: GPL-2.0

//! A reservation is waited for under one that was only tried, of which other tasks are not told.

use kernel::prelude::*;
use strata::{
    prelude::*,
    resv::{
        self,
        Resv, //
    },
};

fn both(cx: &mut Cx<'_, Process>, tried: &Resv<u32>, waited: &Resv<u32>) -> Result {
    resv::many(cx, |many, cx| {
        tried.try_lock(cx, |_, _, cx| many.lock(cx, waited).is_ok());
        //~^ ERROR E0521: borrowed data escapes outside of closure
        Ok(())
    })
}
