// SPDX-License-Identifier: GPL-2.0

//! What a tree holds: values that are one pointer, and belong to one slot each.

use super::{
    raw::Entry,
    Range, //
};
use crate::gfp::{
    Allocate,
    Gfp, //
};
use core::{
    mem::{
        self,
        MaybeUninit, //
    },
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    alloc::AllocError,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        Arc,
        ArcBorrow, //
    }, //
};

/// What a slot of a tree may own.
///
/// The tree keeps the two lowest bits for itself, and small numbers. That the pointers of a type are
/// none of those is checked when a tree of it is compiled: a box of nothing is no memory, and what is
/// aligned to less than four bytes has no bits to spare.
///
/// # Safety
///
/// `into_entry` gives up the ownership of the value, and returns an entry whose lowest two bits are
/// not `10`, and which is that of no other value, unless both own a share of what it points to.
/// `from_entry` takes the ownership back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a slot of a tree",
    label = "not one pointer that owns what it points to",
    note = "what can: `KBox<T>`, `Pin<KBox<T>>`, `Arc<T>`, `ARef<T>`, in a tree of mode `Rcu` `RcuBox<T>`, and a `Number`"
)]
pub unsafe trait Value: Sized + 'static {
    /// A look at a value in its slot.
    type Ref<'a>;

    /// The same, by someone who has the tree to himself.
    type Mut<'a>;

    /// Fails to compile if the entries of the type would not be valid ones.
    #[doc(hidden)]
    const VALID: ();

    /// Gives the value to a slot.
    #[doc(hidden)]
    fn into_entry(self) -> Entry;

    /// Takes it back.
    ///
    /// # Safety
    ///
    /// `entry` must be of `into_entry`, and in no slot any more.
    #[doc(hidden)]
    unsafe fn from_entry(entry: Entry) -> Self;

    /// Looks at it.
    ///
    /// # Safety
    ///
    /// `entry` must be of `into_entry`, and its value stay and be changed by nobody for `'a`.
    #[doc(hidden)]
    unsafe fn borrow<'a>(entry: Entry) -> Self::Ref<'a>;

    /// Looks at it, and may change it.
    ///
    /// # Safety
    ///
    /// `entry` must be of `into_entry`, and its value stay and be used by nobody else for `'a`.
    #[doc(hidden)]
    unsafe fn borrow_mut<'a>(entry: Entry) -> Self::Mut<'a>;
}

/// Both kinds of memory whose pointer is that of the value.
const fn assert_pointer<T>() {
    assert!(mem::size_of::<T>() != 0, "a box of nothing is no memory");
}

// SAFETY: A box that is not empty has memory of its own, aligned as `kmalloc()` does.
unsafe impl<T: 'static> Value for KBox<T> {
    type Ref<'a> = &'a T;
    type Mut<'a> = &'a mut T;
    const VALID: () = assert_pointer::<T>();

    #[inline(always)]
    fn into_entry(self) -> Entry {
        NonNull::from(KBox::leak(self)).cast()
    }

    #[inline(always)]
    unsafe fn from_entry(entry: Entry) -> Self {
        // SAFETY: It came from a box of this type, by the caller's promise.
        unsafe { KBox::from_raw(entry.cast().as_ptr()) }
    }

    #[inline(always)]
    unsafe fn borrow<'a>(entry: Entry) -> &'a T {
        // SAFETY: By the caller's promise.
        unsafe { entry.cast().as_ref() }
    }

    #[inline(always)]
    unsafe fn borrow_mut<'a>(entry: Entry) -> &'a mut T {
        // SAFETY: By the caller's promise.
        unsafe { entry.cast().as_mut() }
    }
}

