// SPDX-License-Identifier: GPL-2.0

//! An open file keeps the token of its `open`, to have it at hand in every ioctl.

use kernel::{
    prelude::*,
    sync::ArcBorrow, //
};
use strata::{
    dev::{
        misc,
        Owner, //
    },
    prelude::*, //
};

struct Client {
    cx: Cx<'static, Process>,
}

struct Pool<O>(core::marker::PhantomData<fn() -> O>);

#[vtable]
impl<O: Owner> misc::Device for Pool<O> {
    type Owner = O;
    type Shared = ();
    type File = KBox<Client>;
    //~^ ERROR E0277: `*mut ()` cannot be sent between threads safely
    //~| ERROR E0277: `*mut ()` cannot be shared between threads safely

    fn open(_cx: &mut Cx<'_, Process>, _shared: ArcBorrow<'_, ()>) -> Result<KBox<Client>> {
        Err(ENODEV)
    }
}
