// SPDX-License-Identifier: GPL-2.0

//! Legal: an item is made in process context, queued from wherever the need arises, and runs in
//! process context again.

use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::Signalling,
    dev::{
        work,
        Owner, //
    },
    prelude::*,
    sync::ReclaimMutex, //
};

struct Refill<O> {
    spare: Arc<ReclaimMutex<KVec<u64>>>,
    owner: PhantomData<fn() -> O>,
}

impl<O: Owner> work::Item for Refill<O> {
    type Owner = O;

    fn run(self, cx: &mut Cx<'_, Process>) {
        if let Ok(mut fresh) = gfp::kernel(cx).vec(64) {
            self.spare
                .lock(cx, |spare, _| core::mem::swap(spare, &mut fresh));
        }
    }
}

fn prepare<O: Owner>(
    cx: &mut Cx<'_, Process>,
    spare: Arc<ReclaimMutex<KVec<u64>>>,
) -> Result<work::Prepared<Refill<O>>> {
    let owner = PhantomData;
    Ok(work::Prepared::new(cx, Refill { spare, owner })?)
}

fn run_dry<O: Owner>(cx: &mut Cx<'_, Signalling, Atomic>, item: work::Prepared<Refill<O>>) {
    item.queue(cx);
}
