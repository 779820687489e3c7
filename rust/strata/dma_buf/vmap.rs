// SPDX-License-Identifier: GPL-2.0

//! A buffer in the kernel's own address space, twice: while its reservation is held, and while it is
//! pinned.
//!
//! C: `dma_buf_vmap()` in `drivers/dma-buf/dma-buf.c`, which is one function for both and says of
//! neither what keeps the contents in their place.

use super::{
    access::{
        Access,
        AccessMode, //
    },
    raw,
    Bytes,
    DmaBuf, //
};
#[cfg(doc)]
use crate::cx::ResvHeld;
use crate::{
    bindings,
    cx::{
        Cx,
        MayAlloc,
        MaySleep, //
    },
    gfp,
    lockdep,
    resv::Held, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    prelude::*,
    sync::aref::ARef,
    types::NotThreadSafe, //
};

impl DmaBuf {
    /// Maps the buffer into the kernel, for as long as its reservation is held.
    ///
    /// Not for a buffer that may be somewhere else when the lock was let go: there is
    /// [`Pinned::vmap`](super::Pinned::vmap).
    ///
    /// # Context
    ///
    /// Under the buffer's reservation, where `GFP_KERNEL` is allowed. C: `dma_buf_vmap()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `held` is not that of the buffer, or the exporter has no such mapping; `ENODEV` if it
    /// was taken back; `ENOMEM`.
    pub fn vmap<'h, L, S>(
        &self,
        _cx: &mut Cx<'_, L, S>,
        held: &'h Held<'_>,
    ) -> Result<VmapLocked<'h>>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        self.check(held)?;
        // What it was mapped to before may be found, and may not.
        lockdep::might_alloc_kernel();
        let mut map = bindings::iosys_map::default();
        // SAFETY: The reservation is held, as was checked.
        unsafe { raw::vmap(self, &mut map) }?;
        // INVARIANT: Just mapped, and held for `'h`.
        Ok(VmapLocked {
            buf: self.into(),
            map,
            _held: PhantomData,
            _task: NotThreadSafe,
        })
    }
}

/// The contents of `map`, which is of `buf`, for who has `access`.
fn contents<'a, M: AccessMode>(
    buf: &'a DmaBuf,
    map: &'a bindings::iosys_map,
    access: &'a Access<'_, M>,
) -> Result<Bytes<'a, M>> {
    if !ptr::eq(buf, access.buffer()) {
        return Err(EINVAL);
    }
    // SAFETY: Mapping the buffer has filled it in.
    Ok(unsafe { bytes(buf, map) })
}

/// # Safety
///
/// `map` must be what mapping `buf` gave.
pub(super) unsafe fn bytes<'a, M: AccessMode>(
    buf: &DmaBuf,
    map: &'a bindings::iosys_map,
) -> Bytes<'a, M> {
    let mut io = false;
    // SAFETY: The caller promises that it is filled in.
    let start = unsafe { bindings::iosys_get(map, &mut io) };
    // SAFETY: So much is mapped there, while `map` is borrowed.
    unsafe { Bytes::new(start.cast(), io, buf.size()) }
}

/// A buffer, mapped into the kernel while its reservation is held. Unmapped when dropped.
///
/// # Invariants
///
/// `map` is what mapping `buf` gave. Its reservation is held for `'h`, by this task.
pub struct VmapLocked<'h> {
    // Of our own: if this is forgotten, the buffer stays, and nobody stumbles over the mapping.
    buf: ARef<DmaBuf>,
    map: bindings::iosys_map,
    _held: PhantomData<&'h Held<'h>>,
    _task: NotThreadSafe,
}

impl VmapLocked<'_> {
    /// What is in it, for who has the buffer for the CPU.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `access` is to another buffer.
    pub fn contents<'a, M: AccessMode>(
        &'a self,
        access: &'a Access<'_, M>,
    ) -> Result<Bytes<'a, M>> {
        contents(&self.buf, &self.map, access)
    }
}

impl Drop for VmapLocked<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is mapped, and the reservation held.
        unsafe { raw::vunmap(&self.buf, &mut self.map) };
    }
}

/// A buffer, mapped into the kernel while it is pinned. Unmapped when dropped.
///
/// # Context
///
/// Dropped where the reservation may be locked: levels before [`ResvHeld`].
///
/// # Invariants
///
/// `map` is what mapping `buf` gave. The buffer is pinned for `'p`.
pub struct VmapPinned<'p> {
    buf: ARef<DmaBuf>,
    map: bindings::iosys_map,
    _pinned: PhantomData<&'p ()>,
}

// SAFETY: A mapping that nobody needs the lock for is of no task.
unsafe impl Send for VmapPinned<'_> {}
// SAFETY: What is in it is accessed as if others did so too.
unsafe impl Sync for VmapPinned<'_> {}

impl VmapPinned<'_> {
    /// The caller has the buffer pinned for as long as the value lives.
    pub(super) fn new(buf: &DmaBuf) -> Result<Self> {
        let mut map = bindings::iosys_map::default();
        raw::vmap_unlocked(buf, &mut map)?;
        // INVARIANT: Just mapped.
        Ok(Self {
            buf: buf.into(),
            map,
            _pinned: PhantomData,
        })
    }

    /// What is in it, for who has the buffer for the CPU.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `access` is to another buffer.
    pub fn contents<'a, M: AccessMode>(
        &'a self,
        access: &'a Access<'_, M>,
    ) -> Result<Bytes<'a, M>> {
        contents(&self.buf, &self.map, access)
    }
}

impl Drop for VmapPinned<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is mapped.
        unsafe { raw::vunmap_unlocked(&self.buf, &mut self.map) };
    }
}
