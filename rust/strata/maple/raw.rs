// SPDX-License-Identifier: GPL-2.0

//! The calls into C: `struct maple_tree` and `struct ma_state`.

use super::Range;
use crate::{
    bindings,
    cx::Rank,
    sync::Class, //
};
use core::{
    cell::Cell,
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
    error::to_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};

/// What a slot holds: a value's own pointer, or a [`ZERO`] entry.
pub(super) type Entry = NonNull<c_void>;

/// `XA_ZERO_ENTRY`: a slot that is taken and holds no value.
const ZERO: usize = (257 << 2) | 2;

/// The entry that reserves a slot.
pub(super) fn zero() -> *mut c_void {
    ptr::without_provenance_mut(ZERO)
}

/// Whether an entry is the one that reserves a slot.
#[inline(always)]
pub(super) fn is_zero(entry: Entry) -> bool {
    entry.as_ptr().addr() == ZERO
}

/// `gfp_t`.
pub(super) type Flags = bindings::gfp_t;

pub(super) use bindings::{
    MT_FLAGS_ALLOC_RANGE,
    MT_FLAGS_USE_RCU, //
};

/// A tree, in C.
///
/// Whoever calls its functions holds its lock, has the tree to himself, or reads under RCU what is
/// in RCU mode; that is the business of the types around it.
#[pin_data]
pub struct Tree {
    #[pin]
    tree: Opaque<bindings::maple_tree>,
    /// How many slots are reserved. Its writers' alone.
    reserved: Cell<usize>,
    /// Which tree it is, when somebody asked. Its writers' alone.
    number: Cell<u64>,
}

impl Tree {
    /// A tree with a spinlock of its own.
    pub(super) fn with_lock<R: Rank>(flags: u32, class: &'static Class<R>) -> impl PinInit<Self> {
        pin_init!(Self {
            tree <- Opaque::ffi_init(move |tree: *mut bindings::maple_tree| {
                // SAFETY: The memory is valid for writes.
                unsafe { bindings::maple_init(tree, flags) };
                // SAFETY: It was just written; a tree without the flag of another lock has this one.
                let lock = unsafe { &raw mut (*tree).__bindgen_anon_1.ma_lock };
                // SAFETY: The memory is pinned, name and key are static.
                unsafe {
                    bindings::__spin_lock_init(
                        lock.cast(),
                        class.name().as_char_ptr(),
                        class.key().as_ptr(),
                    )
                };
            }),
            reserved: Cell::new(0),
            number: Cell::new(0),
        })
    }

    /// A tree that a `struct mutex` guards; one whose user has it to himself, if that is null.
    ///
    /// # Safety
    ///
    /// `mutex` must be null or valid for as long as the tree lives, until [`disown`](Self::disown).
    pub(super) unsafe fn with_mutex(flags: u32, mutex: *mut c_void) -> impl PinInit<Self> {
        pin_init!(Self {
            tree <- Opaque::ffi_init(move |tree: *mut bindings::maple_tree| {
                // SAFETY: The memory is valid for writes, and the caller promises the rest.
                unsafe { bindings::maple_init_extern(tree, flags, mutex.cast()) };
            }),
            reserved: Cell::new(0),
            number: Cell::new(0),
        })
    }

    /// How many slots are reserved. For who writes to the tree.
    #[inline(always)]
    pub(super) fn reserved(&self) -> &Cell<usize> {
        &self.reserved
    }

    /// Which tree it is: no other one ever has the same number. For who writes to the tree.
    pub(super) fn number(&self) -> u64 {
        static NEXT: Atomic<u64> = Atomic::new(1);
        if self.number.get() == 0 {
            self.number.set(NEXT.fetch_add(1, Relaxed));
        }
        self.number.get()
    }

    #[inline(always)]
    pub(super) fn get(&self) -> *mut bindings::maple_tree {
        self.tree.get()
    }

    /// Takes the tree's own spinlock.
    #[inline(always)]
    pub(super) fn lock(&self) -> Held<'_> {
        // SAFETY: Only trees with a lock of their own are locked.
        unsafe { bindings::maple_lock(self.get()) };
        Held(self)
    }

    /// Takes it if it is free.
    #[inline(always)]
    pub(super) fn try_lock(&self) -> Option<Held<'_>> {
        // SAFETY: Only trees with a lock of their own are locked.
        unsafe { bindings::maple_trylock(self.get()) }.then_some(Held(self))
    }

    /// Takes it while that of another tree is held. Nobody else knows of this one.
    pub(super) fn lock_nested(&self) -> Held<'_> {
        // SAFETY: Only trees with a lock of their own are locked.
        unsafe { bindings::maple_lock_nested(self.get()) };
        Held(self)
    }

    /// Says that the caller has the tree to himself from here on.
    pub(super) fn disown(&mut self) {
        // SAFETY: Nobody else has it, so nobody holds its lock.
        unsafe { bindings::maple_disown(self.get()) };
    }

    /// Tells lockdep that a `struct mutex` guards the tree from here on, or nothing if it is null.
    ///
    /// # Safety
    ///
    /// The tree is one of [`with_mutex`](Self::with_mutex), whose promise is the caller's again. The
    /// caller has it to himself.
    pub(super) unsafe fn guard_with(&self, mutex: *mut c_void) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::maple_set_lock(self.get(), mutex.cast()) };
    }

    /// Copies the nodes of `source`, with the entries that are in them.
    ///
    /// # Errors
    ///
    /// `EINVAL` if this tree is not empty or of another kind; `ENOMEM`, and it is empty.
    ///
    /// # Safety
    ///
    /// The caller may read `source`, and writes to this tree, which no reader sees.
    pub(super) unsafe fn copy_nodes(&self, source: &Self, flags: Flags) -> Result {
        // SAFETY: By the caller's promise.
        to_result(unsafe { bindings::__mt_dup(source.get(), self.get(), flags) })
    }

    /// Frees all nodes. Entries are forgotten.
    ///
    /// # Safety
    ///
    /// The caller writes to the tree.
    pub(super) unsafe fn clear(&self) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::__mt_destroy(self.get()) };
    }

    /// Has the kernel look for what is wrong with it.
    ///
    /// # Safety
    ///
    /// Nobody else writes to the tree meanwhile.
    pub(super) unsafe fn validate(&self) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::maple_validate(self.get()) };
    }

    /// How many levels of nodes there are.
    pub(super) fn height(&self) -> u32 {
        // SAFETY: It reads one field.
        unsafe { bindings::maple_height(self.get()) }
    }
}

