// SPDX-License-Identifier: GPL-2.0

//! Reservations: the lock of a buffer that its fences stand in, shared between drivers.
//!
//! A [`Resv`] is the kernel's `dma_resv`: a mutex that many can be taken of at once, in any order
//! ([`all`], [`many`]), and a list of the fences that the buffer is used until. Adding a fence must not fail,
//! since the fence is published by then: so there is a [`Slot`] for it, which was reserved while one
//! could allocate, and only a slot adds.
//!
//! Its lock is the level [`ResvHeld`] of the order, the same for all drivers: under it one may
//! allocate, and wait for fences; not touch user memory, nor take another reservation but by
//! those. In reclaim it can only be tried.
//!
//! C: [`include/linux/dma-resv.h`](srctree/include/linux/dma-resv.h). Docs:
//! `Documentation/driver-api/dma-buf.rst`, "Reservation Objects".
//!
//! # Examples
//!
//! ```
//! use strata::prelude::*;
//! use strata::fence::Timeline;
//! use strata::resv::{Resv, Usage};
//!
//! # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
//! # let mut cx = unsafe { Cx::<'_, Process>::assume() };
//! # let cx = &mut cx;
//! let timeline = Timeline::new(cx, c"example", c"copies")?;
//! let buffer: Pin<KBox<Resv<u32>>> = gfp::kernel(cx).boxed_init(Resv::new(0))?;
//! let prepared = timeline.prepare(&mut gfp::kernel(cx))?;
//!
//! buffer.lock(cx, |held, copies, cx| {
//!     let slot = held.reserve_one(&mut gfp::kernel(cx))?;
//!     *copies += 1;
//!     // From here on nothing may fail, and nothing does.
//!     cx.signalling(|cx| {
//!         let (fence, signaller) = prepared.publish(cx);
//!         slot.add(cx, &fence, Usage::Write).ok();
//!         signaller.signal(cx, Ok(()));
//!     });
//!     Ok::<(), Error>(())
//! })?;
//! assert!(buffer.is_signalled(cx, Usage::Bookkeep));
//! # Ok::<(), Error>(())
//! ```

mod held;
mod many;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

pub use self::{
    held::{
        Container,
        Held,
        Slot,
        Slots, //
    },
    many::{
        all,
        many,
        many_interruptible,
        Again,
        Many, //
    },
};

use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        FenceCallback,
        FenceWait,
        Join,
        MaySleep,
        MayWait,
        ResvHeld,
        Sleep, //
    },
    fence::{
        Fence,
        Waited,
        Wake, //
    },
    gfp::{
        Gfp,
        Kernel, //
    },
    maple::ExternalLock,
    shrinker::WaitToken,
};
use core::{
    cell::UnsafeCell,
    ffi::c_void,
    mem,
    ptr, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    time::Jiffies,
    types::Opaque, //
};

/// How a fence uses a buffer. Who asks for one usage is told of all earlier ones too.
///
/// C: `enum dma_resv_usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usage {
    /// Memory management: moves and clears. Whoever uses a buffer that is not pinned waits for it.
    Kernel,
    /// A write that who reads or writes next waits for.
    Write,
    /// A read that who writes next waits for.
    Read,
    /// No implicit order: page tables, preemption, what user space synchronises itself.
    Bookkeep,
}

impl Usage {
    fn from_raw(usage: i32) -> Self {
        match usage {
            0 => Self::Kernel,
            1 => Self::Write,
            2 => Self::Read,
            _ => Self::Bookkeep,
        }
    }

    fn as_raw(self) -> u32 {
        self as u32
    }

    /// What a new write, or a new read, of a buffer has to wait for.
    ///
    /// C: `dma_resv_usage_rw()`.
    pub fn to_wait_for(write: bool) -> Self {
        if write {
            Self::Read
        } else {
            Self::Write
        }
    }
}

/// A reservation, and what else its lock guards.
#[pin_data(PinnedDrop)]
pub struct Resv<D = ()> {
    #[pin]
    raw: Opaque<bindings::dma_resv>,
    data: UnsafeCell<D>,
}

// SAFETY: A reservation may be used by any task, and what it guards is `Send`.
unsafe impl<D: Send> Send for Resv<D> {}
// SAFETY: Its lock is a mutex: one task at a time has the data.
unsafe impl<D: Send> Sync for Resv<D> {}

