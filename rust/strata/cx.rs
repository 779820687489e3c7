// SPDX-License-Identifier: GPL-2.0

//! The order: context levels, what may follow what, and the token that proves where a task stands.
//!
//! A [`Cx`] says two things of the running task: at which [`Level`] of the kernel's one lock order
//! it stands, and whether it may sleep. It is handed out by an entry point (module init, an ioctl, a
//! work item, a callback) and from there only narrowed, through closures that borrow it mutably:
//! inside such a closure the stronger token cannot be reached.
//!
//! It is *not* a lock and *not* a proof that anything is held exclusively; and it sees only what
//! goes through the API of this crate. What bypasses it is for the task scopes of [`crate::scope`]
//! and for lockdep to catch.
//!
//! C: `dma_resv_lockdep()` in `drivers/dma-buf/dma-resv.c`, `might_alloc()` in
//! [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h).
//!
//! # The order
//!
//! | level | held by | acquired by |
//! |---|---|---|
//! | [`Process`] | module init, ioctl, work item | (nothing) |
//! | [`MmapHeld`] | fault handlers, `mmap` operations | `mmap_read_lock`, access to user memory |
//! | [`ResvHeld`] | a reservation lock's holder | `dma_resv_lock`, `ww_acquire_init` |
//! | [`Reclaim`] | shrinker callbacks | an allocation with `GFP_KERNEL` |
//! | [`NoFs`] | a `memalloc_nofs` scope | (nothing) |
//! | [`NoIo`] | a `memalloc_noio` scope | an allocation with `GFP_NOFS` |
//! | [`ReclaimLock`] | locks that a shrinker takes | those locks |
//! | [`Notifier`] | `invalidate` callbacks | what unmaps or migrates pages, a notifier's removal |
//! | [`NotifierLock`] | locks that such a callback takes | those locks |
//! | [`FenceWait`] | (nothing) | waiting for a dma-fence |
//! | [`Signalling`] | dma-fence signalling sections | (nothing: it is a trylock) |
//! | [`SignalLock`] | locks taken in such a section | those locks |
//! | [`FenceCallback`] | a fence's callback, under the fence's lock | what takes a fence's lock |
//! | [`IrqLock`] | locks taken in such callbacks and in interrupts | those locks |
//!
//! A context at one level may acquire only later ones. `GFP_NOIO` acquires [`ReclaimLock`] and all
//! that comes after it: every reclaim calls shrinkers. `GFP_NOWAIT` and `GFP_ATOMIC` acquire
//! nothing. Drivers put ranks of their own between two levels with [`ranks!`](crate::ranks).
//!
//! # Examples
//!
//! ```
//! use strata::prelude::*;
//!
//! /// Runs wherever `GFP_KERNEL` is allowed, and nowhere else.
//! fn prepare<L: MayAlloc<gfp::Kernel>>(cx: &mut Cx<'_, L>) -> Result<KBox<u32>> {
//!     Ok(cx.alloc(7)?)
//! }
//!
//! # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
//! # let mut cx = unsafe { Cx::<'_, Process>::assume() };
//! # let cx = &mut cx;
//! assert_eq!(*prepare(cx)?, 7);
//! let kept = cx.nofs(|cx| gfp::nofs(cx).boxed(8))?;
//! assert_eq!(*kept, 8);
//! # Ok::<(), Error>(())
//! ```

pub mod class;
mod order;
mod rank;
mod reach;

pub use self::rank::Rank;
#[doc(hidden)]
pub use self::rank::{
    starts,
    Place,
    RankMap,
    Slot, //
};

pub use self::reach::{
    EnterFs,
    StartIo, //
};

pub use self::order::{
    Before,
    FenceCallback,
    FenceWait,
    IrqLock,
    Join,
    Level,
    MayAlloc,
    MayWait,
    MmapHeld,
    NoFs,
    NoIo,
    Notifier,
    NotifierLock,
    Process,
    Reclaim,
    ReclaimLock,
    ResvHeld,
    SignalLock,
    Signalling, //
};

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::types::NotThreadSafe;

