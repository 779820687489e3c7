// SPDX-License-Identifier: GPL-2.0

//! A buffer as a file: how user space passes it between drivers, and what it calls it.
//!
//! C: `dma_buf_get()` and `dma_buf_fd_install()` in `drivers/dma-buf/dma-buf.c`.

use super::{
    raw,
    DmaBuf, //
};
use crate::{
    bindings,
    cx::{
        Cx,
        Level,
        MaySleep,
        Process, //
    },
};
use core::{
    mem::ManuallyDrop,
    ops::Deref, //
};
use kernel::{
    fs::file::{
        flags::O_CLOEXEC,
        FileDescriptorReservation, //
    },
    prelude::*,
    str::CStr,
    sync::aref::ARef, //
};

/// `DMA_BUF_NAME_LEN`, with the NUL.
const NAME: usize = 32;

/// What user space called a buffer.
pub struct Name([u8; NAME]);

impl Deref for Name {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

impl DmaBuf {
    /// The buffer that the running task has open as `fd`.
    ///
    /// # Context
    ///
    /// Process context of the task. C: `dma_buf_get()`.
    ///
    /// # Errors
    ///
    /// `EBADF` if it is not open; `EINVAL` if it is no buffer.
    pub fn from_fd(_cx: &mut Cx<'_, Process>, fd: i32) -> Result<ARef<Self>> {
        raw::get(fd)
    }

    /// What user space called it (`DMA_BUF_SET_NAME`); empty if it did not.
    ///
    /// # Context
    ///
    /// Any but interrupts. C: `name_lock` of the `struct dma_buf`.
    pub fn name(&self) -> Name {
        let mut name = [0; NAME];
        // SAFETY: The buffer is valid, and so many bytes may be written.
        unsafe { bindings::dma_buf_name(self.as_ptr(), name.as_mut_ptr().cast(), NAME) };
        Name(name)
    }

    /// The number of its file: the same for all who have it open, in `/proc/PID/fdinfo` and in debugfs'
    /// `dma_buf/bufinfo`.
    pub fn inode(&self) -> usize {
        // SAFETY: The buffer is valid.
        unsafe { bindings::dma_buf_inode(self.as_ptr()) }
    }

    /// Who exports it.
    pub fn exporter_name(&self) -> &CStr {
        // SAFETY: It does not change.
        let name = unsafe { (*self.as_ptr()).exp_name };
        // SAFETY: It is of the exporter's module, which stays while the buffer does.
        unsafe { CStr::from_char_ptr(name) }
    }
}

/// A buffer, with a number for it that user space does not have yet.
///
/// Made while things may still fail, the copy of the number to user space too: what installs it cannot
/// fail, and cannot be taken back.
#[must_use = "user space gets the buffer when it is installed"]
pub struct BufferFile {
    fd: FileDescriptorReservation,
    buf: ARef<DmaBuf>,
}

impl BufferFile {
    /// Reserves a number.
    ///
    /// # Context
    ///
    /// Process context of the task that gets the buffer. C: `get_unused_fd_flags()`.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENOMEM`.
    pub fn new(_cx: &mut Cx<'_, Process>, buf: ARef<DmaBuf>) -> Result<Self> {
        let fd = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
        Ok(Self { fd, buf })
    }

    /// The number that user space will know it by.
    pub fn fd(&self) -> u32 {
        self.fd.reserved_fd()
    }

    /// Gives the buffer to the running task.
    ///
    /// # Context
    ///
    /// Any that may sleep, of the task that it was made in. C: `dma_buf_fd_install()`.
    pub fn install<L: Level, S: MaySleep>(self, _cx: &mut Cx<'_, L, S>) {
        // Used up below: not to be given back.
        let fd = ManuallyDrop::new(self.fd);
        // SAFETY: The number was reserved by this task, and is used once.
        unsafe { raw::install(self.buf, fd.reserved_fd()) };
    }
}
