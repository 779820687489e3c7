// SPDX-License-Identifier: GPL-2.0

//! The calls into C: `struct maple_tree`.

use crate::{
    bindings,
    cx::Rank,
    sync::Class, //
};
use core::{
    cell::Cell,
    ffi::c_void,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
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
        unsafe { bindings::maple_trylock(self.get()) }.then(|| Held(self))
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

    /// Empties the tree of values that are not its own any more, and says so: what it had is lost.
    ///
    /// For what no kernel does that Strata knows. That values are never freed is the lesser evil: the
    /// tree would go on to lend, and would at last free, what others have.
    ///
    /// # Safety
    ///
    /// The caller writes to the tree.
    #[cold]
    pub(super) unsafe fn forsake(&self) {
        kernel::pr_err!("an entry that just fits took nodes: all values of a tree are lost\n");
        kernel::warn_on!(true);
        self.reserved.set(0);
        // Slots of before are of no tree.
        self.number.set(0);
        // SAFETY: By the caller's promise.
        unsafe { self.clear() };
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
