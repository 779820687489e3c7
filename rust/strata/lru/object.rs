// SPDX-License-Identifier: GPL-2.0

//! One object: what it is, its lock, and where it stands.

use super::{
    raw,
    Cache,
    Item, //
};
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        MaySleep, //
    },
};
use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        Arc,
        Refcount, //
    },
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

/// An object of a [`Cache`]: what the driver puts into it, a lock, and its place on the lists.
///
/// Reference-counted ([`ARef`]). On which list it is does not count: the last reference takes it off.
///
/// # Context
///
/// The last reference may be dropped where the destructors of `T` and of its state may run, and not
/// in interrupts: it takes the lock of a list. A driver keeps the cache for longer than its objects,
/// since that one may go only where `GFP_KERNEL` is allowed.
///
/// # Invariants
///
/// `head` is initialised. Its link is on the list that `place` names, or is empty. `place` and `state`
/// are accessed, and `head.pages` is written, only by who holds its lock or has the last reference.
/// The memory is of `cache`.
#[repr(C)]
pub struct Object<T: Item> {
    pub(super) head: Opaque<bindings::strata_object>,
    pub(super) place: UnsafeCell<Option<T::List>>,
    state: UnsafeCell<T::State>,
    item: T,
    pub(super) cache: Arc<Cache<T>>,
}

// SAFETY: `T` and `T::State` are `Send`, and the rest may be used by any task.
unsafe impl<T: Item> Send for Object<T> {}
// SAFETY: `T` is `Sync`, and `mutex` guards the rest.
unsafe impl<T: Item> Sync for Object<T> {}

impl<T: Item> Object<T> {
    /// # Safety
    ///
    /// `memory` must be for an object of `cache`, and nobody else's.
    pub(super) unsafe fn init(
        memory: NonNull<Self>,
        cache: Arc<Cache<T>>,
        item: T,
        state: T::State,
    ) -> ARef<Self> {
        let class = cache.class;
        let object = Self {
            head: Opaque::uninit(),
            place: UnsafeCell::new(None),
            state: UnsafeCell::new(state),
            item,
            cache,
        };
        // INVARIANT: It is on no list, and its memory is of `cache` by the caller's promise.
        // SAFETY: The memory is valid for writes, by the caller's promise.
        unsafe { memory.write(object) };
        // SAFETY: It was just written.
        let object = unsafe { memory.as_ref() };
        // SAFETY: Nobody else has the object, which stays where it is.
        unsafe { raw::init(object.head.get(), class) };
        // SAFETY: The count is 1, and this is that one.
        unsafe { ARef::from_raw(memory) }
    }

    /// What the driver put into it.
    pub fn item(&self) -> &T {
        &self.item
    }

    /// Runs `f` with the object's lock held.
    ///
    /// # Context
    ///
    /// Anything before [`Item::Rank`] that may sleep. Takes the lock (`mutex_lock()`).
    #[inline]
    pub fn lock<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl for<'b> FnOnce(&mut Locked<'_, T>, &mut Cx<'b, T::Rank, S>) -> O,
    ) -> O
    where
        L: Before<T::Rank>,
        S: MaySleep,
    {
        // SAFETY: It was initialised with the object.
        unsafe { bindings::mutex_lock(self.mutex()) };
        // SAFETY: It is held now.
        let mut locked = unsafe { Locked::new(self) };
        // SAFETY: `L` comes before `T::Rank`, which is what is held.
        unsafe { cx.at(|cx| f(&mut locked, cx)) }
    }

    /// Frees the object.
    ///
    /// # Safety
    ///
    /// There must be no reference any more.
    #[cold]
    pub(super) unsafe fn free(this: NonNull<Self>) {
        // SAFETY: It is valid until it is freed below.
        let object = unsafe { this.as_ref() };
        // SAFETY: We are the last to have it: a walk that comes to it takes no reference.
        if let Some(list) = unsafe { (*object.place.get()).take() } {
            object.unlink(list);
        }
        // SAFETY: It is not used through `object` any more.
        let cache = unsafe { ptr::read(&raw const (*this.as_ptr()).cache) };
        // SAFETY: As above; each field is dropped once.
        unsafe { ptr::drop_in_place((*this.as_ptr()).state.get()) };
        // SAFETY: As above.
        unsafe { ptr::drop_in_place(&raw mut (*this.as_ptr()).item) };
        // SAFETY: The memory is of that cache, by the type invariant, and nobody's any more.
        unsafe { bindings::lrus_free(cache.lrus.as_ptr(), this.as_ptr().cast()) };
    }

    /// Takes it off the list that it stands on. Called with its lock, or the last reference.
    #[inline]
    pub(super) fn unlink(&self, list: T::List) {
        let (lru, total) = self.cache.list(list);
        // SAFETY: It is on this list, by the type invariant.
        unsafe { bindings::lru_unlink(lru, self.head.get(), total) };
    }

    /// Puts it at the end of a list. Called with its lock.
    #[inline]
    fn link(&self, list: T::List, pages: usize) {
        let (lru, total) = self.cache.list(list);
        // SAFETY: It is on no list, and its memory is of the cache that the list is of.
        unsafe { bindings::lru_link(lru, self.head.get(), total, pages) };
    }

    /// The pages that it stands for, for who may not have its lock.
    pub(super) fn pages_now(&self) -> usize {
        // SAFETY: It is within the object. Others may write it: as C's `READ_ONCE()`.
        unsafe { (&raw const (*self.head.get()).pages).read_volatile() }
    }

    #[inline(always)]
    pub(super) fn mutex(&self) -> *mut bindings::mutex {
        // SAFETY: It is within the object.
        unsafe { &raw mut (*self.head.get()).lock }
    }

    #[inline(always)]
    fn refs(&self) -> &Refcount {
        // SAFETY: It is initialised, and a `Refcount` is nothing but a `refcount_t`.
        unsafe { &*(&raw const (*self.head.get()).refs).cast() }
    }
}

