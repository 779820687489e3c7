// SPDX-License-Identifier: GPL-2.0

//! A helper has no token, and puts one together.

use core::marker::PhantomData;
use kernel::{
    prelude::*,
    types::NotThreadSafe, //
};
use strata::prelude::*;

fn node() -> Result<KBox<u32>> {
    let mut cx: Cx<'_, Process> = Cx {
        _lent: PhantomData,
        //~^ ERROR E0451: field `_lent` of struct `Cx` is private
        _place: PhantomData,
        //~^ ERROR E0451: field `_place` of struct `Cx` is private
        _task: NotThreadSafe,
        //~^ ERROR E0451: field `_task` of struct `Cx` is private
    };
    Ok(cx.alloc(1)?)
}
