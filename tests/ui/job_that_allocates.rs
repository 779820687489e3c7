// SPDX-License-Identifier: GPL-2.0

//! A job takes memory, a reservation and a fence of its own while others wait for it.

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use strata::{
    cx::Signalling,
    dev,
    fence::{
        Fence,
        Job,
        Signaller,
        Wake, //
    },
    prelude::*,
    resv::Resv, //
};

struct Fill<O: dev::Owner> {
    buffer: Arc<Resv<u32>>,
    before: ARef<Fence>,
    _owner: core::marker::PhantomData<fn() -> O>,
}

impl<O: dev::Owner> Job for Fill<O> {
    type Owner = O;

    fn run(self, cx: &mut Cx<'_, Signalling>, dependencies: Result, signaller: Signaller) {
        let scratch = cx.alloc(0);
        //~^ ERROR E0277: a `Signalling` context may not allocate with class `Kernel`
        self.buffer.lock(cx, |_, data, _| *data = 0);
        //~^ ERROR E0277: a `Signalling` context may not acquire `ResvHeld`
        self.before.wait(cx, Wake::Done).ok();
        //~^ ERROR E0277: a `Signalling` context may not wait for a fence
        //~| NOTE the section's own fence is a hang
        drop(scratch);
        signaller.signal(cx, dependencies);
    }
}
