// SPDX-License-Identifier: GPL-2.0

//! Values for which there is memory when there is no memory.
//!
//! What a job, a shrinker or an interrupt needs can mostly be allocated before, and passed in. Where
//! nobody knows beforehand how much that is, a [`Reserve`] keeps elements for so many values at a
//! time: [`take`](Reserve::take) waits until one is free, and cannot fail;
//! [`try_take`](Reserve::try_take) and [`preallocated`](Reserve::preallocated) do not wait. A
//! [`Reserved`] is the value in such an element, and gives that back when it is dropped.
//!
//! It is the kernel's mempool. The elements are for need: both `take` and `try_take` ask the slab
//! first, and `preallocated` alone does not.
//!
//! Who waits in [`take`](Reserve::take) waits for who has the elements. So whoever has one must let
//! go of it in finite time, and without another of the same reserve: neither the types nor lockdep
//! see that.
//!
//! C: [`include/linux/mempool.h`](srctree/include/linux/mempool.h).
//!
//! # Examples
//!
//! ```
//! use strata::prelude::*;
//! use strata::reserve::Reserve;
//!
//! # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
//! # let mut cx = unsafe { Cx::<'_, Process>::assume() };
//! # let cx = &mut cx;
//! let parts = Reserve::<[u64; 4]>::new(&mut gfp::kernel(cx), 2)?;
//! let first = parts.take(&mut gfp::kernel(cx), [1; 4]);
//!
//! cx.signalling(|cx| {
//!     // Nothing may wait here. The elements are still both there: the slab had memory.
//!     let second = parts.preallocated([2; 4])?;
//!     let third = parts.preallocated([3; 4])?;
//!     assert_eq!(second[0] + third[3], 5);
//!     let full = parts.preallocated([4; 4]).err().ok_or(EINVAL)?;
//!     assert_eq!(full.value, [4; 4]);
//!
//!     drop(second);
//!     let fourth = parts.try_take(&mut gfp::nowait(cx), full.value)?;
//!     assert_eq!(fourth[1], 4);
//!     Ok::<(), Error>(())
//! })?;
//! assert_eq!(parts.left(), 2);
//!
//! // It may go before its values do.
//! drop(parts);
//! assert_eq!(first[2], 1);
//! # Ok::<(), Error>(())
//! ```

mod pool;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

use self::pool::{
    Element,
    Pool, //
};
use crate::gfp::{
    Allocate,
    Gfp,
    NoMemory,
    Waits, //
};
use core::{
    alloc::Layout,
    marker::PhantomData,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
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
    prelude::*,
    sync::Arc, //
};

/// Memory for so many values of a type.
///
/// Shared: a clone is the same reserve.
///
/// # Dropping
///
/// Anywhere. The elements are freed with the last value that is in one.
///
/// # Invariants
///
/// The elements of `pool` are of the layout of `T`.
pub struct Reserve<T> {
    pool: Arc<Pool>,
    _values: PhantomData<fn(T) -> T>,
}

impl<T> Clone for Reserve<T> {
    fn clone(&self) -> Self {
        // INVARIANT: It is the same pool.
        Self {
            pool: self.pool.clone(),
            _values: PhantomData,
        }
    }
}

/// More than anybody keeps for a day without memory, and few enough for the page allocator not to
/// complain of the pool's table.
const MOST: usize = 1 << 16;

impl<T> Reserve<T> {
    /// Memory for `count` values, allocated now.
    ///
    /// # Context
    ///
    /// What the class of `gfp` allows. C: `mempool_init_node()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` for none at all, or more than 2^16.
    pub fn new<C: Allocate>(gfp: &mut Gfp<'_, C>, count: usize) -> Result<Self> {
        if count > MOST {
            return Err(EINVAL);
        }
        let count = i32::try_from(count).map_err(|_| EINVAL)?;
        if count == 0 {
            return Err(EINVAL);
        }
        // INVARIANT: The pool is made for just that layout.
        Ok(Self {
            pool: Pool::new(gfp, count, Layout::new::<T>())?,
            _values: PhantomData,
        })
    }

