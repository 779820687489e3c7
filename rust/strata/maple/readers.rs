// SPDX-License-Identifier: GPL-2.0

//! Reading without the tree's lock, under RCU.

use super::{
    mode::{
        Mode,
        ReadsUnlocked, //
    },
    raw::{
        self,
        Entry,
        Tree, //
    },
    state::State,
    value::Value,
    MapleTree,
    Range, //
};
use core::marker::PhantomData;
use kernel::sync::rcu::Guard;

impl<V: Value, L, M: Mode<V>> MapleTree<V, L, M> {
    /// The value at `index`, read without the tree's lock.
    ///
    /// While a store is done, readers see what was there before or what is there after it.
    ///
    /// # Context
    ///
    /// An RCU reader. C: `mas_walk()`.
    #[inline]
    pub fn load<'r>(&'r self, guard: &'r Guard, index: usize) -> Option<V::Ref<'r>>
    where
        M: ReadsUnlocked,
    {
        let _ = guard;
        let mut state = State::new(&self.tree, Range::at(index));
        // SAFETY: The tree is in RCU mode, and this is a reader.
        let entry = unsafe { state.walk() }.filter(|&entry| !raw::is_zero(entry))?;
        // SAFETY: It is of a value of ours. Even if it leaves the tree it stays for as long as this
        // reader, and the tree, who settles with what left it before it goes.
        Some(unsafe { V::borrow(entry) })
    }

    /// The value at `index`, and all that it stands at, read without the tree's lock.
    ///
    /// While a store is under way, what the value stands at may be less than before it: what depends on
    /// where a value begins is for the value to know.
    ///
    /// # Context
    ///
    /// As [`load`](Self::load).
    #[inline]
    pub fn entry<'r>(&'r self, _guard: &'r Guard, index: usize) -> Option<(Range, V::Ref<'r>)>
    where
        M: ReadsUnlocked,
    {
        let (range, found) = walk(&self.tree, index);
        let entry = found.filter(|&entry| !raw::is_zero(entry))?;
        // SAFETY: As in `load()`.
        Some((range, unsafe { V::borrow(entry) }))
    }

    /// The values that `range` meets, upwards, read without the tree's lock.
    ///
    /// Not a snapshot: what it gives is there when it comes to it, and may be gone when it goes on.
    /// But it passes over no index that has a value all the time. What it gives next may begin
    /// before the end of what it gave last, if a store put it there meanwhile.
    ///
    /// Each step begins at the root, so that it costs more than one of
    /// [`Locked::iter`](super::Locked::iter).
    ///
    /// # Context
    ///
    /// As [`load`](Self::load). C: `mas_walk()`.
    #[inline]
    pub fn iter<'r>(&'r self, _guard: &'r Guard, range: Range) -> IterRcu<'r, V>
    where
        M: ReadsUnlocked,
    {
        IterRcu {
            tree: &self.tree,
            rest: Some(range),
            _values: PhantomData,
        }
    }
}

/// Values of a tree that others may be storing to, upwards. See [`MapleTree::iter`].
///
/// Not with `mas_find()`: where the node that it stands at was replaced it goes on after what stands
/// there now, and may so pass over a value; and if the tree has no node any more it uses none of 7.2
/// and 7.3, and oopses.
pub struct IterRcu<'r, V: Value> {
    tree: &'r Tree,
    /// What was not passed yet.
    rest: Option<Range>,
    _values: PhantomData<V::Ref<'r>>,
}

impl<'r, V: Value> Iterator for IterRcu<'r, V> {
    type Item = (Range, V::Ref<'r>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest?;
            let (range, found) = walk(self.tree, rest.first());
            self.rest = rest.after(&range);
            if let Some(entry) = found.filter(|&entry| !raw::is_zero(entry)) {
                // SAFETY: It is of a value, that stays for as long as this reader, as in `load()`.
                return Some((range, unsafe { V::borrow(entry) }));
            }
        }
    }
}

/// What a tree in RCU mode has at `index`, and where that stands.
fn walk(tree: &Tree, index: usize) -> (Range, Option<Entry>) {
    loop {
        let mut state = State::new(tree, Range::at(index));
        // SAFETY: The caller is a reader of such a tree.
        let found = unsafe { state.walk() };
        // A border that a store moves in its place may be read twice, as it was and as it is.
        if state.range().contains(index) {
            return (state.range(), found);
        }
    }
}
