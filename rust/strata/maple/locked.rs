// SPDX-License-Identifier: GPL-2.0

//! What the holder of a tree's lock may read.

use super::{
    mode::Mode,
    raw::{
        self,
        Entry,
        Tree, //
    },
    state::State,
    value::Value,
    Range, //
};
use core::marker::PhantomData;
use kernel::types::NotThreadSafe;

/// A tree whose lock is held, or which its user has to himself.
///
/// # Invariants
///
/// While it is reachable, nobody but its holder writes to `tree`, and only readers under RCU read it.
/// `'h` is how long the lock is held, `'t` how long the tree lives.
pub struct Locked<'h, 't, V: Value, M: Mode<V>> {
    pub(super) tree: &'t Tree,
    /// Invariant: that of one tree cannot be put in the place of another's.
    _hold: PhantomData<fn(&'h ()) -> &'h ()>,
    _values: PhantomData<(V, fn() -> M)>,
    _task: NotThreadSafe,
}

impl<'t, V: Value, M: Mode<V>> Locked<'_, 't, V, M> {
    /// # Safety
    ///
    /// For as long as the result lives, nobody else writes to the tree, whose values are of `V` and
    /// whose mode is `M`.
    #[inline(always)]
    pub(super) unsafe fn new(tree: &'t Tree) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            tree,
            _hold: PhantomData,
            _values: PhantomData,
            _task: NotThreadSafe,
        }
    }

    /// Whether it holds nothing, no reserved slot either.
    ///
    /// # Context
    ///
    /// That of the lock.
    pub fn is_empty(&self) -> bool {
        let mut state = State::new(self.tree, Range::at(0));
        // SAFETY: The tree is ours to read.
        unsafe { state.find(usize::MAX) }.is_none()
    }

    /// How many levels of nodes it has: what the size of a store's reservation depends on.
    ///
    /// C: `mt_height()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    pub fn height(&self) -> u32 {
        self.tree.height()
    }

    /// Has the kernel look for what is wrong with the nodes, which it reports.
    ///
    /// For tests: it looks at all of them, and does nothing without `CONFIG_DEBUG_MAPLE_TREE`. C:
    /// `mt_validate()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    pub fn validate(&self) {
        // SAFETY: The tree is ours to read, and nobody else writes to it.
        unsafe { self.tree.validate() };
    }

    /// The value at `index`. C: `mas_walk()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    #[inline]
    pub fn load(&self, index: usize) -> Option<V::Ref<'_>> {
        self.entry(index).map(|(_, value)| value)
    }

    /// The same, to change. C: `mas_walk()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    #[inline]
    pub fn load_mut(&mut self, index: usize) -> Option<V::Mut<'_>> {
        let mut state = State::new(self.tree, Range::at(index));
        // SAFETY: The tree is ours to read.
        let entry = unsafe { state.walk() }.filter(|&entry| !raw::is_zero(entry))?;
        // SAFETY: It is of a value of ours, that stays while we are borrowed.
        Some(unsafe { V::borrow_mut(entry) })
    }

    /// The value at `index`, and all that it stands at. C: `mas_walk()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    #[inline]
    pub fn entry(&self, index: usize) -> Option<(Range, V::Ref<'_>)> {
        let mut state = State::new(self.tree, Range::at(index));
        // SAFETY: The tree is ours to read.
        let entry = unsafe { state.walk() }.filter(|&entry| !raw::is_zero(entry))?;
        // SAFETY: It is of a value of ours, that stays while we are borrowed.
        Some((state.range(), unsafe { V::borrow(entry) }))
    }

    /// The first value after `index`. C: `mas_find()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    pub fn next(&self, index: usize) -> Option<(Range, V::Ref<'_>)> {
        let after = Range::new(index.checked_add(1)?, usize::MAX).ok()?;
        self.iter(after).find(|(range, _)| range.first() > index)
    }

    /// The last value before `index`. C: `mas_find_rev()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    pub fn prev(&self, index: usize) -> Option<(Range, V::Ref<'_>)> {
        let before = Range::new(0, index.checked_sub(1)?).ok()?;
        self.iter_rev(before)
            .find(|(range, _)| range.last() < index)
    }

    /// The values that `range` meets, upwards, each with all that it stands at. C: `mas_find()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    #[inline]
    pub fn iter(&self, range: Range) -> Iter<'_, V> {
        // SAFETY: The tree is ours to read, and stays as it is while we are borrowed.
        unsafe { Iter::new(self.tree, range) }
    }

    /// The same downwards. C: `mas_find_rev()`.
    ///
    /// # Context
    ///
    /// That of the lock.
    #[inline]
    pub fn iter_rev(&self, range: Range) -> IterRev<'_, V> {
        IterRev {
            state: State::new(self.tree, Range::at(range.last())),
            min: range.first(),
            _values: PhantomData,
        }
    }

    /// What `range` is made of, upwards: values, and between them what holds none.
    ///
    /// The first and the last may reach beyond `range`, values with all that they stand at and gaps
    /// cut off at its ends. Reserved slots are gaps of their own.
    ///
    /// # Context
    ///
    /// That of the lock.
    #[inline]
    pub fn slots(&self, range: Range) -> Slots<'_, V> {
        Slots {
            state: State::new(self.tree, Range::at(range.first())),
            rest: Some(range),
            found: None,
            _values: PhantomData,
        }
    }

    /// Goes to the first index of `range`, and says what it meets from there on: a store to it need not
    /// walk again.
    #[inline(always)]
    pub(super) fn meet(&self, state: &mut State, range: Range) -> Met<'_> {
        // SAFETY: The tree is ours to read.
        let found = unsafe { state.walk() };
        Met {
            first: found.map(|entry| (state.range(), entry)),
            others: Entries {
                state: state.here(),
                max: range.last(),
                _tree: PhantomData,
            },
        }
    }

    /// The entries that `range` meets, reserved slots included.
    pub(super) fn entries(&self, range: Range) -> Entries<'_> {
        // SAFETY: The tree is ours to read, and stays as it is while we are borrowed.
        unsafe { Entries::new(self.tree, range) }
    }
}

