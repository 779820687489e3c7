// SPDX-License-Identifier: GPL-2.0

//! Room for a fence is kept until after the reservation is unlocked.

use kernel::prelude::*;
use strata::{
    prelude::*,
    resv::{
        Resv,
        Slot, //
    },
};

fn keep<'a>(cx: &mut Cx<'_, Process>, resv: &'a Resv) -> Result<Slot<'a>> {
    resv.lock(cx, |held, _, cx| held.reserve_one(&mut gfp::kernel(cx)))
    //~^ ERROR lifetime may not live long enough
}
