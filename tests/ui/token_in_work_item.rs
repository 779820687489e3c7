// SPDX-License-Identifier: GPL-2.0

//! A token goes along with a work item, to be used by a worker that stands elsewhere.

use strata::{
    dev::{
        work,
        Owner, //
    },
    prelude::*, //
};

struct Refill<O> {
    cx: Cx<'static, Process>,
    owner: core::marker::PhantomData<fn() -> O>,
}

impl<O: Owner> work::Item for Refill<O> {
    //~^ ERROR E0277: `*mut ()` cannot be sent between threads safely
    type Owner = O;

    fn run(self, _cx: &mut Cx<'_, Process>) {
        drop(self.cx);
    }
}
