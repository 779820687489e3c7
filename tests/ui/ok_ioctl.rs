// SPDX-License-Identifier: GPL-2.0

//! Legal: an ioctl copies in, allocates, locks, unlocks and copies out, in this order; and flushes
//! and waits for readers where it holds nothing.

use kernel::{
    mm::MmWithUser,
    prelude::*, //
};
use strata::{
    dev::{
        user::UserRange,
        work, //
    },
    prelude::*,
    sync::{
        synchronize_rcu,
        Mutex,
        ReclaimMutex, //
    },
};

strata::ranks! {
    after Process:
    /// One ioctl of a client at a time.
    Client,
}

fn ioctl(
    cx: &mut Cx<'_, Process>,
    client: &Mutex<u64, Client>,
    table: &ReclaimMutex<KVec<u64>>,
    arg: UserRange,
) -> Result {
    let value: u64 = arg.read(cx)?;
    let count = client.lock(cx, |calls, cx| {
        *calls += 1;
        let mut fresh = gfp::kernel(cx).vec(8)?;
        table.lock(cx, |table, _| {
            core::mem::swap(table, &mut fresh);
            table.push_within_capacity(value).ok();
        });
        Ok::<_, Error>(fresh.len() as u64)
    })?;
    synchronize_rcu(cx);
    work::flush(cx);
    arg.write(cx, &count)
}

fn is_mapped(cx: &mut Cx<'_, Process>, mm: &MmWithUser, address: usize) -> bool {
    cx.mmap_read(mm, |mm, cx| {
        drop(cx.alloc(address));
        mm.vma_lookup(address).is_some()
    })
}
