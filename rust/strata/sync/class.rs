// SPDX-License-Identifier: GPL-2.0

//! Lock classes: one for each place in the source that creates locks, with its rank in its name.

use crate::cx::Rank;
use core::marker::PhantomData;
#[cfg(CONFIG_LOCKDEP)]
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};
use kernel::{
    prelude::*,
    sync::LockClassKey, //
};

#[cfg(CONFIG_LOCKDEP)]
use crate::lockdep;
#[cfg(CONFIG_LOCKDEP)]
pub(super) use crate::lockdep::Kind;

/// How holders of a lock wait. Lockdep alone needs to know.
#[cfg(not(CONFIG_LOCKDEP))]
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Mutex,
    Spinlock,
    IrqSpinlock,
}

/// The lock class of all locks that one place in the source creates, at rank `R`.
///
/// Made by [`lock_class!`](crate::lock_class), which also gives it its name,
/// `strata:<rank>:<what>`: that is what a lockdep report prints. A `static` inside of a generic
/// function is shared by all instances of the function, so library code that creates locks for its
/// users takes the class from them.
pub struct Class<R: Rank> {
    name: &'static CStr,
    key: LockClassKey,
    #[cfg(CONFIG_LOCKDEP)]
    primed: Atomic<bool>,
    _rank: PhantomData<fn() -> R>,
}

impl<R: Rank> Class<R> {
    /// Used by [`lock_class!`](crate::lock_class).
    ///
    /// # Safety
    ///
    /// The result must be stored in a `static`.
    #[doc(hidden)]
    pub const unsafe fn new(name: &'static CStr) -> Self {
        Self {
            name,
            // SAFETY: It is stored in a `static`, by the caller's promise.
            key: unsafe { LockClassKey::new_static() },
            #[cfg(CONFIG_LOCKDEP)]
            primed: Atomic::new(false),
            _rank: PhantomData,
        }
    }

    /// Its name, as lockdep prints it.
    pub fn name(&self) -> &'static CStr {
        self.name
    }

    pub(crate) fn key(&'static self) -> Pin<&'static LockClassKey> {
        Pin::static_ref(&self.key)
    }

    /// Tells lockdep where the class stands, once.
    ///
    /// # Context
    ///
    /// Anything before `R::Starts`.
    #[inline(always)]
    pub(super) fn prime(&'static self, kind: Kind) {
        #[cfg(CONFIG_LOCKDEP)]
        self.prime_once(kind);
        #[cfg(not(CONFIG_LOCKDEP))]
        let _ = kind;
    }

    /// As [`prime`](Self::prime), for a mutex that is not of [`Mutex`](super::Mutex).
    #[inline(always)]
    pub(crate) fn prime_mutex(&'static self) {
        self.prime(Kind::Mutex);
    }

    /// As [`prime`](Self::prime), for a spinlock that is not of [`SpinLock`](super::SpinLock).
    #[inline(always)]
    pub(crate) fn prime_spinlock(&'static self) {
        self.prime(Kind::Spinlock);
    }

    /// As [`prime`](Self::prime), for a spinlock that is always taken with interrupts off.
    #[inline(always)]
    pub(crate) fn prime_irq_spinlock(&'static self) {
        self.prime(Kind::IrqSpinlock);
    }

    #[cfg(CONFIG_LOCKDEP)]
    fn prime_once(&'static self, kind: Kind) {
        if self.primed.load(Relaxed) {
            return;
        }
        match lockdep::prime::<R>(&self.key, self.name, kind) {
            // Two tasks may both come here; lockdep knows the second chain already.
            Ok(()) => self.primed.store(true, Relaxed),
            // A kernel thread has no mm to prime with: the next creator may have one.
            Err(error) => {
                let name = self.name;
                kernel::pr_warn_once!("lock class {name:?} is not primed: {error:?}\n");
            }
        }
    }
}

/// A [`Class`](crate::sync::Class) of its own, in a `static`: `lock_class!(Rank, "what")`.
///
/// # Examples
///
/// ```
/// use strata::cx;
///
/// let class = strata::lock_class!(cx::ReclaimLock, "buffers");
/// assert_eq!(class.name().to_bytes(), b"strata:ReclaimLock:buffers");
/// ```
#[macro_export]
macro_rules! lock_class {
    ($rank:ident, $what:literal) => {
        $crate::lock_class!(@class [$rank] $rank, $what)
    };
    ($first:ident :: $($path:ident)::+, $what:literal) => {
        $crate::lock_class!(@path [$first::$($path)::+] $($path)::+, $what)
    };
    // The last name of a path is what the class is named after.
    (@path $rank:tt $name:ident, $what:literal) => {
        $crate::lock_class!(@class $rank $name, $what)
    };
    (@path $rank:tt $first:ident :: $($path:ident)::+, $what:literal) => {
        $crate::lock_class!(@path $rank $($path)::+, $what)
    };
    (@class [$rank:path] $name:ident, $what:literal) => {{
        // SAFETY: It is a `static`.
        static CLASS: $crate::sync::Class<$rank> = unsafe {
            $crate::sync::Class::new($crate::__kernel::c_str!(::core::concat!(
                "strata:",
                ::core::stringify!($name),
                ":",
                $what
            )))
        };
        &CLASS
    }};
}
