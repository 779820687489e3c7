// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that own what they show.
//!
//! Not `kernel::debugfs`: that of 7.2 names no owner, so that a file kept open over `rmmod` is a use
//! after free. Here an open file holds the module.
//!
//! As the C interface asks, nobody fails for want of debugfs: where it cannot make a file or is not
//! there, the type does nothing.
//!
//! C: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h). Docs:
//! `Documentation/filesystems/debugfs.rst`.

mod raw;

pub(crate) use self::raw::Files;

use super::{
    user::UserRange,
    Owner, //
};
use crate::{
    cx::{
        Cx,
        Process, //
    },
    lockdep, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
    seq_file::SeqFile,
    sync::Arc, //
};

/// A directory. It goes when its last file and its last holder are gone.
///
/// # Invariants
///
/// `dentry` is a debugfs directory that nobody else removes, or `None` where it could not be made.
pub struct Dir {
    dentry: Option<NonNull<bindings::dentry>>,
}

// SAFETY: debugfs may be called from any task.
unsafe impl Send for Dir {}
// SAFETY: There is nothing to change through `&self`.
unsafe impl Sync for Dir {}

impl Dir {
    /// A directory `name` at the top of debugfs.
    ///
    /// # Context
    ///
    /// Process context. C: `debugfs_create_dir()`.
    pub fn new(_cx: &mut Cx<'_, Process>, name: &CStr) -> Self {
        // SAFETY: `name` is valid for the call, which copies it.
        let dentry = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), ptr::null_mut()) };
        // INVARIANT: It was just made.
        Self {
            dentry: valid(dentry),
        }
    }

    fn as_ptr(&self) -> *mut bindings::dentry {
        self.dentry.map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // A destructor is given no token: where it may run is only checked.
        lockdep::assert_process();
        // SAFETY: It was made by us and is removed once; all its files are gone, since each holds
        // the directory.
        unsafe { bindings::debugfs_remove(self.as_ptr()) };
    }
}

/// What a file shows, and what writing to it does.
#[vtable]
pub trait File: Send + Sync + 'static {
    /// Whose code this is.
    type Owner: Owner;

    /// Prints the file's text.
    ///
    /// # Context
    ///
    /// Process context of the task that reads. May be called by several at once.
    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result;

    /// Takes what user space wrote in one call.
    ///
    /// # Context
    ///
    /// Process context of the task that writes. May be called by several at once.
    fn write(&self, _cx: &mut Cx<'_, Process>, _input: UserRange) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// A file, for as long as this lives.
///
/// One that is forgotten goes with its module, and the kernel's log says so.
///
/// # Invariants
///
/// `made` is a debugfs file that shows `data`, or `None` where it could not be made.
pub struct Entry<F: File> {
    made: Option<raw::Made>,
    // After the file was removed (see `Drop`), nobody looks at the data.
    _data: Arc<F>,
}

// SAFETY: debugfs may be called from any task; the data is `Send` and `Sync`.
unsafe impl<F: File> Send for Entry<F> {}
// SAFETY: There is nothing to change through `&self`.
unsafe impl<F: File> Sync for Entry<F> {}

impl<F: File> Entry<F> {
    /// A file `name` in `dir`. It can be written if `F` implements [`File::write`]. For root alone.
    ///
    /// # Context
    ///
    /// Process context. C: `debugfs_create_file()`.
    pub fn new(_cx: &mut Cx<'_, Process>, dir: Arc<Dir>, name: &CStr, data: Arc<F>) -> Self {
        let shown = Arc::as_ptr(&data).cast_mut().cast();
        // SAFETY: The table is that of `F`, and `data` outlives the file, see `Drop`.
        let made = unsafe { raw::create(dir, name, shown, raw::Functions::<F>::TABLE) };
        // INVARIANT: It was just made, and shows `data`.
        Self { made, _data: data }
    }
}

impl<F: File> Drop for Entry<F> {
    fn drop(&mut self) {
        lockdep::assert_process();
        // This waits for all that read or write; who still has it open gets an error from now on,
        // without a call to us.
        drop(self.made.take());
    }
}

/// An entry that was made; `None` for an error, which debugfs wants ignored.
fn valid(dentry: *mut bindings::dentry) -> Option<NonNull<bindings::dentry>> {
    from_err_ptr(dentry).ok().and_then(NonNull::new)
}
