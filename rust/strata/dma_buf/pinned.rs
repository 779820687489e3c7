// SPDX-License-Identifier: GPL-2.0

//! Buffers that stay where they are, for whom waiting for the lock would be too late: a display that
//! shows one.
//!
//! What is here outlives the reservation's hold. It is made without it, and let go without it: so none
//! of it is to be dropped under the lock, which it takes.
//!
//! C: `dma_buf_pin()` in `drivers/dma-buf/dma-buf.c`.

use super::{
    attach::{
        raw_direction,
        Attachment,
        Dynamic,
        Importer,
        Mode,
        Ranges,
        RawMapping,
        Static, //
    },
    raw::{
        self,
        RawAttachment,
        RawTable, //
    },
    vmap::VmapPinned,
    DmaBuf, //
};
use crate::{
    cx::{
        Before,
        Cx,
        MayAlloc,
        MaySleep,
        MayWait,
        ResvHeld, //
    },
    gfp,
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    prelude::*, //
};

impl<I: Importer> Attachment<Dynamic<I>> {
    /// Keeps the buffer where it is.
    ///
    /// Not for what user space can have any number of: the memory cannot be given back meanwhile.
    ///
    /// # Context
    ///
    /// Levels before [`ResvHeld`]. C: `dma_buf_pin()`.
    ///
    /// # Errors
    ///
    /// What the exporter says.
    pub fn pin<L, S>(&mut self, _cx: &mut Cx<'_, L, S>) -> Result<Pinned<'_, I>>
    where
        L: Before<ResvHeld>,
        S: MaySleep,
    {
        // Not if it is still pinned, since a `Pinned` was forgotten.
        if !self.pinned {
            // SAFETY: It is attached, and dynamic.
            unsafe { raw::pin_unlocked(self.raw) }?;
            self.pinned = true;
        }
        // INVARIANT: Just pinned.
        Ok(Pinned { attachment: self })
    }
}

impl Attachment<Static> {
    /// As [`map`](Attachment::map), for longer than the reservation is held: for a static attachment
    /// the exporter pins what is mapped.
    ///
    /// # Context
    ///
    /// Levels before [`ResvHeld`], where `GFP_KERNEL` is allowed and fences may be waited for. C:
    /// `dma_buf_map_attachment_unlocked()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no direction, or another `device` than the one that is attached; `EBUSY` if a
    /// mapping was forgotten; `ENOMEM`; `ERESTARTSYS`; what the exporter says.
    pub fn map_pinned<'p, L, S>(
        &'p mut self,
        _cx: &mut Cx<'_, L, S>,
        device: &'p Device<Bound>,
        direction: DataDirection,
    ) -> Result<MappedPinned<'p>>
    where
        L: Before<ResvHeld> + MayAlloc<gfp::Kernel> + MayWait,
        S: MaySleep,
    {
        // SAFETY: It is attached, and a static one is pinned when it is mapped.
        unsafe { MappedPinned::new(self, device, direction) }
    }
}

/// A buffer that stays where it is. Unpinned when dropped.
///
/// # Context
///
/// Dropped, or [closed](Self::close), where the reservation may be locked.
///
/// # Invariants
///
/// `attachment` is pinned.
pub struct Pinned<'p, I: Importer> {
    attachment: &'p mut Attachment<Dynamic<I>>,
}

impl<I: Importer> Pinned<'_, I> {
    /// Maps the buffer for the device.
    ///
    /// # Context
    ///
    /// As [`Attachment::map_pinned`].
    ///
    /// # Errors
    ///
    /// As [`Attachment::map_pinned`].
    pub fn map<'p, L, S>(
        &'p mut self,
        _cx: &mut Cx<'_, L, S>,
        device: &'p Device<Bound>,
        direction: DataDirection,
    ) -> Result<MappedPinned<'p>>
    where
        L: Before<ResvHeld> + MayAlloc<gfp::Kernel> + MayWait,
        S: MaySleep,
    {
        // SAFETY: By the type invariants it is attached, and pinned.
        unsafe { MappedPinned::new(self.attachment, device, direction) }
    }

    /// Maps the buffer into the kernel.
    ///
    /// # Context
    ///
    /// Levels before [`ResvHeld`], where `GFP_KERNEL` is allowed. C: `dma_buf_vmap_unlocked()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the exporter has no such mapping; `ENOMEM`.
    pub fn vmap<L, S>(&self, _cx: &mut Cx<'_, L, S>) -> Result<VmapPinned<'_>>
    where
        L: Before<ResvHeld> + MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        VmapPinned::new(&self.attachment.buf)
    }

    /// Lets the buffer move again. As dropping it, with the token that this takes.
    ///
    /// # Context
    ///
    /// Levels before [`ResvHeld`]. C: `dma_buf_unpin()`.
    pub fn close<L, S>(self, _cx: &mut Cx<'_, L, S>)
    where
        L: Before<ResvHeld>,
        S: MaySleep,
    {
        drop(self);
    }
}

