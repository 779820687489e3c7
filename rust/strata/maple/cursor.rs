// SPDX-License-Identifier: GPL-2.0

//! A place in a tree that its holder walks along, and changes on the way.
//!
//! C: a `struct ma_state` with `mas_find()` and `mas_find_rev()`. A store through another one leaves
//! that with a node that may be gone; here nothing else can store while there is a cursor.

use super::{
    locked::Locked,
    mode::Mode,
    raw::{
        self,
        Entry, //
    },
    reservation::Nodes,
    state::State,
    store::{
        Cause,
        StoreError, //
    },
    value::Value,
    Range, //
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// A place in a tree, among the values that a range meets.
///
/// It stands at a value, at a gap, at a reserved slot, before the first index of its range or after
/// the last one, and stays there until it is told to go. It borrows the tree from who holds its lock:
/// there is none without the lock, and no other store while there is one.
///
/// # Invariants
///
/// - If it stands at an entry, that is in the tree, at just that range.
/// - If `follows`, `state` stands where the cursor does.
#[must_use = "a cursor does nothing by itself"]
pub struct Cursor<'c, 't, V: Value, M: Mode<V>> {
    tree: Locked<'c, 't, V, M>,
    within: Range,
    place: Place,
    state: State,
    follows: bool,
}

/// Where a cursor stands.
#[derive(Clone, Copy)]
enum Place {
    Before,
    /// A part of a gap, of which there may be more on both sides, if there is no entry.
    At(Range, Option<Entry>),
    After,
}

impl<'t, V: Value, M: Mode<V>> Locked<'_, 't, V, M> {
    /// A cursor before the first of the values that `range` meets.
    ///
    /// # Context
    ///
    /// That of the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata::maple::{Exclusive, MapleTree, Range};
    /// use strata::prelude::*;
    ///
    /// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
    /// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
    /// # let cx = &mut cx;
    /// let tree = MapleTree::<KBox<u32>, Exclusive>::new();
    /// let mut tree = gfp::kernel(cx).boxed_init(tree)?;
    /// let mut tree = tree.as_mut().exclusive();
    /// for number in 0..10 {
    ///     let value = cx.alloc(number)?;
    ///     tree.insert(&mut gfp::kernel(cx), Range::at(10 * number as usize), value)?;
    /// }
    ///
    /// // What is odd goes, and 40 gets a neighbour.
    /// let mut cursor = tree.cursor(Range::of(20..)?);
    /// while let Some((range, &number)) = cursor.next() {
    ///     if number % 2 == 1 {
    ///         cursor.remove(&mut gfp::kernel(cx))?;
    ///     } else if number == 4 {
    ///         let beside = Range::at(range.last() + 1);
    ///         let value = cx.alloc(41)?;
    ///         cursor.insert(&mut gfp::kernel(cx), beside, value)?;
    ///     }
    /// }
    /// let left = tree.iter(Range::ALL).map(|(_, number)| *number);
    /// assert!(left.eq([0, 1, 2, 4, 41, 6, 8]));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cursor(&mut self, range: Range) -> Cursor<'_, 't, V, M> {
        // INVARIANT: It stands at no entry, and its state nowhere.
        Cursor {
            // SAFETY: Ours is borrowed mutably for as long.
            tree: unsafe { Locked::new(self.tree) },
            within: range,
            place: Place::Before,
            state: State::new(self.tree, range),
            follows: false,
        }
    }
}

