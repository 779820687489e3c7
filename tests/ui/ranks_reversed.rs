// SPDX-License-Identifier: GPL-2.0

//! Two locks of a driver, taken against the order that the driver itself declared.

use kernel::prelude::*;
use strata::{
    prelude::*,
    sync::Mutex, //
};

strata::ranks! {
    after ReclaimLock:
    /// The table of buffers.
    Table,
    /// One buffer.
    Buffer,
}

fn rename(
    cx: &mut Cx<'_, Process>,
    table: &Mutex<KVec<u32>, Table>,
    buffer: &Mutex<u32, Buffer>,
    id: u32,
) {
    buffer.lock(cx, |buffer, cx| {
        table.lock(cx, |table, _| {
            //~^ ERROR E0277: a `Buffer` context may not acquire `Table`
            //~| NOTE would invert the order
            //~| NOTE take it before this context is entered, use `try_lock`, or hand the work to a work item
            if let Some(old) = table.iter_mut().find(|old| **old == *buffer) {
                *old = id;
            }
        });
        *buffer = id;
    });
}
