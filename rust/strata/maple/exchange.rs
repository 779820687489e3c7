// SPDX-License-Identifier: GPL-2.0

//! Stores whose values are made when they cannot fail any more, and trees that are walked meanwhile:
//! what a VA space is made of.
//!
//! What values are made of may be used up by then: a store that fails has used nothing.

use super::{
    locked::{
        Iter,
        Locked, //
    },
    mode::{
        Rcu,
        Spin, //
    },
    raw,
    rcu::{
        Chain,
        Displaced,
        RcuBox, //
    },
    reservation::{
        Nodes,
        Reservation, //
    },
    store::Cause,
    value::Value,
    MapleTree,
    Range, //
};
use crate::cx::Rank;
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    alloc::AllocError,
    sync::rcu::Guard, //
};

/// What an exchange puts into the tree.
pub(crate) trait Change<T> {
    /// Whether there is to be a value at the range.
    fn adds(&self) -> bool;

    /// That value. `old` is the lowest one that it displaces.
    ///
    /// Called once if [`adds`](Self::adds) says so, before any [`rest`](Self::rest).
    fn added(&mut self, old: Option<&T>) -> RcuBox<T>;

    /// The value for the part that is left of an old one, the lower part first.
    fn rest(&mut self, old: &T, part: Range) -> RcuBox<T>;

    /// All values are made, and readers are about to see them: one after the other.
    fn begin(&mut self);
}

impl<T: Send + 'static, R: Rank> MapleTree<RcuBox<T>, Spin<R>, Rcu> {
    /// Reserves the last index, for ever: the tree always has a node.
    ///
    /// `mas_find()` of a reader must not meet a tree that loses its last node: in 7.2 and 7.3 it goes
    /// on to read the node of a state that has none.
    ///
    /// # Errors
    ///
    /// [`Cause::Occupied`], [`Cause::NoMemory`].
    pub(crate) fn anchor(&self, nodes: Reservation) -> Result<(), Cause> {
        let _held = self.tree.lock();
        // SAFETY: The lock is held for longer than the result lives.
        let mut locked = unsafe { Locked::<RcuBox<T>, Rcu>::new(&self.tree) };
        let Some(zero) = NonNull::new(raw::zero()) else {
            return Ok(());
        };
        // SAFETY: It is the one that reserves.
        unsafe { locked.insert_entry(nodes, Range::at(usize::MAX), zero) }
    }

    /// The values that `range` meets, upwards, read without the tree's lock.
    ///
    /// What is stored meanwhile it may see a part of, and it may pass over what is there all the time.
    ///
    /// # Safety
    ///
    /// The tree must be [anchored](Self::anchor).
    pub(crate) unsafe fn walk<'r>(
        &'r self,
        _guard: &'r Guard,
        range: Range,
    ) -> Iter<'r, RcuBox<T>> {
        // SAFETY: The tree is in RCU mode, and never without a node, and this is a reader. Values
        // stay for as long as that, even if they leave the tree.
        unsafe { Iter::new(&self.tree, range) }
    }
}

impl<'t, T: Send + 'static> Locked<'_, 't, RcuBox<T>, Rcu> {
    /// Puts what `change` says at `range`, whatever is there, and returns what that displaces.
    ///
    /// # Context
    ///
    /// That of the lock.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if less is reserved than the tree of now needs. Nothing was made or displaced.
    pub(crate) fn exchange(
        &mut self,
        nodes: &mut Reservation,
        range: Range,
        change: &mut impl Change<T>,
    ) -> Result<Displaced<'t, T>, AllocError> {
        let adds = change.adds();
        if !adds && self.entries(range).next().is_none() {
            return Ok(Displaced::none());
        }
        nodes.with(self.tree, range, |state, flags| {
            // What is counted depends on an entry's two lowest bits alone, and on whether there is
            // one: this has those of all boxes.
            let like = match adds {
                true => NonNull::<u64>::dangling().as_ptr().cast(),
                false => ptr::null_mut(),
            };
            // SAFETY: The tree is ours to write.
            unsafe { state.prepare(like, flags) }?;

            let mut old = self
                .entries(range)
                // SAFETY: It is of a value of ours, that stays until it is displaced.
                .map(|(_, entry)| unsafe { RcuBox::borrow(entry) });
            let entry = match adds {
                true => change.added(old.next()).into_entry().as_ptr(),
                false => ptr::null_mut(),
            };
            let mut chain = Chain::new();
            let mut len = 0;
            let mut left = None;
            let mut right = None;
            for (whole, entry) in self.entries(range) {
                // SAFETY: As above.
                let old = unsafe { RcuBox::borrow(entry) };
                if let Some(part) = whole.before(&range) {
                    left = Some((part, change.rest(old, part)));
                }
                if let Some(part) = whole.after(&range) {
                    right = Some((part, change.rest(old, part)));
                }
                // SAFETY: What follows puts other entries in all places that it has.
                unsafe { chain.push(whole, entry) };
                len += 1;
                if whole.last() >= range.last() {
                    break;
                }
            }

            change.begin();
            // SAFETY: It was prepared for an entry like this one, and nothing was stored since.
            unsafe { <&mut Reservation>::store(state, entry) };
            for (part, value) in [left, right].into_iter().flatten() {
                self.put_rest(part, value);
            }
            // SAFETY: All of it was displaced.
            Ok(unsafe { Displaced::new(chain, len) })
        })
    }
}
