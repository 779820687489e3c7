// SPDX-License-Identifier: GPL-2.0

//! Character devices: `/dev/NAME`.
//!
//! Not `kernel::miscdevice`: that of 7.2 names no owner, so that its module can be unloaded under an
//! open file.
//!
//! C: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h). Docs:
//! `Documentation/driver-api/misc_devices.rst`.

mod raw;

use super::{
    user::UserRange,
    Owner, //
};
use crate::{
    cx::{
        Cx,
        MmapHeld,
        Process, //
    },
    lockdep, //
};
use core::ops::Deref;
use kernel::{
    bindings,
    error::{
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    mm::virt::VmaNew,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    },
};

/// What a driver does when its device is used.
///
/// # Context
///
/// The token of each function says it. All run in the task of the caller, and may sleep.
#[vtable]
pub trait Device: Sized + 'static {
    /// Whose code this is.
    type Owner: Owner;

    /// What all open files share.
    type Shared: Send + Sync + 'static;

    /// What one open file has.
    type File: ForeignOwnable + Send + Sync + 'static;

    /// Called when the device is opened. What it returns is the file's until it is released.
    fn open(cx: &mut Cx<'_, Process>, shared: ArcBorrow<'_, Self::Shared>) -> Result<Self::File>;

    /// Called once, when the last reference to the file is gone.
    fn release(_cx: &mut Cx<'_, Process>, file: Self::File) {
        drop(file);
    }

    /// Called for an ioctl. `arg` is the argument as user space passed it, with the length that
    /// `command` encodes; not looked at yet.
    ///
    /// # Errors
    ///
    /// `ENOTTY` for a command that the device does not have.
    fn ioctl(
        _cx: &mut Cx<'_, Process>,
        _file: <Self::File as ForeignOwnable>::Borrowed<'_>,
        _command: u32,
        _arg: UserRange,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called when the file is mapped.
    fn mmap(
        _cx: &mut Cx<'_, MmapHeld>,
        _file: <Self::File as ForeignOwnable>::Borrowed<'_>,
        _mapping: &Mapping<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// A mapping of a file, while it is being made.
///
/// # Invariants
///
/// The mm of `vma` is locked for writing while this lives.
pub struct Mapping<'a> {
    vma: &'a VmaNew,
}

impl Mapping<'_> {
    /// Where in the file it begins, in pages. C: `vm_pgoff`.
    pub fn page_offset(&self) -> usize {
        // SAFETY: The mapping is valid, and its mm locked by the type invariant.
        unsafe { (*self.vma.as_ptr()).vm_pgoff }
    }
}

impl Deref for Mapping<'_> {
    type Target = VmaNew;

    fn deref(&self) -> &VmaNew {
        self.vma
    }
}

/// A device that user space can open, for as long as this lives.
///
/// Files that are open when it is dropped stay open, and keep the module.
///
/// # Invariants
///
/// `inner` is registered, and its `fops` are those of `D`.
#[pin_data(PinnedDrop)]
pub struct Registration<D: Device> {
    #[pin]
    inner: Opaque<bindings::miscdevice>,
    // After `inner`: a file that is being opened borrows it.
    shared: Arc<D::Shared>,
}

// SAFETY: A misc device may be deregistered from any task; `shared` is `Send` and `Sync`.
unsafe impl<D: Device> Send for Registration<D> {}
// SAFETY: There is no method that mutates through `&self`; `shared` is `Send` and `Sync`.
unsafe impl<D: Device> Sync for Registration<D> {}

impl<D: Device> Registration<D> {
    /// Registers `/dev/NAME`, for root alone (mode 0600).
    ///
    /// # Context
    ///
    /// Process context. C: `misc_register()`.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is a device of that name; `ENOMEM`; `EBUSY` if there are no minors left.
    pub fn new(
        _cx: &mut Cx<'_, Process>,
        name: &'static CStr,
        shared: Arc<D::Shared>,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            shared,
            // Last: from here on, files can be opened.
            inner <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let device = bindings::miscdevice {
                    minor: bindings::MISC_DYNAMIC_MINOR as i32,
                    name: name.as_char_ptr(),
                    mode: 0o600,
                    fops: raw::Operations::<D>::get(),
                    ..pin_init::zeroed()
                };
                // SAFETY: The slot is valid for writes.
                unsafe { slot.write(device) };
                // SAFETY: The device is initialised, pinned, and deregistered before it goes.
                // INVARIANT: If this succeeds, it is registered.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
        })
    }
}

#[pinned_drop]
impl<D: Device> PinnedDrop for Registration<D> {
    fn drop(self: Pin<&mut Self>) {
        // A destructor is given no token: where it may run is only checked.
        lockdep::assert_process();
        // SAFETY: It is registered, by the type invariant. No file is being opened afterwards.
        unsafe { bindings::misc_deregister(self.inner.get()) };
    }
}
