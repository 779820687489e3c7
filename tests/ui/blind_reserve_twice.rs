// SPDX-License-Identifier: GPL-2.0

//! Not seen by the types: whoever has an element of a reserve and waits for another one may wait for
//! a task that does the same. Lockdep does not see it either.

use strata::{
    prelude::*,
    reserve::{
        Reserve,
        Reserved, //
    },
};

fn both(cx: &mut Cx<'_, Process>, parts: &Reserve<u64>) -> (Reserved<u64>, Reserved<u64>) {
    let first = parts.take(&mut gfp::kernel(cx), 1);
    let second = parts.take(&mut gfp::kernel(cx), 2);
    (first, second)
}
