// SPDX-License-Identifier: GPL-2.0

//! The callbacks of a `struct shrinker`: from C to the trait, and the tokens.

use super::{
    rounds::{
        self,
        Reach,
        Request,
        MOST, //
    },
    Count,
    CountControl,
    Scope,
    Shrinker, //
};
use crate::{
    bindings,
    cx::Cx, //
};
use kernel::ffi::c_ulong;

const STOP: c_ulong = bindings::SHRINK_STOP as c_ulong;
const EMPTY: c_ulong = bindings::SHRINK_EMPTY as c_ulong;

/// # Safety
///
/// `shrinker` must be one whose private data is a `T` that outlives the call, and `control` valid.
#[inline(always)]
unsafe fn scope<'a, T>(
    shrinker: *mut bindings::shrinker,
    control: *mut bindings::shrink_control,
) -> (&'a T, Scope) {
    // SAFETY: By the caller's promise.
    let target = unsafe { &*(*shrinker).private_data.cast::<T>() };
    // SAFETY: As above.
    let (node, group) = unsafe { ((*control).nid, (*control).memcg) };
    (target, Scope::Part { node, group })
}

/// `count_objects`.
///
/// # Safety
///
/// The caller must be reclaim, or who drives it, with a shrinker whose private data is a `T`.
pub(super) unsafe extern "C" fn count<T: Shrinker>(
    shrinker: *mut bindings::shrinker,
    control: *mut bindings::shrink_control,
) -> c_ulong {
    // SAFETY: The caller passes them, and unregistering waits for it.
    let (target, scope) = unsafe { scope::<T>(shrinker, control) };
    // SAFETY: Shrinkers are called at this level, and may sleep.
    let mut cx = unsafe { Cx::assume() };
    match target.count(&mut cx, &CountControl::new(scope)) {
        Count::Empty => EMPTY,
        Count::Unknown => 0,
        Count::Pages(pages) => pages.get().min(MOST),
    }
}

/// `scan_objects`.
///
/// # Safety
///
/// As [`count`].
pub(super) unsafe extern "C" fn scan<T: Shrinker>(
    shrinker: *mut bindings::shrinker,
    control: *mut bindings::shrink_control,
) -> c_ulong {
    // SAFETY: The caller passes them, and unregistering waits for it.
    let (target, scope) = unsafe { scope::<T>(shrinker, control) };
    // SAFETY: The caller passes a valid pointer.
    let control = unsafe { &mut *control };
    // SAFETY: Shrinkers are called at this level, and may sleep.
    let mut cx = unsafe { Cx::assume() };
    let request = Request::new(scope, control.nr_to_scan, Reach::of_mask(control.gfp_mask));
    let outcome = rounds::run(target, &mut cx, &request);
    // Whatever the driver says: reclaim counts down by this.
    control.nr_scanned = outcome.scanned;
    // It calls again for ever if nothing was scanned and nobody says stop.
    if outcome.scanned == 0 {
        return STOP;
    }
    outcome.freed().min(MOST)
}
