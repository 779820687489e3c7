// SPDX-License-Identifier: GPL-2.0

//! The kernel's own `drm_gpuvm`, through `oracle.c`.

use crate::space::{
    Answer,
    Area,
    Batch,
    Buffer,
    Op,
    Piece,
    Request,
    Space, //
};
use core::ptr::NonNull;
use kernel::{
    error::from_err_ptr,
    ffi::c_long,
    prelude::*, //
};
use strata::prelude::*;

/// `struct strata_gpuvm`.
#[repr(C)]
struct Raw {
    _opaque: [u8; 0],
}

// oracle.h
extern "C" {
    fn strata_gpuvm_create(
        start: u64,
        range: u64,
        kernel_start: u64,
        kernel_range: u64,
    ) -> *mut Raw;
    fn strata_gpuvm_destroy(vm: *mut Raw);
    fn strata_gpuvm_map(vm: *mut Raw, piece: *const Piece, ops: *mut Op, capacity: usize)
        -> c_long;
    fn strata_gpuvm_unmap(
        vm: *mut Raw,
        addr: u64,
        range: u64,
        ops: *mut Op,
        capacity: usize,
    ) -> c_long;
    fn strata_gpuvm_split(
        vm: *mut Raw,
        addr: u64,
        range: u64,
        ops: *mut Op,
        capacity: usize,
    ) -> c_long;
    fn strata_gpuvm_madvise(
        vm: *mut Raw,
        addr: u64,
        range: u64,
        ops: *mut Op,
        capacity: usize,
    ) -> c_long;
    fn strata_gpuvm_prefetch(
        vm: *mut Raw,
        addr: u64,
        range: u64,
        ops: *mut Op,
        capacity: usize,
    ) -> c_long;
    fn strata_gpuvm_list(vm: *mut Raw, pieces: *mut Piece, capacity: usize) -> c_long;
}

/// A VM.
///
/// # Invariants
///
/// `raw` came from `strata_gpuvm_create()`, and nobody else uses it.
pub(crate) struct Oracle {
    raw: NonNull<Raw>,
}

impl Oracle {
    /// An empty VM of these addresses, of which the kernel keeps some.
    pub(crate) fn new(_cx: &mut Cx<'_, Process>, space: Area, kernel: Area) -> Result<Self> {
        // SAFETY: It may be called from process context, with any numbers.
        let raw =
            unsafe { strata_gpuvm_create(space.addr, space.range, kernel.addr, kernel.range) };
        // INVARIANT: It was just made, and is ours.
        Ok(Self {
            raw: NonNull::new(from_err_ptr(raw)?).ok_or(ENOMEM)?,
        })
    }
}

impl Oracle {
    /// Makes a request, and adds what a driver is told.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is refused. Any other ends the test.
    pub(crate) fn request(&mut self, request: &Request, ops: &mut Buffer<Op>) -> Result {
        let vm = self.raw.as_ptr();
        ops.append(|ops| {
            let (at, room) = (ops.as_mut_ptr(), ops.len());
            match request {
                // SAFETY: By the type invariant the VM is ours; the piece lives for the call, and
                // there is room for so many operations.
                Request::Map(piece) => unsafe { strata_gpuvm_map(vm, piece, at, room) },
                // SAFETY: As above.
                Request::Unmap(Area { addr, range }) => unsafe {
                    strata_gpuvm_unmap(vm, *addr, *range, at, room)
                },
                // SAFETY: As above.
                Request::Split(Area { addr, range }) => unsafe {
                    strata_gpuvm_split(vm, *addr, *range, at, room)
                },
                // SAFETY: As above.
                Request::Madvise(Area { addr, range }) => unsafe {
                    strata_gpuvm_madvise(vm, *addr, *range, at, room)
                },
                // SAFETY: As above.
                Request::Prefetch(Area { addr, range }) => unsafe {
                    strata_gpuvm_prefetch(vm, *addr, *range, at, room)
                },
            }
        })
    }
}

impl Space for Oracle {
    fn commit(&mut self, _cx: &mut Cx<'_, Process>, batch: &Batch, answer: &mut Answer) -> Result {
        answer.clear();
        for (index, request) in batch.iter() {
            let result = self.request(request, &mut answer.ops);
            answer.note(index, result)?;
        }
        Ok(())
    }

    fn list(&mut self, _cx: &mut Cx<'_, Process>, pieces: &mut Buffer<Piece>) -> Result {
        pieces.clear();
        pieces.append(|pieces| {
            // SAFETY: By the type invariant the VM is ours; there is room for so many pieces.
            unsafe { strata_gpuvm_list(self.raw.as_ptr(), pieces.as_mut_ptr(), pieces.len()) }
        })
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the VM is ours, and it is destroyed once.
        unsafe { strata_gpuvm_destroy(self.raw.as_ptr()) };
    }
}
