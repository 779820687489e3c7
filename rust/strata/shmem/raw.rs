// SPDX-License-Identifier: GPL-2.0

//! The calls of C, on files that [`create`] made.

use crate::{
    bindings,
    plan::window::Part, //
};
use core::ptr::NonNull;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::File,
    mm::virt::VmaNew,
    prelude::*,
    sync::aref::ARef, //
};

/// A page of a file, as C has it.
pub(super) type PagePointer = *mut bindings::page;

/// A file of shmem that nobody else knows.
pub(super) fn create(name: &CStr, size: i64) -> Result<ARef<File>> {
    // SAFETY: The name is a C string, and copied.
    let file = from_err_ptr(unsafe { bindings::shmem_create(name.as_char_ptr(), size) })?;
    let file = NonNull::new(file.cast::<File>()).ok_or(ENOMEM)?;
    // SAFETY: It comes with a reference, which is ours. It has no descriptor: no `fdget_pos()`.
    Ok(unsafe { ARef::from_raw(file) })
}

/// Whether holding that many pages is possible on this machine at all.
pub(super) fn could_hold(count: usize) -> bool {
    // SAFETY: It has no requirements.
    unsafe { bindings::shmem_could_hold(count) }
}

/// A page, with a reference for the caller. Sleeps.
pub(super) fn page(file: &File, index: usize) -> Result<PagePointer> {
    // SAFETY: The file is of shmem.
    from_err_ptr(unsafe { bindings::shmem_page(file.as_ptr(), index) })
}

/// Marks the pages of the file as held, or as not. Does not sleep.
pub(super) fn set_held(file: &File, held: bool) {
    // SAFETY: The file is valid.
    unsafe { bindings::shmem_set_held(file.as_ptr(), held) };
}

/// Gives back what [`page`] gave, as dirty if it was `written`. Sleeps.
///
/// # Safety
///
/// Each of `pages` must be of `file`, or have been; the caller gives away a reference to each.
pub(super) unsafe fn put_pages(file: &File, pages: &[PagePointer], written: bool) {
    let (start, count) = (pages.as_ptr().cast_mut(), pages.len());
    // SAFETY: The caller promises it; C does not write to the array.
    unsafe { bindings::shmem_put_pages(file.as_ptr(), start, count, written) };
}

/// Folds a part of a page into `crc`. Sleeps.
pub(super) fn crc32c(file: &File, part: Part, crc: &mut u32) -> Result {
    let (index, offset, length) = (
        part.block as usize,
        part.offset as usize,
        part.length as usize,
    );
    // SAFETY: The file is of shmem, and a part lies within one page.
    to_result(unsafe { bindings::shmem_crc32c(file.as_ptr(), index, offset, length, crc) })
}

/// Copies out a part of a page, as many bytes as `to` has. Sleeps.
pub(super) fn read(file: &File, part: Part, to: &mut [u8]) -> Result {
    let (index, offset) = (part.block as usize, part.offset as usize);
    let (start, length) = (to.as_mut_ptr().cast(), to.len());
    // SAFETY: The file is of shmem, a part lies within one page, and so much may be written.
    to_result(unsafe { bindings::shmem_read(file.as_ptr(), index, offset, start, length) })
}

/// Copies into a part of a page, as many bytes as `from` has. Sleeps.
pub(super) fn write(file: &File, part: Part, from: &[u8]) -> Result {
    let (index, offset) = (part.block as usize, part.offset as usize);
    let (start, length) = (from.as_ptr().cast(), from.len());
    // SAFETY: The file is of shmem, a part lies within one page, and so much may be read.
    to_result(unsafe { bindings::shmem_write(file.as_ptr(), index, offset, start, length) })
}

/// How many pages of the file are in memory.
pub(super) fn resident(file: &File) -> usize {
    // SAFETY: The file is valid.
    unsafe { bindings::shmem_resident(file.as_ptr()) }
}

/// How many pages of the file there are, in memory and in swap.
pub(super) fn footprint(file: &File) -> usize {
    // SAFETY: The file is of shmem.
    unsafe { bindings::shmem_footprint(file.as_ptr()) }
}

/// Cuts off all pages. Sleeps.
pub(super) fn purge(file: &File) {
    // SAFETY: The file is of shmem.
    unsafe { bindings::shmem_purge(file.as_ptr()) };
}

/// Cuts off all pages, if none of them is locked now. Sleeps.
pub(super) fn purge_in_reclaim(file: &File) -> bool {
    // SAFETY: The file is of shmem.
    unsafe { bindings::shmem_purge_in_reclaim(file.as_ptr()) }
}

/// Writes to swap what is not held and not mapped. Sleeps.
pub(super) fn write_back(file: &File) -> usize {
    // SAFETY: The file is of shmem.
    unsafe { bindings::shmem_write_back(file.as_ptr()) }
}

/// Hands the mapping over to the file, from its first page on.
pub(super) fn map(file: &File, vma: &VmaNew) -> Result {
    // SAFETY: A `VmaNew` is a mapping that is being made: its file and offset may still change.
    to_result(unsafe { bindings::shmem_map(file.as_ptr(), vma.as_ptr()) })
}