impl<'t, V: Value, M: Mode<V>> Cursor<'_, 't, V, M> {
    /// Goes to the next value upwards, and shows it; after the last index if there is none.
    ///
    /// C: `mas_find()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    #[expect(clippy::should_implement_trait)]
    #[inline]
    pub fn next(&mut self) -> Option<(Range, V::Ref<'_>)> {
        let from = match self.place {
            Place::Before => Some(self.within.first()),
            Place::At(range, _) => range.last().checked_add(1),
            Place::After => None,
        };
        let Some(from) = from.filter(|from| *from <= self.within.last()) else {
            return self.leave(Place::After);
        };
        if !self.follows {
            self.state.seek(Range::at(from));
        }
        // SAFETY: The tree is ours to read.
        while let Some(entry) = unsafe { self.state.find(self.within.last()) } {
            if !raw::is_zero(entry) {
                return self.arrive(Some(entry));
            }
        }
        self.leave(Place::After)
    }

    /// Goes to the next value downwards, and shows it; before the first index if there is none.
    ///
    /// C: `mas_find_rev()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    #[inline]
    pub fn prev(&mut self) -> Option<(Range, V::Ref<'_>)> {
        let from = match self.place {
            Place::Before => None,
            Place::At(range, _) => range.first().checked_sub(1),
            Place::After => Some(self.within.last()),
        };
        let Some(from) = from.filter(|from| *from >= self.within.first()) else {
            return self.leave(Place::Before);
        };
        if !self.follows {
            self.state.seek(Range::at(from));
        }
        // SAFETY: The tree is ours to read.
        while let Some(entry) = unsafe { self.state.find_rev(self.within.first()) } {
            if !raw::is_zero(entry) {
                return self.arrive(Some(entry));
            }
        }
        self.leave(Place::Before)
    }

    /// Goes to what is at `index`, and shows it if that is a value.
    ///
    /// For an index that is not of its range it goes before the first or after the last of that. C:
    /// `mas_walk()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    #[inline]
    pub fn seek(&mut self, index: usize) -> Option<(Range, V::Ref<'_>)> {
        if index < self.within.first() {
            return self.leave(Place::Before);
        }
        if index > self.within.last() {
            return self.leave(Place::After);
        }
        self.state.seek(Range::at(index));
        // SAFETY: The tree is ours to read.
        let entry = unsafe { self.state.walk() };
        self.arrive(entry)
    }

    /// Goes before the first index of its range.
    ///
    /// # Context
    ///
    /// That of the lock.
    pub fn to_start(&mut self) {
        self.leave(Place::Before);
    }

    /// Goes after the last index of its range.
    ///
    /// # Context
    ///
    /// That of the lock.
    pub fn to_end(&mut self) {
        self.leave(Place::After);
    }

    /// The value that it stands at.
    ///
    /// # Context
    ///
    /// That of the lock.
    #[inline]
    pub fn current(&self) -> Option<(Range, V::Ref<'_>)> {
        let (range, entry) = self.value()?;
        // SAFETY: It is of a value of the tree, that stays while we are borrowed.
        Some((range, unsafe { V::borrow(entry) }))
    }

    /// The same, to change.
    ///
    /// # Context
    ///
    /// That of the lock.
    #[inline]
    pub fn current_mut(&mut self) -> Option<(Range, V::Mut<'_>)> {
        let (range, entry) = self.value()?;
        // SAFETY: It is of a value of the tree, that stays while we are borrowed, and nobody else has
        // the tree.
        Some((range, unsafe { V::borrow_mut(entry) }))
    }

    /// The gap that it stands at, as much of it as is in its range.
    ///
    /// # Context
    ///
    /// That of the lock.
    pub fn gap(&self) -> Option<Range> {
        let Place::At(range, None) = self.place else {
            return None;
        };
        let mut state = State::new(self.tree.tree, Range::at(range.first()));
        // SAFETY: The tree is ours to read.
        match unsafe { state.walk() } {
            Some(_) => None,
            None => state.range().intersection(&self.within),
        }
    }

    /// Puts `value` in the place of the one that it stands at, which is returned.
    ///
    /// Needs no memory. Readers under RCU see the one or the other.
    ///
    /// # Context
    ///
    /// That of the lock.
    ///
    /// # Errors
    ///
    /// [`StoreError`] with the value: [`Cause::NotThere`] if it stands at none; [`Cause::NoMemory`] on
    /// no kernel that Strata knows.
    #[inline]
    pub fn replace(&mut self, value: V) -> Result<M::Out<'t>, StoreError<V>> {
        let Some((range, old)) = self.value() else {
            return Err(StoreError {
                value,
                cause: Cause::NotThere,
            });
        };
        if self.follows {
            self.state.settle(range);
        } else {
            self.state.seek(range);
        }
        let entry = value.into_entry();
        // SAFETY: The tree is ours to write, the entry is a value's that no slot has, and the state
        // stands at just the range of another one.
        let stored = unsafe { self.state.store_nowait(entry.as_ptr()) };
        self.follows = stored.is_ok() && self.state.is_in_node();
        match stored {
            Ok(()) => {
                // INVARIANT: It was just stored there.
                self.place = Place::At(range, Some(entry));
                // SAFETY: It was in the tree, and is no more.
                Ok(unsafe { M::out(old) })
            }
            Err(error) => Err(StoreError {
                // SAFETY: It was not stored.
                value: unsafe { V::from_entry(entry) },
                cause: error.into(),
            }),
        }
    }

    /// Takes out the value that it stands at, and returns it, if there is one; it then stands at the
    /// gap.
    ///
    /// # Context
    ///
    /// That of the lock, and what `nodes` needs.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; the value stays, and the cursor.
    pub fn remove<N: Nodes>(
        &mut self,
        nodes: N,
    ) -> Result<Option<(Range, M::Out<'t>)>, AllocError> {
        let Some((range, _)) = self.value() else {
            return Ok(None);
        };
        let removed = self.tree.erase(nodes, range.first())?;
        // INVARIANT: There is no entry any more, and the node of the state may be gone.
        self.place = Place::At(range, None);
        self.follows = false;
        Ok(removed)
    }

    /// Puts `value` at `range`, where there is nothing yet, and goes there.
    ///
    /// A range that does not meet its own it goes past: it then stands before the first index of that,
    /// or after the last one.
    ///
    /// # Context
    ///
    /// That of the lock, and what `nodes` needs.
    ///
    /// # Errors
    ///
    /// [`StoreError`] with the value: [`Cause::Occupied`], [`Cause::NoMemory`]. The cursor stays.
    pub fn insert<N: Nodes>(
        &mut self,
        nodes: N,
        range: Range,
        value: V,
    ) -> Result<(), StoreError<V>> {
        let entry = value.into_entry();
        // SAFETY: The entry is a value's that no slot has.
        let stored = unsafe { self.tree.insert_entry(nodes, range, entry) };
        if let Err(cause) = stored {
            return Err(StoreError {
                // SAFETY: It was not stored.
                value: unsafe { V::from_entry(entry) },
                cause,
            });
        }
        // INVARIANT: It was just stored there, and the node of the state may be gone.
        self.place = if range.last() < self.within.first() {
            Place::Before
        } else if range.first() > self.within.last() {
            Place::After
        } else {
            Place::At(range, Some(entry))
        };
        self.follows = false;
        Ok(())
    }

    /// The value that it stands at: not a slot that is reserved.
    #[inline(always)]
    fn value(&self) -> Option<(Range, Entry)> {
        match self.place {
            Place::At(range, Some(entry)) if !raw::is_zero(entry) => Some((range, entry)),
            Place::At(..) | Place::Before | Place::After => None,
        }
    }

    /// Stands where its state came to.
    #[inline(always)]
    fn arrive(&mut self, entry: Option<Entry>) -> Option<(Range, V::Ref<'_>)> {
        // INVARIANT: The state says so.
        self.place = Place::At(self.state.range(), entry);
        self.follows = true;
        self.current()
    }

    /// Stands at one end of its range.
    #[inline(always)]
    fn leave(&mut self, end: Place) -> Option<(Range, V::Ref<'_>)> {
        // INVARIANT: No entry is there. What the state of a search that found nothing goes on with
        // is the kernel's business.
        self.place = end;
        self.follows = false;
        None
    }
}
