// SPDX-License-Identifier: GPL-2.0

//! A token is kept beyond the scope that lent it: with `Atomic` gone or a lock released, it would
//! still say what was true inside.

use strata::{
    prelude::*,
    sync::ReclaimMutex, //
};

fn keep(cx: &mut Cx<'_, Process>, table: &ReclaimMutex<u32>) {
    let mut kept = None;
    table.lock(cx, |_, cx| kept = Some(cx));
    //~^ ERROR E0521: borrowed data escapes outside of closure
    drop(kept);
}

fn hand_out<'a>(cx: &'a mut Cx<'_, Process>) -> &'a mut Cx<'a, strata::cx::Signalling> {
    cx.signalling(|cx| cx)
    //~^ ERROR lifetime may not live long enough
}
