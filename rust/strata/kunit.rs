// SPDX-License-Identifier: GPL-2.0

//! What the KUnit suites of this crate have in common.

use crate::{
    cx::{
        Cx,
        Process, //
    },
    lockdep, //
};

/// Runs `f` with the token of a KUnit case.
pub(crate) fn process<R>(f: impl FnOnce(&mut Cx<'_, Process>) -> R) -> R {
    lockdep::assert_process();
    // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    f(&mut unsafe { Cx::assume() })
}
