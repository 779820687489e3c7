// SPDX-License-Identifier: GPL-2.0

//! Memory of user space's kind, in files of shmem: pages that come when they are first touched,
//! zeroed, and go to swap while nobody holds them.
//!
//! Not memory that stays: that is [`crate::page`]. What is here is in one of three states, for the
//! whole file: *held* ([`Held`]: in memory, reclaim does not look at it), *let go* (the kernel's own
//! reclaim swaps it out and in), or *purged* (given up; it reads as zeros). No state needs an
//! allocation to be left, so that a shrinker can move memory from each to the next.
//!
//! C: [`include/linux/shmem_fs.h`](srctree/include/linux/shmem_fs.h). Modelled on
//! `drivers/gpu/drm/i915/gem/i915_gem_shmem.c` and `drivers/gpu/drm/ttm/ttm_backup.c`.
//!
//! Lock order: what purges or writes back takes the locks of pages and, for mappings, `i_mmap` and
//! mmu notifiers. So neither runs under a lock that those who fault such pages in may hold.

mod bytes;
mod held;
mod raw;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;
mod words;

pub use self::{
    held::Held,
    words::{
        Word,
        Words, //
    },
};

use self::held::Inner;
use crate::{
    cx::{
        Before,
        Cx,
        EnterFs,
        MayAlloc,
        MaySleep,
        MmapHeld,
        Notifier,
        StartIo, //
    },
    gfp,
    lockdep,
    plan::window::Window, //
};
use kernel::{
    mm::virt::VmaNew,
    page::{
        PAGE_MASK,
        PAGE_SHIFT, //
    },
    prelude::*,
    sync::Arc, //
};

/// A file of shmem that has no name: memory of user space's kind.
///
/// Each page is charged to the memory cgroup of the task that touches it first.
///
/// # Examples
///
/// ```
/// use strata::prelude::*;
/// use strata::shmem::Shmem;
///
/// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
/// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
/// # let cx = &mut cx;
/// let memory = Shmem::new(cx, c"example", 3 * 4096)?;
/// assert_eq!((memory.count(), memory.resident()), (3, 0));
///
/// // In memory for as long as they are held; afterwards as the kernel likes.
/// let held = memory.pages(cx)?;
/// assert_eq!((held.count(), memory.resident()), (3, 3));
/// drop(held);
///
/// // Zeroed: the CRC-32C of 8 zero bytes.
/// assert_eq!(memory.crc32c(cx, 4092, 8)?, 0x8c28_b28a);
/// memory.purge(cx);
/// assert_eq!(memory.resident(), 0);
/// # Ok::<(), Error>(())
/// ```
pub struct Shmem {
    inner: Arc<Inner>,
}

