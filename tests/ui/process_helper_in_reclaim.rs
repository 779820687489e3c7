// SPDX-License-Identifier: GPL-2.0

//! A helper for process context is called from a shrinker, and with it all that a device may do
//! only there: directories, files, devices.

use kernel::{
    c_str,
    prelude::*, //
};
use strata::{
    cx::Reclaim,
    dev::debugfs,
    page::Pages,
    prelude::*, //
};

fn grow(cx: &mut Cx<'_, Process>, pages: usize) -> Result<Pages> {
    Pages::new(cx, pages)
}

fn scan(cx: &mut Cx<'_, Reclaim>) -> Result {
    let more = grow(cx, 16)?;
    //~^ ERROR E0308: mismatched types
    //~| NOTE expected `&mut Cx<'_, Process>`, found `&mut Cx<'_, Reclaim>`
    drop(more);
    let folder = debugfs::Dir::new(cx, c_str!("evicted"));
    //~^ ERROR E0308: mismatched types
    drop(folder);
    Ok(())
}