// SAFETY: As that of the box in it.
unsafe impl<T: 'static> Value for Pin<KBox<T>> {
    type Ref<'a> = &'a T;
    type Mut<'a> = Pin<&'a mut T>;
    const VALID: () = assert_pointer::<T>();

    #[inline(always)]
    fn into_entry(self) -> Entry {
        // SAFETY: Nothing moves it: it is pinned again when it comes back.
        unsafe { Pin::into_inner_unchecked(self) }.into_entry()
    }

    #[inline(always)]
    unsafe fn from_entry(entry: Entry) -> Self {
        // SAFETY: By the caller's promise.
        let boxed = unsafe { KBox::<T>::from_entry(entry) };
        // SAFETY: It was pinned when it was given to the tree.
        unsafe { Pin::new_unchecked(boxed) }
    }

    #[inline(always)]
    unsafe fn borrow<'a>(entry: Entry) -> &'a T {
        // SAFETY: By the caller's promise.
        unsafe { entry.cast().as_ref() }
    }

    #[inline(always)]
    unsafe fn borrow_mut<'a>(entry: Entry) -> Pin<&'a mut T> {
        // SAFETY: By the caller's promise.
        let value = unsafe { entry.cast().as_mut() };
        // SAFETY: The box is pinned.
        unsafe { Pin::new_unchecked(value) }
    }
}

// SAFETY: The pointer is that of the value, behind a count; whoever has it owns a share.
unsafe impl<T: 'static> Value for Arc<T> {
    type Ref<'a> = ArcBorrow<'a, T>;
    type Mut<'a> = ArcBorrow<'a, T>;
    const VALID: () = assert!(
        mem::align_of::<T>() >= 4,
        "the pointers of an `Arc` are aligned as what is in it"
    );

    #[inline(always)]
    fn into_entry(self) -> Entry {
        NonNull::new(Arc::into_raw(self).cast_mut().cast()).unwrap_or(NonNull::dangling())
    }

    #[inline(always)]
    unsafe fn from_entry(entry: Entry) -> Self {
        // SAFETY: It came from one of this type, by the caller's promise.
        unsafe { Arc::from_raw(entry.cast().as_ptr()) }
    }

    #[inline(always)]
    unsafe fn borrow<'a>(entry: Entry) -> ArcBorrow<'a, T> {
        // SAFETY: By the caller's promise.
        unsafe { ArcBorrow::from_raw(entry.cast().as_ptr()) }
    }

    #[inline(always)]
    unsafe fn borrow_mut<'a>(entry: Entry) -> ArcBorrow<'a, T> {
        // SAFETY: By the caller's promise.
        unsafe { ArcBorrow::from_raw(entry.cast().as_ptr()) }
    }
}

// SAFETY: The pointer is that of the object; whoever has it owns a reference.
unsafe impl<T: AlwaysRefCounted + 'static> Value for ARef<T> {
    type Ref<'a> = &'a T;
    type Mut<'a> = &'a T;
    const VALID: () = {
        assert_pointer::<T>();
        assert!(
            mem::align_of::<T>() >= 4,
            "the pointers of an `ARef` are aligned as what is in it"
        );
    };

    #[inline(always)]
    fn into_entry(self) -> Entry {
        ARef::into_raw(self).cast()
    }

    #[inline(always)]
    unsafe fn from_entry(entry: Entry) -> Self {
        // SAFETY: It came from one of this type, by the caller's promise.
        unsafe { ARef::from_raw(entry.cast()) }
    }

    #[inline(always)]
    unsafe fn borrow<'a>(entry: Entry) -> &'a T {
        // SAFETY: By the caller's promise.
        unsafe { entry.cast().as_ref() }
    }

    #[inline(always)]
    unsafe fn borrow_mut<'a>(entry: Entry) -> &'a T {
        // SAFETY: By the caller's promise.
        unsafe { entry.cast().as_ref() }
    }
}

/// A number of 63 bits, which is its own entry. C: `xa_mk_value()`.
///
/// # Invariants
///
/// The number is at most `isize::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(usize);

impl Number {
    /// `None` for what needs all 64 bits.
    pub const fn new(number: usize) -> Option<Self> {
        if number > isize::MAX as usize {
            return None;
        }
        // INVARIANT: It was just checked.
        Some(Self(number))
    }

    /// The number.
    #[inline(always)]
    pub const fn get(self) -> usize {
        self.0
    }
}

// SAFETY: Nothing is owned, and the lowest bit of the entry is set.
unsafe impl Value for Number {
    type Ref<'a> = Number;
    type Mut<'a> = Number;
    const VALID: () = ();

    #[inline(always)]
    fn into_entry(self) -> Entry {
        NonNull::new(ptr::without_provenance_mut(self.0 << 1 | 1)).unwrap_or(NonNull::dangling())
    }

