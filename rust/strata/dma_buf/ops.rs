// SPDX-License-Identifier: GPL-2.0

//! The `dma_buf_ops` of all buffers that are exported on Strata, and what they keep.
//!
//! | called with | |
//! |---|---|
//! | the reservation held | `pin`, `unpin`, `map_dma_buf`, `unmap_dma_buf`, `vmap`, `vunmap` |
//! | it not held | `attach`, `begin_cpu_access`, `end_cpu_access` |
//! | the mmap lock held | `mmap`, faults |
//! | nothing held | `release` |

use super::{
    raw::{
        self,
        RawDirection, //
    },
    state::{
        Common,
        State, //
    },
};
use crate::{
    bindings,
    cx::Cx,
    lockdep, //
};
use core::ptr;
use kernel::{
    error::from_result,
    ffi::c_int,
    prelude::*, //
};

/// The operations of all our buffers. A `static` of this module, so that they can be known by it.
pub(super) static OPS: bindings::dma_buf_ops = bindings::dma_buf_ops {
    attach: Some(attach),
    detach: Some(detach),
    // Always both: it is counted here.
    pin: Some(pin),
    unpin: Some(unpin),
    map_dma_buf: Some(map),
    unmap_dma_buf: Some(unmap),
    release: Some(release),
    begin_cpu_access: Some(begin_access),
    end_cpu_access: Some(end_access),
    mmap: Some(mmap),
    vmap: Some(vmap),
    vunmap: Some(vunmap),
};

/// What user space's mappings do.
const FAULTS: &bindings::vm_operations_struct = &bindings::vm_operations_struct {
    fault: Some(fault),
    pfn_mkwrite: Some(make_writable),
    ..pin_init::zeroed()
};

/// # Safety
///
/// `attachment` must be one of a buffer of ours, which stays for `'a`.
unsafe fn behind<'a>(attachment: *mut bindings::dma_buf_attachment) -> &'a Common {
    // SAFETY: An attachment keeps its buffer.
    unsafe { Common::behind((*attachment).dmabuf).as_ref() }
}

/// # Safety
///
/// `buf` must be one of ours, and `attachment` be made for it. The reservation is not held.
unsafe extern "C" fn attach(
    buf: *mut bindings::dma_buf,
    attachment: *mut bindings::dma_buf_attachment,
) -> c_int {
    // SAFETY: The core calls this for our buffers.
    let common = unsafe { Common::behind(buf) };
    lockdep::assert_mmap_held();
    // SAFETY: `dma_buf_dynamic_attach()` takes the reservation afterwards: the task holds nothing from
    // it on.
    let mut cx = unsafe { Cx::assume() };
    // SAFETY: It is there until the buffer is released.
    let hooks = unsafe { common.as_ref() }.hooks;
    // SAFETY: They are its own hooks.
    from_result(|| unsafe { (hooks.attach)(common, &mut cx, attachment) }.map(|()| 0))
}

/// # Safety
///
/// `buf` must be one of ours, and `attachment` be made for it, without a mapping. The reservation is not
/// held.
unsafe extern "C" fn detach(
    buf: *mut bindings::dma_buf,
    attachment: *mut bindings::dma_buf_attachment,
) {
    // It was never mapped.
    // SAFETY: It is valid, and nobody else uses it any more.
    if unsafe { (*attachment).priv_ }.is_null() {
        return;
    }
    // SAFETY: The core calls this for our buffers.
    let (resv, common) = unsafe { ((*buf).resv, Common::behind(buf).as_ref()) };
    // SAFETY: The caller promises that it may be locked.
    unsafe { bindings::dma_resv_lock(resv, ptr::null_mut()) };
    // SAFETY: It is held.
    unsafe { common.with(|state| state.detach(attachment)) };
    // SAFETY: It was locked above.
    unsafe { bindings::dma_resv_unlock(resv) };
}

/// # Safety
///
/// `buf` must be one of ours, to which nobody refers any more. Nothing is held.
unsafe extern "C" fn release(buf: *mut bindings::dma_buf) {
    // SAFETY: The core calls this for our buffers.
    let common = unsafe { Common::behind(buf) };
    lockdep::assert_process();
    // SAFETY: The last reference to a file is put as task work or by a worker.
    let mut cx = unsafe { Cx::assume() };
    // SAFETY: It is there until we are done.
    let hooks = unsafe { common.as_ref() }.hooks;
    // SAFETY: They are its own hooks, and nobody refers to the buffer any more.
    unsafe { (hooks.release)(common, &mut cx) };
}

