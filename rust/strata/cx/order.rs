// SPDX-License-Identifier: GPL-2.0

//! The order itself, as one table: the levels, which may follow which, and who may allocate how.

use super::class;

/// A place in the order of contexts.
///
/// See the [module's table](crate::cx#the-order) for what each stands for.
///
/// # Safety
///
/// A type that implements it takes a place of its own in the order: it implements [`Before`],
/// [`Join`] and [`MayAlloc`] such that the order stays linear. [`ranks!`](crate::ranks) does so.
pub unsafe trait Level {
    /// Its name, as diagnostics and lock classes print it.
    const NAME: &'static str;
}

/// While at `Self`, `B` may be acquired.
///
/// # Safety
///
/// `Self` must come before `B` in the kernel's order.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` context may not acquire `{B}`",
    label = "would invert the order",
    note = "the order is: Process > MmapHeld > ResvHeld > Reclaim > NoFs > NoIo > ReclaimLock > Notifier > NotifierLock > FenceWait, and nothing but SignalLock, FenceCallback and IrqLock may follow Signalling",
    note = "at run time: `WARNING: possible circular locking dependency detected`, or `possible recursive locking detected` for a level taken twice",
    note = "take it before this context is entered, use `try_lock`, or hand the work to a work item"
)]
pub unsafe trait Before<B: Level>: Level {}

/// The later of two levels: where a *successful trylock* of `B` leaves a task that stands at `Self`.
///
/// A trylock cannot deadlock by itself, so lockdep never complains of it; but what is then done
/// under the lock is done as its holder.
///
/// # Safety
///
/// `Out` must be whichever of `Self` and `B` comes later.
#[diagnostic::on_unimplemented(
    message = "the ranks `{Self}` and `{B}` have no order between them",
    label = "ranks of different `ranks!` sets do not nest",
    note = "declare both ranks in one `strata::ranks!` set"
)]
pub unsafe trait Join<B: Level>: Level {
    /// The later of the two.
    type Out: Level;
}

/// While at `Self`, memory of class `C` may be allocated.
///
/// # Safety
///
/// `Self` must come before what an allocation of class `C` acquires.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` context may not allocate with class `{C}`",
    label = "this allocation may enter a level that the context already stands at or behind",
    note = "`Kernel` acquires fs_reclaim: levels before Reclaim may. `NoFs` and `NoIo` still call shrinkers and mmu notifiers: levels before NoIo or NoIo itself may, nobody who holds a lock that a shrinker takes",
    note = "at run time: lockdep reports fs_reclaim (for `Kernel`) or mmu_notifier_invalidate_range_start; `NoFs` under a lock that a shrinker takes is a hang that nothing reports",
    note = "allocate before this context is entered and pass the memory in, or use `gfp::nowait`"
)]
pub unsafe trait MayAlloc<C: class::Class>: Level {}

