// SPDX-License-Identifier: GPL-2.0

//! Reserves: one that there is no memory for is none, and leaves nothing behind.

use super::{
    cause,
    inject,
    tried,
    Counts,
    Kernel,
    NoWait,
    Swept, //
};
use kernel::prelude::*;
use strata::{
    prelude::*,
    reserve::Reserve, //
};

/// Elements of the largest.
const MOST: usize = 6;

fn made<C: Swept>(cx: &mut Cx<'_, Process>, counts: &Counts, size: usize) -> Result {
    let make = |(): &mut ()| Reserve::<u64>::new(&mut C::gfp(cx), size).map_err(cause);
    let reserve = tried(counts, &mut (), make, |()| Ok(()))?;
    let left = reserve.left();
    ensure!(left == size, "it has {left} elements of {size}\n");
    Ok(())
}

pub(super) fn run(cx: &mut Cx<'_, Process>, counts: &Counts, count: usize) -> Result {
    for number in 0..count {
        let size = number % MOST + 1;
        made::<Kernel>(cx, counts, size)?;
        made::<NoWait>(cx, counts, size)?;
        inject::breathe();
    }
    Ok(())
}