/// # Safety
///
/// `attachment` must be one of a buffer of ours, whose reservation is held.
unsafe extern "C" fn pin(attachment: *mut bindings::dma_buf_attachment) -> c_int {
    // SAFETY: The core calls this for our buffers.
    let common = unsafe { behind(attachment) };
    // SAFETY: The reservation is held (`dma_resv_assert_held()` in the core).
    let stays = unsafe {
        common.with(|state| {
            state.storage()?;
            state.pins += 1;
            Ok(0)
        })
    };
    from_result(|| stays)
}

/// # Safety
///
/// As [`pin`].
unsafe extern "C" fn unpin(attachment: *mut bindings::dma_buf_attachment) {
    // SAFETY: The core calls this for our buffers.
    let common = unsafe { behind(attachment) };
    // SAFETY: As in `pin`.
    unsafe {
        common.with(|state| {
            state.pins = state.pins.saturating_sub(1);
            state.used_less();
        })
    };
}

/// Whether a direction is one that the kernel maps in: it stops at others.
fn is_direction(direction: RawDirection) -> bool {
    (0..bindings::dma_data_direction_DMA_NONE).contains(&direction)
}

/// # Safety
///
/// As [`pin`].
unsafe extern "C" fn map(
    attachment: *mut bindings::dma_buf_attachment,
    direction: RawDirection,
) -> *mut bindings::sg_table {
    if !is_direction(direction) {
        return EINVAL.to_ptr();
    }
    // SAFETY: The core calls this for our buffers.
    let common = unsafe { behind(attachment) };
    // SAFETY: As in `pin`; the attachment is valid.
    let mapped = unsafe { common.with(|state| state.map(attachment, direction)) };
    mapped.unwrap_or_else(|error| error.to_ptr())
}

/// # Safety
///
/// As [`pin`]; `table` must be what [`map`] gave.
unsafe extern "C" fn unmap(
    attachment: *mut bindings::dma_buf_attachment,
    table: *mut bindings::sg_table,
    _direction: RawDirection,
) {
    // SAFETY: The core calls this for our buffers.
    let common = unsafe { behind(attachment) };
    // SAFETY: As in `pin`.
    if !unsafe { common.with(|state| state.unmap(table)) } {
        pr_warn!("a dma-buf was unmapped that was not mapped\n");
    }
}

