// SPDX-License-Identifier: GPL-2.0

//! Shrinkers: what a driver gives back when memory is short.
//!
//! A driver implements [`Shrinker`] for what owns its objects, and registers it: [`Prepared`] is a
//! shrinker that lists of objects can be made for ([`lru`](crate::lru)), [`Registration`] one that
//! reclaim calls. Both callbacks run at [`Reclaim`] and may sleep: what would deadlock there does
//! not compile.
//!
//! A scan has [rounds](Round), each more desperate than the one before. A [`Trigger`] runs the same
//! code from debugfs, and a [`Budget`](crate::limit::Budget) runs it where a page limit is reached.
//!
//! The unit of all counts is the page.
//!
//! C: [`include/linux/shrinker.h`](srctree/include/linux/shrinker.h).
//!
//! # Examples
//!
//! ```
//! use strata::cx::{Reclaim, ReclaimLock};
//! use strata::prelude::*;
//! use strata::shrinker::{self, Count, CountControl, Prepared, Round, Scan, ScanControl};
//! use strata::sync::{Mutex, ReclaimMutex};
//!
//! /// A number of pages that can be given back at any moment.
//! #[pin_data]
//! struct Spare {
//!     #[pin]
//!     pages: ReclaimMutex<usize>,
//! }
//!
//! # use super::Doctests as Driver;
//! impl shrinker::Shrinker for Spare {
//!     type Owner = Driver;
//!
//!     fn count(&self, cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
//!         Count::from(self.pages.lock(cx, |pages, _| *pages))
//!     }
//!
//!     fn scan(
//!         &self,
//!         cx: &mut Cx<'_, Reclaim>,
//!         control: &mut ScanControl<'_>,
//!         round: &mut Round<'_>,
//!     ) -> Scan {
//!         match round {
//!             Round::Idle => self.pages.lock(cx, |pages, _| {
//!                 let freed = control.left().min(*pages);
//!                 *pages -= freed;
//!                 Scan::Freed(freed)
//!             }),
//!             Round::Purge(_) | Round::Active(_) | Round::WriteBack(_) => Scan::Stop,
//!         }
//!     }
//! }
//!
//! # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
//! # let mut cx = unsafe { Cx::<'_, Process>::assume() };
//! # let cx = &mut cx;
//! let pages = Mutex::new(cx, strata::lock_class!(ReclaimLock, "spare"), 300);
//! let spare = gfp::kernel(cx).arc_init(pin_init!(Spare { pages <- pages }))?;
//! let registration = Prepared::new(cx, c"strata-example")?.register(cx, spare.clone());
//! assert_eq!(shrinker::evict(cx, &*spare, 100), 100);
//! assert_eq!(shrinker::evict(cx, &*spare, 1000), 200);
//! registration.unregister(cx);
//! # Ok::<(), Error>(())
//! ```

mod control;
mod drop_caches;
mod raw;
pub(crate) mod rounds;
mod stats;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

#[cfg(CONFIG_KUNIT = "y")]
pub(crate) use self::control::Hardships;
pub(crate) use self::control::Scope;
pub use self::{
    control::{
        Count,
        CountControl,
        Round,
        Scan,
        ScanControl,
        WaitToken, //
    },
    drop_caches::{
        Phases,
        Trigger, //
    },
};

use self::rounds::{
    Reach,
    Request, //
};
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        MayAlloc,
        MaySleep,
        Reclaim, //
    },
    dev::Owner,
    gfp,
    lockdep,
    plan::drop_mask::Mask, //
};
use core::{
    mem::ManuallyDrop,
    num::NonZeroUsize,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What gives memory back.
pub trait Shrinker: Send + Sync + 'static {
    /// Whose code this is.
    type Owner: Owner;

    /// Counts what [`scan`](Self::scan) could free, whoever asks: reclaim keeps account of what it
    /// could not have scanned at once.
    ///
    /// # Context
    ///
    /// Reclaim. May sleep; may run on several CPUs at once, beside itself and `scan`.
    fn count(&self, cx: &mut Cx<'_, Reclaim>, control: &CountControl<'_>) -> Count;

    /// Frees [as many pages](ScanControl::left) as are asked for, with the means of a round.
    ///
    /// # Context
    ///
    /// Reclaim that may enter file systems. May sleep; may run on several CPUs at once, beside itself
    /// and `count`. Nothing that reclaims may be allocated, and no shrinker be registered or freed.
    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan;
}

/// A shrinker that is not registered yet: what lists of objects are made for.
///
/// # Invariants
///
/// `inner` was allocated by `shrinker_alloc()`, is not registered, and is freed by this.
#[must_use = "a shrinker is not called until it is registered"]
pub struct Prepared {
    inner: NonNull<bindings::shrinker>,
}

// SAFETY: A shrinker may be registered and freed by any task.
unsafe impl Send for Prepared {}
// SAFETY: There is nothing to change through `&self`.
unsafe impl Sync for Prepared {}