    #[inline(always)]
    unsafe fn from_entry(entry: Entry) -> Self {
        // INVARIANT: A bit was shifted out.
        Self(entry.as_ptr().addr() >> 1)
    }

    #[inline(always)]
    unsafe fn borrow<'a>(entry: Entry) -> Self::Ref<'a> {
        // SAFETY: By the caller's promise.
        unsafe { Self::from_entry(entry) }
    }

    #[inline(always)]
    unsafe fn borrow_mut<'a>(entry: Entry) -> Self::Mut<'a> {
        // SAFETY: By the caller's promise.
        unsafe { Self::from_entry(entry) }
    }
}

/// What becomes of a value when a store covers a part of its range: a value for each rest.
///
/// A slot owns its value, so that the two rests cannot share one.
#[diagnostic::on_unimplemented(
    message = "a store cannot cut a `{Self}` in two",
    label = "this may cover a part of a value, and each rest needs one of its own",
    note = "implement `Divide` for what is in the box, or use `insert`, `replace` and `erase`, which cut nothing"
)]
pub trait Split: Value {
    /// The memory that one rest needs, taken before: [`split`](Self::split) cannot fail.
    type Spare: Send;

    /// Takes the memory for one rest.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    fn spare<C: Allocate>(gfp: &mut Gfp<'_, C>) -> Result<Self::Spare, AllocError>;

    /// The value for `part` of what was `whole`.
    ///
    /// # Context
    ///
    /// Called with the tree's lock held, and wherever the store is: it neither sleeps nor allocates.
    fn split(value: Self::Ref<'_>, whole: Range, part: Range, spare: Self::Spare) -> Self;
}

/// What is in a box that can be [`Split`].
#[diagnostic::on_unimplemented(
    message = "a store cannot cut a `{Self}` in two",
    label = "this may cover a part of a value, and each rest needs one of its own",
    note = "implement `Divide` for what is in the box, or use `insert`, `replace` and `erase`, which cut nothing"
)]
pub trait Divide {
    /// The value for `part` of what was `whole`.
    ///
    /// # Context
    ///
    /// As that of [`Split::split`].
    fn divide(&self, whole: Range, part: Range) -> Self;
}

impl<T: Divide + Send + 'static> Split for KBox<T> {
    type Spare = KBox<MaybeUninit<T>>;

    fn spare<C: Allocate>(gfp: &mut Gfp<'_, C>) -> Result<Self::Spare, AllocError> {
        gfp.with(KBox::new_uninit)
    }

    fn split(value: &T, whole: Range, part: Range, spare: Self::Spare) -> Self {
        spare.write(value.divide(whole, part))
    }
}

/// A share more for each rest.
impl<T: 'static> Split for Arc<T> {
    type Spare = ();

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result<(), AllocError> {
        Ok(())
    }

    fn split(value: ArcBorrow<'_, T>, _whole: Range, _part: Range, _spare: ()) -> Self {
        value.into()
    }
}

/// A reference more for each rest.
impl<T: AlwaysRefCounted + 'static> Split for ARef<T> {
    type Spare = ();

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result<(), AllocError> {
        Ok(())
    }

    fn split(value: &T, _whole: Range, _part: Range, _spare: ()) -> Self {
        value.into()
    }
}

/// The same number for each rest.
impl Split for Number {
    type Spare = ();

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result<(), AllocError> {
        Ok(())
    }

    fn split(value: Number, _whole: Range, _part: Range, _spare: ()) -> Self {
        value
    }
}

/// The memory for both rests of one store.
#[must_use = "what was not used is worth keeping"]
pub struct Spares<V: Split> {
    pub(super) left: Option<V::Spare>,
    pub(super) right: Option<V::Spare>,
}

impl<V: Split> Spares<V> {
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
        Ok(Self {
            left: Some(V::spare(gfp)?),
            right: Some(V::spare(gfp)?),
        })
    }

    /// Takes what is missing.
    ///
    /// # Context
    ///
    /// As [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// [`AllocError`]; what is there stays.
    pub fn refill<C: Allocate>(&mut self, gfp: &mut Gfp<'_, C>) -> Result<(), AllocError> {
        for spare in [&mut self.left, &mut self.right] {
            if spare.is_none() {
                *spare = Some(V::spare(gfp)?);
            }
        }
        Ok(())
    }
}
