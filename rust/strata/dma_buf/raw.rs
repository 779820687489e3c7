// SPDX-License-Identifier: GPL-2.0

//! The calls of `dma_buf_*`.
//!
//! They stand in a namespace of symbols that this module imports. So none of these functions is
//! generic, and none is called but by name: a driver need not import it.

use super::DmaBuf;
use crate::bindings;
use core::{
    ffi::c_void,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::aref::ARef, //
};

/// `MAX_SCHEDULE_TIMEOUT`
const FOREVER: usize = isize::MAX as usize;

/// As C has it.
pub(super) type RawAttachment = NonNull<bindings::dma_buf_attachment>;
pub(super) type RawTable = NonNull<bindings::sg_table>;
pub(super) type RawDirection = bindings::dma_data_direction;

/// # Safety
///
/// `buf` must be valid, and a reference to it the caller's to give.
#[inline(never)]
pub(super) unsafe fn put(buf: *mut bindings::dma_buf) {
    // Not `dma_buf_put()`, which takes a lock to trace it that is taken with interrupts on.
    // SAFETY: The caller promises it.
    unsafe { bindings::dma_buf_unref(buf) };
}

#[inline(never)]
pub(super) fn get(fd: i32) -> Result<ARef<DmaBuf>> {
    // SAFETY: It takes any number.
    let buf = from_err_ptr(unsafe { bindings::dma_buf_get(fd) })?;
    // SAFETY: It gives a reference.
    Ok(unsafe { owned(buf) })
}

/// # Safety
///
/// `fd` must be reserved by the running task, and nobody use it afterwards.
#[inline(never)]
pub(super) unsafe fn install(buf: ARef<DmaBuf>, fd: u32) {
    let buf = ARef::into_raw(buf);
    // SAFETY: The file takes our reference over; the caller promises the rest.
    unsafe { bindings::dma_buf_fd_install(buf.as_ptr().cast(), fd as i32) };
}

/// # Safety
///
/// What `info` points to must be as `dma_buf_export()` expects it, and stay until its `release`.
#[inline(never)]
pub(super) unsafe fn export(info: &bindings::dma_buf_export_info) -> Result<ARef<DmaBuf>> {
    // SAFETY: The caller promises it.
    let buf = from_err_ptr(unsafe { bindings::dma_buf_export(info) })?;
    // SAFETY: It gives a reference.
    Ok(unsafe { owned(buf) })
}

/// # Safety
///
/// `buf` must be valid and not null, and a reference to it the caller's to give.
unsafe fn owned(buf: *mut bindings::dma_buf) -> ARef<DmaBuf> {
    // SAFETY: `DmaBuf` is transparent, and the caller promises the rest.
    unsafe { ARef::from_raw(NonNull::new_unchecked(buf.cast())) }
}

/// Sleeps, and takes the reservation.
///
/// # Safety
///
/// `device`, `ops` (if there are any) and what `importer` points to must stay until the attachment is
/// detached.
#[inline(never)]
pub(super) unsafe fn attach(
    buf: &DmaBuf,
    device: *mut bindings::device,
    ops: *const bindings::dma_buf_attach_ops,
    importer: *mut c_void,
) -> Result<RawAttachment> {
    // SAFETY: The caller promises it.
    let attachment =
        unsafe { bindings::dma_buf_dynamic_attach(buf.as_ptr(), device, ops, importer) };
    NonNull::new(from_err_ptr(attachment)?).ok_or(ENOMEM)
}

/// Sleeps, and takes the reservation.
///
/// # Safety
///
/// `attachment` must be one of `buf`, without a mapping, and nobody use it afterwards.
#[inline(never)]
pub(super) unsafe fn detach(buf: &DmaBuf, attachment: RawAttachment) {
    // SAFETY: The caller promises it.
    unsafe { bindings::dma_buf_detach(buf.as_ptr(), attachment.as_ptr()) };
}

/// Sleeps.
///
/// # Safety
///
/// `attachment` must be attached, and its reservation held.
#[inline(never)]
pub(super) unsafe fn map(attachment: RawAttachment, direction: RawDirection) -> Result<RawTable> {
    // SAFETY: The caller promises it.
    let table = unsafe { bindings::dma_buf_map_attachment(attachment.as_ptr(), direction) };
    NonNull::new(from_err_ptr(table)?).ok_or(ENOMEM)
}

