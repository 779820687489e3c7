// SPDX-License-Identifier: GPL-2.0

//! Stores whose values are made when they cannot fail any more, and trees that are walked meanwhile:
//! what a VA space is made of.
//!
//! What values are made of may be used up by then: a store that fails has used nothing.

use super::{
    chain::{
        Chain,
        Displaced, //
    },
    locked::{
        Iter,
        Locked, //
    },
    mode::{
        Rcu,
        Spin, //
    },
    raw,
    rcu::RcuBox,
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

    /// All values are made, and readers are about to see them: one after the other, by three stores
    /// at most.
    fn begin(&mut self);

    /// Readers may see all of them.
    fn end(&mut self);
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
    /// Allocates nothing. `nodes` are those of one store.
    ///
    /// # Context
    ///
    /// That of the lock.
    ///
    /// # Errors
    ///
    /// [`AllocError`] if less is reserved than a tree of the height of now may need, whether or not this
    /// store does. Nothing was made or displaced, and what is reserved stays, but on a kernel whose
    /// trees need more than Strata knows.
    pub(crate) fn exchange(
        &mut self,
        nodes: &mut Reservation,
        range: Range,
        change: &mut impl Change<T>,
    ) -> Result<Displaced<'t, T>, AllocError> {
        // What is too little is left alone: it may do for a smaller tree.
        let enough = nodes.covers(self.height()) && !nodes.is_empty();
        let exchanged = (&mut *nodes).with(self.tree, range, |state, flags| {
            let mut met = self.meet(state, range);
            let mut next = met.next();
            let adds = change.adds();
            if !adds && next.is_none() {
                return Ok(Displaced::none());
            }
            if !enough {
                return Err(AllocError);
            }
            // What is counted depends on an entry's two lowest bits alone, and on whether there is
            // one: this has those of all boxes.
            let like = match adds {
                true => NonNull::<u64>::dangling().as_ptr().cast(),
                false => ptr::null_mut(),
            };
            state.settle(range);
            // SAFETY: The tree is ours to write.
            unsafe { state.prepare(like, flags) }?;

            // SAFETY: It is of a value of ours, that stays until it is displaced.
            let lowest = next.map(|(_, entry)| unsafe { RcuBox::borrow(entry) });
            let entry = match adds {
                true => change.added(lowest).into_entry().as_ptr(),
                false => ptr::null_mut(),
            };
            let mut chain = Chain::new();
            let mut len = 0;
            let mut rests = [None, None];
            while let Some((whole, entry)) = next {
                // SAFETY: As above.
                let old = unsafe { RcuBox::borrow(entry) };
                if let Some(part) = whole.before(&range) {
                    rests[0] = Some((part, change.rest(old, part).into_entry()));
                }
                if let Some(part) = whole.after(&range) {
                    rests[1] = Some((part, change.rest(old, part).into_entry()));
                }
                // SAFETY: What follows puts other entries in all places that it has.
                unsafe { chain.push(whole, entry) };
                len += 1;
                if whole.last() >= range.last() {
                    break;
                }
                next = met.next();
            }

            change.begin();
            // SAFETY: It was prepared for an entry like this one, and nothing was stored since.
            unsafe { <&mut Reservation>::store(state, entry) };
            // SAFETY: The entries are of values that no slot has, and what stands at their places are
            // the old ones, which are displaced.
            unsafe { self.put_rests::<&mut Reservation>(state, flags, rests) };
            change.end();
            // SAFETY: All of it was displaced.
            Ok(unsafe { Displaced::new(chain, len) })
        });
        if exchanged.is_ok() || nodes.is_empty() {
            nodes.spend();
        }
        exchanged
    }
}
