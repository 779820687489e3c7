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

mod held;
mod raw;

pub use self::held::Held;

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
        let count = self.count();
        if !raw::could_hold(count) {
            return Err(ENOMEM);
        }
        let pages = gfp::kernel(cx).large_vec(count)?;
        let mut held = Held::new(self.inner.clone(), pages);
        for index in 0..count {
            raw::give_way()?;
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
    pub fn crc32c<L, S>(&self, _cx: &mut Cx<'_, L, S>, offset: u64, length: u64) -> Result<u32>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        let window = Window::within(self.size(), offset, length).map_err(|_| EINVAL)?;
        let mut crc = !0;
        for part in window.blocks(PAGE_SHIFT as u32) {
            raw::give_way()?;
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
        raw::purge(&self.inner.file, false);
    }

    /// As [`purge`](Self::purge), for a shrinker.
    ///
    /// # Context
    ///
    /// Levels before [`Notifier`] that may sleep, in reclaim for somebody who has no page locked. C:
    /// `shmem_truncate_range()`, with `PF_MEMALLOC` for the rare page that it reads back.
    pub fn purge_in_reclaim<L, S>(&self, _cx: &mut Cx<'_, L, S>, _reach: EnterFs<'_>)
    where
        L: Before<Notifier>,
        S: MaySleep,
    {
        raw::purge(&self.inner.file, true);
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

#[kunit_tests(strata_shmem)]
mod tests {
    use super::*;
    use crate::{
        bindings,
        cx::Process,
        lockdep, //
    };
    use core::ptr::NonNull;
    use kernel::page::{
        BorrowedPage,
        PAGE_SIZE, //
    };

    const COUNT: usize = 40;
    const SIZE: u64 = (COUNT * PAGE_SIZE) as u64;

    fn process<R>(f: impl FnOnce(&mut Cx<'_, Process>) -> R) -> R {
        lockdep::assert_process();
        // SAFETY: KUnit runs its cases in a kthread that holds nothing.
        f(&mut unsafe { Cx::assume() })
    }

    fn purge_as_a_shrinker<L: Before<Notifier>>(shmem: &Shmem, cx: &mut Cx<'_, L>) {
        // SAFETY: The test reclaims for itself, and has no page locked.
        shmem.purge_in_reclaim(cx, unsafe { EnterFs::assume() });
    }

    fn write_back<L: Before<Notifier>>(shmem: &Shmem, cx: &mut Cx<'_, L>) -> usize {
        // SAFETY: The test reclaims for itself, and does no IO.
        shmem.write_back(cx, unsafe { StartIo::assume() })
    }

    /// Whether reclaim passes the pages by.
    fn is_held(shmem: &Shmem) -> bool {
        // SAFETY: The file is valid, and its mapping with it.
        let flags = unsafe { (*(*shmem.inner.file.as_ptr()).f_mapping).flags };
        flags & (1 << bindings::mapping_flags_AS_UNEVICTABLE) != 0
    }

    /// Makes the file shorter than the memory, as only a debugger could.
    fn cut_short(shmem: &Shmem, size: i64) {
        // SAFETY: The file is valid, and its inode with it; nobody else knows of it.
        unsafe { (*(*(*shmem.inner.file.as_ptr()).f_mapping).host).i_size = size };
    }

    /// Writes to the page at `index`; the CRC-32C of all is another one then.
    fn scribble(held: &Held, index: usize) {
        let page = NonNull::new(held.pages[index]).unwrap();
        // SAFETY: The page is held for longer than it is borrowed.
        let page = unsafe { BorrowedPage::from_raw(page) };
        let text = b"strata";
        // SAFETY: Nobody else knows the page.
        assert!(unsafe { page.write_raw(text.as_ptr(), 100, text.len()) }.is_ok());
    }

    #[test]
    fn a_size_is_whole_pages() {
        process(|cx| {
            for size in [0, 1, 4095, SIZE + 1, 1 << 63, !4095] {
                assert_eq!(Shmem::new(cx, c"size", size).err(), Some(EINVAL));
            }
        });
    }

    #[test]
    fn it_begins_as_zeros_that_are_nowhere() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"zeros", SIZE)?;
            assert_eq!((shmem.size(), shmem.count()), (SIZE, COUNT));
            assert_eq!(shmem.crc32c(cx, SIZE - 8, 8)?, 0x8c28_b28a);
            // One part of either page.
            assert_eq!(shmem.crc32c(cx, 4092, 8)?, 0x8c28_b28a);
            assert_eq!(shmem.resident(), 0);
            for (offset, length) in [(0, 0), (SIZE, 1), (0, SIZE + 1), (u64::MAX, 2)] {
                assert_eq!(shmem.crc32c(cx, offset, length), Err(EINVAL));
            }
            Ok(())
        })
    }

    #[test]
    fn held_pages_are_in_memory() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"held", SIZE)?;
            let zeros = shmem.crc32c(cx, 0, SIZE)?;
            let held = shmem.pages(cx)?;
            assert_eq!((held.count(), shmem.resident()), (COUNT, COUNT));
            assert_eq!(shmem.crc32c(cx, 0, SIZE)?, zeros);
            scribble(&held, COUNT - 1);
            let written = shmem.crc32c(cx, 0, SIZE)?;
            assert!(written != zeros);
            drop(held);
            assert_eq!(shmem.crc32c(cx, 0, SIZE)?, written);
            Ok(())
        })
    }

    #[test]
    fn the_last_holder_lets_go() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"holders", SIZE)?;
            let first = shmem.pages(cx)?;
            let second = shmem.pages(cx)?;
            assert!(is_held(&shmem));
            drop(first);
            assert!(is_held(&shmem));
            assert_eq!(write_back(&shmem, cx), 0);
            cx.reclaim(|_| drop(second));
            assert!(!is_held(&shmem));
            // Holders keep the memory: here the last of them outlives it.
            let last = shmem.pages(cx)?;
            drop(shmem);
            assert_eq!(last.count(), COUNT);
            Ok(())
        })
    }

    #[test]
    fn a_purge_leaves_zeros() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"purge", SIZE)?;
            let zeros = shmem.crc32c(cx, 0, SIZE)?;
            for in_reclaim in [false, true] {
                let held = shmem.pages(cx)?;
                scribble(&held, 0);
                drop(held);
                if in_reclaim {
                    cx.reclaim(|cx| purge_as_a_shrinker(&shmem, cx));
                } else {
                    shmem.purge(cx);
                }
                assert_eq!(shmem.resident(), 0);
                assert_eq!(shmem.crc32c(cx, 0, SIZE)?, zeros);
            }
            Ok(())
        })
    }

    #[test]
    fn a_purge_cuts_off_who_holds() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"cut off", SIZE)?;
            let zeros = shmem.crc32c(cx, 0, SIZE)?;
            let held = shmem.pages(cx)?;
            shmem.purge(cx);
            assert_eq!((held.count(), shmem.resident()), (COUNT, 0));
            scribble(&held, 1);
            assert_eq!(shmem.crc32c(cx, 0, SIZE)?, zeros);
            // New pages come, of which the first holder knows nothing.
            let again = shmem.pages(cx)?;
            drop(again);
            drop(held);
            assert!(!is_held(&shmem));
            assert_eq!(shmem.resident(), COUNT);
            Ok(())
        })
    }

    #[test]
    fn what_is_written_back_stays() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"write back", SIZE)?;
            let held = shmem.pages(cx)?;
            for index in 0..COUNT {
                scribble(&held, index);
            }
            drop(held);
            let written = shmem.crc32c(cx, 0, SIZE)?;
            // None where there is no swap.
            let pages = cx.reclaim(|cx| write_back(&shmem, cx));
            assert!(pages <= COUNT);
            assert_eq!(shmem.resident() + pages, COUNT);
            assert_eq!(shmem.crc32c(cx, 0, SIZE)?, written);
            assert_eq!(shmem.pages(cx)?.count(), COUNT);
            Ok(())
        })
    }

    #[test]
    fn a_failure_holds_nothing() -> Result {
        process(|cx| {
            let shmem = Shmem::new(cx, c"too large", 1 << 50)?;
            assert_eq!(shmem.pages(cx).err(), Some(ENOMEM));
            assert!(!is_held(&shmem));
            assert_eq!(shmem.resident(), 0);

            // The second page is not there: the file was cut short behind our back.
            let shmem = Shmem::new(cx, c"cut short", 2 * 4096)?;
            cut_short(&shmem, 4096);
            assert_eq!(shmem.pages(cx).err(), Some(EINVAL));
            assert!(!is_held(&shmem));
            assert_eq!(shmem.resident(), 1);
            Ok(())
        })
    }
}
