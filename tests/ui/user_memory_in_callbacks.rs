// SPDX-License-Identifier: GPL-2.0

//! User memory is read where the kernel may be waiting for the driver: in a shrinker, a notifier and
//! a signalling section.

use kernel::prelude::*;
use strata::{
    cx::{
        Notifier,
        Reclaim,
        Signalling, //
    },
    dev::user::UserRange,
    prelude::*, //
};

fn scan(cx: &mut Cx<'_, Reclaim>, hints: UserRange) -> Result<u64> {
    hints.read(cx)
    //~^ ERROR E0277: a `Reclaim` context may not acquire `MmapHeld`
}

fn invalidate(cx: &mut Cx<'_, Notifier>, hints: UserRange, buffer: &mut [u8]) -> Result<usize> {
    Ok(hints.read_bytes(cx, buffer)?.len())
    //~^ ERROR E0277: a `Notifier` context may not acquire `MmapHeld`
}

fn signal(cx: &mut Cx<'_, Signalling>, seqno: UserRange) -> Result {
    seqno.write(cx, &1_u64)
    //~^ ERROR E0277: a `Signalling` context may not acquire `MmapHeld`
}
