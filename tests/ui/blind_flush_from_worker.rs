// SPDX-License-Identifier: GPL-2.0

//! Not seen by the types: a work item that flushes the queue waits for itself. Lockdep reports it,
//! as it does for every workqueue that is flushed by its own work.

use core::marker::PhantomData;
use strata::{
    dev::{
        work,
        Owner, //
    },
    prelude::*, //
};

struct Drain<O>(PhantomData<fn() -> O>);

impl<O: Owner> work::Item for Drain<O> {
    type Owner = O;

    fn run(self, cx: &mut Cx<'_, Process>) {
        work::flush(cx);
    }
}