mod private {
    /// Keeps [`super::Sleep`] to the two kinds that there are.
    pub trait Sealed {}
}

/// Whether a context may sleep: [`Sleepable`] or [`Atomic`].
pub trait Sleep: private::Sealed {}

/// The task may sleep.
pub enum Sleepable {}

/// The task may not sleep: it holds a spinlock, has preemption or interrupts disabled, or was told
/// not to block.
pub enum Atomic {}

impl private::Sealed for Sleepable {}
impl private::Sealed for Atomic {}
impl Sleep for Sleepable {}
impl Sleep for Atomic {}

/// The context may sleep. Implemented by [`Sleepable`] alone.
#[diagnostic::on_unimplemented(
    message = "this operation may sleep, but the context is `{Self}`",
    label = "sleeps in an atomic context",
    note = "at run time: `BUG: sleeping function called from invalid context`",
    note = "move the call before the spinlock or `atomic` section, queue it as a work item, or use what never sleeps: `gfp::nowait`, `gfp::atomic`, `try_lock`"
)]
pub trait MaySleep: Sleep {}

impl MaySleep for Sleepable {}

/// Proof that the running task is at level `L` of the order and may sleep as `S` says.
///
/// Zero-sized. Neither [`Send`] nor [`Sync`]: it speaks of one task. Invariant in `'a`, so that one
/// that a closure lends cannot be kept.
///
/// # Invariants
///
/// While the token is reachable, the running task holds nothing of the order that comes after `L`,
/// and if `S` is [`Sleepable`], it may sleep.
pub struct Cx<'a, L: Level, S: Sleep = Sleepable> {
    _lent: PhantomData<fn(&'a ()) -> &'a ()>,
    _place: PhantomData<fn() -> (L, S)>,
    _task: NotThreadSafe,
}

impl<L: Level, S: Sleep> Cx<'_, L, S> {
    /// Mints a token out of nothing.
    ///
    /// For entry points alone; every one of them checks its claim at run time with lockdep before
    /// it calls this.
    ///
    /// # Safety
    ///
    /// For as long as the token lives, the running task must not hold anything of the order that
    /// comes after `L`, and must be allowed to sleep if `S` is [`Sleepable`].
    #[inline(always)]
    pub unsafe fn assume() -> Self {
        // INVARIANT: The caller promises just that.
        Self {
            _lent: PhantomData,
            _place: PhantomData,
            _task: NotThreadSafe,
        }
    }

    /// As [`assume`](Self::assume), but already borrowed.
    ///
    /// For an entry point whose callee returns something that may go on using the token.
    ///
    /// # Safety
    ///
    /// That of [`assume`](Self::assume), and no other token of the task may be used while the
    /// borrow lives.
    #[inline(always)]
    pub(crate) unsafe fn assume_borrowed<'b>() -> &'b mut Self {
        // INVARIANT: The caller promises just that.
        // SAFETY: It has no size, so that there is nothing to point to.
        unsafe { NonNull::<Self>::dangling().as_mut() }
    }

    /// Lends the token to `f` as what it is: that of a task which may sleep.
    #[inline(always)]
    pub(crate) fn sleepable<R>(&mut self, f: impl for<'b> FnOnce(&mut Cx<'b, L>) -> R) -> R
    where
        S: MaySleep,
    {
        // SAFETY: The level stays, and `MaySleep` says the rest.
        unsafe { self.at(f) }
    }

    /// Lends a token at `M` to `f`.
    ///
    /// While `f` runs, `self` is borrowed: the stronger token cannot be used in it.
    ///
    /// # Safety
    ///
    /// While `f` runs, the task must not hold anything of the order that comes after `M`, and must
    /// be allowed to sleep if `T` is [`Sleepable`].
    #[inline(always)]
    pub(crate) unsafe fn at<M: Level, T: Sleep, R>(
        &mut self,
        f: impl for<'b> FnOnce(&mut Cx<'b, M, T>) -> R,
    ) -> R {
        // SAFETY: The caller promises it for as long as `f` runs, and the token lives no longer.
        let mut cx = unsafe { Cx::assume() };
        f(&mut cx)
    }
}
