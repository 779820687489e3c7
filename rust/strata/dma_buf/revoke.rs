// SPDX-License-Identifier: GPL-2.0

//! Taking a buffer back from all who use it: its memory goes away, or its owner does.
//!
//! C: the two waits that `dma_buf_invalidate_mappings()` in `drivers/dma-buf/dma-buf.c` speaks of.

use super::{
    raw,
    Exported,
    Exporter,
    Storage, //
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
    fence::{
        Waited,
        Wake, //
    },
    gfp,
    lockdep,
    resv::Usage, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc,
    time::Jiffies,
    types::Opaque, //
};

/// Completed when nobody uses a buffer any more. The kernel's crate has none that is waited for with a
/// time limit.
#[pin_data]
pub(super) struct Done {
    #[pin]
    raw: Opaque<bindings::completion>,
}

// SAFETY: A completion may be used by any task.
unsafe impl Send for Done {}
// SAFETY: It synchronises itself.
unsafe impl Sync for Done {}

impl Done {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            raw <- Opaque::ffi_init(|slot| {
                // SAFETY: The slot is valid for writing, and pinned.
                unsafe { bindings::init_completion(slot) }
            }),
        })
    }

    pub(super) fn complete(&self) {
        // SAFETY: It was initialised.
        unsafe { bindings::complete_all(self.raw.get()) };
    }

    /// # Errors
    ///
    /// `ETIMEDOUT`, `ERESTARTSYS`.
    fn wait(&self, timeout: Jiffies) -> Result {
        lockdep::might_alloc_kernel();
        // More is for ever.
        let timeout = timeout.min(isize::MAX as Jiffies);
        // SAFETY: It was initialised.
        let left =
            unsafe { bindings::wait_for_completion_interruptible_timeout(self.raw.get(), timeout) };
        match left {
            0 => Err(ETIMEDOUT),
            1.. => Ok(()),
            error => to_result(error as i32),
        }
    }
}

impl<E: Exporter> Exported<E> {
    /// Takes the buffer back, and returns where its contents are, which nobody else reaches any more.
    ///
    /// From the first call on, nobody can map or pin it (`ENODEV`), but that the kernel shares a
    /// mapping of its own that there still is; user space that touches it gets `SIGBUS`. Dynamic
    /// importers are told. Then it is waited, for so many jiffies at most each time, for all fences,
    /// and for all who have it mapped or pinned to let go. That takes bounded time if all who attached
    /// are [revocable](super::Attaching::is_revocable), which an exporter that calls this sees to; who
    /// maps the buffer into the kernel without attaching cannot be told.
    ///
    /// Of who maps a buffer into the kernel that was revoked the kernel warns, once.
    ///
    /// # Context
    ///
    /// Levels before [`ResvHeld`], where `GFP_KERNEL` is allowed and fences may be waited for. C:
    /// `dma_buf_invalidate_mappings()`, `unmap_mapping_range()`.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT` or `ERESTARTSYS` for a wait that ended early: the buffer is revoked, and may be taken
    /// back later. `ENODEV` if it was taken back before, `EBUSY` if somebody else is waiting for it.
    /// `ENOMEM`: nothing was done.
    pub fn revoke<L, S>(&self, cx: &mut Cx<'_, L, S>, timeout: Jiffies) -> Result<Arc<Storage>>
    where
        L: Before<ResvHeld> + MayAlloc<gfp::Kernel> + MayWait,
        S: MaySleep,
    {
        let done = gfp::kernel(cx).arc_init(Done::new())?;
        let waiting = done.clone();
        self.lock(cx, |_, _| {
            // SAFETY: The reservation is held.
            unsafe {
                self.common().with(|state| {
                    if state.storage.is_none() {
                        return Err(ENODEV);
                    }
                    if state.waiting.is_some() {
                        return Err(EBUSY);
                    }
                    state.revoked = true;
                    state.waiting = Some(waiting);
                    Ok(())
                })
            }?;
            // SAFETY: The reservation is held.
            unsafe { raw::invalidate(self) };
            // SAFETY: The buffer is valid.
            unsafe { bindings::buffer_zap(self.as_ptr()) };
            // SAFETY: The reservation is held.
            unsafe { self.common().with(|state| state.used_less()) };
            Ok::<_, Error>(())
        })?;
        let waited = self.wait_until_unused(cx, &done, timeout);
        self.lock(cx, |_, _| {
            // SAFETY: The reservation is held.
            let (storage, window) = unsafe {
                self.common().with(|state| {
                    state.waiting = None;
                    waited?;
                    if state.is_used() {
                        return Err(EBUSY);
                    }
                    state.sync(true);
                    let storage = state.storage.take().ok_or(ENODEV)?;
                    Ok::<_, Error>((storage, state.replace(None)))
                })
            }?;
            drop(window);
            Ok(storage)
        })
    }

    /// The two waits; and the first one again, for what was begun until it was unmapped.
    fn wait_until_unused<L, S>(
        &self,
        cx: &mut Cx<'_, L, S>,
        done: &Done,
        timeout: Jiffies,
    ) -> Result
    where
        L: MayWait,
        S: MaySleep,
    {
        self.wait_for_fences(cx, timeout)?;
        done.wait(timeout)?;
        self.wait_for_fences(cx, timeout)
    }

    fn wait_for_fences<L, S>(&self, cx: &mut Cx<'_, L, S>, timeout: Jiffies) -> Result
    where
        L: MayWait,
        S: MaySleep,
    {
        // What uses the buffer without order, as page tables do, is a use too.
        let usage = Usage::Bookkeep;
        match self.resv().wait_timeout(cx, usage, Wake::Signal, timeout)? {
            Waited::Signalled => Ok(()),
            Waited::TimedOut => Err(ETIMEDOUT),
        }
    }
}
