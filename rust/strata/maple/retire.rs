// SPDX-License-Identifier: GPL-2.0

//! The calls into C: what waits for the end of a grace period, and for the worker that destroys it.

use crate::{
    bindings,
    lockdep, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// What stands at the beginning of an object while it waits.
pub(super) use bindings::strata_retired as Retirement;

/// Has an object destroyed by the worker, when no reader of now can see it.
///
/// Its `destroy` is called in process context, and is code that stays until then: a module goes when
/// all is destroyed that was retired before it is done with its exit.
///
/// # Safety
///
/// The object must be the caller's, no reader that comes later find it, and `destroy` be right for
/// it.
#[inline]
pub(super) unsafe fn retire(object: *mut Retirement) {
    // SAFETY: By the caller's promise.
    unsafe { bindings::retire(object) };
}

/// Waits until all that was retired before is destroyed.
///
/// # Context
///
/// May sleep.
pub(super) fn flush() {
    // There may be nothing to wait for. If there is, destructors run meanwhile, which may allocate.
    lockdep::might_alloc_kernel();
    // SAFETY: It waits, and returns at once where that would be for itself.
    unsafe { bindings::retire_flush() };
}

/// What retired values wait in, while it lives.
pub(crate) struct Queue(());

impl Queue {
    /// Makes it.
    ///
    /// # Safety
    ///
    /// There must be no other.
    pub(crate) unsafe fn start() -> Result<Self> {
        // SAFETY: The module is being loaded, and there is no other.
        to_result(unsafe { bindings::retire_start() })?;
        Ok(Self(()))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: Users of the crate, whose trees waited for all, are unloaded before it.
        unsafe { bindings::retire_stop() };
    }
}
