// SPDX-License-Identifier: GPL-2.0

//! What the KUnit suites of this crate have in common.

use crate::{
    bindings,
    cx::{
        Cx,
        Process, //
    },
    lockdep, //
};
use kernel::prelude::*;

/// Runs `f` with the token of a KUnit case.
pub(crate) fn process<R>(f: impl FnOnce(&mut Cx<'_, Process>) -> R) -> R {
    lockdep::assert_process();
    // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    f(&mut unsafe { Cx::assume() })
}

/// Says that there is nothing to test on this kernel, and why. The case is to return then.
pub(crate) fn skip(reason: &CStr) {
    // SAFETY: It may be called everywhere.
    let test = unsafe { bindings::kunit_get_current_test() };
    if test.is_null() {
        return;
    }
    // SAFETY: The running case is alive, and its comment is written by itself alone.
    let comment = unsafe { &mut (*test).status_comment };
    let bytes = reason.to_bytes_with_nul();
    for (to, from) in comment.iter_mut().zip(bytes) {
        *to = *from;
    }
    // SAFETY: As above.
    unsafe { (*test).status = bindings::kunit_status_KUNIT_SKIPPED };
}
