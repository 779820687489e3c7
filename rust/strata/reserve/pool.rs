// SPDX-License-Identifier: GPL-2.0

//! The calls into C: a pool, and the memory that comes from it and goes back.

use crate::{
    bindings,
    gfp::{
        Allocate,
        Gfp,
        Waits, //
    }, //
};
use core::{
    alloc::Layout,
    ffi::c_void,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// A `mempool_t` of elements of one layout.
///
/// # Invariants
///
/// `raw` is initialised, and has none of its elements twice.
#[pin_data(PinnedDrop)]
pub(super) struct Pool {
    #[pin]
    raw: Opaque<bindings::mempool>,
}

// SAFETY: A pool may be used, and destroyed, by any task.
unsafe impl Send for Pool {}
// SAFETY: It has a lock of its own.
unsafe impl Sync for Pool {}

impl Pool {
    /// A pool in which there are always `count` elements, which must be more than none.
    pub(super) fn new<C: Allocate>(
        gfp: &mut Gfp<'_, C>,
        count: i32,
        layout: Layout,
    ) -> Result<Arc<Self>> {
        // kmalloc() aligns to the largest power of two that divides the size. A value's size is a
        // multiple of its alignment, but for one that has none: that gets an element all the same.
        let size = layout.pad_to_align().size().max(layout.align());
        gfp.arc_init(try_pin_init!(Self {
            // INVARIANT: It is initialised, with elements that were just allocated.
            raw <- Opaque::try_ffi_init(|raw| {
                // SAFETY: `raw` is valid for writes and stays where it is; the class is one that
                // may be allocated with here.
                to_result(C::with(|_| unsafe {
                    bindings::reserve_init(raw, count, size, C::RAW)
                }))
            }),
        }? Error))
    }

    /// How many elements are in it at the moment.
    pub(super) fn left(&self) -> usize {
        // SAFETY: By the invariant it is initialised.
        unsafe { bindings::reserve_left(self.raw.get()) }
    }
}

#[pinned_drop]
impl PinnedDrop for Pool {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the invariant it is initialised. All elements are back, since each refers to
        // the pool.
        unsafe { bindings::mempool_exit(self.raw.get()) };
    }
}

/// Memory of a pool. Goes back when dropped.
///
/// # Invariants
///
/// `memory` came from `pool`, and is this value's.
pub(super) struct Element {
    memory: NonNull<c_void>,
    pool: Arc<Pool>,
}

// SAFETY: It is plain memory, which any task may give back.
unsafe impl Send for Element {}
// SAFETY: There is nothing to do with it through `&self`.
unsafe impl Sync for Element {}

impl Element {
    /// Memory, from the slab or from the pool, or as soon as there is some.
    pub(super) fn take<C: Waits>(gfp: &mut Gfp<'_, C>, pool: &Arc<Pool>) -> Self {
        loop {
            // A class that waits does so until there is memory: once round is all.
            if let Some(element) = Self::try_take(gfp, pool) {
                return element;
            }
        }
    }

    /// Memory, from the slab or from the pool; `None` if the class does not wait and there is none.
    pub(super) fn try_take<C: Allocate>(_gfp: &mut Gfp<'_, C>, pool: &Arc<Pool>) -> Option<Self> {
        // SAFETY: The pool is initialised; the class is one that may be allocated with here.
        let memory = C::with(|_| unsafe { bindings::reserve_take(pool.raw.get(), C::RAW) });
        Self::new(memory, pool)
    }

    /// Memory from the pool alone.
    pub(super) fn preallocated(pool: &Arc<Pool>) -> Option<Self> {
        // SAFETY: The pool is initialised.
        let memory = unsafe { bindings::mempool_alloc_preallocated(pool.raw.get()) };
        Self::new(memory, pool)
    }

    /// What `pool` just gave, or did not.
    fn new(memory: *mut c_void, pool: &Arc<Pool>) -> Option<Self> {
        let memory = NonNull::new(memory)?;
        // INVARIANT: It came from this pool, and nobody else has it.
        Some(Self {
            memory,
            pool: pool.clone(),
        })
    }

    /// Where it is: of the layout that the pool was made for.
    pub(super) fn memory(&self) -> NonNull<c_void> {
        self.memory
    }
}

impl Drop for Element {
    fn drop(&mut self) {
        // SAFETY: By the invariant it came from this pool, and nobody else has it.
        unsafe { bindings::mempool_free(self.memory.as_ptr(), self.pool.raw.get()) };
    }
}
