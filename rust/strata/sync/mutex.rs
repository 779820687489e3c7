// SPDX-License-Identifier: GPL-2.0

//! A mutex with a rank.

use super::class::{
    Class,
    Kind, //
};
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        Join,
        MaySleep,
        NotifierLock,
        Rank,
        ReclaimLock,
        SignalLock, //
    },
};
use core::marker::PhantomData;
use kernel::prelude::*;

/// A mutex that stands at rank `R` of the order.
///
/// While it is held, the context is at `R`: what may not be done by a task that holds such a lock
/// does not compile. It is the kernel's `struct mutex`, and takes the calls that one takes.
///
/// # Examples
///
/// ```
/// use strata::cx::ReclaimLock;
/// use strata::prelude::*;
/// use strata::sync::{Mutex, ReclaimMutex};
///
/// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
/// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
/// # let cx = &mut cx;
/// let class = strata::lock_class!(ReclaimLock, "example");
/// let init = Mutex::new(cx, class, KVec::new());
/// let numbers: Pin<KBox<ReclaimMutex<KVec<u32>>>> = gfp::kernel(cx).boxed_init(init)?;
///
/// // Memory first, then the lock: under it, `GFP_KERNEL` does not compile.
/// let mut more = gfp::kernel(cx).vec(1)?;
/// numbers.lock(cx, |numbers, _| {
///     more.push_within_capacity(7).ok();
///     core::mem::swap(numbers, &mut more);
/// });
/// assert_eq!(numbers.lock(cx, |numbers, _| numbers.len()), 1);
/// # Ok::<(), Error>(())
/// ```
#[pin_data]
pub struct Mutex<T, R: Rank> {
    #[pin]
    inner: kernel::sync::Mutex<T>,
    _rank: PhantomData<fn() -> R>,
}

/// A mutex that shrinkers take.
pub type ReclaimMutex<T> = Mutex<T, ReclaimLock>;
/// A mutex that mmu notifiers take.
pub type NotifierMutex<T> = Mutex<T, NotifierLock>;
/// A mutex that signalling sections take.
pub type SignalMutex<T> = Mutex<T, SignalLock>;

impl<T, R: Rank> Mutex<T, R> {
    /// Initialises a mutex of `class`, and primes the class if it is the first of it.
    ///
    /// # Context
    ///
    /// Anything before what priming acquires, which a kernel with lockdep does:
    /// [`R::Starts`](Rank::Starts). That is the mmap lock for ranks after `Process`, `MmapHeld` and
    /// `Notifier`, and the level that the rank comes after for the others. C: `mutex_init()`.
    pub fn new<L, S>(
        cx: &mut Cx<'_, L, S>,
        class: &'static Class<R>,
        value: T,
    ) -> impl PinInit<Self>
    where
        L: Before<R::Starts>,
        S: MaySleep,
    {
        let _ = cx;
        class.prime(Kind::Mutex);
        pin_init!(Self {
            inner <- kernel::sync::Mutex::new(value, class.name(), class.key()),
            _rank: PhantomData,
        })
    }

    /// Runs `f` on the value, with the mutex held.
    ///
    /// # Context
    ///
    /// Anything before `R` that may sleep. Takes the mutex (`mutex_lock()`).
    #[inline]
    pub fn lock<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl for<'b> FnOnce(&mut T, &mut Cx<'b, R, S>) -> O,
    ) -> O
    where
        T: Unpin,
        L: Before<R>,
        S: MaySleep,
    {
        let mut value = self.inner.lock();
        // SAFETY: `L` comes before `R`, which is what the guard holds.
        unsafe { cx.at(|cx| f(&mut value, cx)) }
    }

    /// As [`lock`](Self::lock), for a value that must stay where it is.
    ///
    /// # Context
    ///
    /// As [`lock`](Self::lock).
    #[inline]
    pub fn lock_pinned<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl for<'b> FnOnce(Pin<&mut T>, &mut Cx<'b, R, S>) -> O,
    ) -> O
    where
        L: Before<R>,
        S: MaySleep,
    {
        let mut value = self.inner.lock();
        // SAFETY: `L` comes before `R`, which is what the guard holds.
        unsafe { cx.at(|cx| f(value.as_mut(), cx)) }
    }

    /// Runs `f` on the value if the mutex is free, and gives `None` if it is not.
    ///
    /// For contexts that may not wait for it. `f` stands at the later of `L` and `R`: a trylock
    /// cannot deadlock, what is done under it can.
    ///
    /// # Context
    ///
    /// Any that may sleep. Trylocks the mutex (`mutex_trylock()`).
    #[inline]
    pub fn try_lock<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl for<'b> FnOnce(&mut T, &mut Cx<'b, L::Out, S>) -> O,
    ) -> Option<O>
    where
        T: Unpin,
        L: Join<R>,
        S: MaySleep,
    {
        let mut value = self.inner.try_lock()?;
        // SAFETY: `Out` is the later of what the caller and the guard hold.
        Some(unsafe { cx.at(|cx| f(&mut value, cx)) })
    }

    /// The mutex itself.
    pub(crate) fn as_mutex(&self) -> *mut bindings::mutex {
        // `kernel::sync::lock::Lock` is `repr(C)`, and its first field is the lock.
        (&raw const self.inner).cast_mut().cast()
    }
}
