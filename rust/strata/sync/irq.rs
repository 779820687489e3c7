// SPDX-License-Identifier: GPL-2.0

//! A spinlock that is taken with interrupts off.

use super::class::Class;
use crate::{
    bindings,
    cx::{
        Atomic,
        Before,
        Cx,
        IrqLock,
        Join,
        MaySleep,
        Signalling,
        Sleep, //
    },
};
use kernel::{
    ffi::{
        c_char,
        c_ulong, //
    },
    prelude::*,
    sync::lock::{
        Backend,
        Lock, //
    },
};

/// `spin_lock_irqsave()` and its like.
///
/// Not public: the guard of such a lock could be dropped after one that was taken later, which
/// would turn interrupts on too early.
pub(crate) struct IrqSave;

// SAFETY: It is the kernel's spinlock; taking it again takes it in the same way.
unsafe impl Backend for IrqSave {
    type State = bindings::spinlock_t;
    type GuardState = c_ulong;

    unsafe fn init(ptr: *mut Self::State, name: *const c_char, key: *mut bindings::lock_class_key) {
        // SAFETY: The caller promises what it needs.
        unsafe { bindings::__spin_lock_init(ptr, name, key) }
    }

    unsafe fn lock(ptr: *mut Self::State) -> c_ulong {
        // SAFETY: The lock was initialised, as the caller promises.
        unsafe { bindings::spin_lock_irqsave(ptr) }
    }

    unsafe fn try_lock(ptr: *mut Self::State) -> Option<c_ulong> {
        let mut flags = 0;
        // SAFETY: As above; `flags` is valid for writing.
        unsafe { bindings::spin_trylock_irqsave(ptr, &mut flags) }.then_some(flags)
    }

    unsafe fn unlock(ptr: *mut Self::State, flags: &c_ulong) {
        // SAFETY: The caller holds the lock since it was given these flags.
        unsafe { bindings::spin_unlock_irqrestore(ptr, *flags) }
    }

    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: The lock was initialised, as the caller promises.
        unsafe { bindings::assert_spin_locked(ptr) }
    }
}

/// A spinlock that interrupt handlers and callbacks of fences take: last of all in the order.
///
/// While it is held the context is at [`IrqLock`] and [`Atomic`], and interrupts are off on this
/// CPU. Two of them do not nest.
#[pin_data]
pub struct IrqSpinLock<T> {
    #[pin]
    inner: Lock<T, IrqSave>,
}

impl<T> IrqSpinLock<T> {
    /// Initialises a spinlock of `class`, and primes the class if it is the first of it.
    ///
    /// # Context
    ///
    /// Anything before [`Signalling`] that may sleep. C: `spin_lock_init()`.
    pub fn new<L, S>(
        cx: &mut Cx<'_, L, S>,
        class: &'static Class<IrqLock>,
        value: T,
    ) -> impl PinInit<Self>
    where
        L: Before<Signalling>,
        S: MaySleep,
    {
        let _ = cx;
        class.prime_irq_spinlock();
        pin_init!(Self {
            inner <- Lock::new(value, class.name(), class.key()),
        })
    }

    /// Runs `f` on the value, with the spinlock held and interrupts off.
    ///
    /// # Context
    ///
    /// Anything but under another such lock. Takes the spinlock (`spin_lock_irqsave()`).
    #[inline]
    pub fn lock<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl for<'b> FnOnce(&mut T, &mut Cx<'b, IrqLock, Atomic>) -> O,
    ) -> O
    where
        T: Unpin,
        L: Before<IrqLock>,
        S: Sleep,
    {
        let mut value = self.inner.lock();
        // SAFETY: `L` comes before `IrqLock`, which is what the guard holds.
        unsafe { cx.at(|cx| f(&mut value, cx)) }
    }

    /// Runs `f` on the value if the spinlock is free, and gives `None` if it is not.
    ///
    /// # Context
    ///
    /// Any. Trylocks the spinlock (`spin_trylock_irqsave()`).
    #[inline]
    pub fn try_lock<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl for<'b> FnOnce(&mut T, &mut Cx<'b, L::Out, Atomic>) -> O,
    ) -> Option<O>
    where
        T: Unpin,
        L: Join<IrqLock>,
        S: Sleep,
    {
        let mut value = self.inner.try_lock()?;
        // SAFETY: `Out` is the later of what the caller and the guard hold.
        Some(unsafe { cx.at(|cx| f(&mut value, cx)) })
    }
}
