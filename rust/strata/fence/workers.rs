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

/// The queue of all jobs, and of what is as urgent. Its workers are there in reclaim too.
pub(super) static QUEUE: Queue = Queue::new();

/// Creates the queue.
pub(crate) fn start() -> Result<Works> {
    QUEUE.start(
        c"strata_jobs",
        bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_MEM_RECLAIM,
    )
}
