// SPDX-License-Identifier: GPL-2.0

//! Who gives a buffer away: what it decides, and what it can do with the buffer afterwards.
//!
//! What the kernel asks of an exporter beyond that (`struct dma_buf_ops`) is the same for all whose
//! buffers are pages, and is answered by this room: a table for each mapping of an attachment, one
//! mapping into the kernel, faults of user space, caches. That is also why it knows whether a buffer
//! can move.
//!
//! C: [`include/linux/dma-buf.h`](srctree/include/linux/dma-buf.h).

use super::{
    raw,
    Storage, //
};
use crate::{
    bindings,
    cx::{
        Cx,
        MmapHeld,
        Process, //
    },
    dev::Owner, //
};
use core::{
    fmt,
    marker::PhantomData, //
};
use kernel::{
    device::Device,
    prelude::*,
    sync::Arc, //
};

/// What is the exporter's to decide.
///
/// # Context
///
/// The token of each function says it: it is what the kernel's core promises of all importers, not
/// only of those that are well behaved.
pub trait Exporter: Sized + Send + Sync + 'static {
    /// Whose code this is. The module stays for as long as the buffer does.
    type Owner: Owner;

    /// What `/sys/kernel/debug/dma_buf` and `/proc/PID/fdinfo` call it.
    const NAME: &'static CStr;

    /// Called when somebody attaches a device. An error refuses it.
    ///
    /// # Context
    ///
    /// No reservation is held; of the mmap lock, nobody says that it is not.
    ///
    /// # Errors
    ///
    /// By convention `EBUSY` where the device cannot reach the buffer.
    fn attach(&self, _cx: &mut Cx<'_, MmapHeld>, _attaching: &Attaching<'_>) -> Result {
        Ok(())
    }

    /// Called once, when nobody refers to the buffer any more, with what it was stored in last: nothing
    /// if it was [taken back](super::Exported::revoke).
    ///
    /// # Context
    ///
    /// Process context of no task in particular, after the last reference is gone.
    fn release(self, _cx: &mut Cx<'_, Process>, storage: Option<Arc<Storage>>) {
        drop(storage);
    }
}

/// A device that is being attached to a buffer.
///
/// # Invariants
///
/// `raw` is valid for `'a`.
pub struct Attaching<'a> {
    raw: *mut bindings::dma_buf_attachment,
    _attachment: PhantomData<&'a ()>,
}

impl Attaching<'_> {
    /// # Safety
    ///
    /// `raw` must be valid for as long as the value lives.
    pub(super) unsafe fn new(raw: *mut bindings::dma_buf_attachment) -> Self {
        // INVARIANT: The caller promises it.
        Self {
            raw,
            _attachment: PhantomData,
        }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        // SAFETY: The importer keeps it until it has detached it.
        unsafe { Device::from_raw((*self.raw).dev) }
    }

    /// Whether it lets the buffer move while it has it mapped: it is told, and maps it again.
    pub fn is_dynamic(&self) -> bool {
        // SAFETY: The attachment is valid, and this does not change.
        !unsafe { (*self.raw).importer_ops }.is_null()
    }

    /// Whether it lets go of its mappings, within bounded time, when it is told to.
    ///
    /// An exporter whose memory can vanish refuses importers that do not.
    ///
    /// C: `dma_buf_attach_revocable()`.
    pub fn is_revocable(&self) -> bool {
        // SAFETY: The attachment is valid.
        unsafe { raw::is_revocable(self.raw) }
    }

    /// Whether it can do with memory that is no system memory.
    pub fn is_peer_to_peer(&self) -> bool {
        // SAFETY: The attachment is valid.
        unsafe { (*self.raw).peer2peer }
    }
}

/// The buffer was not exported; here is what it should have been.
pub struct NotExported<E> {
    /// Who was not used.
    pub exporter: E,
    /// The contents.
    pub storage: Arc<Storage>,
    /// `ENOMEM`, `ENFILE`; `EAGAIN` for a module that is being loaded: if that fails, its code goes;
    /// `ENOENT` for one that is going away.
    pub cause: Error,
}

impl<E> fmt::Debug for NotExported<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotExported({:?})", self.cause)
    }
}

impl<E> From<NotExported<E>> for Error {
    fn from(error: NotExported<E>) -> Self {
        error.cause
    }
}