// SAFETY: The count says how many references there are.
unsafe impl<T: Item> AlwaysRefCounted for Object<T> {
    fn inc_ref(&self) {
        self.refs().inc();
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: The caller has a reference.
        if unsafe { object.as_ref() }.refs().dec_and_test() {
            // SAFETY: That was the last one.
            unsafe { Self::free(object) };
        }
    }
}

/// An object whose lock is held. Gives access to its state, and moves it between the lists.
///
/// # Invariants
///
/// The running task holds the object's mutex, and unlocks it when this is dropped.
pub struct Locked<'a, T: Item> {
    object: &'a Object<T>,
    _task: NotThreadSafe,
}

impl<'a, T: Item> Locked<'a, T> {
    /// # Safety
    ///
    /// The running task must hold the object's mutex, and leave it to this.
    #[inline(always)]
    pub(super) unsafe fn new(object: &'a Object<T>) -> Self {
        // INVARIANT: The caller promises just that.
        Self {
            object,
            _task: NotThreadSafe,
        }
    }

    /// What the driver put into it.
    pub fn item(&self) -> &'a T {
        &self.object.item
    }

    /// The list that it is on.
    pub fn list(&self) -> Option<T::List> {
        // SAFETY: The lock is held, by the type invariant.
        unsafe { *self.object.place.get() }
    }

    /// The pages that it stands for, or last stood for, on its list.
    #[inline(always)]
    pub fn pages(&self) -> usize {
        // SAFETY: The lock is held, by the type invariant.
        unsafe { (*self.object.head.get()).pages }
    }

    /// Puts it at the end of `list`, where it stands for `pages`; takes it off another one before.
    ///
    /// # Context
    ///
    /// Any that holds the lock. C: `list_lru_add_obj()`.
    #[inline]
    pub fn put_on(&mut self, list: T::List, pages: usize) {
        self.leave();
        self.object.link(list, pages);
        self.set_list(Some(list));
    }

    /// Takes it off the list that it is on.
    ///
    /// # Context
    ///
    /// Any that holds the lock. C: `list_lru_del_obj()`.
    #[inline]
    pub fn leave(&mut self) {
        if let Some(list) = self.list() {
            self.object.unlink(list);
            self.set_list(None);
        }
    }

    #[inline(always)]
    pub(super) fn set_list(&mut self, list: Option<T::List>) {
        // SAFETY: The lock is held, by the type invariant.
        unsafe { *self.object.place.get() = list };
    }
}

impl<T: Item> Deref for Locked<'_, T> {
    type Target = T::State;

    #[inline(always)]
    fn deref(&self) -> &T::State {
        // SAFETY: The lock is held, by the type invariant, and `self` is borrowed for as long.
        unsafe { &*self.object.state.get() }
    }
}

impl<T: Item> DerefMut for Locked<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T::State {
        // SAFETY: As in `deref()`.
        unsafe { &mut *self.object.state.get() }
    }
}

impl<T: Item> Drop for Locked<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: We hold it, by the type invariant.
        unsafe { bindings::mutex_unlock(self.object.mutex()) };
    }
}
