// SPDX-License-Identifier: GPL-2.0

//! Who does what fences wait for.

use crate::{
    bindings,
    cx::{
        Cx,
        Process,
        Signalling, //
    },
    dev::work::{
        Queue,
        Works, //
    },
    lockdep, //
};
use kernel::prelude::*;

/// The queue of all jobs. One of its workers is there when no memory is.
pub(super) static QUEUE: Queue = Queue::new();

/// The queue of watchdogs: one of its workers is there when all jobs hang.
pub(super) static WATCH: Queue = Queue::new();

/// Creates the queues.
pub(crate) fn start() -> Result<[Works; 2]> {
    let flags = bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_MEM_RECLAIM;
    Ok([
        QUEUE.start(c"strata_jobs", flags)?,
        WATCH.start(c"strata_watch", flags)?,
    ])
}

/// Runs `f` in a signalling section: all that the workers of these queues do.
///
/// # Safety
///
/// The caller must be such a worker, with nothing held.
pub(super) unsafe fn section<R>(f: impl for<'b> FnOnce(&mut Cx<'b, Signalling>) -> R) -> R {
    lockdep::assert_process();
    // SAFETY: A worker runs its items in process context; the caller promises the rest.
    let mut cx = unsafe { Cx::<'_, Process>::assume() };
    cx.signalling(f)
}
