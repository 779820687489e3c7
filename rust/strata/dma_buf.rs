// SPDX-License-Identifier: GPL-2.0

//! Buffers that drivers share: given away, attached to, mapped, pinned, moved.
//!
//! The kernel's rules for a `dma_buf` say of each call whether the buffer's reservation must be held
//! or must not be. Here what needs it takes the [`Held`] of it, what must not
//! have it takes a token of a level before [`ResvHeld`], and what an importer gets under the lock
//! does not outlive it.
//!
//! The other question, whether the contents stay where they are, is that of [`vmap`](DmaBuf::vmap):
//! for as long as the reservation is held ([`VmapLocked`]), or for as long as somebody has the buffer
//! pinned ([`VmapPinned`]). An exporter that is written on Strata knows both, and refuses to
//! [move](Exported::move_to) what either of them holds.
//!
//! | who | has |
//! |---|---|
//! | both | [`DmaBuf`]: names, files, contents |
//! | the exporter | [`Exporter`], [`Exported`], [`Storage`] |
//! | an importer | [`Attachment`], [`Mapped`], [`Pinned`], [`ForCpu`] |
//!
//! C: [`include/linux/dma-buf.h`](srctree/include/linux/dma-buf.h). Docs:
//! `Documentation/driver-api/dma-buf.rst`, "DMA-BUF locking convention".
//!
//! Lock order: a buffer's reservation is [`ResvHeld`]; nothing here takes a lock of its own.

mod access;
mod attach;
mod bytes;
mod exported;
mod exporter;
mod file;
mod for_cpu;
mod moves;
mod ops;
mod pinned;
mod raw;
mod revoke;
mod state;
mod storage;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;
mod vmap;

pub use self::{
    access::{
        Access,
        AccessMode,
        NotAccessed,
        Read,
        ReadWrite,
        Readable,
        Writable,
        Write, //
    },
    attach::{
        Attachment,
        Dynamic,
        Importer,
        Mapped,
        Mode,
        Range,
        Ranges,
        Static, //
    },
    bytes::Bytes,
    exported::{
        Exported,
        Users, //
    },
    exporter::{
        Attaching,
        Exporter,
        NotExported, //
    },
    file::{
        BufferFile,
        Name, //
    },
    for_cpu::ForCpu,
    moves::NotMoved,
    pinned::{
        MappedPinned,
        Pinned, //
    },
    storage::Storage,
    vmap::{
        VmapLocked,
        VmapPinned, //
    },
};

use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        MaySleep,
        ResvHeld, //
    },
    resv::{
        Held,
        Resv, //
    }, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    device::{
        Device,
        DeviceContext, //
    },
    prelude::*,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

/// A device as C has it.
fn device_ptr<C: DeviceContext>(device: &Device<C>) -> *mut bindings::device {
    // A `Device` is transparent.
    ptr::from_ref(device).cast::<bindings::device>().cast_mut()
}

/// A buffer, of this driver or of another.
///
/// Shared and counted: [`ARef<DmaBuf>`](kernel::sync::aref::ARef). The last reference may be dropped
/// anywhere: the exporter lets go of the buffer later, in process context.
///
/// # Invariants
///
/// It was exported, and there is a reference to its file.
#[repr(transparent)]
pub struct DmaBuf(Opaque<bindings::dma_buf>);

// SAFETY: A buffer may be used, and let go of, by any task.
unsafe impl Send for DmaBuf {}
// SAFETY: All that can be done to it synchronises itself, or takes its lock.
unsafe impl Sync for DmaBuf {}

// SAFETY: The functions count; the buffer is there while the count is not 0.
unsafe impl AlwaysRefCounted for DmaBuf {
    fn inc_ref(&self) {
        // SAFETY: There is a reference already.
        unsafe { bindings::dma_buf_ref(self.as_ptr()) };
    }

    unsafe fn dec_ref(buf: NonNull<Self>) {
        // SAFETY: The caller gives a reference up.
        unsafe { raw::put(buf.as_ptr().cast()) };
    }
}

impl DmaBuf {
    pub(super) fn as_ptr(&self) -> *mut bindings::dma_buf {
        self.0.get()
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        // SAFETY: It does not change.
        unsafe { (*self.as_ptr()).size }
    }

    /// Runs `f` with the buffer's reservation locked.
    ///
    /// # Context
    ///
    /// As [`Resv::lock`], which this is.
    pub fn lock<L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl FnOnce(&Held<'_>, &mut Cx<'_, ResvHeld, S>) -> O,
    ) -> O
    where
        L: Before<ResvHeld>,
        S: MaySleep,
    {
        self.resv().lock(cx, |held, (), cx| f(held, cx))
    }

    /// Its reservation, which other buffers may have too.
    ///
    /// To lock it with others, to try it, and to ask for its fences:
    /// [`resv::all`](crate::resv::all), [`Resv::try_lock`], [`Resv::fences`].
    pub fn resv(&self) -> &Resv {
        // SAFETY: It does not change.
        let resv = unsafe { (*self.as_ptr()).resv };
        // SAFETY: It is there for as long as the buffer is.
        unsafe { Resv::borrow(resv) }
    }

    /// How many devices are attached to it.
    ///
    /// # Context
    ///
    /// Under its reservation.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `held` is not that of the buffer.
    pub fn attachments(&self, held: &Held<'_>) -> Result<usize> {
        self.check(held)?;
        // SAFETY: The buffer is valid, and its reservation held.
        Ok(unsafe { bindings::dma_buf_attachments(self.as_ptr()) })
    }

    /// Whether `held` is the lock of this buffer.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is another one.
    fn check(&self, held: &Held<'_>) -> Result {
        if ptr::eq(held.as_ptr(), self.resv().as_ptr()) {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }
}
