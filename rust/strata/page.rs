// SPDX-License-Identifier: GPL-2.0

//! Memory in whole pages, zeroed, for the kernel to check and user space to map.
//!
//! Not for memory that devices reach, and not a mapping into the kernel: the pages need not be
//! contiguous, and are looked at one at a time.
//!
//! User space that maps them may write at any moment. So no method gives a slice or a reference to
//! the bytes; what reads them copies or folds them, and a racing writer changes its own result
//! only.
//!
//! C: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/crc32.h`](srctree/include/linux/crc32.h).

use crate::{
    bindings,
    cx::{
        Cx,
        Level,
        MayAlloc,
        MaySleep,
        MmapHeld, //
    },
    gfp,
    plan::window::Window, //
};
use kernel::{
    alloc::{
        flags::{
            GFP_KERNEL_ACCOUNT,
            __GFP_HIGHMEM,
            __GFP_ZERO, //
        },
        KVVec, //
    },
    mm::virt::{
        flags,
        VmaNew, //
    },
    page::{
        Page,
        PAGE_SHIFT, //
    },
    prelude::*, //
};

/// A number of pages, charged to the memory cgroup of the task that allocated them.
///
/// # Examples
///
/// ```
/// use strata::page::Pages;
/// use strata::prelude::*;
///
/// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
/// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
/// # let cx = &mut cx;
/// let pages = Pages::new(cx, 3)?;
/// assert_eq!(pages.count(), 3);
/// // Zeroed: the CRC-32C of 8 zero bytes.
/// assert_eq!(pages.crc32c(cx, 4092, 8)?, 0x8c28_b28a);
/// assert!(pages.crc32c(cx, 0, 3 * 4096 + 1).is_err());
/// assert!(Pages::new(cx, 0).is_err());
/// # Ok::<(), Error>(())
/// ```
pub struct Pages {
    pages: KVVec<Page>,
}

impl Pages {
    /// Allocates `count` zeroed pages.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`, and may sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no pages at all. `ENOMEM`. `EINTR` when the task was killed meanwhile: a large
    /// request must not hold up the OOM killer. In each case all that was allocated is freed.
    pub fn new<L, S>(cx: &mut Cx<'_, L, S>, count: usize) -> Result<Self>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        if count == 0 {
            return Err(EINVAL);
        }
        let mut pages = gfp::kernel(cx).large_vec(count)?;
        for _ in 0..count {
            cx.give_way()?;
            let page = Page::alloc_page(GFP_KERNEL_ACCOUNT | __GFP_HIGHMEM | __GFP_ZERO)?;
            // The room was allocated above.
            pages.push_within_capacity(page).map_err(|_| ENOMEM)?;
        }
        Ok(Self { pages })
    }

    /// How many pages there are.
    pub fn count(&self) -> usize {
        self.pages.len()
    }

    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Page> {
        self.pages.iter()
    }

    /// How many bytes that is.
    pub fn size(&self) -> usize {
        self.pages.len() << PAGE_SHIFT
    }

    /// The CRC-32C of `length` bytes from `offset` on.
    ///
    /// # Context
    ///
    /// Any that may sleep: it gives way between pages. C: `crc32c()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range is empty or does not lie inside; `EINTR` when the task was killed
    /// meanwhile.
    pub fn crc32c<L: Level, S: MaySleep>(
        &self,
        cx: &mut Cx<'_, L, S>,
        offset: u64,
        length: u64,
    ) -> Result<u32> {
        let window = Window::within(self.size() as u64, offset, length).map_err(|_| EINVAL)?;
        let mut crc = !0;
        for part in window.blocks(PAGE_SHIFT as u32) {
            let page = self.pages.get(part.block as usize).ok_or(EINVAL)?;
            let (offset, length) = (part.offset as usize, part.length as usize);
            cx.give_way()?;
            // SAFETY: The page is one of ours, and the part lies within it.
            crc = unsafe { bindings::crc32c_page(crc, page.as_ptr(), offset, length) };
        }
        Ok(!crc)
    }

    /// Maps all pages into a new mapping of user space, which must be shared and of just that size.
    ///
    /// # Context
    ///
    /// Under the mmap lock, as the `mmap` file operation is. Allocates page tables with
    /// `GFP_KERNEL`. C: `vm_insert_page()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a private mapping or one of another size; `EINTR` when the task was killed
    /// meanwhile; what inserting a page returned. The caller's `mmap` fails then, and the core unmaps
    /// what was inserted.
    pub fn map<S: MaySleep>(&self, cx: &mut Cx<'_, MmapHeld, S>, vma: &VmaNew) -> Result {
        let size = vma.end() - vma.start();
        if size != self.size() || vma.flags() & flags::SHARED == 0 {
            return Err(EINVAL);
        }
        vma.set_dontexpand();
        let mixed = vma.set_mixedmap();
        for (index, page) in self.pages.iter().enumerate() {
            cx.give_way()?;
            mixed.vm_insert_page(vma.start() + (index << PAGE_SHIFT), page)?;
        }
        Ok(())
    }
}

/// How many pages the machine has for the kernel and user space. For limits that go by the size of
/// memory.
///
/// # Context
///
/// Any. C: `totalram_pages()`.
pub fn total() -> usize {
    // SAFETY: It reads one number.
    unsafe { bindings::total_pages() }
}
