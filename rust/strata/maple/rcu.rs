// SPDX-License-Identifier: GPL-2.0

//! Values that readers under RCU see: freed when the last of them is done.

use super::{
    raw::Entry,
    retire::{
        retire,
        Retirement, //
    },
    value::{
        Divide,
        Split,
        Value, //
    },
    Range, //
};
use crate::{
    cx::{
        Before,
        Cx,
        MaySleep,
        Reclaim, //
    },
    gfp::{
        Allocate,
        Gfp,
        NoMemory, //
    },
    sync, //
};
use core::{
    marker::PhantomData,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};
use kernel::{
    alloc::AllocError,
    prelude::*,
    types::Opaque, //
};

/// What stands before a value while it is on its way out of a tree.
#[repr(C)]
pub(super) union Way {
    /// From the store that displaced it until that is done.
    pub(super) chain: Link,
    /// From there until the grace period is over.
    retired: ManuallyDrop<Opaque<Retirement>>,
}

// SAFETY: It is plain memory to whoever has the box: what it points to is only used by a store that
// made it, and by the worker.
unsafe impl Send for Way {}
// SAFETY: Shared references to a box do not reach it.
unsafe impl Sync for Way {}

#[derive(Clone, Copy)]
pub(super) struct Link {
    pub(super) next: Option<NonNull<()>>,
    pub(super) range: Range,
}

/// Readers see `value` alone; `way` is its owner's, and has nothing in it while it is in a tree.
#[repr(C)]
pub(super) struct Inner<T> {
    pub(super) way: MaybeUninit<Way>,
    pub(super) value: T,
}

/// A box for trees in [`Rcu`](super::Rcu) mode: with room for what freeing it later needs.
///
/// As long as it was in no tree, it is an ordinary box.
pub struct RcuBox<T>(KBox<Inner<T>>);

impl<T> RcuBox<T> {
    /// A box.
    ///
    /// # Context
    ///
    /// Any that the class of `gfp` allows.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] with the value.
    pub fn new<C: Allocate>(gfp: &mut Gfp<'_, C>, value: T) -> Result<Self, NoMemory<T>> {
        match RcuSpare::new(gfp) {
            Ok(spare) => Ok(spare.write(value)),
            Err(AllocError) => Err(NoMemory { value }),
        }
    }
}

impl<T: Send + 'static> RcuBox<T> {
    /// Drops it as if it had been in a tree: the worker destroys it, wherever this is called.
    pub(crate) fn retire(self) {
        // SAFETY: It is in no tree, and ours.
        drop(unsafe { Retired::<T>::from_entry(self.into_entry()) });
    }
}

impl<T> Deref for RcuBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> DerefMut for RcuBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0.value
    }
}

/// The memory of a [`RcuBox`], before there is a value.
pub struct RcuSpare<T>(KBox<MaybeUninit<Inner<T>>>);

impl<T> RcuSpare<T> {
    /// Takes it.
    ///
    /// # Context
    ///
    /// Any that the class of `gfp` allows.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    pub fn new<C: Allocate>(gfp: &mut Gfp<'_, C>) -> Result<Self, AllocError> {
        Ok(Self(gfp.with(KBox::new_uninit)?))
    }

    /// The box, with a value in it.
    pub fn write(self, value: T) -> RcuBox<T> {
        RcuBox(self.0.write(Inner {
            way: MaybeUninit::uninit(),
            value,
        }))
    }
}

