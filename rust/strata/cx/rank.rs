// SPDX-License-Identifier: GPL-2.0

//! Ranks: levels that locks stand at, those of this crate and those that drivers declare.

use super::{
    IrqLock,
    Level,
    MmapHeld,
    NotifierLock,
    Reclaim,
    ReclaimLock,
    SignalLock,
    Signalling, //
};
use kernel::prelude::*;
#[cfg(CONFIG_LOCKDEP)]
use kernel::sync::LockClassKey;

/// A level that a lock can stand at.
///
/// # Safety
///
/// `PLACE` must be the kernel level that the rank comes after, [`Starts`](Rank::Starts) the first
/// level that priming the rank acquires, and `BEFORE` and `AFTER` the other ranks of the same place,
/// in their order. [`ranks!`](crate::ranks) and this module alone implement it.
pub unsafe trait Rank: Level {
    /// What telling lockdep of the rank acquires first. A lock of this rank may be created only
    /// before that.
    type Starts: Level;

    /// The kernel level that this rank comes after.
    #[doc(hidden)]
    const PLACE: Place;

    /// The ranks between that level and this one.
    #[doc(hidden)]
    const BEFORE: &'static [fn() -> &'static RankMap];

    /// The ranks between this one and the next level of the kernel.
    #[doc(hidden)]
    const AFTER: &'static [fn() -> &'static RankMap];

    /// The map that stands for the rank itself: after all its locks, before all of the next rank.
    #[doc(hidden)]
    fn map() -> &'static RankMap;
}

/// A level of the kernel's own that ranks can stand after: `enum strata_place` of the C helpers.
///
/// Its values are associated constants: variants of an enum would be further items with the names
/// of the levels, and rustc shortens only the path of a name that is there once.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Place(pub i32);

#[expect(non_upper_case_globals)]
impl Place {
    pub const Process: Self = Self(0);
    pub const MmapHeld: Self = Self(1);
    pub const ResvHeld: Self = Self(2);
    pub const Reclaim: Self = Self(3);
    pub const Notifier: Self = Self(4);
    pub const Signalling: Self = Self(5);
}

/// The class that stands for a whole rank: acquired only to tell lockdep of the order.
#[doc(hidden)]
pub struct RankMap {
    #[cfg(CONFIG_LOCKDEP)]
    pub(crate) name: &'static CStr,
    #[cfg(CONFIG_LOCKDEP)]
    pub(crate) key: LockClassKey,
}

impl RankMap {
    /// # Safety
    ///
    /// The result must be stored in a `static`.
    pub const unsafe fn new(name: &'static CStr) -> Self {
        #[cfg(not(CONFIG_LOCKDEP))]
        let _ = name;
        Self {
            #[cfg(CONFIG_LOCKDEP)]
            name,
            #[cfg(CONFIG_LOCKDEP)]
            // SAFETY: It is stored in a `static`, by the caller's promise.
            key: unsafe { LockClassKey::new_static() },
        }
    }
}

/// The map of a rank, in a `static` of its own.
#[doc(hidden)]
#[macro_export]
macro_rules! rank_map {
    ($name:expr) => {{
        // SAFETY: It is a `static`.
        static MAP: $crate::cx::RankMap = unsafe {
            $crate::cx::RankMap::new($crate::__kernel::c_str!(::core::concat!("strata:", $name)))
        };
        &MAP
    }};
}

/// Maps that come before all locks of a rank of this crate: what driver ranks that stand between the
/// kernel's level and that rank end at.
#[doc(hidden)]
pub mod starts {
    use super::RankMap;

    pub fn reclaim_lock() -> &'static RankMap {
        crate::rank_map!("before:ReclaimLock")
    }

    pub fn notifier_lock() -> &'static RankMap {
        crate::rank_map!("before:NotifierLock")
    }

    pub fn signal_lock() -> &'static RankMap {
        crate::rank_map!("before:SignalLock")
    }

    pub fn irq_lock() -> &'static RankMap {
        crate::rank_map!("before:IrqLock")
    }
}

macro_rules! rank {
    ($rank:ident, $place:ident, $starts:ident, $start:ident) => {
        // SAFETY: The rank follows `$place`, with nothing but driver ranks between them.
        unsafe impl Rank for $rank {
            type Starts = $starts;
            const PLACE: Place = Place::$place;
            const BEFORE: &'static [fn() -> &'static RankMap] = &[starts::$start];
            const AFTER: &'static [fn() -> &'static RankMap] = &[];

            fn map() -> &'static RankMap {
                $crate::rank_map!(stringify!($rank))
            }
        }
    };
}

