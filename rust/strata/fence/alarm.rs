// SPDX-License-Identifier: GPL-2.0

//! A timer that a worker answers, and that holds a module while it runs.

use super::workers::WATCH;
use crate::{
    bindings,
    dev::Owner, //
};
use core::ptr::NonNull;
use kernel::{
    time::Jiffies,
    types::Opaque, //
};

/// Called by a worker.
pub(super) type Ring = unsafe extern "C" fn(*mut bindings::work_struct);

/// A timer, as the first field of what its function takes.
#[repr(C)]
pub(super) struct Alarm {
    work: Opaque<bindings::delayed_work>,
    patience: Jiffies,
    owner: *mut bindings::module,
}

impl Alarm {
    /// A timer of `O`'s, still to be initialised.
    pub(super) fn new<O: Owner>(patience: Jiffies) -> Self {
        Self {
            work: Opaque::uninit(),
            patience,
            owner: O::MODULE.as_ptr(),
        }
    }

    /// For how long it waits.
    pub(super) fn patience(&self) -> Jiffies {
        self.patience
    }

    /// Initialises it.
    ///
    /// # Safety
    ///
    /// `this` must be valid, stay where it is, and be what `ring` takes.
    pub(super) unsafe fn init(this: NonNull<Self>, ring: Ring) {
        // SAFETY: The caller promises it.
        unsafe { bindings::init_delayed_work((*this.as_ptr()).work.get(), Some(ring)) };
    }

    /// Starts it. Its module stays until [`let_go`](Self::let_go).
    ///
    /// # Safety
    ///
    /// `this` must be initialised, and not started; the module must be alive.
    pub(super) unsafe fn start(this: NonNull<Self>) {
        // SAFETY: The caller promises it.
        unsafe { bindings::__module_get((*this.as_ptr()).owner) };
        // SAFETY: As above.
        unsafe { Self::again(this, (*this.as_ptr()).patience) };
    }

    /// Has it ring in so many jiffies, unless it does earlier.
    ///
    /// # Safety
    ///
    /// `this` must be started.
    pub(super) unsafe fn again(this: NonNull<Self>, delay: Jiffies) {
        // SAFETY: The queue is there for as long as the library is.
        unsafe { bindings::queue_delayed_work(WATCH.as_ptr(), (*this.as_ptr()).work.get(), delay) };
    }

    /// Has it ring now.
    ///
    /// # Safety
    ///
    /// `this` must be started.
    pub(super) unsafe fn now(this: NonNull<Self>) {
        // SAFETY: The queue is there for as long as the library is.
        unsafe { bindings::mod_delayed_work(WATCH.as_ptr(), (*this.as_ptr()).work.get(), 0) };
    }

    /// Stops it, and waits until it does not ring. Nobody may start it any more.
    pub(super) fn stop(&self) {
        // SAFETY: It was initialised before anybody had it.
        unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
    }

    /// Lets go of the module. No code of that may follow where it is not held otherwise.
    ///
    /// # Safety
    ///
    /// It was started, and this happens once for that.
    pub(super) unsafe fn let_go(&self) {
        // SAFETY: `start()` got it.
        unsafe { bindings::module_put(self.owner) };
    }
}