// SAFETY: The value's memory is its own, and never empty: the way out stands in it. Readers under
// RCU may look at it, so that nobody may change it. A worker may be who drops it.
unsafe impl<T: Send + 'static> Value for RcuBox<T> {
    type Ref<'a> = &'a T;
    type Mut<'a> = &'a T;
    const VALID: () = ();

    #[inline(always)]
    fn into_entry(self) -> Entry {
        self.0.into_entry()
    }

    #[inline(always)]
    unsafe fn from_entry(entry: Entry) -> Self {
        // SAFETY: By the caller's promise.
        Self(unsafe { KBox::from_entry(entry) })
    }

    #[inline(always)]
    unsafe fn borrow<'a>(entry: Entry) -> &'a T {
        let inner = entry.cast::<Inner<T>>().as_ptr();
        // SAFETY: By the caller's promise.
        let value = unsafe { &raw const (*inner).value };
        // SAFETY: As above. The way out is not looked at: somebody may be writing it.
        unsafe { &*value }
    }

    #[inline(always)]
    unsafe fn borrow_mut<'a>(entry: Entry) -> &'a T {
        // SAFETY: By the caller's promise.
        unsafe { Self::borrow(entry) }
    }
}

impl<T: Divide + Send + 'static> Split for RcuBox<T> {
    type Spare = RcuSpare<T>;

    fn spare<C: Allocate>(gfp: &mut Gfp<'_, C>) -> Result<Self::Spare, AllocError> {
        RcuSpare::new(gfp)
    }

    fn split(value: &T, whole: Range, part: Range, spare: Self::Spare) -> Self {
        spare.write(value.divide(whole, part))
    }
}

/// A value that left a tree, and that readers of before may still see.
///
/// Dropped, it waits for them and is then destroyed by a worker, in process context: that may be
/// done everywhere, needs no memory and cannot fail. The tree waits for it when it goes itself.
///
/// # Invariants
///
/// `inner` is of a [`RcuBox`], in no tree any more, and ours.
#[must_use = "the value may be wanted back"]
pub struct Retired<'t, T: 'static> {
    inner: NonNull<Inner<T>>,
    _tree: PhantomData<&'t RcuBox<T>>,
}

// SAFETY: It owns the value, and readers of other CPUs may still look at it.
unsafe impl<T: Send + Sync> Send for Retired<'_, T> {}
// SAFETY: It gives shared references to the value only.
unsafe impl<T: Send + Sync> Sync for Retired<'_, T> {}

impl<T> Deref for Retired<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: It is alive, and nobody changes it, by the invariants.
        unsafe { &(*self.inner.as_ptr()).value }
    }
}

impl<'t, T> Retired<'t, T> {
    /// # Safety
    ///
    /// `entry` must be of a `RcuBox<T>`, in no tree any more, and nobody else's.
    #[inline(always)]
    pub(super) unsafe fn from_entry(entry: Entry) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            inner: entry.cast(),
            _tree: PhantomData,
        }
    }

    /// Waits until no reader sees it any more.
    ///
    /// # Context
    ///
    /// Anything before [`Reclaim`] that may sleep. C: `synchronize_rcu()`.
    pub fn into_inner<L, S>(self, cx: &mut Cx<'_, L, S>) -> RcuBox<T>
    where
        L: Before<Reclaim>,
        S: MaySleep,
    {
        sync::synchronize_rcu(cx);
        let this = ManuallyDrop::new(self);
        // SAFETY: It is ours, and no reader sees it any more.
        RcuBox(unsafe { KBox::from_entry(this.inner.cast()) })
    }
}

impl<T> Drop for Retired<'_, T> {
    fn drop(&mut self) {
        // SAFETY: The way out is ours, by the invariants.
        let way = unsafe { &raw mut (*self.inner.as_ptr()).way };
        let retired = way.cast::<Retirement>();
        // SAFETY: As above.
        unsafe { (*retired).destroy = Some(destroy::<T>) };
        // SAFETY: It is ours, and in no tree, so that no reader that comes later can find it.
        unsafe { retire(retired) };
    }
}

/// Frees a value that no reader sees any more.
///
/// # Safety
///
/// `retired` must be that of a `Inner<T>` which was retired.
unsafe extern "C" fn destroy<T: 'static>(retired: *mut Retirement) {
    if let Some(entry) = NonNull::new(retired.cast()) {
        // SAFETY: The way out is the first field of what was retired, and nobody else has it.
        drop(unsafe { KBox::<Inner<T>>::from_entry(entry) });
    }
}
