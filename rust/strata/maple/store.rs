// SPDX-License-Identifier: GPL-2.0

//! What the holder of a tree's lock may change.
//!
//! A value never stands in two slots: a store that covers a part of one gives each rest a value of
//! its own. What leaves the tree is handed out, none is dropped here.

use super::{
    locked::{
        Locked,
        Met, //
    },
    mode::Mode,
    raw::{
        self,
        Entry,
        Flags, //
    },
    reservation::Nodes,
    state::State,
    value::{
        Spares,
        Split,
        Value, //
    },
    Range, //
};
use core::{
    ffi::c_void,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// Why a value was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There is something in the range already.
    Occupied,
    /// There is no value with just that range.
    NotThere,
    /// A slot in the range is reserved.
    Reserved,
    /// There was no memory for a node, or less reserved than the tree of now needs.
    NoMemory,
    /// The memory for a rest had been used.
    NoSpare,
    /// No gap has room.
    Full,
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Occupied => EEXIST,
            Cause::NotThere => ENOENT,
            Cause::Reserved => EBUSY,
            Cause::NoMemory => ENOMEM,
            Cause::NoSpare => EINVAL,
            Cause::Full => ENOSPC,
        }
    }
}

impl From<AllocError> for Cause {
    fn from(_: AllocError) -> Self {
        Cause::NoMemory
    }
}

/// A value that was not stored. The tree is as it was.
#[derive(Debug)]
pub struct StoreError<V> {
    /// The value.
    pub value: V,
    /// Why.
    pub cause: Cause,
}

impl<V> From<StoreError<V>> for Error {
    fn from(error: StoreError<V>) -> Self {
        error.cause.into()
    }
}

/// The entry of a value, or none.
fn entry_of<V: Value>(value: Option<V>) -> *mut c_void {
    value.map_or(ptr::null_mut(), |value| value.into_entry().as_ptr())
}

/// Puts `entry` at `range`, where there is nothing yet.
///
/// # Safety
///
/// The caller writes to the tree. The state stands at the first index of `range`, by a walk or before
/// one. The entry must be a value's that no slot has, or the one that reserves.
#[inline(always)]
pub(super) unsafe fn put_new<N: Nodes>(
    state: &mut State,
    flags: Flags,
    range: Range,
    entry: Entry,
) -> Result<(), Cause> {
    // SAFETY: By the caller's promise.
    let found = unsafe { state.walk() };
    if found.is_some() || state.range().last() < range.last() {
        return Err(Cause::Occupied);
    }
    state.settle(range);
    // SAFETY: By the caller's promise.
    unsafe { N::put(state, entry.as_ptr(), flags) }?;
    Ok(())
}