rank!(ReclaimLock, Reclaim, Reclaim, reclaim_lock);
// A real notifier's callback is what primes it, and that takes the mmap lock.
rank!(NotifierLock, Notifier, MmapHeld, notifier_lock);
rank!(SignalLock, Signalling, Signalling, signal_lock);
rank!(IrqLock, Signalling, Signalling, irq_lock);

/// Where a group of driver ranks can stand. Associated constants, as those of [`Place`].
#[doc(hidden)]
pub struct Slot;

#[expect(non_upper_case_globals)]
impl Slot {
    pub const Process: u8 = 0;
    pub const MmapHeld: u8 = 1;
    pub const ResvHeld: u8 = 2;
    pub const NoIo: u8 = 3;
    pub const ReclaimLock: u8 = 4;
    pub const Notifier: u8 = 5;
    pub const NotifierLock: u8 = 6;
    pub const Signalling: u8 = 7;
    pub const SignalLock: u8 = 8;
}

/// Declares the ranks of a driver's own locks, between the levels of the order.
///
/// `after LEVEL: A, B, C` puts `A`, `B` and `C`, in this order, directly after `LEVEL` and before
/// the next one: a lock of rank `B` may be taken while one of rank `A` is held, and not the other
/// way round. `LEVEL` is one of `Process`, `MmapHeld`, `ResvHeld`, `NoIo`, `ReclaimLock`,
/// `Notifier`, `NotifierLock`, `Signalling` and `SignalLock`. A set may have several such groups,
/// in the order of their levels, with a `;` between them. Ranks of different sets do not nest.
///
/// # Examples
///
/// ```
/// use strata::prelude::*;
/// use strata::sync::Mutex;
///
/// strata::ranks! {
///     after Process:
///     /// What is configured; held over allocations.
///     pub Config;
///
///     after ReclaimLock:
///     /// The table of buffers; shrinkers take it.
///     pub Table,
///     /// One buffer.
///     pub Buffer,
/// }
///
/// fn resize(
///     cx: &mut Cx<'_, Process>,
///     config: &Mutex<u32, Config>,
///     table: &Mutex<u32, Table>,
///     buffer: &Mutex<u32, Buffer>,
/// ) {
///     config.lock(cx, |limit, cx| {
///         table.lock(cx, |count, cx| {
///             buffer.lock(cx, |size, _| *size = *count.min(limit));
///         });
///     });
/// }
///
/// assert_eq!(<Buffer as strata::cx::Level>::NAME, "Buffer");
/// # let _ = resize;
/// ```
#[macro_export]
macro_rules! ranks {
    ($(after $level:ident: $($(#[$doc:meta])* $vis:vis $rank:ident),+ $(,)?);+ $(;)?) => {
        $crate::ranks!(@groups [] [] $({ $level $($(#[$doc])* $vis $rank),+ })+);
    };

    // One group after the other; the ranks of those before are in the first brackets, the level of
    // the last one is in the second.
    (@groups $outer:tt $last:tt) => {};
    (@groups [$($outer:ident)*] [$($last:ident)?]
     { $level:ident $($(#[$doc:meta])* $vis:vis $rank:ident),+ } $($rest:tt)*) => {
        $(
            const _: () = ::core::assert!(
                $crate::cx::Slot::$last < $crate::cx::Slot::$level,
                "the groups of a set stand in the order of their levels"
            );
        )?
        $crate::ranks!(@slot $level [$($outer)*] $($(#[$doc])* $vis $rank),+);
        $crate::ranks!(@groups [$($outer)* $($rank)+] [$level] $($rest)*);
    };

    (@slot Process $outer:tt $($ranks:tt)*) => {
        $crate::ranks!(@set $outer Process MmapHeld [] []
            [Process]
            [MmapHeld ResvHeld Reclaim NoFs NoIo ReclaimLock Notifier NotifierLock]
            [Signalling SignalLock FenceCallback IrqLock] [FenceWait] [Kernel NoFs NoIo] [] $($ranks)*);
    };
    (@slot MmapHeld $outer:tt $($ranks:tt)*) => {
        $crate::ranks!(@set $outer MmapHeld MmapHeld [] []
            [Process MmapHeld]
            [ResvHeld Reclaim NoFs NoIo ReclaimLock Notifier NotifierLock]
            [Signalling SignalLock FenceCallback IrqLock] [FenceWait] [Kernel NoFs NoIo] [] $($ranks)*);
    };
    (@slot ResvHeld $outer:tt $($ranks:tt)*) => {
        $crate::ranks!(@set $outer ResvHeld ResvHeld [] []
            [Process MmapHeld ResvHeld]
            [Reclaim NoFs NoIo ReclaimLock Notifier NotifierLock]
            [Signalling SignalLock FenceCallback IrqLock] [FenceWait] [Kernel NoFs NoIo] [] $($ranks)*);
    };
    (@slot NoIo $outer:tt $($ranks:tt)*) => {
        $crate::ranks!(@set $outer Reclaim Reclaim [] [reclaim_lock]
            [Process MmapHeld ResvHeld Reclaim NoFs NoIo]
            [ReclaimLock Notifier NotifierLock]
            [Signalling SignalLock FenceCallback IrqLock] [FenceWait] [] [] $($ranks)*);
    };
    (@slot ReclaimLock $outer:tt $($ranks:tt)*) => {
        $crate::ranks!(@set $outer Reclaim Reclaim [$crate::cx::ReclaimLock] []
            [Process MmapHeld ResvHeld Reclaim NoFs NoIo ReclaimLock]
            [Notifier NotifierLock]
            [Signalling SignalLock FenceCallback IrqLock] [FenceWait] [] [] $($ranks)*);
    };
    (@slot Notifier $outer:tt $($ranks:tt)*) => {
        $crate::ranks!(@set $outer Notifier MmapHeld [] [notifier_lock]
            [Process MmapHeld ResvHeld Reclaim NoFs NoIo ReclaimLock Notifier]
            [NotifierLock]
            [Signalling SignalLock FenceCallback IrqLock] [FenceWait] [] [] $($ranks)*);
    };
    (@slot NotifierLock $outer:tt $($ranks:tt)*) => {
        $crate::ranks!(@set $outer Notifier MmapHeld [$crate::cx::NotifierLock] []
            [Process MmapHeld ResvHeld Reclaim NoFs NoIo ReclaimLock Notifier NotifierLock]
            []
            [Signalling SignalLock FenceCallback IrqLock] [FenceWait] [] [] $($ranks)*);
    };
    (@slot Signalling $outer:tt $($ranks:tt)*) => {
        $crate::ranks!(@set $outer Signalling Signalling [] [signal_lock]
            [Process MmapHeld ResvHeld Reclaim NoFs NoIo ReclaimLock Notifier NotifierLock Signalling]
            []
            [SignalLock FenceCallback IrqLock] [] [] [] $($ranks)*);
    };
    (@slot SignalLock $outer:tt $($ranks:tt)*) => {
        $crate::ranks!(@set $outer Signalling Signalling [$crate::cx::SignalLock] []
            [Process MmapHeld ResvHeld Reclaim NoFs NoIo ReclaimLock Notifier NotifierLock Signalling
             SignalLock]
            []
            [FenceCallback IrqLock] [] [] [] $($ranks)*);
    };
    (@slot Reclaim $($rest:tt)*) => {
        $crate::ranks!(@slot NoFs $($rest)*);
    };
    (@slot NoFs $($rest:tt)*) => {
        ::core::compile_error!("locks that are taken in reclaim stand after `NoIo`: no scope lets their holders reclaim");
    };
    (@slot $level:ident $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "no lock can stand after `",
            ::core::stringify!($level),
            "`: it is one of Process, MmapHeld, ResvHeld, NoIo, ReclaimLock, Notifier, NotifierLock, \
             Signalling and SignalLock"
        ));
    };

    // One rank after the other; those done are in the last brackets before the rest.
    (@set [$($outer:ident)*] $place:ident $starts:ident [$($anchor:ty)?] [$($end:ident)?]
     $before:tt $after:tt $signal:tt $wait:tt $classes:tt [$($done:ident)*]) => {};
    (@set [$($outer:ident)*] $place:ident $starts:ident [$($anchor:ty)?] [$($end:ident)?]
     $before:tt $after:tt $signal:tt $wait:tt $classes:tt [$($done:ident)*]
     $(#[$doc:meta])* $vis:vis $rank:ident $(, $($rest:tt)*)?) => {
        $(#[$doc])*
        $vis enum $rank {}

        // SAFETY: What follows gives it its place.
        unsafe impl $crate::cx::Level for $rank {
            const NAME: &'static str = ::core::stringify!($rank);
        }
        // SAFETY: It is no other level.
        unsafe impl $crate::cx::Join<$rank> for $rank {
            type Out = $rank;
        }
        // SAFETY: The lists are those of the set, in its order.
        unsafe impl $crate::cx::Rank for $rank {
            type Starts = $crate::cx::$starts;
            const PLACE: $crate::cx::Place = $crate::cx::Place::$place;
            const BEFORE: &'static [fn() -> &'static $crate::cx::RankMap] = &[
                $(<$anchor as $crate::cx::Rank>::map,)?
                $(<$done as $crate::cx::Rank>::map,)*
            ];
            const AFTER: &'static [fn() -> &'static $crate::cx::RankMap] =
                $crate::ranks!(@after [$($end)?] $($($rest)*)?);

            fn map() -> &'static $crate::cx::RankMap {
                $crate::rank_map!(::core::stringify!($rank))
            }
        }

        $crate::ranks!(@before $rank $before);
        $crate::ranks!(@later $rank $after);
        $crate::ranks!(@later $rank $signal);
        $crate::ranks!(@acquires $rank $wait);
        $crate::ranks!(@allocates $rank $classes);
        $crate::ranks!(@strongest $rank $classes);
        $(
            // SAFETY: `$done` stands before it in the set.
            unsafe impl $crate::cx::Before<$rank> for $done {}
            $crate::ranks!(@join $done $rank);
        )*
        $(
            // SAFETY: `$outer` is of a group before.
            unsafe impl $crate::cx::Before<$rank> for $outer {}
            $crate::ranks!(@join $outer $rank);
        )*
        $crate::ranks!(@set [$($outer)*] $place $starts [$($anchor)?] [$($end)?]
            $before $after $signal $wait $classes
            [$($done)* $rank] $($($rest)*)?);
    };

    (@before $rank:ident [$($level:ident)*]) => {
        $(
            // SAFETY: The set stands after `$level`.
            unsafe impl $crate::cx::Before<$rank> for $crate::cx::$level {}
            // SAFETY: The rank is the later of the two.
            unsafe impl $crate::cx::Join<$rank> for $crate::cx::$level {
                type Out = $rank;
            }
            // SAFETY: The rank is the later of the two.
            unsafe impl $crate::cx::Join<$crate::cx::$level> for $rank {
                type Out = $rank;
            }
        )*
    };
    (@later $rank:ident [$($level:ident)*]) => {
        $(
            // SAFETY: The set stands before `$level`.
            unsafe impl $crate::cx::Before<$crate::cx::$level> for $rank {}
            // SAFETY: The level is the later of the two.
            unsafe impl $crate::cx::Join<$rank> for $crate::cx::$level {
                type Out = $crate::cx::$level;
            }
            // SAFETY: The level is the later of the two.
            unsafe impl $crate::cx::Join<$crate::cx::$level> for $rank {
                type Out = $crate::cx::$level;
            }
        )*
    };
    (@acquires $rank:ident [$($level:ident)*]) => {
        $(
            // SAFETY: The set stands before `$level`.
            unsafe impl $crate::cx::Before<$crate::cx::$level> for $rank {}
            // SAFETY: As above.
            unsafe impl $crate::cx::MayWait for $rank {}
        )*
    };
    (@allocates $rank:ident [$($class:ident)*]) => {
        $(
            // SAFETY: The set stands before what the class acquires.
            unsafe impl $crate::cx::MayAlloc<$crate::cx::class::$class> for $rank {}
        )*
    };
    (@strongest $rank:ident []) => {
        impl $crate::gfp::Strongest for $rank {
            type Class = $crate::gfp::NoWait;
        }
    };
    (@strongest $rank:ident [$first:ident $($weaker:ident)*]) => {
        impl $crate::gfp::Strongest for $rank {
            type Class = $crate::gfp::$first;
        }
    };
    (@join $earlier:ident $later:ident) => {
        // SAFETY: `$later` is the later of the two.
        unsafe impl $crate::cx::Join<$later> for $earlier {
            type Out = $later;
        }
        // SAFETY: `$later` is the later of the two.
        unsafe impl $crate::cx::Join<$earlier> for $later {
            type Out = $later;
        }
    };
    (@after [$($end:ident)?] $($(#[$doc:meta])* $vis:vis $rank:ident),* $(,)?) => {
        &[$(<$rank as $crate::cx::Rank>::map,)* $($crate::cx::starts::$end,)?]
    };
}
