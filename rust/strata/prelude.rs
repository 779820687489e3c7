// SPDX-License-Identifier: GPL-2.0

//! What nearly every driver on Strata imports.
//!
//! It is meant to stand beside `kernel::prelude`, and takes nothing from it away.

pub use crate::cx::{
    Atomic,
    Before,
    Cx,
    Level,
    MayAlloc,
    MaySleep,
    Process,
    Sleep,
    Sleepable, //
};
pub use crate::gfp;