/// What a range meets, upwards, reserved slots included: see [`Locked::meet`].
#[derive(Clone)]
pub(super) struct Met<'a> {
    first: Option<(Range, Entry)>,
    others: Entries<'a>,
}

impl Met<'_> {
    /// The lowest, if it was not passed yet and reaches down to the range's first index.
    #[inline(always)]
    pub(super) fn first(&self) -> Option<(Range, Entry)> {
        self.first
    }
}

impl Iterator for Met<'_> {
    type Item = (Range, Entry);

    #[inline(always)]
    fn next(&mut self) -> Option<(Range, Entry)> {
        self.first.take().or_else(|| self.others.next())
    }
}

/// Entries upwards, reserved slots included.
#[derive(Clone)]
pub(super) struct Entries<'a> {
    state: State,
    max: usize,
    _tree: PhantomData<&'a Tree>,
}

impl<'a> Entries<'a> {
    /// # Safety
    ///
    /// The caller may read the tree for `'a`.
    #[inline(always)]
    pub(super) unsafe fn new(tree: &'a Tree, range: Range) -> Self {
        Self {
            state: State::new(tree, Range::at(range.first())),
            max: range.last(),
            _tree: PhantomData,
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = (Range, Entry);

    #[inline(always)]
    fn next(&mut self) -> Option<(Range, Entry)> {
        // SAFETY: The tree may be read, by what `new()` was promised.
        let entry = unsafe { self.state.find(self.max) }?;
        Some((self.state.range(), entry))
    }
}

/// Values of a tree, upwards. See [`Locked::iter`].
pub struct Iter<'a, V: Value> {
    entries: Entries<'a>,
    _values: PhantomData<V::Ref<'a>>,
}

impl<'a, V: Value> Iter<'a, V> {
    /// # Safety
    ///
    /// The caller may read the tree and its values for `'a`, and they are of `V`.
    #[inline(always)]
    pub(super) unsafe fn new(tree: &'a Tree, range: Range) -> Self {
        Self {
            // SAFETY: By the caller's promise.
            entries: unsafe { Entries::new(tree, range) },
            _values: PhantomData,
        }
    }
}

impl<'a, V: Value> Iterator for Iter<'a, V> {
    type Item = (Range, V::Ref<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (range, entry) = self.entries.find(|(_, entry)| !raw::is_zero(*entry))?;
        // SAFETY: It is of a value, that stays for as long as the tree is borrowed.
        Some((range, unsafe { V::borrow(entry) }))
    }
}

/// Values of a tree, downwards. See [`Locked::iter_rev`].
pub struct IterRev<'a, V: Value> {
    state: State,
    min: usize,
    _values: PhantomData<V::Ref<'a>>,
}

impl<'a, V: Value> Iterator for IterRev<'a, V> {
    type Item = (Range, V::Ref<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // SAFETY: The tree may be read while it is borrowed.
            let entry = unsafe { self.state.find_rev(self.min) }?;
            if !raw::is_zero(entry) {
                // SAFETY: It is of a value, that stays for as long as the tree is borrowed.
                return Some((self.state.range(), unsafe { V::borrow(entry) }));
            }
        }
    }
}

/// Values of a tree and the gaps between them. See [`Locked::slots`].
pub struct Slots<'a, V: Value> {
    state: State,
    /// What was not passed yet.
    rest: Option<Range>,
    /// The entry after the gap that was returned last.
    found: Option<(Range, Entry)>,
    _values: PhantomData<V::Ref<'a>>,
}

impl<'a, V: Value> Iterator for Slots<'a, V> {
    type Item = (Range, Option<V::Ref<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let found = self.found.take().or_else(|| {
            // SAFETY: The tree may be read while it is borrowed.
            let entry = unsafe { self.state.find(rest.last()) }?;
            Some((self.state.range(), entry))
        });
        let Some((range, entry)) = found else {
            self.rest = None;
            return Some((rest, None));
        };
        if let Some(gap) = rest.before(&range) {
            self.rest = rest.after(&gap);
            self.found = Some((range, entry));
            return Some((gap, None));
        }
        self.rest = rest.after(&range);
        if raw::is_zero(entry) {
            return Some((range, None));
        }
        // SAFETY: It is of a value, that stays for as long as the tree is borrowed.
        Some((range, Some(unsafe { V::borrow(entry) })))
    }
}