/// Declares the levels in their order.
macro_rules! levels {
    ($($(#[$doc:meta])* $level:ident,)*) => {
        $(
            $(#[$doc])*
            pub enum $level {}

            // SAFETY: `follows!` and `joins!` below give it its place.
            unsafe impl Level for $level {
                const NAME: &'static str = stringify!($level);
            }
        )*
    };
}

levels! {
    /// Ordinary process context: nothing of the order is held.
    Process,
    /// The mmap lock is held: `mmap` operations, page-fault handlers.
    MmapHeld,
    /// A `dma_resv` is locked, or a ww acquire context is open.
    ResvHeld,
    /// Inside reclaim (`fs_reclaim`): shrinker callbacks.
    Reclaim,
    /// A `memalloc_nofs` scope: what runs in it must be safe inside of file system reclaim.
    NoFs,
    /// A `memalloc_noio` scope: what runs in it must be safe on the way of reclaim's own IO.
    NoIo,
    /// A lock is held that a shrinker takes. Reclaim of every kind calls shrinkers, that of
    /// `GFP_NOFS` and `GFP_NOIO` too: nothing that reclaims is allocated here.
    ReclaimLock,
    /// Inside an mmu notifier's `invalidate` callback.
    Notifier,
    /// A lock is held that such a callback takes.
    NotifierLock,
    /// The wait for a dma-fence. Acquired, never held.
    FenceWait,
    /// A dma-fence signalling section: others may be waiting, at any level, for what runs here.
    Signalling,
    /// A lock is held that is taken in signalling sections.
    SignalLock,
    /// Inside a fence's callback: the fence's own lock is held, interrupts are off. Who holds it can
    /// take no lock of another fence.
    FenceCallback,
    /// A lock is held that such callbacks and interrupt handlers take.
    IrqLock,
}

/// `follows!(a, b, c)`: in this order, each level is before all later ones.
macro_rules! follows {
    () => {};
    ($first:ident $(, $later:ident)*) => {
        $(
            // SAFETY: The table says so.
            unsafe impl Before<$later> for $first {}
        )*
        follows!($($later),*);
    };
}

follows!(
    Process,
    MmapHeld,
    ResvHeld,
    Reclaim,
    NoFs,
    NoIo,
    ReclaimLock,
    Notifier,
    NotifierLock,
    FenceWait
);

/// A signalling section may be entered from every level that can be held, and its locks be taken.
macro_rules! signals {
    ($($level:ident),*) => {
        $(
            // SAFETY: `dma_fence_begin_signalling()` acquires as a trylock does.
            unsafe impl Before<Signalling> for $level {}
            // SAFETY: Nothing of the order is acquired while such a lock is held.
            unsafe impl Before<SignalLock> for $level {}
            // SAFETY: As above.
            unsafe impl Before<FenceCallback> for $level {}
            // SAFETY: As above.
            unsafe impl Before<IrqLock> for $level {}
        )*
    };
}

signals!(
    Process,
    MmapHeld,
    ResvHeld,
    Reclaim,
    NoFs,
    NoIo,
    ReclaimLock,
    Notifier,
    NotifierLock,
    // A section inside of a section is a no-op (`dma_fence_begin_signalling()`).
    Signalling
);

follows!(SignalLock, FenceCallback, IrqLock);

/// `joins!(a, b, c)`: of any two of these levels, the one that stands later here.
macro_rules! joins {
    () => {};
    ($first:ident $(, $later:ident)*) => {
        // SAFETY: They are the same.
        unsafe impl Join<$first> for $first {
            type Out = $first;
        }
        $(
            // SAFETY: `$later` is the later one.
            unsafe impl Join<$later> for $first {
                type Out = $later;
            }
            // SAFETY: `$later` is the later one.
            unsafe impl Join<$first> for $later {
                type Out = $later;
            }
        )*
        joins!($($later),*);
    };
}

joins!(
    Process,
    MmapHeld,
    ResvHeld,
    Reclaim,
    NoFs,
    NoIo,
    ReclaimLock,
    Notifier,
    NotifierLock,
    Signalling,
    SignalLock,
    FenceCallback,
    IrqLock
);

/// `allocates!(Class: levels)`: who may allocate how.
macro_rules! allocates {
    ($($class:ident: $($level:ident),*;)*) => {
        $($(
            // SAFETY: The level comes before what the class acquires.
            unsafe impl MayAlloc<class::$class> for $level {}
        )*)*
    };
}

/// While at `Self`, a fence may be waited for, as long as it takes.
///
/// # Safety
///
/// `Self` must come before [`FenceWait`].
#[diagnostic::on_unimplemented(
    message = "a `{Self}` context may not wait for a fence",
    label = "who waits here may be what the fence waits for",
    note = "in reclaim only a `WaitToken` may: for a bounded time, and where somebody waits for the memory",
    note = "in a signalling section lockdep lets every wait pass; the section's own fence is a hang. A dependency that provably comes first has `Dependency::wait`; else let the fence queue the work"
)]
pub unsafe trait MayWait: Before<FenceWait> {}

/// `waits!(levels)`: who may wait for a fence as long as it takes.
macro_rules! waits {
    ($($level:ident),*) => {
        $(
            // SAFETY: `follows!` has it before the wait.
            unsafe impl MayWait for $level {}
        )*
    };
}

waits!(
    Process,
    MmapHeld,
    ResvHeld,
    NoFs,
    NoIo,
    ReclaimLock,
    Notifier,
    NotifierLock
);

allocates! {
    Kernel: Process, MmapHeld, ResvHeld;
    NoFs: Process, MmapHeld, ResvHeld, Reclaim, NoFs;
    NoIo: Process, MmapHeld, ResvHeld, Reclaim, NoFs, NoIo;
}