impl Resv {
    /// Borrows one of another driver: of what its lock guards, we see nothing.
    ///
    /// # Safety
    ///
    /// `raw` must be initialised, and stay for `'a`.
    pub(crate) unsafe fn borrow<'a>(raw: *mut bindings::dma_resv) -> &'a Self {
        const {
            assert!(mem::offset_of!(Self, raw) == 0);
            assert!(mem::size_of::<Self>() == mem::size_of::<bindings::dma_resv>());
        }
        // SAFETY: It is a `dma_resv` and nothing more, and the caller promises the rest.
        unsafe { &*raw.cast() }
    }
}

impl<D> Resv<D> {
    /// A reservation without fences.
    ///
    /// # Context
    ///
    /// Any. C: `dma_resv_init()`.
    pub fn new(data: D) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` is valid for writing, and pinned.
            raw <- Opaque::ffi_init(|slot| unsafe { bindings::dma_resv_init(slot) }),
            data: UnsafeCell::new(data),
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::dma_resv {
        self.raw.get()
    }

    /// Runs `f` with the reservation locked.
    ///
    /// # Context
    ///
    /// Anything before [`ResvHeld`] that may sleep. C: `dma_resv_lock()`.
    pub fn lock<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl FnOnce(&Held<'_>, &mut D, &mut Cx<'_, ResvHeld, S>) -> O,
    ) -> O
    where
        L: Before<ResvHeld>,
        S: MaySleep,
    {
        // SAFETY: It is initialised. Without a ww context the lock cannot fail.
        unsafe { bindings::dma_resv_lock(self.as_ptr(), ptr::null_mut()) };
        // SAFETY: It was just locked.
        let locked = unsafe { Locked::new(self) };
        // SAFETY: `L` comes before `ResvHeld`, which is what is held.
        unsafe { cx.at(|cx| locked.with(|held, data| f(held, data, cx))) }
    }

    /// As [`lock`](Self::lock), and gives up when the task gets a signal.
    ///
    /// # Context
    ///
    /// As [`lock`](Self::lock). C: `dma_resv_lock_interruptible()`.
    ///
    /// # Errors
    ///
    /// `EINTR`; `f` was not called then.
    pub fn lock_interruptible<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl FnOnce(&Held<'_>, &mut D, &mut Cx<'_, ResvHeld, S>) -> O,
    ) -> Result<O>
    where
        L: Before<ResvHeld>,
        S: MaySleep,
    {
        // SAFETY: It is initialised.
        to_result(unsafe { bindings::resv_lock_interruptible(self.as_ptr(), ptr::null_mut()) })?;
        // SAFETY: It was just locked.
        let locked = unsafe { Locked::new(self) };
        // SAFETY: `L` comes before `ResvHeld`, which is what is held.
        Ok(unsafe { cx.at(|cx| locked.with(|held, data| f(held, data, cx))) })
    }

    /// Runs `f` with the reservation locked, if nobody has it.
    ///
    /// `f` stands at the later of `L` and [`ResvHeld`].
    ///
    /// # Context
    ///
    /// Any that may sleep. C: `dma_resv_trylock()`.
    pub fn try_lock<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl FnOnce(&Held<'_>, &mut D, &mut Cx<'_, L::Out, S>) -> O,
    ) -> Option<O>
    where
        L: Join<ResvHeld>,
        S: MaySleep,
    {
        // SAFETY: It is initialised.
        if !unsafe { bindings::resv_trylock(self.as_ptr()) } {
            return None;
        }
        // SAFETY: It was just locked.
        let locked = unsafe { Locked::new(self) };
        // SAFETY: `Out` is the later of what the caller and the lock hold.
        Some(unsafe { cx.at(|cx| locked.with(|held, data| f(held, data, cx))) })
    }

    /// Whether all fences up to `usage` are signalled.
    ///
    /// # Context
    ///
    /// Any but a fence's callback, with the lock or without. C: `dma_resv_test_signaled()`.
    pub fn is_signalled<L, S>(&self, _cx: &mut Cx<'_, L, S>, usage: Usage) -> bool
    where
        L: Before<FenceCallback>,
        S: Sleep,
    {
        // SAFETY: It is initialised.
        unsafe { bindings::dma_resv_test_signaled(self.as_ptr(), usage.as_raw()) }
    }

    /// Waits for all fences up to `usage`, for so many jiffies at most.
    ///
    /// # Context
    ///
    /// As [`Fence::wait`], with the lock or without. C: `dma_resv_wait_timeout()`.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` if a signal came first, unless `wake` is [`Wake::Done`]: the kernel knows no wait
    /// for a reservation that [`Wake::Killed`] alone ends.
    pub fn wait_timeout<L, S>(
        &self,
        _cx: &mut Cx<'_, L, S>,
        usage: Usage,
        wake: Wake,
        timeout: Jiffies,
    ) -> Result<Waited>
    where
        L: MayWait,
        S: MaySleep,
    {
        // SAFETY: It is initialised, and the token says that the task may sleep.
        let left = unsafe {
            bindings::dma_resv_wait_timeout(
                self.as_ptr(),
                usage.as_raw(),
                wake != Wake::Done,
                // The kernel takes it as a signed number.
                timeout.min(isize::MAX as Jiffies),
            )
        };
        Waited::from_left(left)
    }

