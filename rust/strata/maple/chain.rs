// SPDX-License-Identifier: GPL-2.0

//! Lists of values that are on their way out of a tree: their links stand in the values' own memory.

use super::{
    raw::Entry,
    rcu::{
        Inner,
        Link,
        RcuBox,
        Retired,
        Way, //
    },
    Range, //
};
use core::{
    iter,
    marker::PhantomData,
    mem,
    ptr::NonNull, //
};

/// Entries that a store displaces, in the order of their ranges, until it is done.
#[doc(hidden)]
pub struct Chain<T> {
    first: Option<NonNull<Inner<T>>>,
    last: Option<NonNull<Inner<T>>>,
}

impl<T: 'static> Chain<T> {
    pub(super) fn new() -> Self {
        Self {
            first: None,
            last: None,
        }
    }

    /// Appends one that was at `range`.
    ///
    /// # Safety
    ///
    /// `entry` must be of a `RcuBox<T>` and be displaced by a store of the caller.
    pub(super) unsafe fn push(&mut self, range: Range, entry: Entry) {
        let inner = entry.cast::<Inner<T>>();
        // SAFETY: Alive by the caller's promise; the way out is the writer's.
        let way = unsafe { &mut (*inner.as_ptr()).way };
        way.write(Way {
            chain: Link { next: None, range },
        });
        match self.last.replace(inner) {
            None => self.first = Some(inner),
            // SAFETY: It was pushed before, so that its way out is a link.
            Some(last) => unsafe {
                (*last.as_ptr()).way.assume_init_mut().chain.next = Some(inner.cast());
            },
        }
    }

    /// Hands them out.
    ///
    /// # Safety
    ///
    /// The store must be done.
    pub(super) unsafe fn hand_out<'t>(self, out: &mut impl FnMut(Range, Retired<'t, T>)) {
        let mut next = self.first;
        while let Some(inner) = next {
            // SAFETY: It was pushed, and nobody has it but the chain.
            let link = unsafe { (*inner.as_ptr()).way.assume_init_ref().chain };
            next = link.next.map(NonNull::cast);
            // SAFETY: The store took it out of the tree, by the caller's promise.
            out(link.range, unsafe { Retired::from_entry(inner.cast()) });
        }
    }
}

/// Values that left a tree together, in the order of their ranges.
///
/// Each is dropped as a [`Retired`] is.
///
/// # Invariants
///
/// Each value of `chain` could be a [`Retired`].
pub(crate) struct Displaced<'t, T: 'static> {
    chain: Chain<T>,
    len: usize,
    _tree: PhantomData<&'t RcuBox<T>>,
}

// SAFETY: It owns its values, and readers of other CPUs may still look at them.
unsafe impl<T: Send + Sync> Send for Displaced<'_, T> {}
// SAFETY: It gives shared references to its values only.
unsafe impl<T: Send + Sync> Sync for Displaced<'_, T> {}

impl<T: 'static> Displaced<'_, T> {
    /// Nothing.
    pub(crate) fn none() -> Self {
        // INVARIANT: There is none.
        Self {
            chain: Chain::new(),
            len: 0,
            _tree: PhantomData,
        }
    }

    /// # Safety
    ///
    /// The `len` values that were pushed must be in no tree any more.
    pub(super) unsafe fn new(chain: Chain<T>, len: usize) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            chain,
            len,
            _tree: PhantomData,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends what was displaced later.
    pub(crate) fn append(&mut self, mut later: Self) {
        self.len += later.len;
        let Some(first) = later.chain.first.take() else {
            return;
        };
        match self.chain.last {
            None => self.chain.first = Some(first),
            // SAFETY: It was pushed, so that its way out is a link.
            Some(last) => unsafe {
                (*last.as_ptr()).way.assume_init_mut().chain.next = Some(first.cast());
            },
        }
        // INVARIANT: `later` has nothing any more.
        self.chain.last = later.chain.last.take();
    }

    /// The values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let mut next = self.chain.first;
        iter::from_fn(move || {
            let inner = next?.as_ptr();
            // SAFETY: It was pushed, so that its way out is a link, which is only read while we are
            // borrowed.
            next = unsafe { (*inner).way.assume_init_ref().chain }
                .next
                .map(NonNull::cast);
            // SAFETY: It is alive, and nobody changes it, by the invariants.
            Some(unsafe { &(*inner).value })
        })
    }
}

impl<T> Drop for Displaced<'_, T> {
    fn drop(&mut self) {
        let chain = mem::replace(&mut self.chain, Chain::new());
        // SAFETY: By the invariants.
        unsafe { chain.hand_out(&mut |_, retired| drop(retired)) };
    }
}
