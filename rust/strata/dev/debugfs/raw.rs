// SPDX-License-Identifier: GPL-2.0

//! From debugfs to the trait, and the tokens.
//!
//! What debugfs calls first is this library's, not the driver's. It takes the owner of a file
//! itself before it runs any file's `open`, and warns ("debugfs file owner did not clean up at
//! exit") where it cannot: also between the two moments at which `rmmod` takes the last reference
//! of a module and marks the module as going (`try_stop_module()`), when nobody had a chance to
//! clean anything up. The library is there for as long as a file of a driver is, so that debugfs
//! always gets that one; our `open` then takes the driver, in silence.

use super::{
    valid,
    Dir,
    File, //
};
use crate::{
    bindings,
    cx::Cx,
    dev::{
        user::UserRange,
        Owner, //
    },
    lockdep,
    Strata, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::{
        code::ENXIO,
        from_result,
        to_result, //
    },
    ffi::{
        c_char,
        c_int,
        c_void, //
    },
    prelude::*,
    seq_file::SeqFile,
    sync::Arc, //
};

/// What a driver's file does: what debugfs keeps beside the data (`debugfs_get_aux()`).
pub(super) struct Table {
    owner: *mut bindings::module,
    show: unsafe extern "C" fn(*mut bindings::seq_file, *mut c_void) -> c_int,
    /// `None` for a file that is only read.
    write: Option<Write>,
}

type Write =
    unsafe extern "C" fn(*mut bindings::file, *const c_char, usize, *mut bindings::loff_t) -> isize;

/// A file that was made. Removed when dropped, and then its directory if that was the last.
///
/// # Invariants
///
/// It is one that is looked after, and this value's.
pub(super) struct Made(NonNull<bindings::strata_file>);

impl Drop for Made {
    // Not inlined into drivers, as `create()`.
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe { bindings::file_remove(self.0.as_ptr()) };
    }
}

/// A file `name` in `dir` that shows `data`; `None` where it could not be made.
///
/// # Safety
///
/// `data` must be what the functions of `table` take, and outlive the file.
// Not inlined into drivers: the operations belong to this module.
#[inline(never)]
pub(super) unsafe fn create(
    dir: Arc<Dir>,
    name: &CStr,
    data: *mut c_void,
    table: &'static Table,
) -> Option<Made> {
    // Where the directory could not be made, neither is the file: not at the top instead.
    let parent = dir.dentry?;
    let (mode, operations) = match table.write {
        Some(_) => (0o600, Operations::WRITTEN),
        None => (0o400, Operations::READ),
    };
    // SAFETY: `name` is copied; the operations and the table are static; the caller promises the
    // rest.
    let dentry = unsafe {
        bindings::debugfs_create_file_full(
            name.as_char_ptr(),
            mode,
            parent.as_ptr(),
            data,
            ptr::from_ref(table).cast(),
            operations,
        )
    };
    let dentry = valid(dentry)?.as_ptr();
    let dir = Arc::into_raw(dir).cast_mut().cast();
    // SAFETY: The file is new, its module alive, and the directory given away.
    let made = NonNull::new(unsafe { bindings::file_note(dentry, table.owner, dir) });
    if made.is_none() {
        // SAFETY: It was made above, and nobody else has it.
        unsafe { bindings::debugfs_remove(dentry) };
        // SAFETY: It was not taken.
        unsafe { put_dir(dir) };
    }
    // INVARIANT: It is looked after from here on.
    made.map(Made)
}

/// # Safety
///
/// `dir` must be a directory that was given away.
unsafe extern "C" fn put_dir(dir: *mut c_void) {
    // SAFETY: It came from an `Arc`, by the caller's promise.
    drop(unsafe { Arc::<Dir>::from_raw(dir.cast()) });
}

/// Looks after the files of drivers, and removes those that one forgot when its module goes.
pub(crate) struct Files(());

impl Files {
    /// Begins to.
    ///
    /// # Safety
    ///
    /// There must be no other.
    pub(crate) unsafe fn start() -> Result<Self> {
        // SAFETY: The function is for what `create()` gives away, and lives as long as this.
        to_result(unsafe { bindings::files_start(Some(put_dir)) })?;
        Ok(Self(()))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // SAFETY: Users of the crate are unloaded before it.
        unsafe { bindings::files_stop() };
    }
}

