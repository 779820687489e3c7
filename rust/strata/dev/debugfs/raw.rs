// SPDX-License-Identifier: GPL-2.0

//! The `file_operations` of a [`File`]: from C to the trait, and the tokens.

use super::File;
use crate::{
    cx::Cx,
    dev::{
        user::UserRange,
        Owner, //
    },
    lockdep, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::from_result,
    ffi::{
        c_char,
        c_int,
        c_void, //
    },
    seq_file::SeqFile, //
};

/// The operations of `F`.
pub(super) struct Operations<F>(PhantomData<F>);

impl<F: File> Operations<F> {
    const TABLE: bindings::file_operations = bindings::file_operations {
        owner: <F::Owner as Owner>::MODULE.as_ptr(),
        open: Some(Self::open),
        read: Some(bindings::seq_read),
        write: if F::HAS_WRITE {
            Some(Self::write)
        } else {
            None
        },
        llseek: Some(bindings::seq_lseek),
        release: Some(bindings::single_release),
        ..pin_init::zeroed()
    };

    pub(super) const fn get() -> &'static bindings::file_operations {
        &Self::TABLE
    }

    /// # Safety
    ///
    /// `inode` must be that of a file that shows an `F`, and `file` be opened on it.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: debugfs passes a valid inode, and keeps the data there.
        let data = unsafe { (*inode).i_private };
        // SAFETY: `file` is being opened; `show()` takes the data back.
        unsafe { bindings::single_open(file, Some(Self::show), data) }
    }

    /// # Safety
    ///
    /// `seq` must be of a file that `Self::open` opened.
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
    /// `file` must have been opened by `Self::open`.
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