    /// The value in memory of the slab's or of the reserve; waits until there is some.
    ///
    /// No signal ends the wait: it is for elements that come back in finite time.
    ///
    /// # Context
    ///
    /// What the class of `gfp` allows. C: `mempool_alloc()`.
    pub fn take<C: Waits>(&self, gfp: &mut Gfp<'_, C>, value: T) -> Reserved<T> {
        // SAFETY: By the invariant the pool is for such values.
        unsafe { Reserved::new(Element::take(gfp, &self.pool), value) }
    }

    /// The value in memory of the slab's or of the reserve, whatever the class.
    ///
    /// # Context
    ///
    /// What the class of `gfp` allows. C: `mempool_alloc()`.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] with the value; never with a class that [waits](Waits).
    pub fn try_take<C: Allocate>(
        &self,
        gfp: &mut Gfp<'_, C>,
        value: T,
    ) -> Result<Reserved<T>, NoMemory<T>> {
        self.fill(Element::try_take(gfp, &self.pool), value)
    }

    /// The value in memory of the reserve's own.
    ///
    /// # Context
    ///
    /// Any: takes a spinlock with interrupts off, and allocates nothing. C:
    /// `mempool_alloc_preallocated()`.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] with the value, if all elements are in use.
    pub fn preallocated(&self, value: T) -> Result<Reserved<T>, NoMemory<T>> {
        self.fill(Element::preallocated(&self.pool), value)
    }

    /// `element` is of this reserve's pool.
    fn fill(&self, element: Option<Element>, value: T) -> Result<Reserved<T>, NoMemory<T>> {
        match element {
            // SAFETY: By the invariant the pool is for such values.
            Some(element) => Ok(unsafe { Reserved::new(element, value) }),
            None => Err(NoMemory { value }),
        }
    }

    /// How many values it has memory for at the moment.
    ///
    /// # Context
    ///
    /// Any.
    pub fn left(&self) -> usize {
        self.pool.left()
    }
}

/// A value in memory of a [`Reserve`].
///
/// # Dropping
///
/// Where the value may be dropped: its memory can be given back anywhere, in a fence's callback and
/// in interrupts too. C: `mempool_free()`.
///
/// # Invariants
///
/// `element` is of a pool for values of type `T`, and has an initialised one in it.
pub struct Reserved<T> {
    element: Element,
    // It owns one.
    _value: PhantomData<T>,
}

impl<T> Reserved<T> {
    /// # Safety
    ///
    /// `element` must be of a pool for values of the layout of `T`.
    unsafe fn new(element: Element, value: T) -> Self {
        // SAFETY: The memory is of that layout, by the caller's promise, and ours.
        unsafe { element.memory().cast::<T>().write(value) };
        // INVARIANT: It was just written.
        Self {
            element,
            _value: PhantomData,
        }
    }

    fn as_ptr(this: &Self) -> NonNull<T> {
        this.element.memory().cast()
    }

    /// The value; its memory goes back.
    pub fn into_inner(this: Self) -> T {
        let this = ManuallyDrop::new(this);
        // SAFETY: By the invariant there is one, which nobody uses there any more.
        let value = unsafe { Self::as_ptr(&this).read() };
        // SAFETY: The field is not used any more, and not dropped.
        drop(unsafe { ptr::read(&this.element) });
        value
    }
}

impl<T> Reserved<MaybeUninit<T>> {
    /// The value, in memory that was taken before there was one.
    pub fn write(self, value: T) -> Reserved<T> {
        let this = ManuallyDrop::new(self);
        // SAFETY: The field is not used any more, and not dropped.
        let element = unsafe { ptr::read(&this.element) };
        // SAFETY: It is of a pool for values of the layout of `MaybeUninit<T>`, which is that of `T`.
        unsafe { Reserved::new(element, value) }
    }
}

impl<T> Deref for Reserved<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the invariant it is initialised, and ours.
        unsafe { Self::as_ptr(self).as_ref() }
    }
}

impl<T> DerefMut for Reserved<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the invariant it is initialised, and ours.
        unsafe { Self::as_ptr(self).as_mut() }
    }
}

impl<T> Drop for Reserved<T> {
    fn drop(&mut self) {
        // SAFETY: By the invariant there is one, which nobody uses any more. The memory goes back
        // after it, with the field.
        unsafe { Self::as_ptr(self).drop_in_place() };
    }
}
