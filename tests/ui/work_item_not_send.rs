// SPDX-License-Identifier: GPL-2.0

//! A work item takes along what belongs to one thread.

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use strata::{
    dev::{
        work,
        Owner, //
    },
    prelude::*, //
};

struct Unmap<O> {
    page: NonNull<u8>,
    owner: PhantomData<fn() -> O>,
}

impl<O: Owner> work::Item for Unmap<O> {
    //~^ ERROR E0277: `NonNull<u8>` cannot be sent between threads safely
    type Owner = O;

    fn run(self, _cx: &mut Cx<'_, Process>) {
        let _ = self.page;
    }
}
