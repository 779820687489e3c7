// SPDX-License-Identifier: GPL-2.0

//! A device without hardware: for what attaches to buffers, or is bound, and is nothing but code.
//!
//! Not `kernel::faux`, which is another one in 7.3, and whose device reaches no memory.
//!
//! C: [`include/linux/device/faux.h`](srctree/include/linux/device/faux.h).

use crate::{
    bindings,
    cx::{
        Cx,
        Process, //
    },
    lockdep, //
};
use core::ptr::NonNull;
use kernel::{
    device::{
        Bound,
        Device, //
    },
    error::from_err_ptr,
    prelude::*, //
};

/// A faux device, for as long as this lives. For the DMA API it reaches all memory.
///
/// # Examples
///
/// ```
/// use strata::dev::faux;
/// use strata::prelude::*;
///
/// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
/// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
/// # let cx = &mut cx;
/// let faux = faux::Registration::new(cx, c"strata-example")?;
/// // There is one of that name.
/// assert!(faux::Registration::new(cx, c"strata-example").is_err());
/// assert_eq!(faux.device().name(), c"strata-example");
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// It is registered.
pub struct Registration(NonNull<bindings::faux_device>);

// SAFETY: A faux device may be unregistered by any task.
unsafe impl Send for Registration {}
// SAFETY: It only ever shows the device.
unsafe impl Sync for Registration {}

impl Registration {
    /// Registers one.
    ///
    /// # Context
    ///
    /// Process context. C: `faux_device_create()`, `dma_coerce_mask_and_coherent()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` where the kernel does not make it, which does not say why: without memory, or for a name
    /// that there is.
    pub fn new(_cx: &mut Cx<'_, Process>, name: &CStr) -> Result<Self> {
        // SAFETY: The name is a C string, and copied.
        let faux = from_err_ptr(unsafe { bindings::faux_create(name.as_char_ptr()) })?;
        // INVARIANT: Just registered.
        Ok(Self(NonNull::new(faux).ok_or(ENOMEM)?))
    }

    /// The device: it is bound for as long as it is registered, since user space cannot unbind it.
    pub fn device(&self) -> &Device<Bound> {
        // SAFETY: By the type invariant it is there.
        let device = unsafe { &raw mut (*self.0.as_ptr()).dev };
        // SAFETY: As above, and bound.
        unsafe { Device::from_raw(device) }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        lockdep::assert_process();
        // SAFETY: By the type invariant it is registered.
        unsafe { bindings::faux_device_destroy(self.0.as_ptr()) };
    }
}
