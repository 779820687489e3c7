// SPDX-License-Identifier: GPL-2.0

//! A reservation is kept locked, and an acquire context open, after the closure that they are for.

use kernel::prelude::*;
use strata::{
    prelude::*,
    resv::{
        self,
        Resv, //
    },
};

fn keep_the_lock(cx: &mut Cx<'_, Process>, one: &Resv) -> Result {
    let mut kept = None;
    resv::many(cx, |many, cx| {
        kept = Some(many.lock(cx, one)?);
        //~^ ERROR E0521: borrowed data escapes outside of closure
        Ok(())
    })
}

fn keep_the_context(cx: &mut Cx<'_, Process>) -> Result {
    let mut kept = None;
    resv::many(cx, |many, _| {
        kept = Some(many);
        //~^ ERROR E0521: borrowed data escapes outside of closure
        Ok(())
    })
}
