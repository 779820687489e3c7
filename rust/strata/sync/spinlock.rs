// SPDX-License-Identifier: GPL-2.0

//! A spinlock with a rank.

use super::class::{
    Class,
    Kind, //
};
use crate::cx::{
    Atomic,
    Before,
    Cx,
    FenceCallback,
    Join,
    MaySleep,
    NotifierLock,
    Rank,
    ReclaimLock,
    SignalLock,
    Sleep, //
};
use core::marker::PhantomData;
use kernel::prelude::*;

/// A spinlock that stands at rank `R` of the order.
///
/// While it is held the context is at `R` and [`Atomic`]: nothing may sleep. It is the kernel's
/// `spinlock_t`, taken with interrupts as they are: not for data that interrupt handlers share.
#[pin_data]
pub struct SpinLock<T, R: Rank> {
    #[pin]
    inner: kernel::sync::SpinLock<T>,
    _rank: PhantomData<fn() -> R>,
}

/// A spinlock that shrinkers take.
pub type ReclaimSpinLock<T> = SpinLock<T, ReclaimLock>;
/// A spinlock that mmu notifiers take.
pub type NotifierSpinLock<T> = SpinLock<T, NotifierLock>;
/// A spinlock that signalling sections take.
pub type SignalSpinLock<T> = SpinLock<T, SignalLock>;

impl<T, R: Rank> SpinLock<T, R> {
    /// Initialises a spinlock of `class`, and primes the class if it is the first of it.
    ///
    /// # Context
    ///
    /// As [`Mutex::new`](super::Mutex::new). C: `spin_lock_init()`.
    pub fn new<L, S>(
        cx: &mut Cx<'_, L, S>,
        class: &'static Class<R>,
        value: T,
    ) -> impl PinInit<Self>
    where
        L: Before<R::Starts>,
        S: MaySleep,
        // What interrupts take is taken with interrupts off: `IrqSpinLock`.
        R: Before<FenceCallback>,
    {
        let _ = cx;
        class.prime(Kind::Spinlock);
        pin_init!(Self {
            inner <- kernel::sync::SpinLock::new(value, class.name(), class.key()),
            _rank: PhantomData,
        })
    }

    /// Runs `f` on the value, with the spinlock held.
    ///
    /// # Context
    ///
    /// Anything before `R`. Takes the spinlock (`spin_lock()`).
    #[inline]
    pub fn lock<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl for<'b> FnOnce(&mut T, &mut Cx<'b, R, Atomic>) -> O,
    ) -> O
    where
        T: Unpin,
        L: Before<R>,
        S: Sleep,
    {
        let mut value = self.inner.lock();
        // SAFETY: `L` comes before `R`, which is what the guard holds.
        unsafe { cx.at(|cx| f(&mut value, cx)) }
    }

    /// Runs `f` on the value if the spinlock is free, and gives `None` if it is not.
    ///
    /// `f` stands at the later of `L` and `R`.
    ///
    /// # Context
    ///
    /// Any. Trylocks the spinlock (`spin_trylock()`).
    #[inline]
    pub fn try_lock<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl for<'b> FnOnce(&mut T, &mut Cx<'b, L::Out, Atomic>) -> O,
    ) -> Option<O>
    where
        T: Unpin,
        L: Join<R>,
        S: Sleep,
    {
        let mut value = self.inner.try_lock()?;
        // SAFETY: `Out` is the later of what the caller and the guard hold.
        Some(unsafe { cx.at(|cx| f(&mut value, cx)) })
    }
}