impl<'t, V: Value, M: Mode<V>> Locked<'_, 't, V, M> {
    /// Puts `value` at `range`, where there is nothing yet.
    ///
    /// # Context
    ///
    /// That of the lock, and what `nodes` needs.
    ///
    /// # Errors
    ///
    /// [`StoreError`] with the value: [`Cause::Occupied`], [`Cause::NoMemory`].
    #[inline]
    pub fn insert<N: Nodes>(
        &mut self,
        nodes: N,
        range: Range,
        value: V,
    ) -> Result<(), StoreError<V>> {
        let entry = value.into_entry();
        // SAFETY: The entry is a value's that no slot has.
        unsafe { self.insert_entry(nodes, range, entry) }.map_err(|cause| StoreError {
            // SAFETY: It was not stored.
            value: unsafe { V::from_entry(entry) },
            cause,
        })
    }

    /// Puts `entry` at `range`, where there is nothing yet.
    ///
    /// # Safety
    ///
    /// It must be a value's that no slot has, or the one that reserves.
    #[inline(always)]
    pub(super) unsafe fn insert_entry<N: Nodes>(
        &mut self,
        nodes: N,
        range: Range,
        entry: Entry,
    ) -> Result<(), Cause> {
        nodes.with(self.tree, range, |state, flags| {
            // SAFETY: The tree is ours to write, and the entry as the caller promises.
            unsafe { put_new::<N>(state, flags, range, entry) }
        })
    }

    /// Puts `value` in the place of the one that stands at just `range`, which is returned.
    ///
    /// Needs no memory. Readers under RCU see the one or the other.
    ///
    /// # Context
    ///
    /// That of the lock.
    ///
    /// # Errors
    ///
    /// [`StoreError`] with the value: [`Cause::NotThere`]; [`Cause::NoMemory`] on no kernel that Strata
    /// knows.
    #[inline]
    pub fn replace(&mut self, range: Range, value: V) -> Result<M::Out<'t>, StoreError<V>> {
        let mut state = State::new(self.tree, range);
        // SAFETY: The tree is ours to read.
        let found = unsafe { state.walk() }.filter(|&entry| !raw::is_zero(entry));
        let Some(old) = found.filter(|_| state.range() == range) else {
            return Err(StoreError {
                value,
                cause: Cause::NotThere,
            });
        };
        let entry = value.into_entry();
        state.settle(range);
        // SAFETY: The tree is ours to write, and the entry is a value's that no slot has.
        match unsafe { state.store_nowait(entry.as_ptr()) } {
            // SAFETY: It was in the tree, and is no more.
            Ok(()) => Ok(unsafe { M::out(old) }),
            Err(error) => Err(StoreError {
                // SAFETY: It was not stored.
                value: unsafe { V::from_entry(entry) },
                cause: error.into(),
            }),
        }
    }

    /// Takes out the value at `index`, which is returned with all that it stood at.
    ///
    /// # Context
    ///
    /// That of the lock, and what `nodes` needs: a tree with one value less may need a node more.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; the value stays.
    #[inline]
    pub fn erase<N: Nodes>(
        &mut self,
        nodes: N,
        index: usize,
    ) -> Result<Option<(Range, M::Out<'t>)>, AllocError> {
        nodes.with(self.tree, Range::at(index), |state, flags| {
            // SAFETY: The tree is ours to read.
            let found = unsafe { state.walk() }.filter(|&entry| !raw::is_zero(entry));
            let Some(entry) = found else {
                return Ok(None);
            };
            let range = state.range();
            state.settle(range);
            // SAFETY: The tree is ours to write.
            unsafe { N::put(state, ptr::null_mut(), flags) }?;
            // SAFETY: It was in the tree, and is no more.
            Ok(Some((range, unsafe { M::out(entry) })))
        })
    }

    /// Puts `value` at `range`, or nothing, whatever is there: what is displaced is handed to `out`,
    /// upwards, each with all that it stood at.
    ///
    /// A value that `range` covers in part is displaced as well, and each rest of it gets one of its
    /// own ([`Split`]), for which `spares` has the memory. A reader under RCU
    /// sees at each index what was there before or what is there after; a rest may be the old value
    /// for a little longer.
    ///
    /// # Context
    ///
    /// That of the lock, and what `nodes` needs. `out` is called with the lock held: what it may not
    /// drop there it keeps.
    ///
    /// # Errors
    ///
    /// [`StoreError`] with the value: [`Cause::NoMemory`], [`Cause::Reserved`], and
    /// [`Cause::NoSpare`] if a rest needs what `spares` has no more. Nothing was displaced.
    pub fn store<N: Nodes>(
        &mut self,
        nodes: N,
        range: Range,
        value: Option<V>,
        spares: &mut Spares<V>,
        out: impl FnMut(Range, M::Out<'t>),
    ) -> Result<(), StoreError<Option<V>>>
    where
        V: Split,
    {
        let has = Rests {
            left: spares.left.is_some(),
            right: spares.right.is_some(),
        };
        let split = |value: V::Ref<'_>, whole: Range, part: Range| {
            let spare = if part.first() == whole.first() {
                &mut spares.left
            } else {
                &mut spares.right
            };
            match spare.take() {
                Some(spare) => V::split(value, whole, part, spare),
                None => unreachable!("there is one for each rest: that was looked at"),
            }
        };
        self.store_with(nodes, range, value, has, split, out)
    }

    /// As [`store`](Self::store), with the values of the rests from `split`, which has what those of
    /// `has` need.
    ///
    /// `split` is called once for each rest, the left one first, when nothing can fail any more: it
    /// gets the old value, all that this stands at, and the part that is left of it.
    #[inline]
    fn store_with<N: Nodes>(
        &mut self,
        nodes: N,
        range: Range,
        value: Option<V>,
        has: Rests,
        mut split: impl FnMut(V::Ref<'_>, Range, Range) -> V,
        mut out: impl FnMut(Range, M::Out<'t>),
    ) -> Result<(), StoreError<Option<V>>> {
        let entry = entry_of(value);
        let stored = nodes.with(self.tree, range, |state, flags| {
            let met = self.meet(state, range);
            if entry.is_null() && met.clone().next().is_none() {
                return Ok(());
            }
            self.may_store(range, &met, has)?;
            state.settle(range);
            // SAFETY: The tree is ours to write.
            unsafe { state.prepare(entry, flags) }?;

            let mut displaced = M::displaced();
            let mut rests = [None, None];
            for (whole, entry) in met {
                // SAFETY: It is of a value of ours, that stays until it is displaced.
                let mut rest = |part| split(unsafe { V::borrow(entry) }, whole, part).into_entry();
                if let Some(part) = whole.before(&range) {
                    rests[0] = Some((part, rest(part)));
                }
                if let Some(part) = whole.after(&range) {
                    rests[1] = Some((part, rest(part)));
                }
                // SAFETY: What follows puts other entries in all places that it has.
                unsafe { M::displace(&mut displaced, whole, entry, &mut out) };
                if whole.last() >= range.last() {
                    break;
                }
            }
            // SAFETY: It was prepared, and nothing was stored since.
            unsafe { N::store(state, entry) };
            // SAFETY: The entries are of values that no slot has, and what stands at their places are
            // the old ones, which are displaced.
            unsafe { self.put_rests::<N>(state, flags, rests) };
            // SAFETY: It is.
            unsafe { M::stored(displaced, &mut out) };
            Ok(())
        });
        stored.map_err(|cause| {
            // SAFETY: It was not stored.
            let value = NonNull::new(entry).map(|entry| unsafe { V::from_entry(entry) });
            StoreError { value, cause }
        })
    }

    /// Takes out all values that `range` meets, as [`store`](Self::store) of nothing.
    ///
    /// # Context
    ///
    /// As [`store`](Self::store).
    ///
    /// # Errors
    ///
    /// The [`Cause`]s of [`store`](Self::store).
    pub fn erase_range<N: Nodes>(
        &mut self,
        nodes: N,
        range: Range,
        spares: &mut Spares<V>,
        out: impl FnMut(Range, M::Out<'t>),
    ) -> Result<(), Cause>
    where
        V: Split,
    {
        self.store(nodes, range, None, spares, out)
            .map_err(|error| error.cause)
    }

    /// Whether there is anything against a store at `range`, which leaves no rest but those of `has`.
    #[inline(always)]
    fn may_store(&self, range: Range, met: &Met<'_>, has: Rests) -> Result<(), Cause> {
        if self.tree.reserved().get() != 0 && met.clone().any(|(_, entry)| raw::is_zero(entry)) {
            return Err(Cause::Reserved);
        }
        let left = |(whole, _): (Range, Entry)| whole.first() < range.first();
        if !has.left && met.first().is_some_and(left) {
            return Err(Cause::NoSpare);
        }
        if !has.right && self.reaches_beyond(range) {
            return Err(Cause::NoSpare);
        }
        Ok(())
    }

    /// Whether what is at the last index of `range` reaches beyond that.
    fn reaches_beyond(&self, range: Range) -> bool {
        let mut state = State::new(self.tree, Range::at(range.last()));
        // SAFETY: The tree is ours to read.
        unsafe { state.walk() }.is_some() && state.range().last() > range.last()
    }

    /// Puts entries of their own at what a store left of the places of others, the lower one first.
    ///
    /// `state` is that of the store, and has the nodes that are left of it.
    ///
    /// # Safety
    ///
    /// The entries must be of values that no slot has, and at each part stand one that the tree owns no
    /// more.
    #[inline(always)]
    pub(super) unsafe fn put_rests<N: Nodes>(
        &mut self,
        state: &mut State,
        flags: Flags,
        rests: [Option<(Range, Entry)>; 2],
    ) {
        let mut at = State::new(self.tree, Range::at(0));
        for (part, entry) in rests.into_iter().flatten() {
            // It goes on from the lower part to the upper one.
            at.settle(part);
            // SAFETY: The tree is ours to write.
            if unsafe { put_in_place::<N>(&mut at, state, flags, part, entry.as_ptr()) }.is_err() {
                // SAFETY: As above.
                unsafe { self.tree.forsake() };
                return;
            }
        }
    }
}

/// Puts `entry` in the place of one that has just `range`: that takes no node, which a store that
/// cannot fail any more rests on.
///
/// On a kernel where it does, the node is one of now, or as last resort one of those that `nodes`
/// has. `at` stands where the entry goes.
///
/// # Errors
///
/// [`AllocError`], on such a kernel alone, if there is no node at all. The old entry stands where it
/// was.
///
/// # Safety
///
/// The caller writes to the tree of both states. `entry` must be a value's that no slot has, or the one
/// that reserves.
#[inline(always)]
pub(super) unsafe fn put_in_place<N: Nodes>(
    at: &mut State,
    nodes: &mut State,
    flags: Flags,
    range: Range,
    entry: *mut c_void,
) -> Result<(), AllocError> {
    // SAFETY: By the caller's promise; the state has no nodes.
    if unsafe { at.store_nowait(entry) }.is_ok() {
        return Ok(());
    }
    nodes.seek(range);
    // SAFETY: By the caller's promise.
    unsafe { N::put(nodes, entry, flags) }
}

/// Which rests a store leaves of the values that it covers in part.
#[derive(Clone, Copy)]
struct Rests {
    left: bool,
    right: bool,
}