/// As [`map`]. Takes the reservation.
///
/// # Safety
///
/// `attachment` must be attached.
#[inline(never)]
pub(super) unsafe fn map_unlocked(
    attachment: RawAttachment,
    direction: RawDirection,
) -> Result<RawTable> {
    // SAFETY: The caller promises it.
    let table =
        unsafe { bindings::dma_buf_map_attachment_unlocked(attachment.as_ptr(), direction) };
    NonNull::new(from_err_ptr(table)?).ok_or(ENOMEM)
}

/// Sleeps.
///
/// # Safety
///
/// `table` must be what mapping `attachment` in that direction gave, which nobody uses afterwards;
/// the reservation must be held.
#[inline(never)]
pub(super) unsafe fn unmap(attachment: RawAttachment, table: RawTable, direction: RawDirection) {
    // SAFETY: The caller promises it.
    unsafe { bindings::dma_buf_unmap_attachment(attachment.as_ptr(), table.as_ptr(), direction) };
}

/// As [`unmap`]. Takes the reservation.
///
/// # Safety
///
/// As [`unmap`], but that the reservation is not held.
#[inline(never)]
pub(super) unsafe fn unmap_unlocked(
    attachment: RawAttachment,
    table: RawTable,
    direction: RawDirection,
) {
    // SAFETY: The caller promises it.
    unsafe {
        bindings::dma_buf_unmap_attachment_unlocked(attachment.as_ptr(), table.as_ptr(), direction)
    };
}

/// Takes the reservation.
///
/// # Safety
///
/// `attachment` must be attached, and dynamic.
#[inline(never)]
pub(super) unsafe fn pin_unlocked(attachment: RawAttachment) -> Result {
    // SAFETY: The caller promises it.
    to_result(unsafe { bindings::dma_buf_pin_unlocked(attachment.as_ptr()) })
}

/// Takes the reservation.
///
/// # Safety
///
/// `attachment` must be attached, and pinned once more than it was unpinned.
#[inline(never)]
pub(super) unsafe fn unpin_unlocked(attachment: RawAttachment) {
    // SAFETY: The caller promises it.
    unsafe { bindings::dma_buf_unpin_unlocked(attachment.as_ptr()) };
}

/// Pins the buffer and maps it into the kernel. Sleeps, and takes the reservation.
///
/// # Safety
///
/// `attachment` must be attached, and dynamic.
#[inline(never)]
pub(super) unsafe fn pin_vmap(attachment: RawAttachment, map: &mut bindings::iosys_map) -> Result {
    // SAFETY: The caller promises it.
    to_result(unsafe { bindings::dma_buf_pin_vmap(attachment.as_ptr(), map) })
}

/// Takes back what [`pin_vmap`] did. Takes the reservation.
///
/// # Safety
///
/// `map` must be what [`pin_vmap`] gave for `attachment`, which nobody uses afterwards.
#[inline(never)]
pub(super) unsafe fn vunmap_unpin(attachment: RawAttachment, map: &mut bindings::iosys_map) {
    // SAFETY: The caller promises it.
    unsafe { bindings::dma_buf_vunmap_unpin(attachment.as_ptr(), map) };
}

/// Waits until the contents are there, for who is not static. Sleeps.
///
/// # Errors
///
/// `ERESTARTSYS`.
#[inline(never)]
pub(super) fn wait_for_moves(buf: &DmaBuf) -> Result {
    let usage = bindings::dma_resv_usage_DMA_RESV_USAGE_KERNEL;
    wait(buf.resv().as_ptr(), usage)
}

/// Waits for fences, for however long that takes. Sleeps.
///
/// # Errors
///
/// `ERESTARTSYS`.
pub(super) fn wait(resv: *mut bindings::dma_resv, usage: bindings::dma_resv_usage) -> Result {
    // SAFETY: The callers have a buffer whose reservation it is.
    let left = unsafe { bindings::dma_resv_wait_timeout(resv, usage, true, FOREVER) };
    // Never 0: it waits for ever.
    to_result(left.min(0) as i32)
}

