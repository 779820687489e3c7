// SPDX-License-Identifier: GPL-2.0

//! A reservation that is locked: its fences, and room for more.

use super::Usage;
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        FenceCallback,
        Sleep, //
    },
    fence::Fence,
    gfp::{
        Gfp,
        Kernel, //
    },
};
use core::{
    cell::Cell,
    ffi::c_void,
    fmt,
    marker::PhantomData, //
};
use kernel::{
    error::to_result,
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

/// A reservation that the running task has locked.
///
/// # Invariants
///
/// The lock is held for `'a`, by this task. There is room for `reserved` more fences.
pub struct Held<'a> {
    raw: *mut bindings::dma_resv,
    reserved: Cell<u32>,
    _lock: PhantomData<&'a ()>,
    _task: NotThreadSafe,
}

impl<'a> Held<'a> {
    /// # Safety
    ///
    /// The running task must hold the lock for as long as the value lives, and have no other `Held`
    /// of it that has reserved something.
    pub(super) unsafe fn new(raw: &'a Opaque<bindings::dma_resv>) -> Self {
        // INVARIANT: The caller promises it; nothing is reserved.
        Self {
            raw: raw.get(),
            reserved: Cell::new(0),
            _lock: PhantomData,
            _task: NotThreadSafe,
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::dma_resv {
        self.raw
    }

    /// Makes room for `count` more fences, beside what was reserved before.
    ///
    /// # Context
    ///
    /// Where `GFP_KERNEL` is allowed. C: `dma_resv_reserve_fences()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` for none, and `E2BIG` for more than there can be. What was reserved before
    /// stays.
    pub fn reserve(&self, gfp: &mut Gfp<'_, Kernel>, count: u32) -> Result<Slots<'_>> {
        /// More than any buffer has, and few enough for the page allocator not to complain.
        const MOST: u32 = 1 << 16;

        if count == 0 {
            return Err(EINVAL);
        }
        // The kernel makes sure that so many are free, and does not know whose they are.
        let reserved = self.reserved.get().checked_add(count).ok_or(E2BIG)?;
        if reserved > MOST {
            return Err(E2BIG);
        }
        gfp.with(|_| {
            // SAFETY: By the invariant the lock is held.
            to_result(unsafe { bindings::dma_resv_reserve_fences(self.raw, reserved) })
        })?;
        // INVARIANT: So many are free.
        self.reserved.set(reserved);
        Ok(Slots {
            held: self,
            left: count,
        })
    }

    /// Makes room for one more fence.
    ///
    /// # Context
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    pub fn reserve_one(&self, gfp: &mut Gfp<'_, Kernel>) -> Result<Slot<'_>> {
        self.reserve(gfp, 1)?.next().ok_or(EINVAL)
    }

    /// Shows all fences up to `usage` that are not signalled to `f`, with what each is used for.
    ///
    /// # Context
    ///
    /// Any that may hold the lock. C: `dma_resv_for_each_fence()`.
    pub fn for_each<L, S, F>(&self, _cx: &mut Cx<'_, L, S>, usage: Usage, mut f: F)
    where
        L: Before<FenceCallback>,
        S: Sleep,
        F: FnMut(&Fence, Usage),
    {
        /// # Safety
        ///
        /// `arg` must point to an `F` that is the caller's, and `fence` be valid.
        unsafe extern "C" fn show<F: FnMut(&Fence, Usage)>(
            fence: *mut bindings::dma_fence,
            usage: i32,
            arg: *mut c_void,
        ) {
            // SAFETY: The caller promises it.
            let f = unsafe { &mut *arg.cast::<F>() };
            // SAFETY: The reservation has a reference, and is locked.
            f(unsafe { Fence::borrow(fence) }, Usage::from_raw(usage));
        }

        // SAFETY: By the invariant the lock is held; the function is for `f`, which outlives the
        // call.
        unsafe {
            bindings::resv_for_each(
                self.raw,
                usage.as_raw() as i32,
                Some(show::<F>),
                (&raw mut f).cast(),
            )
        };
    }
}

/// Room for some fences, until the reservation is unlocked.
pub struct Slots<'h> {
    held: &'h Held<'h>,
    left: u32,
}

impl<'h> Iterator for Slots<'h> {
    type Item = Slot<'h>;

    fn next(&mut self) -> Option<Slot<'h>> {
        self.left = self.left.checked_sub(1)?;
        // INVARIANT: It was counted here, and is now counted there.
        Some(Slot { held: self.held })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Slots<'_> {}

impl Drop for Slots<'_> {
    fn drop(&mut self) {
        self.held.reserved.set(self.held.reserved.get() - self.left);
    }
}

/// Room for one fence.
///
/// # Invariants
///
/// It is one of those that `held` has reserved.
#[must_use = "nothing was added"]
pub struct Slot<'h> {
    held: &'h Held<'h>,
}

impl<'h> Slot<'h> {
    /// Adds a fence, which the buffer is then used for as `usage` until it is signalled.
    ///
    /// An earlier fence of the same context and usage is replaced, and room stays.
    ///
    /// # Context
    ///
    /// Any that may hold the lock, in a signalling section too: cannot fail for want of anything.
    /// C: `dma_resv_add_fence()`.
    ///
    /// # Errors
    ///
    /// [`Container`] for an array or a chain, whose fences are to be added one by one: never for a
    /// fence that a timeline published.
    pub fn add<L, S>(
        self,
        _cx: &mut Cx<'_, L, S>,
        fence: &Fence,
        usage: Usage,
    ) -> Result<(), Container<'h>>
    where
        L: Before<FenceCallback>,
        S: Sleep,
    {
        // SAFETY: The fence is initialised.
        if unsafe { bindings::fence_is_container(fence.as_ptr()) } {
            return Err(Container { slot: self });
        }
        // SAFETY: By the invariants the lock is held, and there is room.
        unsafe { bindings::dma_resv_add_fence(self.held.as_ptr(), fence.as_ptr(), usage.as_raw()) };
        Ok(())
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        // Used or not, it is not reserved any more.
        self.held.reserved.set(self.held.reserved.get() - 1);
    }
}

/// The fence consists of others; here is the slot.
pub struct Container<'h> {
    /// What was not used.
    pub slot: Slot<'h>,
}

impl fmt::Debug for Container<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Container")
    }
}

impl From<Container<'_>> for Error {
    fn from(_: Container<'_>) -> Self {
        EINVAL
    }
}
