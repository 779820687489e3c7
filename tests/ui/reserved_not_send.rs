// SPDX-License-Identifier: GPL-2.0

//! What stands in the memory of a reserve goes to another thread if the value may.

use core::marker::PhantomData;
use kernel::prelude::*;
use strata::{
    cx::Signalling,
    dev::Owner,
    fence::{
        Job,
        Signaller, //
    },
    prelude::*,
    reserve::{
        Reserve,
        Reserved, //
    },
};

struct Fill<O> {
    step: Reserved<*mut u8>,
    _owner: PhantomData<fn() -> O>,
}

impl<O: Owner> Job for Fill<O> {
    //~^ ERROR E0277: `*mut u8` cannot be sent between threads safely
    type Owner = O;

    fn run(self, cx: &mut Cx<'_, Signalling>, dependencies: Result, signaller: Signaller) {
        signaller.signal(cx, dependencies);
    }
}

/// The reserve has no values, and may be anybody's.
fn shared<T: Send + Sync>(value: T) -> T {
    value
}

fn reserve(steps: Reserve<*mut u8>) -> Reserve<*mut u8> {
    shared(steps)
}