/// Whether a module's code stays for who is counted as its user: not if its init may still fail.
///
/// # Errors
///
/// `EAGAIN`.
///
/// # Safety
///
/// The module must be there: its code is running.
#[inline(never)]
pub(super) unsafe fn has_begun(module: &ThisModule) -> Result {
    // SAFETY: The caller promises it.
    if unsafe { bindings::module_is_coming(module.as_ptr()) } {
        return Err(EAGAIN);
    }
    Ok(())
}

/// For where a destructor finds what cannot be undone.
#[inline(never)]
pub(super) fn warn_forgotten(buf: &DmaBuf) {
    pr_warn!(
        "{}: a dma-buf stays for ever, since a mapping of it was forgotten\n",
        buf.exporter_name()
    );
}

/// For where an error has nobody to go to.
#[inline(never)]
pub(super) fn warn_not_handed_back(buf: &DmaBuf, error: Error) {
    pr_warn!(
        "{}: a dma-buf was not handed back to devices: {error:?}\n",
        buf.exporter_name()
    );
}

/// # Safety
///
/// The module must be there: its code is running.
#[inline(never)]
pub(super) unsafe fn hold(module: &ThisModule) {
    // SAFETY: The caller promises it.
    unsafe { bindings::__module_get(module.as_ptr()) };
}

/// # Safety
///
/// The module must have been [held](hold) for the caller.
#[inline(never)]
pub(super) unsafe fn let_go(module: &ThisModule) {
    // SAFETY: The caller promises it.
    unsafe { bindings::module_put(module.as_ptr()) };
}

/// Whether the importer lets go of its mappings when it is told.
///
/// # Safety
///
/// `attachment` must be valid.
#[inline(never)]
pub(super) unsafe fn is_revocable(attachment: *mut bindings::dma_buf_attachment) -> bool {
    // SAFETY: The caller promises it.
    unsafe { bindings::dma_buf_attach_revocable(attachment) }
}

/// Tells all dynamic importers that the buffer moves.
///
/// # Safety
///
/// The reservation must be held.
#[inline(never)]
pub(super) unsafe fn invalidate(buf: &DmaBuf) {
    // SAFETY: The buffer is valid; the caller promises the rest.
    unsafe { bindings::dma_buf_invalidate_mappings(buf.as_ptr()) };
}

/// Sleeps.
///
/// # Safety
///
/// The reservation must be held.
#[inline(never)]
pub(super) unsafe fn vmap(buf: &DmaBuf, map: &mut bindings::iosys_map) -> Result {
    // SAFETY: The buffer is valid; the caller promises the rest.
    to_result(unsafe { bindings::dma_buf_vmap(buf.as_ptr(), map) })
}

/// As [`vmap`]. Takes the reservation.
#[inline(never)]
pub(super) fn vmap_unlocked(buf: &DmaBuf, map: &mut bindings::iosys_map) -> Result {
    // SAFETY: The buffer is valid.
    to_result(unsafe { bindings::dma_buf_vmap_unlocked(buf.as_ptr(), map) })
}

/// # Safety
///
/// `map` must be what [`vmap`] gave, which nobody uses afterwards; the reservation must be held.
#[inline(never)]
pub(super) unsafe fn vunmap(buf: &DmaBuf, map: &mut bindings::iosys_map) {
    // SAFETY: The caller promises it.
    unsafe { bindings::dma_buf_vunmap(buf.as_ptr(), map) };
}

/// As [`vunmap`]. Takes the reservation.
///
/// # Safety
///
/// `map` must be what [`vmap_unlocked`] gave, which nobody uses afterwards.
#[inline(never)]
pub(super) unsafe fn vunmap_unlocked(buf: &DmaBuf, map: &mut bindings::iosys_map) {
    // SAFETY: The caller promises it.
    unsafe { bindings::dma_buf_vunmap_unlocked(buf.as_ptr(), map) };
}

/// Sleeps, takes the reservation, waits for fences.
#[inline(never)]
pub(super) fn begin_access(buf: &DmaBuf, direction: RawDirection) -> Result {
    // SAFETY: The buffer is valid.
    to_result(unsafe { bindings::dma_buf_begin_cpu_access(buf.as_ptr(), direction) })
}

/// Sleeps, takes the reservation.
#[inline(never)]
pub(super) fn end_access(buf: &DmaBuf, direction: RawDirection) -> Result {
    // SAFETY: The buffer is valid.
    to_result(unsafe { bindings::dma_buf_end_cpu_access(buf.as_ptr(), direction) })
}
