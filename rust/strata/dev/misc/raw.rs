// SPDX-License-Identifier: GPL-2.0

//! The `file_operations` of a [`Device`]: from C to the trait, and the tokens.

use super::{
    Device,
    Mapping,
    Registration, //
};
use crate::{
    cx::Cx,
    dev::{
        user::UserRange,
        Owner, //
    },
    lockdep,
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::from_result,
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_ulong,
        c_void, //
    },
    ioctl::_IOC_SIZE,
    mm::virt::VmaNew,
    types::{
        ForeignOwnable,
        Opaque, //
    },
};

/// The operations of `D`.
pub(super) struct Operations<D>(PhantomData<D>);

impl<D: Device> Operations<D> {
    const TABLE: bindings::file_operations = bindings::file_operations {
        owner: <D::Owner as Owner>::MODULE.as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
        unlocked_ioctl: if D::HAS_IOCTL {
            Some(Self::ioctl)
        } else {
            None
        },
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: if D::HAS_IOCTL {
            bindings::compat_ptr_ioctl
        } else {
            None
        },
        mmap: if D::HAS_MMAP { Some(Self::mmap) } else { None },
        ..pin_init::zeroed()
    };

    pub(super) const fn get() -> &'static bindings::file_operations {
        &Self::TABLE
    }

    /// # Safety
    ///
    /// `file` must be a file of a `Registration<D>` that is being opened.
    unsafe extern "C" fn open(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `misc_open()` puts the device there.
        let misc = unsafe { (*file).private_data };
        let inner = misc.cast::<Opaque<bindings::miscdevice>>();
        // SAFETY: The device is the `inner` of a registration, by the caller's promise.
        let registration = unsafe { kernel::container_of!(inner, Registration<D>, inner) };
        // SAFETY: `misc_open()` holds `misc_mtx`, which deregistering takes: it is alive.
        let shared = unsafe { &(*registration).shared };

        lockdep::assert_process();
        // SAFETY: A file is opened in process context; `misc_mtx` is before all of the order.
        let mut cx = unsafe { Cx::assume() };
        from_result(|| {
            let data = D::open(&mut cx, shared.as_arc_borrow())?;
            // SAFETY: The file is valid, and being opened: nobody else looks at it.
            unsafe { (*file).private_data = data.into_foreign() };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `file` must have been opened by `Self::open`, and be used by nobody.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `open()` put it there, and a file is released once.
        let data = unsafe { D::File::from_foreign((*file).private_data) };
        lockdep::assert_process();
        // SAFETY: Files are released in process context, as task work or by a worker.
        let mut cx = unsafe { Cx::assume() };
        D::release(&mut cx, data);
        0
    }

    /// # Safety
    ///
    /// `file` must have been opened by `Self::open`.
    unsafe extern "C" fn ioctl(file: *mut bindings::file, command: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: `open()` put it there, and the file is not released while it is used.
        let data = unsafe { D::File::borrow((*file).private_data) };
        lockdep::assert_process();
        // SAFETY: An ioctl runs in process context with nothing held.
        let mut cx = unsafe { Cx::assume() };
        let range = UserRange::new(arg, _IOC_SIZE(command));
        from_result(|| D::ioctl(&mut cx, data, command, range).map(|()| 0))
    }

    /// # Safety
    ///
    /// `file` must have been opened by `Self::open`, and `vma` be a mapping of it that is being
    /// made.
    unsafe extern "C" fn mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: `open()` put it there, and the file is not released while it is mapped.
        let data = unsafe { D::File::borrow((*file).private_data.cast::<c_void>()) };
        // SAFETY: The caller passes a mapping that is being made, with its mm locked for writing.
        let vma = unsafe { VmaNew::from_raw(vma) };
        lockdep::assert_mmap_held();
        // SAFETY: The mmap lock is held, and nothing that comes after it.
        let mut cx = unsafe { Cx::assume() };
        // INVARIANT: The caller holds the lock until we return.
        let mapping = Mapping { vma };
        from_result(|| D::mmap(&mut cx, data, &mapping).map(|()| 0))
    }
}
