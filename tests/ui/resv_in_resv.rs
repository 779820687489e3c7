// SPDX-License-Identifier: GPL-2.0

//! Two reservations, one inside the other: whoever takes them the other way round waits for ever.

use kernel::prelude::*;
use strata::{
    prelude::*,
    resv::Resv, //
};

fn swap(cx: &mut Cx<'_, Process>, a: &Resv<u32>, b: &Resv<u32>) {
    a.lock(cx, |_, a, cx| {
        b.lock(cx, |_, b, _| core::mem::swap(a, b));
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `ResvHeld`
    });
}