impl Shmem {
    /// Makes memory of `size` bytes. None of it exists yet, and none is reserved.
    ///
    /// `name` is what `/proc/PID/maps` shows for a mapping.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`, and may sleep. C: `shmem_file_setup()`, with
    /// `VM_NORESERVE`.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a size that is 0, not whole pages or too large for a file. `ENOMEM`. `ENFILE` if
    /// the system has no files left.
    pub fn new<L, S>(cx: &mut Cx<'_, L, S>, name: &CStr, size: u64) -> Result<Self>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        if size == 0 || size & !(PAGE_MASK as u64) != 0 {
            return Err(EINVAL);
        }
        let count = usize::try_from(size >> PAGE_SHIFT).map_err(|_| EINVAL)?;
        let file = raw::create(name, i64::try_from(size).map_err(|_| EINVAL)?)?;
        let inner = Inner::new(gfp::kernel(cx), file, count)?;
        Ok(Self { inner })
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        (self.inner.count as u64) << PAGE_SHIFT
    }

    /// How many pages that is.
    pub fn count(&self) -> usize {
        self.inner.count
    }

    /// How many pages are in memory now, held or not. It may be another number a moment later.
    ///
    /// More than [`count`](Self::count) where shmem uses huge pages: the last one then reaches over
    /// the end.
    ///
    /// # Context
    ///
    /// Any. C: `nrpages` of the `struct address_space`.
    pub fn resident(&self) -> usize {
        raw::resident(&self.inner.file)
    }

    /// How many pages there are, in memory and in swap: what a purge gives back.
    ///
    /// # Context
    ///
    /// Any. C: `nrpages`, and `swapped` of the `struct shmem_inode_info`.
    pub fn footprint(&self) -> usize {
        raw::footprint(&self.inner.file)
    }

    /// Brings all pages into memory and holds them there.
    ///
    /// Those that never were, or were purged, come zeroed, those that are in swap are read. While
    /// anybody holds pages, reclaim does not look at those of this memory.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`, and may sleep. It waits for IO. C:
    /// `shmem_read_mapping_page_gfp()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, at once if the machine does not have as many pages. `EINTR` when the task was
    /// killed meanwhile: a large request must not hold up the OOM killer. `EIO` if swap could not be
    /// read. In each case nothing is held; pages that came stay in memory, as any that were let go.
    pub fn pages<L, S>(&self, cx: &mut Cx<'_, L, S>) -> Result<Held>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        // Where nothing is to be read lockdep would see nothing.
        lockdep::might_alloc_kernel();
        let count = self.count();
        if !raw::could_hold(count) {
            return Err(ENOMEM);
        }
        let pages = gfp::kernel(cx).large_vec(count)?;
        let mut held = Held::new(self.inner.clone(), pages);
        for index in 0..count {
            cx.give_way()?;
            held.add(index)?;
        }
        Ok(held)
    }

    /// The CRC-32C of `length` bytes from `offset` on.
    ///
    /// User space that maps the memory may write meanwhile, and changes the result only. Pages that
    /// never were stay so.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`, and may sleep: what is in swap is read. C:
    /// `shmem_get_folio()`, `crc32c()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range is empty or does not lie inside; `ENOMEM`; `EIO` if swap could not be
    /// read; `EINTR` when the task was killed meanwhile.
    pub fn crc32c<L, S>(&self, cx: &mut Cx<'_, L, S>, offset: u64, length: u64) -> Result<u32>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        // Where nothing is to be read lockdep would see nothing.
        lockdep::might_alloc_kernel();
        let window = Window::within(self.size(), offset, length).map_err(|_| EINVAL)?;
        let mut crc = !0;
        for part in window.blocks(PAGE_SHIFT as u32) {
            cx.give_way()?;
            raw::crc32c(&self.inner.file, part, &mut crc)?;
        }
        Ok(!crc)
    }

    /// Gives up all contents, in memory and in swap. They read as zeros from now on, in mappings
    /// too.
    ///
    /// A page that user space touches meanwhile may stay, with zeros or with what it writes. Who
    /// [holds](Held) pages keeps them, but they are no longer those of this memory: what it writes to
    /// them is lost.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`, and may sleep. Takes the locks of the pages, and
    /// for mappings `i_mmap_rwsem` and mmu notifiers. C: `shmem_truncate_range()`.
    pub fn purge<L, S>(&self, _cx: &mut Cx<'_, L, S>)
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        lockdep::might_alloc_kernel();
        raw::purge(&self.inner.file);
    }

    /// As [`purge`](Self::purge), for a shrinker. Says whether it was done: not while anybody has one
    /// of the pages locked, who may be the task that reclaims.
    ///
    /// # Context
    ///
    /// Levels before [`Notifier`] that may sleep, in reclaim that may enter file systems. C:
    /// `shmem_truncate_range()`, with `PF_MEMALLOC` for the rare page that it reads back.
    pub fn purge_in_reclaim<L, S>(&self, _cx: &mut Cx<'_, L, S>, _reach: EnterFs<'_>) -> bool
    where
        L: Before<Notifier>,
        S: MaySleep,
    {
        raw::purge_in_reclaim(&self.inner.file)
    }

    /// Starts to write to swap what is in memory and dirty, and returns how many pages that were.
    ///
    /// It waits neither for the writes nor for a page that is locked. Pages that a mapping has in
    /// its page tables stay, for the kernel to age; all of them do while somebody [holds](Held) them.
    /// It ends early when swap takes no more, or when the task is killed.
    ///
    /// # Context
    ///
    /// Levels before [`Notifier`] that may sleep, in reclaim for somebody who may start IO. Sets
    /// `PF_MEMALLOC` meanwhile, as swapping out expects. C: `shmem_writeout()`; from 7.3 on
    /// `shmem_write_folio()`.
    pub fn write_back<L, S>(&self, _cx: &mut Cx<'_, L, S>, _reach: StartIo<'_>) -> usize
    where
        L: Before<Notifier>,
        S: MaySleep,
    {
        raw::write_back(&self.inner.file)
    }

    /// Maps all of it into a new mapping of user space, which must be shared and of just that size.
    ///
    /// From then on the mapping is one of the shmem file and of nothing else: its faults, its swap
    /// and its pages are the kernel's business. It keeps the memory, but neither the open device
    /// that was mapped nor the module behind it; what a driver must know of a mapping, it has to
    /// know now. User space can give pages up by itself (`MADV_REMOVE`), which is as a purge of
    /// those.
    ///
    /// # Context
    ///
    /// Under the mmap lock, as the `mmap` file operation is. C: `vma_set_file()`, `vfs_mmap()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a private mapping or one of another size; what shmem's own `mmap` operation
    /// returned. The caller's `mmap` must fail then, and the core lets go of the file.
    pub fn map<S: MaySleep>(&self, _cx: &mut Cx<'_, MmapHeld, S>, vma: &VmaNew) -> Result {
        let size = vma.end() - vma.start();
        if size as u64 != self.size() {
            return Err(EINVAL);
        }
        vma.set_dontexpand();
        raw::map(&self.inner.file, vma)
    }
}