impl<I: Importer> Drop for Pinned<'_, I> {
    fn drop(&mut self) {
        if self.attachment.mapping.is_some() {
            // Somebody forgot it, and the device may go on with it.
            return;
        }
        self.attachment.pinned = false;
        // SAFETY: By the type invariants it is pinned.
        unsafe { raw::unpin_unlocked(self.attachment.raw) };
    }
}

/// A buffer that stays where it is, as a device sees it. Unmapped when dropped.
///
/// # Context
///
/// Dropped, or [closed](Self::close), where the reservation may be locked.
///
/// # Invariants
///
/// `table` is what `attachment`, one of `buf`, has mapped, and `mapping` says; it is pinned.
pub struct MappedPinned<'p> {
    attachment: RawAttachment,
    table: RawTable,
    mapping: &'p mut Option<RawMapping>,
    buf: &'p DmaBuf,
}

// SAFETY: A mapping that nobody needs the lock for is of no task.
unsafe impl Send for MappedPinned<'_> {}
// SAFETY: It is only looked at.
unsafe impl Sync for MappedPinned<'_> {}

impl<'p> MappedPinned<'p> {
    /// # Safety
    ///
    /// `attachment` must be pinned for as long as it is mapped.
    unsafe fn new<M: Mode>(
        attachment: &'p mut Attachment<M>,
        device: &'p Device<Bound>,
        direction: DataDirection,
    ) -> Result<Self> {
        attachment.check(device)?;
        let direction = raw_direction(direction)?;
        attachment.is_unmapped()?;
        // SAFETY: It is attached.
        let table = unsafe { raw::map_unlocked(attachment.raw, direction) }?;
        attachment.mapping = Some(RawMapping { table, direction });
        // INVARIANT: Just mapped, and the caller promises that it is pinned.
        let mapped = Self {
            attachment: attachment.raw,
            table,
            mapping: &mut attachment.mapping,
            buf: &attachment.buf,
        };
        if M::WAITS {
            raw::wait_for_moves(mapped.buf)?;
        }
        Ok(mapped)
    }

    /// Where the device finds the buffer, in its order.
    pub fn ranges(&self) -> Ranges<'_> {
        // SAFETY: By the type invariants it is mapped, for longer than the borrow.
        unsafe { Ranges::of(self.table) }
    }

    /// Maps the buffer into the kernel too.
    ///
    /// # Context
    ///
    /// As [`Pinned::vmap`].
    ///
    /// # Errors
    ///
    /// As [`Pinned::vmap`].
    pub fn vmap<L, S>(&self, _cx: &mut Cx<'_, L, S>) -> Result<VmapPinned<'_>>
    where
        L: Before<ResvHeld> + MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        VmapPinned::new(self.buf)
    }

    /// Unmaps the buffer. As dropping it, with the token that this takes.
    ///
    /// # Context
    ///
    /// Levels before [`ResvHeld`]. C: `dma_buf_unmap_attachment_unlocked()`.
    pub fn close<L, S>(self, _cx: &mut Cx<'_, L, S>)
    where
        L: Before<ResvHeld>,
        S: MaySleep,
    {
        drop(self);
    }
}

impl Drop for MappedPinned<'_> {
    fn drop(&mut self) {
        if let Some(mapping) = self.mapping.take() {
            // SAFETY: By the type invariants it is mapped.
            unsafe { raw::unmap_unlocked(self.attachment, mapping.table, mapping.direction) };
        }
    }
}
