// SPDX-License-Identifier: GPL-2.0

//! Copies between a file's pages and memory of the caller's own, without holding the pages.

use super::{
    raw,
    Shmem, //
};
use crate::{
    cx::{
        Cx,
        MayAlloc,
        MaySleep, //
    },
    gfp,
    lockdep,
    plan::window::Window, //
};
use kernel::{
    page::PAGE_SHIFT,
    prelude::*, //
};

impl Shmem {
    /// Copies out what is from `offset` on. Pages that never were read as zeros, and stay so.
    ///
    /// User space that maps the memory may write meanwhile.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`, and may sleep: what is in swap is read. C:
    /// `shmem_get_folio()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range is empty or does not lie inside; `ENOMEM`; `EIO` if swap could not be
    /// read; `EINTR` when the task was killed meanwhile. A part of it may have been copied then.
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
    /// memory.write(cx, 4094, b"strata")?;
    /// assert_eq!(memory.resident(), 2);
    ///
    /// let mut seen = [1; 8];
    /// memory.read(cx, 4093, &mut seen)?;
    /// assert_eq!(&seen, b"\0strata\0");
    /// assert_eq!(memory.write(cx, 3 * 4096 - 1, b"no"), Err(EINVAL));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn read<L, S>(&self, cx: &mut Cx<'_, L, S>, offset: u64, to: &mut [u8]) -> Result
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        // Where nothing is to be read lockdep would see nothing.
        lockdep::might_alloc_kernel();
        let window = self.window(offset, to.len())?;
        let mut rest = to;
        for part in window.blocks(PAGE_SHIFT as u32) {
            cx.give_way()?;
            let (piece, after) = rest
                .split_at_mut_checked(part.length as usize)
                .ok_or(EINVAL)?;
            raw::read(&self.inner.file, part, piece)?;
            rest = after;
        }
        Ok(())
    }

    /// Copies in, from `offset` on.
    ///
    /// Who [holds](super::Held) the pages sees it, and so does user space that maps them.
    ///
    /// # Context
    ///
    /// As [`read`](Self::read). New pages are charged to the memory cgroup of the task.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn write<L, S>(&self, cx: &mut Cx<'_, L, S>, offset: u64, from: &[u8]) -> Result
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        lockdep::might_alloc_kernel();
        let window = self.window(offset, from.len())?;
        let mut rest = from;
        for part in window.blocks(PAGE_SHIFT as u32) {
            cx.give_way()?;
            let (piece, after) = rest.split_at_checked(part.length as usize).ok_or(EINVAL)?;
            raw::write(&self.inner.file, part, piece)?;
            rest = after;
        }
        Ok(())
    }

    fn window(&self, offset: u64, length: usize) -> Result<Window> {
        Window::within(self.size(), offset, length as u64).map_err(|_| EINVAL)
    }
}
