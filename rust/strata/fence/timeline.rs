// SPDX-License-Identifier: GPL-2.0

//! Where fences come from, and the memory of those that are still to be published.

use super::{
    published::Signaller,
    queue::{
        signal,
        Inner,
        Shared,
        CANCELED, //
    },
    shared::Fence, //
};
use crate::{
    cx::{
        Before,
        Cx,
        MayAlloc,
        MaySleep,
        MayWait,
        Signalling,
        Sleep, //
    },
    gfp::{
        self,
        Allocate,
        Gfp, //
    },
    lockdep,
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    alloc::AllocError,
    prelude::*,
    sync::aref::ARef, //
};

/// A sequence of fences that are signalled in the order in which they are published.
///
/// # Dropping
///
/// Fences that are not signalled are, with `ECANCELED`, all of them by the time that it returns;
/// those that their owners had done keep their outcome. What is published later is signalled at
/// once. Jobs that still wait for other fences wait no longer: they run, to end. May be done where a
/// fence may be waited for, and one may sleep.
pub struct Timeline(ARef<Shared>);

impl Timeline {
    /// A timeline in a context of its own.
    ///
    /// `driver` and `name` are what user space and traces are told of its fences.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`. C: `dma_fence_context_alloc()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ENAMETOOLONG` for a name of more than 31 bytes.
    pub fn new<L, S>(cx: &mut Cx<'_, L, S>, driver: &CStr, name: &CStr) -> Result<Self>
    where
        L: MayAlloc<gfp::Kernel> + Before<Signalling>,
        S: MaySleep,
    {
        Self::ranked(cx, driver, name, 0)
    }

    /// A timeline whose work may wait for fences of the timelines of `earlier`.
    ///
    /// It has a higher rank than each of them, so that a fence of theirs is a
    /// [`Dependency`](super::Dependency) that its signalling sections may wait for.
    ///
    /// # Context
    ///
    /// As [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn after<L, S>(
        cx: &mut Cx<'_, L, S>,
        driver: &CStr,
        name: &CStr,
        earlier: &[&Timeline],
    ) -> Result<Self>
    where
        L: MayAlloc<gfp::Kernel> + Before<Signalling>,
        S: MaySleep,
    {
        let highest = earlier.iter().map(|timeline| timeline.rank()).max();
        let rank = highest.map_or(Some(0), |rank| rank.checked_add(1));
        Self::ranked(cx, driver, name, rank.ok_or(EOVERFLOW)?)
    }

    fn ranked<L, S>(cx: &mut Cx<'_, L, S>, driver: &CStr, name: &CStr, rank: u32) -> Result<Self>
    where
        L: MayAlloc<gfp::Kernel> + Before<Signalling>,
        S: MaySleep,
    {
        Ok(Self(Shared::new(&mut gfp::kernel(cx), driver, name, rank)?))
    }

    /// Its context: what [`Fence::context`] says of its fences.
    pub fn context(&self) -> u64 {
        self.0.context()
    }

    pub(super) fn rank(&self) -> u32 {
        self.0.rank()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Takes the memory for a fence.
    ///
    /// # Context
    ///
    /// What the class of `gfp` allows.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    pub fn prepare<C: Allocate>(&self, gfp: &mut Gfp<'_, C>) -> Result<Prepared, AllocError> {
        let inner = self.0.fence(gfp)?;
        // INVARIANT: It was just initialised, with a reference to its timeline.
        Ok(Prepared { inner })
    }
}

impl Timeline {
    /// Ends it while others still refer to it: all is as when it is dropped.
    ///
    /// # Context
    ///
    /// As [`Fence::wait`].
    pub fn end<L, S>(&self, _cx: &mut Cx<'_, L, S>)
    where
        L: MayWait,
        S: MaySleep,
    {
        self.0.close();
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        // A destructor is given no token: where it may run is only checked.
        lockdep::might_wait_for_fence();
        self.0.close();
    }
}

/// A fence that nobody knows yet: all that may fail is behind it.
///
/// # Invariants
///
/// `inner` is initialised, not published, has a reference to its timeline, and is this value's.
#[must_use = "nobody knows of a fence until it is published"]
pub struct Prepared {
    inner: NonNull<Inner>,
}

// SAFETY: It may be published by any task.
unsafe impl Send for Prepared {}
// SAFETY: There is nothing to change through `&self`.
unsafe impl Sync for Prepared {}

impl Prepared {
    /// What it will be. Not to be given to others before it is published.
    pub(super) fn fence(&self) -> &Fence {
        // SAFETY: By the invariant it is initialised, and ours.
        unsafe { self.inner.as_ref() }.fence()
    }

    pub(super) fn timeline(&self) -> &Shared {
        // SAFETY: By the invariant it is not signalled.
        unsafe { self.inner.as_ref().timeline() }
    }

    /// Publishes the fence, as the next of its timeline.
    ///
    /// From here on it has to be signalled, whatever happens. If the timeline is gone, it is, with
    /// `ECANCELED`.
    ///
    /// # Context
    ///
    /// In a signalling section. Allocates nothing.
    pub fn publish<S: Sleep>(self, _cx: &mut Cx<'_, Signalling, S>) -> (ARef<Fence>, Signaller) {
        let inner = ManuallyDrop::new(self).inner;
        // The first reference is the list's; these are the two that are given away.
        // SAFETY: By the invariant it is initialised.
        let published = unsafe { inner.as_ref() };
        let fence: ARef<Fence> = published.fence().into();
        // SAFETY: It is not signalled.
        let shared: ARef<Shared> = unsafe { published.timeline() }.into();
        // INVARIANT: It is published next, or signalled.
        let signaller = Signaller::new(fence.clone(), shared.clone());
        if !shared.push(inner) {
            // After those that are still on their way.
            shared.drain();
        }
        (fence, signaller)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // A file that was made for it may have a reference, and what is signalled is nobody's.
        // SAFETY: By the invariant it is initialised, not signalled, and ours with its references.
        unsafe { signal(self.inner, CANCELED) };
    }
}
