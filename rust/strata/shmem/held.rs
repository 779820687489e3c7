// SPDX-License-Identifier: GPL-2.0

//! Who holds the pages of a file, and until when.
//!
//! A file is marked as held (`AS_UNEVICTABLE`), since reclaim could not free its pages, and would
//! only take its scanning of them for a lack of memory. The mark is of the whole file, hence the
//! count; pages that reclaim has put aside come back with the last holder.
//!
//! C: `mapping_set_unevictable()` in [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h),
//! `check_move_unevictable_folios()` in `mm/vmscan.c`. Docs: `Documentation/mm/unevictable-lru.rst`.

use super::raw;
use crate::{
    bindings,
    gfp::{
        self,
        Gfp, //
    },
};
use kernel::{
    alloc::KVVec,
    fs::File,
    new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    }, //
};

/// What a [`Shmem`](super::Shmem) shares with those who hold its pages.
///
/// # Invariants
///
/// `file` is of shmem. It is marked as held exactly while `holders` is not 0.
#[pin_data]
pub(super) struct Inner {
    pub(super) file: ARef<File>,
    pub(super) count: usize,
    #[pin]
    holders: SpinLock<usize>,
}

impl Inner {
    /// Not generic, and never inlined: the lock's class has to be one for all modules.
    #[inline(never)]
    pub(super) fn new(
        mut gfp: Gfp<'_, gfp::Kernel>,
        file: ARef<File>,
        count: usize,
    ) -> Result<Arc<Self>> {
        // INVARIANT: The file is of shmem, and new: not marked.
        gfp.arc_init(pin_init!(Self {
            file,
            count,
            holders <- new_spinlock!(0, "Shmem::holders"),
        }))
    }
}

/// All pages of a [`Shmem`](super::Shmem), in memory for as long as this lives.
///
/// Whoever has it may have written to the pages: they count as dirty and as used when it is
/// dropped, unless its owner in this crate knows that nobody did.
///
/// # Context
///
/// Dropped where the task may sleep, in reclaim too: it allocates nothing, and takes only locks
/// under which nothing is allocated. It gives way between pages.
///
/// # Invariants
///
/// Counted in `holders`. `pages` are of the file (or were, until they were purged), from the first
/// on, and each is referenced.
#[must_use = "dropping it lets the pages go"]
pub struct Held {
    inner: Arc<Inner>,
    pub(super) pages: KVVec<raw::PagePointer>,
    written: bool,
    /// Whether anybody looked at them who may have written.
    touched: Atomic<bool>,
}

// SAFETY: A reference to a page is of no task.
unsafe impl Send for Held {}
// SAFETY: What is in the pages is accessed by whole words, whoever else does.
unsafe impl Sync for Held {}

impl Held {
    /// Holds no page yet, with room for them in `pages`.
    pub(super) fn new(inner: Arc<Inner>, pages: KVVec<raw::PagePointer>) -> Self {
        let mut holders = inner.holders.lock();
        if *holders == 0 {
            raw::set_held(&inner.file, true);
        }
        *holders += 1;
        drop(holders);
        // INVARIANT: Counted just now.
        Self {
            inner,
            pages,
            written: true,
            touched: Atomic::new(false),
        }
    }

    /// Holds the page at `index` too, the next one. Sleeps.
    pub(super) fn add(&mut self, index: usize) -> Result {
        let page = raw::page(&self.inner.file, index)?;
        // The caller of `new()` gave room for it.
        self.pages.push_within_capacity(page).map_err(|_| ENOMEM)?;
        Ok(())
    }

    /// Says that nobody has written to the pages since they were held: those that are still all zeros
    /// need not be written to swap.
    pub(crate) fn set_unwritten(&mut self) {
        self.written = false;
    }

    /// Somebody may write to them from now on.
    pub(super) fn touch(&self) {
        self.touched.store(true, Relaxed);
    }

    /// Whether anybody may have written to them, but by [`pointers`](Self::pointers).
    pub(crate) fn is_touched(&self) -> bool {
        self.touched.load(Relaxed)
    }

    /// How many pages there are.
    pub fn count(&self) -> usize {
        self.pages.len()
    }

    /// The pages, as C has them: valid for as long as this is there.
    pub(crate) fn pointers(&self) -> &[*mut bindings::page] {
        &self.pages
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut holders = self.inner.holders.lock();
        *holders -= 1;
        if *holders == 0 {
            // First: what is put below is then put where reclaim finds it.
            raw::set_held(&self.inner.file, false);
        }
        drop(holders);
        // SAFETY: By the type invariants each is referenced, and nobody uses them afterwards.
        unsafe { raw::put_pages(&self.inner.file, &self.pages, self.written) };
    }
}