impl Prepared {
    /// Allocates a shrinker that heeds NUMA nodes and memory cgroups. `name` is what
    /// `/sys/kernel/debug/shrinker` and reports call it.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`, and may sleep. C: `shrinker_alloc()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new<L, S>(_cx: &mut Cx<'_, L, S>, name: &CStr) -> Result<Self>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        // SAFETY: `name` is copied.
        let inner = unsafe { bindings::alloc_shrinker(name.as_char_ptr()) };
        // INVARIANT: It was just allocated.
        Ok(Self {
            inner: NonNull::new(inner).ok_or(ENOMEM)?,
        })
    }

    /// How many pages are scanned in one call, 128 by default. To be about twice the size of an
    /// object.
    pub fn batch(self, pages: NonZeroUsize) -> Self {
        // SAFETY: It is valid, and ours alone until it is registered.
        unsafe { (*self.inner.as_ptr()).batch = pages.get().min(i32::MAX as usize) as isize };
        self
    }

    /// How much it costs to make an object anew, in IO operations, 2 by default. 0 for what needs no
    /// IO: that is scanned more eagerly.
    pub fn seeks(self, seeks: u8) -> Self {
        // SAFETY: It is valid, and ours alone until it is registered.
        unsafe { (*self.inner.as_ptr()).seeks = i32::from(seeks) };
        self
    }

    /// From here on, reclaim calls `target`.
    ///
    /// # Context
    ///
    /// Levels before [`Reclaim`] that may allocate with `GFP_KERNEL`, and may sleep. C:
    /// `shrinker_register()`.
    pub fn register<L, S, T>(self, _cx: &mut Cx<'_, L, S>, target: Arc<T>) -> Registration<T>
    where
        L: Before<Reclaim> + MayAlloc<gfp::Kernel>,
        S: MaySleep,
        T: Shrinker,
    {
        let inner = ManuallyDrop::new(self).inner;
        // SAFETY: It is valid, and ours alone until it is registered.
        let shrinker = unsafe { &mut *inner.as_ptr() };
        shrinker.count_objects = Some(raw::count::<T>);
        shrinker.scan_objects = Some(raw::scan::<T>);
        shrinker.private_data = Arc::as_ptr(&target).cast_mut().cast();
        // SAFETY: It has all that it needs; `target` lives until it is freed.
        unsafe { bindings::shrinker_register(inner.as_ptr()) };
        // INVARIANT: It was just registered.
        Registration {
            inner,
            target: ManuallyDrop::new(target),
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::shrinker {
        self.inner.as_ptr()
    }
}

/// Whether the task reclaims memory, where no shrinker can be freed: it would wait for itself. Says
/// so in the kernel's log.
fn must_not_free() -> bool {
    lockdep::might_alloc_kernel();
    // SAFETY: It only looks at the running task.
    let in_reclaim = unsafe { bindings::in_reclaim() };
    kernel::warn_on!(in_reclaim)
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if must_not_free() {
            // It stays, and nobody calls it.
            return;
        }
        // SAFETY: It is not registered, by the type invariant, and freed once.
        unsafe { bindings::shrinker_free(self.inner.as_ptr()) };
    }
}

/// A shrinker that reclaim calls, for as long as this lives. It owns what it is called with.
///
/// # Invariants
///
/// `inner` is registered with the callbacks of `T`, and its private data is what `target` points to.
#[must_use = "dropping it unregisters the shrinker"]
pub struct Registration<T: Shrinker> {
    inner: NonNull<bindings::shrinker>,
    // Dropped by hand, after `inner` was freed.
    target: ManuallyDrop<Arc<T>>,
}

// SAFETY: A shrinker may be freed by any task that is not in reclaim; `T` is `Send` and `Sync`.
unsafe impl<T: Shrinker> Send for Registration<T> {}
// SAFETY: There is nothing to change through `&self`.
unsafe impl<T: Shrinker> Sync for Registration<T> {}

impl<T: Shrinker> Registration<T> {
    /// What it is called with.
    pub fn target(&self) -> &Arc<T> {
        &self.target
    }

    /// Unregisters it, waits for all calls to end, and lets go of its target. So does dropping it;
    /// this says by its token where that may be done.
    ///
    /// # Context
    ///
    /// Levels before [`Reclaim`] that may sleep. Takes `shrinker_mutex`. C: `shrinker_free()`.
    pub fn unregister<L, S>(self, _cx: &mut Cx<'_, L, S>)
    where
        L: Before<Reclaim>,
        S: MaySleep,
    {
        drop(self);
    }
}

impl<T: Shrinker> Drop for Registration<T> {
    fn drop(&mut self) {
        if must_not_free() {
            // It stays registered, and so do what it is called with and whose code that is.
            // SAFETY: The module is alive: this is called by its code, or by what holds it.
            unsafe { bindings::__module_get(<T::Owner as Owner>::MODULE.as_ptr()) };
            return;
        }
        // SAFETY: It is registered, by the type invariant, and freed once. No call goes on after it.
        unsafe { bindings::shrinker_free(self.inner.as_ptr()) };
        // SAFETY: It is not used any more.
        unsafe { ManuallyDrop::drop(&mut self.target) };
    }
}

/// Makes `target` free so many pages, as reclaim would, but for those of every node and cgroup, and
/// for nothing to be written to swap. Returns how many it freed.
///
/// # Context
///
/// Levels before [`Reclaim`] that may sleep. Waits for what is in use, for a bounded time.
pub fn evict<L, S, T>(cx: &mut Cx<'_, L, S>, target: &T, pages: usize) -> usize
where
    L: Before<Reclaim>,
    S: MaySleep,
    T: Shrinker,
{
    let rounds = Mask::ROUNDS.without(Mask::WRITEBACK);
    let request = Request::new(Scope::All, pages, Reach::PROCESS).only(rounds);
    cx.reclaim(|cx| cx.sleepable(|cx| rounds::run(target, cx, &request).freed()))
}