/// A tree's own spinlock is held. Released when dropped.
pub(super) struct Held<'a>(&'a Tree);

impl Drop for Held<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: Taken when the value was made.
        unsafe { bindings::maple_unlock(self.0.get()) };
    }
}

/// A `struct ma_state`: a place in a tree, and the nodes that a store may use.
///
/// Plain data: it may be moved between two calls, and to another tree.
pub struct State(bindings::ma_state);

/// Nowhere, without nodes. A constant, since `Default::default()` of the kernel's crate is a call.
const EMPTY: bindings::ma_state = pin_init::zeroed();

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
        let stock = ManuallyDrop::new(stock);
        state.0.sheaf = stock.sheaf;
        state.0.alloc = stock.alloc;
        state
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
    pub(super) unsafe fn empty_area(&mut self, within: Range, size: usize) -> Result {
        self.seek(within);
        // SAFETY: By the caller's promise.
        to_result(unsafe {
            bindings::mas_empty_area(&mut self.0, within.first(), within.last(), size)
        })
    }

    /// Goes to the highest gap of `size` indices in `within`.
    ///
    /// # Safety
    ///
    /// As [`empty_area`](Self::empty_area).
    pub(super) unsafe fn empty_area_rev(&mut self, within: Range, size: usize) -> Result {
        let mut search = |last| {
            self.seek(within);
            // SAFETY: By the caller's promise.
            to_result(unsafe {
                bindings::mas_empty_area_rev(&mut self.0, within.first(), last, size)
            })
        };
        match search(within.last()) {
            // It takes the size of what is between 0 and the last index for 0, and passes all that is
            // below a slot which begins at 0. The last index is in no gap that begins there, or the
            // tree would be empty, of which it knows.
            Err(EBUSY) if within.last() == usize::MAX => search(usize::MAX - 1),
            result => result,
        }
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
    fn release(&mut self) {
        // SAFETY: It touches what the state holds and no tree.
        unsafe { bindings::mas_destroy(&mut self.0) };
    }
}

/// Nodes that are tied to no tree: what a state holds of them.
///
/// # Invariants
///
/// Both are null or of a state that gave them up.
pub(super) struct Stock {
    sheaf: *mut bindings::slab_sheaf,
    alloc: *mut bindings::maple_node,
}

// SAFETY: It owns its nodes, which any task may store or give back.
unsafe impl Send for Stock {}

impl Stock {
    // INVARIANT: Both are null.
    const NONE: Self = Self {
        sheaf: ptr::null_mut(),
        alloc: ptr::null_mut(),
    };

    /// Nodes for any store into a tree of `height` levels.
    #[inline]
    pub(super) fn reserve(height: u8, flags: Flags) -> Result<Self, AllocError> {
        let mut state = State(EMPTY);
        // SAFETY: The state is valid for writes, and the template was made when the crate was
        // loaded.
        if unsafe { bindings::maple_reserve(&mut state.0, height.into(), flags) } != 0 {
            return Err(AllocError);
        }
        Ok(state.take())
    }

    /// All of it; none is left.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Self {
        mem::replace(self, Self::NONE)
    }
}

impl Drop for Stock {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.sheaf.is_null() || !self.alloc.is_null() {
            give_back(self);
        }
    }
}

/// Gives all of it back to the slab.
#[cold]
fn give_back(stock: &mut Stock) {
    let mut state = State(EMPTY);
    state.0.sheaf = stock.sheaf;
    state.0.alloc = stock.alloc;
    state.release();
}

/// The tree that reservations are made with, while it lives.
pub(crate) struct Template(());

impl Template {
    /// Makes it.
    ///
    /// # Safety
    ///
    /// There must be no other.
    pub(crate) unsafe fn create() -> Result<Self> {
        // SAFETY: The module is being loaded, in process context, and there is no other.
        to_result(unsafe { bindings::maple_template_create() })?;
        Ok(Self(()))
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        // SAFETY: Users of the crate are unloaded before it.
        unsafe { bindings::maple_template_destroy() };
    }
}