    /// Waits in reclaim for all fences up to `usage`, for no longer than the permission allows.
    ///
    /// # Context
    ///
    /// Before a fence's wait, where somebody waits for the memory. C: `dma_resv_wait_timeout()`,
    /// `schedule_timeout_killable()`.
    pub fn wait_in_reclaim<L, S>(
        &self,
        cx: &mut Cx<'_, L, S>,
        usage: Usage,
        token: &mut WaitToken<'_>,
    ) -> Waited
    where
        L: Before<FenceWait>,
        S: MaySleep,
    {
        // Not `dma_resv_test_signaled()`: drivers that signal only what somebody waits for are to be
        // told, and lockdep too.
        let signalled = || {
            // SAFETY: It is initialised, and the token says that the task may sleep and wait.
            unsafe { bindings::dma_resv_wait_timeout(self.as_ptr(), usage.as_raw(), false, 0) > 0 }
        };
        if token.until(cx, signalled) {
            Waited::Signalled
        } else {
            Waited::TimedOut
        }
    }

    /// All fences up to `usage` that are not signalled.
    ///
    /// # Context
    ///
    /// Where `GFP_KERNEL` is allowed, with the lock or without. C: `dma_resv_get_fences()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn fences(&self, gfp: &mut Gfp<'_, Kernel>, usage: Usage) -> Result<KVec<ARef<Fence>>> {
        let mut count = 0;
        let mut fences = ptr::null_mut();
        gfp.with(|_| {
            // SAFETY: It is initialised; the pointers are valid for writing.
            to_result(unsafe {
                bindings::dma_resv_get_fences(
                    self.as_ptr(),
                    usage.as_raw(),
                    &mut count,
                    &mut fences,
                )
            })
        })?;
        let count = count as usize;
        if fences.is_null() {
            return Ok(KVec::new());
        }
        // SAFETY: It is an array of kmalloc's of so many references, which are ours; an `ARef` is a
        // pointer.
        Ok(unsafe { KVec::from_raw_parts(fences.cast(), count, count) })
    }
}

#[pinned_drop]
impl<D> PinnedDrop for Resv<D> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It is initialised, and nobody has it locked: that takes a reference.
        unsafe { bindings::dma_resv_fini(self.as_ptr()) };
    }
}

/// A reservation that the running task has locked; unlocked when dropped.
struct Locked<'a, D> {
    resv: &'a Resv<D>,
}

impl<'a, D> Locked<'a, D> {
    /// # Safety
    ///
    /// The running task must hold the lock, and give it to this value.
    unsafe fn new(resv: &'a Resv<D>) -> Self {
        Self { resv }
    }

    fn with<O>(self, f: impl FnOnce(&Held<'_>, &mut D) -> O) -> O {
        // SAFETY: The lock is held for as long as `self` is there.
        let held = unsafe { Held::new(&self.resv.raw) };
        // SAFETY: The lock's holder alone has the data, and lends it once.
        let data = unsafe { &mut *self.resv.data.get() };
        f(&held, data)
    }
}

impl<D> Drop for Locked<'_, D> {
    fn drop(&mut self) {
        // SAFETY: The task holds the lock since this value was made.
        unsafe { bindings::dma_resv_unlock(self.resv.as_ptr()) };
    }
}

// SAFETY: The data stays where it is while there is an `Arc`, and is lent to the lock's holder
// alone.
unsafe impl<D> ExternalLock for Arc<Resv<D>> {
    type Owner = D;
    type Level = ResvHeld;

    fn owner<L, S>(&self, _cx: &mut Cx<'_, L, S>) -> *const D
    where
        L: Before<ResvHeld>,
        S: MaySleep,
    {
        self.data.get()
    }

    fn mutex(&self) -> *mut c_void {
        // SAFETY: It is initialised.
        unsafe { bindings::resv_mutex(self.as_ptr()) }
    }
}