/// What debugfs calls.
struct Operations;

impl Operations {
    const READ: &'static bindings::file_operations = &bindings::file_operations {
        owner: <Strata as Owner>::MODULE.as_ptr(),
        open: Some(Self::open),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    const WRITTEN: &'static bindings::file_operations = &bindings::file_operations {
        write: Some(Self::write),
        ..*Self::READ
    };

    /// # Safety
    ///
    /// `file` must be of a file that [`create`] made, which exists.
    unsafe fn table(file: *mut bindings::file) -> &'static Table {
        // SAFETY: `create()` put it there.
        unsafe { &*bindings::debugfs_get_aux(file).cast() }
    }

    /// # Safety
    ///
    /// `inode` and `file` must be of a file that [`create`] made, which is being opened.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: debugfs opens a file only while it exists.
        let table = unsafe { Self::table(file) };
        // SAFETY: While the file exists, so does the module that made it.
        if !unsafe { bindings::try_module_get(table.owner) } {
            return ENXIO.to_errno();
        }
        // SAFETY: `inode` is valid, and has the data.
        let data = unsafe { (*inode).i_private };
        // SAFETY: `file` is being opened; `show()` takes the data back.
        let result = unsafe { bindings::single_open(file, Some(table.show), data) };
        if result != 0 {
            // SAFETY: It was got above.
            unsafe { bindings::module_put(table.owner) };
        }
        result
    }

    /// # Safety
    ///
    /// `inode` and `file` must be of a file that [`Operations::open`] opened.
    unsafe extern "C" fn release(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: debugfs may have removed the file by now, but its inode is there while the file
        // is open, and so is the driver, which `open()` got, with the table.
        let owner = unsafe { Self::table(file) }.owner;
        // SAFETY: `open()` made what this frees. It calls nothing of the driver's.
        let result = unsafe { bindings::single_release(inode, file) };
        // SAFETY: `open()` got it.
        unsafe { bindings::module_put(owner) };
        result
    }

    /// # Safety
    ///
    /// `file` must have been opened by [`Operations::open`]; the rest as C's `write` has it.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        buffer: *const c_char,
        length: usize,
        position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: debugfs calls this only while the file exists.
        match unsafe { Self::table(file) }.write {
            // SAFETY: The caller passes what it takes.
            Some(write) => unsafe { write(file, buffer, length, position) },
            None => EINVAL.to_errno() as isize,
        }
    }
}

/// What the files of type `F` do.
pub(super) struct Functions<F>(PhantomData<F>);

impl<F: File> Functions<F> {
    pub(super) const TABLE: &'static Table = &Table {
        owner: <F::Owner as Owner>::MODULE.as_ptr(),
        show: Self::show,
        write: if F::HAS_WRITE {
            Some(Self::write)
        } else {
            None
        },
    };

    /// # Safety
    ///
    /// `seq` must be of a file that [`Operations::open`] opened.
    unsafe extern "C" fn show(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int {
        // SAFETY: `single_open()` put it there; debugfs calls us only while the file exists, which
        // the data outlives.
        let data = unsafe { &*(*seq).private.cast::<F>() };
        // SAFETY: The caller passes a valid `seq_file`.
        let out = unsafe { SeqFile::from_raw(seq) };
        lockdep::assert_process();
        // SAFETY: A file is read in process context; the `seq_file`'s mutex is before all of the
        // order.
        let mut cx = unsafe { Cx::assume() };
        from_result(|| data.show(&mut cx, out).map(|()| 0))
    }

    /// # Safety
    ///
    /// `file` must have been opened by [`Operations::open`].
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        buffer: *const c_char,
        length: usize,
        position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: `single_open()` put a `seq_file` there.
        let seq = unsafe { (*file).private_data.cast::<bindings::seq_file>() };
        // SAFETY: As in `show()`.
        let data = unsafe { &*(*seq).private.cast::<F>() };
        lockdep::assert_process();
        // SAFETY: A file is written in process context with nothing held.
        let mut cx = unsafe { Cx::assume() };
        from_result(|| {
            let written = isize::try_from(length)?;
            data.write(&mut cx, UserRange::new(buffer.addr(), length))?;
            // SAFETY: The caller passes a valid position, for us to move.
            unsafe { *position += written as bindings::loff_t };
            Ok(written)
        })
    }
}
