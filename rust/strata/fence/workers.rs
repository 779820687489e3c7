// SPDX-License-Identifier: GPL-2.0

//! Who does what fences wait for.

use crate::{
    bindings,
    dev::work::{
        Queue,
        Works, //
    },
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
