// SPDX-License-Identifier: GPL-2.0

//! A buffer of another driver, for a device that is the CPU: a job of its own works on it later.
//!
//! A job may neither take the reservation nor wait for what others do: all of that is done before it is
//! published, and taken back after it has signalled. Between the two the buffer is pinned, mapped into
//! the kernel and handed over to the CPU.
//!
//! C: `dma_buf_pin()`, `dma_buf_vmap()` and `dma_buf_begin_cpu_access()` in `drivers/dma-buf/dma-buf.c`.

use super::{
    access::AccessMode,
    attach::{
        Attachment,
        Dynamic,
        Importer, //
    },
    raw,
    vmap,
    Bytes,
    DmaBuf, //
};
use crate::{
    bindings,
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
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A buffer that is pinned, mapped into the kernel, and handed over to the CPU for `M`.
///
/// For no longer than the jobs take that it is for: meanwhile the exporter cannot move it.
///
/// Two things are the driver's. Fences that others add after this was made, and before the job's own is
/// added, the job waits for itself: they stand in the reservation when that is locked
/// ([`Resv::fences`](crate::resv::Resv::fences)). And where caches are not coherent with a device, what
/// the job wrote reaches it with [`end`](Self::end), which is after the job's fence: there, who is to see
/// it is told afterwards.
///
/// # Context
///
/// Dropped, or [ended](Self::end), where the reservation may be locked: not by the job itself.
///
/// # Invariants
///
/// `attachment` is pinned for this, and `map` what mapping its buffer gave. If `begun`, it is handed
/// over to the CPU.
pub struct ForCpu<I: Importer, M: AccessMode> {
    map: bindings::iosys_map,
    begun: bool,
    attachment: Arc<Attachment<Dynamic<I>>>,
    _mode: PhantomData<M>,
}

// SAFETY: What is mapped is of no task.
unsafe impl<I: Importer, M: AccessMode> Send for ForCpu<I, M> {}
// SAFETY: Through a reference, the contents are only copied, or accessed word by word.
unsafe impl<I: Importer, M: AccessMode> Sync for ForCpu<I, M> {}

impl<I: Importer, M: AccessMode> ForCpu<I, M> {
    /// Pins the buffer of `attachment`, maps it, and waits until what a reader (or a writer) has to
    /// wait for is done.
    ///
    /// # Context
    ///
    /// Levels before [`ResvHeld`], where `GFP_KERNEL` is allowed and fences may be waited for.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` or `EINTR` if a signal came first; `ENOMEM`; what the exporter says.
    pub fn new<L, S>(
        _cx: &mut Cx<'_, L, S>,
        attachment: Arc<Attachment<Dynamic<I>>>,
        _mode: M,
    ) -> Result<Self>
    where
        L: Before<ResvHeld> + MayAlloc<gfp::Kernel> + MayWait,
        S: MaySleep,
    {
        let mut map = bindings::iosys_map::default();
        // SAFETY: It is attached, and dynamic.
        unsafe { raw::pin_vmap(attachment.raw, &mut map) }?;
        // INVARIANT: Just pinned and mapped.
        let mut this = Self {
            map,
            begun: false,
            attachment,
            _mode: PhantomData,
        };
        raw::begin_access(this.buffer(), M::DIRECTION)?;
        // INVARIANT: Just handed over.
        this.begun = true;
        Ok(this)
    }

    /// The buffer.
    pub fn buffer(&self) -> &DmaBuf {
        self.attachment.buffer()
    }

    /// What is in it.
    ///
    /// # Context
    ///
    /// Any.
    pub fn contents(&self) -> Bytes<'_, M> {
        // SAFETY: By the type invariants that is what mapping the buffer gave.
        unsafe { vmap::bytes(self.buffer(), &self.map) }
    }

    /// Hands the buffer back, unmaps it and lets it move again. As dropping it, with the token that
    /// this takes, and the error that dropping it only prints.
    ///
    /// # Context
    ///
    /// Levels before [`ResvHeld`]. C: `dma_buf_end_cpu_access()`.
    ///
    /// # Errors
    ///
    /// What the exporter says: devices may not see what was written. All else is done then.
    pub fn end<L, S>(mut self, _cx: &mut Cx<'_, L, S>) -> Result
    where
        L: Before<ResvHeld>,
        S: MaySleep,
    {
        self.hand_back()
    }

    fn hand_back(&mut self) -> Result {
        if core::mem::take(&mut self.begun) {
            raw::end_access(self.buffer(), M::DIRECTION)?;
        }
        Ok(())
    }
}

impl<I: Importer, M: AccessMode> Drop for ForCpu<I, M> {
    fn drop(&mut self) {
        if let Err(error) = self.hand_back() {
            raw::warn_not_handed_back(self.buffer(), error);
        }
        // SAFETY: By the type invariants it was mapped and pinned so.
        unsafe { raw::vunmap_unpin(self.attachment.raw, &mut self.map) };
    }
}
