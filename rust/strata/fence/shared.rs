// SPDX-License-Identifier: GPL-2.0

//! A fence as others see it.

use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        FenceCallback,
        Sleep, //
    },
    gfp::{
        Gfp,
        Kernel, //
    },
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::Opaque, //
};

/// A fence, of this driver or of another: something that is done in finite time.
///
/// Shared and counted: [`ARef<Fence>`](ARef). It can be waited for, and asked; only its
/// [`Signaller`](super::Signaller) can signal it.
///
/// # Invariants
///
/// It was initialised, and there is a reference to it.
#[repr(transparent)]
pub struct Fence(Opaque<bindings::dma_fence>);

// SAFETY: A fence may be used, and let go of, by any task.
unsafe impl Send for Fence {}
// SAFETY: All that can be done to it synchronises itself.
unsafe impl Sync for Fence {}

// SAFETY: The functions count; the fence is there while the count is not 0.
unsafe impl AlwaysRefCounted for Fence {
    fn inc_ref(&self) {
        // SAFETY: There is a reference already.
        unsafe { bindings::fence_get(self.as_ptr()) };
    }

    unsafe fn dec_ref(fence: NonNull<Self>) {
        // SAFETY: The caller gives a reference up.
        unsafe { bindings::fence_put(fence.as_ptr().cast()) };
    }
}

impl Fence {
    pub(crate) fn as_ptr(&self) -> *mut bindings::dma_fence {
        self.0.get()
    }

    /// Takes a reference over.
    ///
    /// # Safety
    ///
    /// `fence` must be initialised, and a reference to it the caller's to give.
    pub(super) unsafe fn from_raw(fence: NonNull<bindings::dma_fence>) -> ARef<Self> {
        // SAFETY: `Fence` is transparent, and the caller gives its reference.
        unsafe { ARef::from_raw(fence.cast()) }
    }

    /// Borrows it.
    ///
    /// # Safety
    ///
    /// There must be a reference to `fence` for `'a`.
    pub(crate) unsafe fn borrow<'a>(fence: *mut bindings::dma_fence) -> &'a Self {
        // SAFETY: `Fence` is transparent, and the caller promises the rest.
        unsafe { &*fence.cast() }
    }

    /// A fence that is signalled already.
    ///
    /// # Context
    ///
    /// Any. C: `dma_fence_get_stub()`.
    pub fn signalled() -> ARef<Self> {
        // SAFETY: It has no requirements, and gives a reference.
        let stub = unsafe { bindings::dma_fence_get_stub() };
        // SAFETY: The stub is initialised, for ever, and the reference is ours.
        unsafe { ARef::from_raw(NonNull::new_unchecked(stub.cast())) }
    }

    /// The context that it belongs to: fences of one context are signalled in the order of their
    /// [`seqno`](Self::seqno).
    pub fn context(&self) -> u64 {
        // SAFETY: It does not change while the fence is there.
        unsafe { (*self.as_ptr()).context }
    }

    /// Its place in its context.
    pub fn seqno(&self) -> u64 {
        // SAFETY: It does not change once the fence is published.
        unsafe { (*self.as_ptr()).seqno }
    }

    /// What it came to, or `None` if it is known not to be signalled yet.
    ///
    /// Looks at the flag alone; some drivers set it only when they are asked: [`poll`](Self::poll).
    ///
    /// # Context
    ///
    /// Any.
    pub fn status(&self) -> Option<Result> {
        // SAFETY: The fence is initialised.
        if !unsafe { bindings::fence_test_signaled(self.as_ptr()) } {
            return None;
        }
        // SAFETY: As above; the error does not change any more.
        Some(to_result(unsafe { bindings::fence_error(self.as_ptr()) }))
    }

    /// As [`status`](Self::status), and asks the driver.
    ///
    /// # Context
    ///
    /// Any but a fence's callback: it may take the fence's lock. C: `dma_fence_is_signaled()`.
    pub fn poll<L, S>(&self, _cx: &mut Cx<'_, L, S>) -> Option<Result>
    where
        L: Before<FenceCallback>,
        S: Sleep,
    {
        // SAFETY: The fence is initialised.
        unsafe { bindings::fence_is_signaled(self.as_ptr()) };
        self.status()
    }

    /// When it was signalled, in nanoseconds of `CLOCK_MONOTONIC`; `None` if it was not yet.
    ///
    /// # Context
    ///
    /// Any. C: `dma_fence_timestamp()`.
    pub fn timestamp(&self) -> Option<i64> {
        self.status().map(|_| {
            // SAFETY: The fence is signalled.
            unsafe { bindings::fence_timestamp(self.as_ptr()) }
        })
    }

    /// A fence that is signalled when all of `fences` are, with the first error among them.
    ///
    /// Arrays, chains and merged ones are taken apart; of each context the latest is kept; of those
    /// that are signalled nothing is. Without any it is one that is signalled.
    ///
    /// # Context
    ///
    /// Where `GFP_KERNEL` is allowed. C: `dma_fence_unwrap_merge()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `E2BIG` for more than 65,536.
    pub fn merge(gfp: &mut Gfp<'_, Kernel>, fences: &[ARef<Self>]) -> Result<ARef<Self>> {
        /// As many as the kernel's own array of them can be without a large allocation.
        const MOST: u32 = 1 << 16;

        let count = u32::try_from(fences.len()).map_err(|_| E2BIG)?;
        if count > MOST {
            return Err(E2BIG);
        }
        if count == 0 {
            return Ok(Self::signalled());
        }
        let merged = gfp.with(|_| {
            // SAFETY: An `ARef` is a pointer to a fence; the array is only read.
            unsafe { bindings::fence_merge(fences.as_ptr().cast_mut().cast(), count) }
        });
        let merged = NonNull::new(merged).ok_or(ENOMEM)?;
        // SAFETY: It gives a reference.
        Ok(unsafe { Self::from_raw(merged) })
    }
}
