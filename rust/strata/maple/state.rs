// SPDX-License-Identifier: GPL-2.0

//! The calls into C: `struct ma_state`.

use super::{
    raw::{
        Entry,
        Flags,
        Tree, //
    },
    stock::Stock,
    Range, //
};
use crate::bindings;
use core::{
    ffi::c_void,
    mem::{
        self,
        ManuallyDrop, //
    },
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// A `struct ma_state`: a place in a tree, and the nodes that a store may use.
///
/// Plain data: it may be moved between two calls, and to another tree.
pub struct State(bindings::ma_state);

/// Nowhere, without nodes. A constant, since `Default::default()` of the kernel's crate is a call.
const EMPTY: bindings::ma_state = pin_init::zeroed();

impl Clone for State {
    #[inline(always)]
    fn clone(&self) -> Self {
        self.here()
    }
}

impl State {
    /// Before the first entry of `range`.
    #[inline(always)]
    pub(super) fn new(tree: &Tree, range: Range) -> Self {
        Self(bindings::ma_state {
            tree: tree.get(),
            index: range.first(),
            last: range.last(),
            max: usize::MAX,
            status: bindings::maple_status_ma_start,
            ..EMPTY
        })
    }

    /// Before the first entry of `range`, with nodes that were reserved.
    #[inline(always)]
    pub(super) fn with(tree: &Tree, range: Range, stock: Stock) -> Self {
        let mut state = Self::new(tree, range);
        state.put(stock);
        state
    }

    /// In no tree, with nodes that are tied to none.
    pub(super) fn nowhere(stock: Stock) -> Self {
        let mut state = Self(EMPTY);
        state.put(stock);
        state
    }

    /// Another one where this one is, without its nodes.
    #[inline(always)]
    pub(super) fn here(&self) -> Self {
        Self(bindings::ma_state {
            sheaf: ptr::null_mut(),
            alloc: ptr::null_mut(),
            ..self.0
        })
    }

    #[inline(always)]
    pub(super) fn get(&mut self) -> *mut bindings::ma_state {
        &mut self.0
    }

    /// Is given nodes, and has none.
    #[inline(always)]
    fn put(&mut self, stock: Stock) {
        let stock = ManuallyDrop::new(stock);
        self.0.sheaf = stock.sheaf;
        self.0.alloc = stock.alloc;
    }

    /// Gives up the nodes that it holds.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Stock {
        Stock {
            sheaf: mem::replace(&mut self.0.sheaf, ptr::null_mut()),
            alloc: mem::replace(&mut self.0.alloc, ptr::null_mut()),
        }
    }

    /// Goes to `range`, by a walk from the root (`mas_set_range()`).
    #[inline(always)]
    pub(super) fn seek(&mut self, range: Range) {
        self.0.status = bindings::maple_status_ma_start;
        // `mas_empty_area_rev()` takes a node that it comes to and that stands here for one which it
        // is done with.
        self.0.node = ptr::null_mut();
        self.0.index = range.first();
        self.0.last = range.last();
    }

    /// Says `range`, from where [`walk`](Self::walk) went to if that was a node.
    #[inline(always)]
    pub(super) fn settle(&mut self, range: Range) {
        if self.0.status != bindings::maple_status_ma_active {
            self.0.status = bindings::maple_status_ma_start;
        }
        self.0.index = range.first();
        self.0.last = range.last();
    }

    /// Whether it stands in a node: then the next call goes on from there.
    #[inline(always)]
    pub(super) fn is_in_node(&self) -> bool {
        self.0.status == bindings::maple_status_ma_active
    }

    /// What it stands at.
    #[inline(always)]
    pub(super) fn range(&self) -> Range {
        // The tree's own order.
        Range::new(self.0.index, self.0.last).unwrap_or(Range::at(self.0.index))
    }

    /// The entry at the first index, or `None`; then it stands at the gap around that.
    ///
    /// # Safety
    ///
    /// The tree is alive, and the caller may read it.
    #[inline(always)]
    pub(super) unsafe fn walk(&mut self) -> Option<Entry> {
        // SAFETY: By the caller's promise.
        NonNull::new(unsafe { bindings::mas_walk(&mut self.0) })
    }

    /// The next entry up to `max`, reserved slots included.
    ///
    /// # Safety
    ///
    /// As [`walk`](Self::walk).
    #[inline(always)]
    pub(super) unsafe fn find(&mut self, max: usize) -> Option<Entry> {
        // SAFETY: By the caller's promise.
        NonNull::new(unsafe { bindings::mas_find(&mut self.0, max) })
    }

    /// The next entry down to `min`, reserved slots included.
    ///
    /// # Safety
    ///
    /// As [`walk`](Self::walk).
    #[inline(always)]
    pub(super) unsafe fn find_rev(&mut self, min: usize) -> Option<Entry> {
        // SAFETY: By the caller's promise.
        let entry = NonNull::new(unsafe { bindings::mas_find_rev(&mut self.0, min) })?;
        // The one entry of a tree without a node, at 0, is found whatever `min` is.
        (self.0.last >= min).then_some(entry)
    }

    /// Goes to the lowest gap of `size` indices in `within`.
    ///
    /// # Safety
    ///
    /// As [`walk`](Self::walk). The tree tracks gaps.
    #[inline(always)]
    pub(super) unsafe fn empty_area(&mut self, within: Range, size: usize) -> Option<Range> {
        self.seek(within);
        // SAFETY: By the caller's promise.
        let result =
            unsafe { bindings::mas_empty_area(&mut self.0, within.first(), within.last(), size) };
        (result == 0).then(|| self.range())
    }

    /// Goes to the highest gap of `size` indices in `within`.
    ///
    /// # Safety
    ///
    /// As [`empty_area`](Self::empty_area).
    #[inline]
    pub(super) unsafe fn empty_area_rev(&mut self, within: Range, size: usize) -> Option<Range> {
        self.seek(within);
        // SAFETY: By the caller's promise.
        let result = unsafe {
            bindings::mas_empty_area_rev(&mut self.0, within.first(), within.last(), size)
        };
        if result == 0 {
            return Some(self.range());
        }
        // It takes the size of what is between 0 and the last index for 0, and passes all that is
        // below a slot which begins at 0. The last index is in no gap that begins there, or the
        // tree would be empty, of which it knows.
        if result != EBUSY.to_errno() || within.last() != usize::MAX {
            return None;
        }
        let below = Range::new(within.first(), usize::MAX - 1).ok()?;
        // SAFETY: By the caller's promise.
        unsafe { self.empty_area_rev(below, size) }
    }

    /// Takes what storing `entry` where it stands needs, beyond the nodes that it holds.
    ///
    /// # Safety
    ///
    /// The tree is alive, and the caller writes to it.
    #[inline(always)]
    pub(super) unsafe fn prepare(
        &mut self,
        entry: *mut c_void,
        flags: Flags,
    ) -> Result<(), AllocError> {
        // SAFETY: By the caller's promise. It does not let go of any lock.
        let result = unsafe { bindings::mas_preallocate(&mut self.0, entry, flags) };
        if result != 0 {
            return Err(AllocError);
        }
        Ok(())
    }

    /// Stores `entry`, and gives all nodes that are left back.
    ///
    /// # Safety
    ///
    /// [`prepare`](Self::prepare) was the last call, for the same entry, and the tree is as it was.
    #[inline(always)]
    pub(super) unsafe fn store_last(&mut self, entry: *mut c_void) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::mas_store_prealloc(&mut self.0, entry) };
    }

    /// Stores `entry`, and keeps the nodes that are left.
    ///
    /// # Safety
    ///
    /// As [`store_last`](Self::store_last).
    #[inline(always)]
    pub(super) unsafe fn store(&mut self, entry: *mut c_void) {
        // SAFETY: By the caller's promise: the state is marked as prepared, so that this allocates
        // nothing, and what was counted is there.
        unsafe { bindings::mas_store(&mut self.0, entry) };
    }

    /// Stores `entry`, with nodes of now if it takes any: an entry that has just the range of another
    /// takes none.
    ///
    /// # Errors
    ///
    /// There was no memory with `GFP_NOWAIT`. The tree is as it was.
    ///
    /// # Safety
    ///
    /// The tree is alive, the caller writes to it, and the state holds no nodes.
    #[inline(always)]
    pub(super) unsafe fn store_nowait(&mut self, entry: *mut c_void) -> Result<(), AllocError> {
        // SAFETY: By the caller's promise. Not `mas_store_gfp()`: 7.3 warns if that fails for a tree
        // with a lock of somebody else's.
        unsafe { bindings::mas_store(&mut self.0, entry) };
        if self.0.status == bindings::maple_status_ma_error {
            self.release();
            return Err(AllocError);
        }
        Ok(())
    }

    /// Gives all nodes back.
    pub(super) fn release(&mut self) {
        // SAFETY: It touches what the state holds and no tree.
        unsafe { bindings::mas_destroy(&mut self.0) };
    }
}
