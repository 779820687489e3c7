// SPDX-License-Identifier: GPL-2.0

//! Values that readers under RCU see: freed when the last of them is done.

use super::{
    raw::Entry,
    value::{
        Divide,
        Split,
        Value, //
    },
    Range, //
};
use crate::{
    bindings,
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
    lockdep,
    sync, //
};
use core::{
    marker::PhantomData,
    mem::{
        self,
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
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// What stands before a value while it is on its way out of a tree.
#[repr(C)]
union Way {
    /// From the store that displaced it until that is done.
    chain: Link,
    /// From there until the grace period is over.
    retired: ManuallyDrop<Opaque<bindings::strata_retired>>,
}

// SAFETY: It is plain memory to whoever has the box: what it points to is only used by a store that
// made it, and by the worker.
unsafe impl Send for Way {}
// SAFETY: Shared references to a box do not reach it.
unsafe impl Sync for Way {}

#[derive(Clone, Copy)]
struct Link {
    next: Option<NonNull<()>>,
    range: Range,
}

/// Readers see `value` alone; `way` is its owner's, and has nothing in it while it is in a tree.
#[repr(C)]
pub(super) struct Inner<T> {
    way: MaybeUninit<Way>,
    value: T,
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
    /// As if it had been in a tree that lives for `'t`: for what is to be destroyed by the worker.
    ///
    /// # Safety
    ///
    /// There must be a tree in RCU mode that lives for `'t`, and waits for it then.
    pub(crate) unsafe fn retire<'t>(self) -> Retired<'t, T> {
        // SAFETY: It is in no tree, and ours.
        unsafe { Retired::from_entry(self.into_entry()) }
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
        let retired = way.cast::<bindings::strata_retired>();
        // SAFETY: As above.
        unsafe { (*retired).destroy = Some(destroy::<T>) };
        // SAFETY: No reader that comes later can find it: it is in no tree. The code of `destroy`
        // stays until the tree is gone, which waits for it.
        unsafe { bindings::retire(retired) };
    }
}

/// Frees a value that no reader sees any more.
///
/// # Safety
///
/// `retired` must be that of a `Inner<T>` which was retired.
unsafe extern "C" fn destroy<T: 'static>(retired: *mut bindings::strata_retired) {
    if let Some(entry) = NonNull::new(retired.cast()) {
        // SAFETY: The way out is the first field of what was retired, and nobody else has it.
        drop(unsafe { KBox::<Inner<T>>::from_entry(entry) });
    }
}

/// Entries that a store displaces, in the order of their ranges, until it is done.
#[doc(hidden)]
pub struct Chain<T> {
    first: Option<NonNull<Inner<T>>>,
    last: Option<NonNull<Inner<T>>>,
}

impl<T: 'static> Chain<T> {
    pub(super) fn new() -> Self {
        Self {
            first: None,
            last: None,
        }
    }

    /// Appends one that was at `range`.
    ///
    /// # Safety
    ///
    /// `entry` must be of a `RcuBox<T>` and be displaced by a store of the caller.
    pub(super) unsafe fn push(&mut self, range: Range, entry: Entry) {
        let inner = entry.cast::<Inner<T>>();
        // SAFETY: Alive by the caller's promise; the way out is the writer's.
        let way = unsafe { &mut (*inner.as_ptr()).way };
        way.write(Way {
            chain: Link { next: None, range },
        });
        match self.last.replace(inner) {
            None => self.first = Some(inner),
            // SAFETY: It was pushed before, so that its way out is a link.
            Some(last) => unsafe {
                (*last.as_ptr()).way.assume_init_mut().chain.next = Some(inner.cast());
            },
        }
    }

    /// Hands them out.
    ///
    /// # Safety
    ///
    /// The store must be done.
    pub(super) unsafe fn hand_out<'t>(self, out: &mut impl FnMut(Range, Retired<'t, T>)) {
        let mut next = self.first;
        while let Some(inner) = next {
            // SAFETY: It was pushed, and nobody has it but the chain.
            let link = unsafe { (*inner.as_ptr()).way.assume_init_ref().chain };
            next = link.next.map(NonNull::cast);
            // SAFETY: The store took it out of the tree, by the caller's promise.
            out(link.range, unsafe { Retired::from_entry(inner.cast()) });
        }
    }
}

/// Values that left a tree together, in the order of their ranges.
///
/// Each is dropped as a [`Retired`] is.
///
/// # Invariants
///
/// Each value of `chain` could be a [`Retired`].
pub(crate) struct Displaced<'t, T: 'static> {
    chain: Chain<T>,
    len: usize,
    _tree: PhantomData<&'t RcuBox<T>>,
}

// SAFETY: It owns its values, and readers of other CPUs may still look at them.
unsafe impl<T: Send + Sync> Send for Displaced<'_, T> {}
// SAFETY: It gives shared references to its values only.
unsafe impl<T: Send + Sync> Sync for Displaced<'_, T> {}

impl<T: 'static> Displaced<'_, T> {
    /// Nothing.
    pub(crate) fn none() -> Self {
        // INVARIANT: There is none.
        Self {
            chain: Chain::new(),
            len: 0,
            _tree: PhantomData,
        }
    }

    /// # Safety
    ///
    /// The `len` values that were pushed must be in no tree any more.
    pub(super) unsafe fn new(chain: Chain<T>, len: usize) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            chain,
            len,
            _tree: PhantomData,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends what was displaced later.
    pub(crate) fn append(&mut self, mut later: Self) {
        self.len += later.len;
        let Some(first) = later.chain.first.take() else {
            return;
        };
        match self.chain.last {
            None => self.chain.first = Some(first),
            // SAFETY: It was pushed, so that its way out is a link.
            Some(last) => unsafe {
                (*last.as_ptr()).way.assume_init_mut().chain.next = Some(first.cast());
            },
        }
        // INVARIANT: `later` has nothing any more.
        self.chain.last = later.chain.last.take();
    }

    /// The values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let mut next = self.chain.first;
        core::iter::from_fn(move || {
            let inner = next?.as_ptr();
            // SAFETY: It was pushed, so that its way out is a link, which is only read while we are
            // borrowed.
            next = unsafe { (*inner).way.assume_init_ref().chain }
                .next
                .map(NonNull::cast);
            // SAFETY: It is alive, and nobody changes it, by the invariants.
            Some(unsafe { &(*inner).value })
        })
    }
}

impl<T> Drop for Displaced<'_, T> {
    fn drop(&mut self) {
        let chain = mem::replace(&mut self.chain, Chain::new());
        // SAFETY: By the invariants.
        unsafe { chain.hand_out(&mut |_, retired| drop(retired)) };
    }
}

/// Waits until all that was retired before is destroyed.
///
/// # Context
///
/// May sleep.
pub(super) fn flush() {
    // There may be nothing to wait for. If there is, destructors run meanwhile, which may allocate.
    lockdep::might_alloc_kernel();
    // SAFETY: It waits, and returns at once where that would be for itself.
    unsafe { bindings::retire_flush() };
}

/// What retired values wait in, while it lives.
pub(crate) struct Queue(());

impl Queue {
    /// Makes it.
    ///
    /// # Safety
    ///
    /// There must be no other.
    pub(crate) unsafe fn start() -> Result<Self> {
        // SAFETY: The module is being loaded, and there is no other.
        to_result(unsafe { bindings::retire_start() })?;
        Ok(Self(()))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: Users of the crate, whose trees waited for all, are unloaded before it.
        unsafe { bindings::retire_stop() };
    }
}
