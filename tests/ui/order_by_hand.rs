// SPDX-License-Identifier: GPL-2.0

//! A driver wants a place in the order that the order does not give it.

use strata::{
    cx::{
        Join,
        Level,
        ReclaimLock,
        Signalling, //
    },
    prelude::*, //
};

enum Mine {}

impl Level for Mine {
    //~^ ERROR E0200: the trait `Level` requires an `unsafe impl` declaration
    const NAME: &'static str = "Mine";
}

impl Before<ReclaimLock> for Mine {}
//~^ ERROR E0200: the trait `Before<ReclaimLock>` requires an `unsafe impl` declaration

impl Join<ReclaimLock> for Mine {
    //~^ ERROR E0200: the trait `Join<ReclaimLock>` requires an `unsafe impl` declaration
    type Out = Mine;
}

impl MayAlloc<gfp::Kernel> for Mine {}
//~^ ERROR E0200: the trait `MayAlloc<Kernel>` requires an `unsafe impl` declaration

// SAFETY: None: it is the wrong way round. The levels are not the driver's to order.
unsafe impl Before<ReclaimLock> for Signalling {}
//~^ ERROR E0117: only traits defined in the current crate can be implemented for types defined outside of the crate

// SAFETY: None: an atomic context may not sleep.
impl MaySleep for Atomic {}
//~^ ERROR E0117: only traits defined in the current crate can be implemented for types defined outside of the crate
