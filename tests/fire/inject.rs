// SPDX-License-Identifier: GPL-2.0

//! Allocations of this task that fail: all that may not reclaim, or the n-th one. And how many nodes
//! were allocated.

use core::ffi::{
    c_long,
    c_void, //
};
use kernel::{
    error::from_err_ptr,
    prelude::*,
    types::NotThreadSafe, //
};

mod raw {
    use super::{
        c_long,
        c_void, //
    };

    extern "C" {
        pub(super) fn strata_fire_fail(on: bool);
        pub(super) fn strata_fire_fail_nth(n: u32);
        pub(super) fn strata_fire_nth_left() -> u32;
        pub(super) fn strata_fire_breathe();
        pub(super) fn strata_fire_settle();
        pub(super) fn strata_fire_census_begin() -> *mut c_void;
        pub(super) fn strata_fire_census(file: *mut c_void) -> c_long;
        pub(super) fn strata_fire_census_end(file: *mut c_void);
    }
}

/// While it lives, allocations of this task fail as debugfs' `failslab` says.
#[must_use = "allocations succeed again when it is dropped"]
pub(crate) struct Failing(NotThreadSafe);

impl Failing {
    pub(crate) fn begin() -> Self {
        // SAFETY: It sets a field of the running task.
        unsafe { raw::strata_fire_fail(true) };
        Self(NotThreadSafe)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        // SAFETY: It sets a field of the running task.
        unsafe { raw::strata_fire_fail(false) };
    }
}

/// Runs `f` with its `n`-th allocation failing; says also whether there were as many.
pub(crate) fn with_nth<R>(n: u32, f: impl FnOnce() -> R) -> (R, bool) {
    // SAFETY: It sets a field of the running task.
    unsafe { raw::strata_fire_fail_nth(n) };
    let result = f();
    // SAFETY: It reads a field of the running task.
    let failed = unsafe { raw::strata_fire_nth_left() } == 0;
    // SAFETY: It sets a field of the running task.
    unsafe { raw::strata_fire_fail_nth(0) };
    (result, failed)
}

/// Lets others run.
pub(crate) fn breathe() {
    // SAFETY: Nothing is held: commands of debugfs run in process context.
    unsafe { raw::strata_fire_breathe() };
}

/// Waits until all nodes that trees let go of are free.
pub(crate) fn settle() {
    // SAFETY: As above.
    unsafe { raw::strata_fire_settle() };
}

/// Counts the nodes of all trees and reservations that there are.
///
/// Exactly, if the slab has none at hand: where each is asked for one by one.
///
/// # Invariants
///
/// It is an open file.
pub(crate) struct Census(*mut c_void);

impl Census {
    pub(crate) fn begin() -> Result<Self> {
        // SAFETY: Commands of debugfs run in process context.
        let file = from_err_ptr(unsafe { raw::strata_fire_census_begin() })?;
        // INVARIANT: It was opened.
        Ok(Self(file))
    }

    /// How many there are, once all that were let go of are free.
    pub(crate) fn nodes(&self) -> Result<usize> {
        settle();
        // SAFETY: It is open.
        let count = unsafe { raw::strata_fire_census(self.0) };
        usize::try_from(count).map_err(|_| EIO)
    }
}

impl Drop for Census {
    fn drop(&mut self) {
        // SAFETY: It is open, and nobody else has it.
        unsafe { raw::strata_fire_census_end(self.0) };
    }
}
