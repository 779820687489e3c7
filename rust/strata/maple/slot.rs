// SPDX-License-Identifier: GPL-2.0

//! Places that are taken before there is a value for them.

use super::{
    locked::Locked,
    mode::Mode,
    raw::{
        self,
        Entry, //
    },
    reservation::Nodes,
    state::State,
    store::Cause,
    value::Value,
    Range, //
};
use core::ptr;
use kernel::prelude::*;

/// A place in a tree that is taken, and has no value yet.
///
/// To everybody else it reads as empty, and cannot be stored to: so it is right where the range is
/// known early and one's own, as that of an allocator is. Jobs that may overlap take a
/// [`Reservation`](super::Reservation).
///
/// It takes the memory of one slot, 16 bytes and a share of a node, and none to fill it. Dropped, it
/// leaves the place taken for as long as the tree lives, which can be neither drained nor copied then.
///
/// # Invariants
///
/// In the tree of number `tree`, the entry at just `range` is the one that reserves.
#[derive(Debug)]
#[must_use = "the place stays taken until it is filled or released"]
pub struct Slot {
    tree: u64,
    range: Range,
}

impl Slot {
    /// Where it is.
    pub fn range(&self) -> Range {
        self.range
    }
}

/// A slot was not filled. Here is what should have gone into it.
#[derive(Debug)]
pub struct FillError<V> {
    /// The slot.
    pub slot: Slot,
    /// The value.
    pub value: V,
}

impl<V> From<FillError<V>> for Error {
    fn from(_: FillError<V>) -> Self {
        EINVAL
    }
}

/// A slot was not released.
#[derive(Debug)]
pub struct ReleaseError {
    /// The slot.
    pub slot: Slot,
    /// Why: [`Cause::NotThere`] if it is of another tree, [`Cause::NoMemory`].
    pub cause: Cause,
}

impl From<ReleaseError> for Error {
    fn from(error: ReleaseError) -> Self {
        error.cause.into()
    }
}

impl<V: Value, M: Mode<V>> Locked<'_, '_, V, M> {
    /// Takes `range`, where there is nothing yet. C: `XA_ZERO_ENTRY`.
    ///
    /// # Context
    ///
    /// That of the lock, and what `nodes` needs.
    ///
    /// # Errors
    ///
    /// [`Cause::Occupied`], [`Cause::NoMemory`].
    ///
    /// # Examples
    ///
    /// ```
    /// use strata::maple::{Exclusive, MapleTree, Number, Range};
    /// use strata::prelude::*;
    ///
    /// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    /// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
    /// # let cx = &mut cx;
    /// let tree = MapleTree::<Number, Exclusive>::new();
    /// let mut tree = gfp::kernel(cx).boxed_init(tree)?;
    /// let mut tree = tree.as_mut().exclusive();
    ///
    /// let range = Range::of(10..20)?;
    /// let slot = tree.reserve_slot(&mut gfp::kernel(cx), range)?;
    /// let value = Number::new(7).ok_or(EINVAL)?;
    /// assert!(tree.load(15).is_none());
    /// assert!(tree.insert(&mut gfp::kernel(cx), Range::at(15), value).is_err());
    ///
    /// tree.fill(slot, value)?;
    /// assert_eq!(tree.entry(15), Some((range, value)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn reserve_slot<N: Nodes>(&mut self, nodes: N, range: Range) -> Result<Slot, Cause> {
        let Some(zero) = Entry::new(raw::zero()) else {
            unreachable!("it is a number");
        };
        // SAFETY: It is the entry that reserves.
        unsafe { self.insert_entry(nodes, range, zero) }?;
        let reserved = self.tree.reserved();
        reserved.set(reserved.get() + 1);
        // INVARIANT: It was just put there. Nobody puts another in its place: a store to where a slot
        // is reserved is refused.
        Ok(Slot {
            tree: self.tree.number(),
            range,
        })
    }

    /// Puts `value` into a place that was taken. Needs no memory.
    ///
    /// # Context
    ///
    /// That of the lock.
    ///
    /// # Errors
    ///
    /// [`FillError`] with both, if the slot is of another tree; or, on no kernel that Strata knows, if an
    /// entry that exactly fits took memory and there was none.
    pub fn fill(&mut self, slot: Slot, value: V) -> Result<(), FillError<V>> {
        if slot.tree != self.tree.number() {
            return Err(FillError { slot, value });
        }
        let entry = value.into_entry();
        let mut state = State::new(self.tree, slot.range);
        // SAFETY: The tree is ours to write, and the entry a value's that no slot has.
        if unsafe { state.store_nowait(entry.as_ptr()) }.is_err() {
            // A kernel whose trees take memory for an entry that exactly fits, and had none.
            // SAFETY: It was not stored.
            let value = unsafe { V::from_entry(entry) };
            return Err(FillError { slot, value });
        }
        let reserved = self.tree.reserved();
        reserved.set(reserved.get() - 1);
        Ok(())
    }

    /// Gives a place back that was taken.
    ///
    /// # Context
    ///
    /// That of the lock, and what `nodes` needs.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] with the slot.
    pub fn release<N: Nodes>(&mut self, slot: Slot, nodes: N) -> Result<(), ReleaseError> {
        if slot.tree != self.tree.number() {
            let cause = Cause::NotThere;
            return Err(ReleaseError { slot, cause });
        }
        let released = nodes.with(self.tree, slot.range, |state, flags| {
            // SAFETY: The tree is ours to write.
            unsafe { N::put(state, ptr::null_mut(), flags) }
        });
        if let Err(error) = released {
            let cause = error.into();
            return Err(ReleaseError { slot, cause });
        }
        let reserved = self.tree.reserved();
        reserved.set(reserved.get() - 1);
        Ok(())
    }
}
