// SPDX-License-Identifier: GPL-2.0

//! A helper has no token, and gets itself one.

use kernel::prelude::*;
use strata::prelude::*;

fn assumed() -> Result<KBox<u32>> {
    let mut cx: Cx<'_, Process> = Cx::assume();
    //~^ ERROR E0133: call to unsafe function `Cx::<'_, L, S>::assume` is unsafe
    Ok(cx.alloc(1)?)
}

fn moved(cx: &mut Cx<'_, strata::cx::Reclaim>) -> Result<KBox<u32>> {
    let node = cx.at(|cx: &mut Cx<'_, Process>| cx.alloc(1));
    //~^ ERROR E0624: method `at` is private
    Ok(node?)
}

fn copied(cx: &Cx<'_, Process>) -> Result<KBox<u32>> {
    let other = cx.clone();
    Ok(other.alloc(1)?)
    //~^ ERROR E0596: cannot borrow `*other` as mutable, as it is behind a `&` reference
}
