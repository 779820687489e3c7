// SPDX-License-Identifier: GPL-2.0

//! Fences as files: how user space passes them between drivers.
//!
//! C: [`include/linux/sync_file.h`](srctree/include/linux/sync_file.h). Docs:
//! `Documentation/driver-api/sync_file.rst`.

use super::{
    Fence,
    Prepared, //
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
use core::ptr::NonNull;
use kernel::{
    fs::{
        file::{
            flags::O_CLOEXEC,
            FileDescriptorReservation, //
        },
        File, //
    },
    prelude::*,
    sync::aref::ARef, //
};

impl Fence {
    /// The fence of a sync_file that the running task has open as `fd`.
    ///
    /// # Context
    ///
    /// Process context of the task. C: `sync_file_get_fence()`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not open, or no sync_file.
    pub fn from_fd(_cx: &mut Cx<'_, Process>, fd: i32) -> Result<ARef<Self>> {
        // SAFETY: It takes any number.
        let fence = unsafe { bindings::sync_file_get_fence(fd) };
        let fence = NonNull::new(fence).ok_or(EINVAL)?;
        // SAFETY: It gives a reference.
        Ok(unsafe { Self::from_raw(fence) })
    }
}

/// A sync_file for a fence, with a number for it that user space does not have yet.
///
/// Made before the fence is published, since it needs memory; what installs it cannot fail.
#[must_use = "user space gets the file when it is installed"]
pub struct SyncFile {
    fd: FileDescriptorReservation,
    file: ARef<File>,
}

impl SyncFile {
    /// A file for a fence that is still to be published.
    ///
    /// # Context
    ///
    /// As [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn of_prepared(cx: &mut Cx<'_, Process>, fence: &Prepared) -> Result<PreparedFile> {
        let fence = fence.fence();
        Ok(PreparedFile {
            file: Self::new(cx, fence)?,
            fence: fence.as_ptr(),
        })
    }

    /// Makes a file for `fence`, and reserves a number.
    ///
    /// # Context
    ///
    /// Process context of the task that gets the file. C: `sync_file_create()`,
    /// `get_unused_fd_flags()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EMFILE`.
    pub fn new(cx: &mut Cx<'_, Process>, fence: &Fence) -> Result<Self> {
        let _ = cx;
        let fd = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
        // SAFETY: The fence is initialised.
        let file = unsafe { bindings::sync_file_create(fence.as_ptr()) };
        let file = NonNull::new(file).ok_or(ENOMEM)?;
        // SAFETY: The file is new, and the reference ours; nobody has an `fdget_pos()` of it.
        let file = unsafe { ARef::from_raw(file.cast::<File>()) };
        Ok(Self { fd, file })
    }

    /// The number that user space will know it by.
    pub fn fd(&self) -> u32 {
        self.fd.reserved_fd()
    }

    /// Gives the file to the running task.
    ///
    /// # Context
    ///
    /// Any that may sleep, of the task that it was made in; also in a signalling section.
    /// C: `fd_install()`.
    pub fn install<L: Level, S: MaySleep>(self, _cx: &mut Cx<'_, L, S>) {
        self.fd.fd_install(self.file);
    }
}

/// A sync_file for a fence that is still to be published: user space cannot have it before.
#[must_use = "user space gets the file when it is installed"]
pub struct PreparedFile {
    file: SyncFile,
    /// Only compared: nobody has a reference to it as a [`Fence`] before it is published.
    fence: *mut bindings::dma_fence,
}

impl PreparedFile {
    /// The number that user space will know it by.
    pub fn fd(&self) -> u32 {
        self.file.fd()
    }

    /// Gives the file to the running task, now that its fence is published.
    ///
    /// # Context
    ///
    /// As [`SyncFile::install`].
    ///
    /// # Errors
    ///
    /// `EINVAL` if `fence` is not the one that it was made for; user space gets nothing then.
    pub fn install<L, S>(self, cx: &mut Cx<'_, L, S>, fence: &Fence) -> Result
    where
        L: Level,
        S: MaySleep,
    {
        if fence.as_ptr() != self.fence {
            return Err(EINVAL);
        }
        self.file.install(cx);
        Ok(())
    }
}
