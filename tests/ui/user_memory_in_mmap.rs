// SPDX-License-Identifier: GPL-2.0

//! The `mmap` operation of a device reads its request from user memory: the mmap lock is held, and
//! a fault would take it again.

use kernel::prelude::*;
use strata::{
    cx::MmapHeld,
    dev::user::UserRange,
    prelude::*, //
};

fn mmap(cx: &mut Cx<'_, MmapHeld>, request: UserRange) -> Result {
    let flags: u64 = request.read(cx)?;
    //~^ ERROR E0277: a `MmapHeld` context may not acquire `MmapHeld`
    //~| NOTE possible recursive locking detected
    request.write(cx, &(flags | 1))
    //~^ ERROR E0277: a `MmapHeld` context may not acquire `MmapHeld`
}