/// # Safety
///
/// `buf` must be one of ours, whose reservation is held, and `map` be valid for writing.
unsafe extern "C" fn vmap(buf: *mut bindings::dma_buf, map: *mut bindings::iosys_map) -> c_int {
    // SAFETY: The core calls this for our buffers.
    let common = unsafe { Common::behind(buf).as_ref() };
    // SAFETY: As in `pin`.
    match unsafe { common.with(State::vmap) } {
        Ok(address) => {
            let vaddr = address.as_ptr();
            // SAFETY: The core passes a map that is its own.
            unsafe {
                *map = bindings::iosys_map {
                    __bindgen_anon_1: bindings::iosys_map__bindgen_ty_1 { vaddr },
                    is_iomem: false,
                }
            };
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// As [`vmap`].
unsafe extern "C" fn vunmap(buf: *mut bindings::dma_buf, _map: *mut bindings::iosys_map) {
    // SAFETY: The core calls this for our buffers.
    let common = unsafe { Common::behind(buf).as_ref() };
    // SAFETY: As in `pin`. The window is kept for the next one.
    unsafe {
        common.with(|state| {
            state.vmapped = false;
            state.used_less();
        })
    };
}

/// # Safety
///
/// `buf` must be one of ours. The reservation is not held.
unsafe extern "C" fn begin_access(buf: *mut bindings::dma_buf, direction: RawDirection) -> c_int {
    let usage = if direction == bindings::dma_data_direction_DMA_FROM_DEVICE {
        bindings::dma_resv_usage_DMA_RESV_USAGE_WRITE
    } else {
        bindings::dma_resv_usage_DMA_RESV_USAGE_READ
    };
    // The core waits too, afterwards: what devices write until then would not be seen.
    // SAFETY: The core calls this for our buffers.
    if let Err(error) = raw::wait(unsafe { (*buf).resv }, usage) {
        return error.to_errno();
    }
    // SAFETY: The core calls this for our buffers, without the reservation.
    unsafe { sync(buf, true) }
}

/// # Safety
///
/// As [`begin_access`].
unsafe extern "C" fn end_access(buf: *mut bindings::dma_buf, _direction: RawDirection) -> c_int {
    // SAFETY: As above.
    unsafe { sync(buf, false) }
}

/// Hands all that devices have mapped over to the CPU, or back.
///
/// # Safety
///
/// `buf` must be one of ours, and the task not hold its reservation.
unsafe fn sync(buf: *mut bindings::dma_buf, for_cpu: bool) -> c_int {
    // SAFETY: The caller promises it.
    let (resv, common) = unsafe { ((*buf).resv, Common::behind(buf).as_ref()) };
    // Who gives a buffer back does not start over for a signal.
    let error = if for_cpu {
        // SAFETY: The caller promises that it may be locked.
        unsafe { bindings::resv_lock_interruptible(resv, ptr::null_mut()) }
    } else {
        // SAFETY: As above.
        unsafe { bindings::dma_resv_lock(resv, ptr::null_mut()) }
    };
    if error != 0 {
        return error;
    }
    // SAFETY: It is held.
    unsafe { common.with(|state| state.sync(for_cpu)) };
    // SAFETY: It was locked above.
    unsafe { bindings::dma_resv_unlock(resv) };
    0
}

/// # Safety
///
/// `buf` must be one of ours, and `vma` be a mapping of its file that is being made.
unsafe extern "C" fn mmap(
    buf: *mut bindings::dma_buf,
    vma: *mut bindings::vm_area_struct,
) -> c_int {
    lockdep::assert_mmap_held();
    // SAFETY: The mapping is being made, and keeps the buffer by its file.
    unsafe { bindings::buffer_mmap(vma, FAULTS, buf) }
}

/// Runs `f` with the state of the buffer that user space touches, under its lock.
///
/// # Safety
///
/// `fault` must be one in a mapping that [`mmap`] made.
unsafe fn faulting(
    fault: *mut bindings::vm_fault,
    may_retry: bool,
    f: impl FnOnce(&mut State) -> bindings::vm_fault_t,
) -> bindings::vm_fault_t {
    // SAFETY: `mmap` has put the buffer there.
    let buf = unsafe { bindings::fault_buffer(fault) };
    // SAFETY: It is one of ours, which the mapping keeps.
    let (resv, common) = unsafe { ((*buf).resv, Common::behind(buf).as_ref()) };
    // SAFETY: It may be locked under the mmap lock.
    let busy = unsafe { bindings::fault_lock(fault, buf, may_retry) };
    if busy != 0 {
        return busy;
    }
    // SAFETY: It is held.
    let result = unsafe { common.with(f) };
    // SAFETY: It was locked above.
    unsafe { bindings::dma_resv_unlock(resv) };
    result
}

/// Gives user space the page that the buffer has at the place that it touched, now.
///
/// # Safety
///
/// `fault` must be one in a mapping that [`mmap`] made.
unsafe extern "C" fn fault(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: The fault is valid.
    let index = unsafe { bindings::fault_index(fault) };
    // SAFETY: As above.
    let write = unsafe { bindings::fault_is_write(fault) };
    let insert = |state: &mut State| {
        let storage = state.storage();
        let page = storage.as_ref().map(|storage| storage.pages().get(index));
        let (Ok(storage), Ok(Some(&page))) = (&storage, page) else {
            return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
        };
        if write {
            storage.set_written();
        }
        // Under the lock still: who moves the buffer takes out what was inserted before.
        // SAFETY: The mapping has no pages of its own, and this one stays until it is taken out.
        unsafe { bindings::fault_insert(fault, page, write) }
    };
    // SAFETY: The caller promises it.
    unsafe { faulting(fault, true, insert) }
}

/// Lets user space write to a page that it could only read so far. If the buffer moves meanwhile, the
/// page is not there any more, and the task comes back.
///
/// # Safety
///
/// As [`fault`].
unsafe extern "C" fn make_writable(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    let mark = |state: &mut State| match state.storage() {
        Ok(storage) => {
            storage.set_written();
            0
        }
        Err(_) => bindings::vm_fault_reason_VM_FAULT_SIGBUS,
    };
    // SAFETY: The caller promises it.
    unsafe { faulting(fault, false, mark) }
}
