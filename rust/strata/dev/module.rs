// SPDX-License-Identifier: GPL-2.0

//! Loading and owning a module.
//!
//! C: [`include/linux/module.h`](srctree/include/linux/module.h).

use crate::{
    cx::{
        Cx,
        Process, //
    },
    lockdep,
};
use kernel::prelude::*;

/// Says whose code a type is, so that what calls it can hold the module.
///
/// Implemented by [`module_entry!`](crate::module_entry) for a driver's module type; other types of
/// the driver name that one.
///
/// # Safety
///
/// `MODULE` must be the module that the code of the implementing type, and of all types that name
/// it as their owner, is part of.
pub unsafe trait Owner: 'static {
    /// The module.
    const MODULE: &'static ThisModule;
}

/// A driver's module.
///
/// Its fields are dropped, in their order, when the module is unloaded: registrations stand before
/// what they use.
pub trait Module: Sized + Send + Sync + 'static {
    /// Called when the module is loaded. An error refuses it; what was made is dropped.
    ///
    /// # Context
    ///
    /// Process context of the task that loads the module. May sleep.
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>>;
}

/// Calls [`Module::init`] with a token. Used by [`module_entry!`](crate::module_entry).
#[doc(hidden)]
pub fn enter<M: Module>() -> impl PinInit<M, Error> {
    let init = |slot: *mut M| {
        lockdep::assert_process();
        // SAFETY: A module is loaded in process context with nothing held, which was just checked.
        let mut cx = unsafe { Cx::assume() };
        let init = M::init(&mut cx)?;
        // SAFETY: `slot` is valid and pinned by the contract of `pin_init_from_closure`, and if
        // this fails, that is passed on.
        unsafe { init.__pinned_init(slot) }
    };
    // SAFETY: The closure initialises the slot, or leaves it alone and fails.
    unsafe { pin_init::pin_init_from_closure(init) }
}

/// Makes a type the entry of its module: what `kernel::module!` names as `type`.
///
/// The type implements [`Module`](crate::dev::Module); this gives it `kernel::InPlaceModule` and
/// [`Owner`](crate::dev::Owner). Used once in a crate, beside `module!`.
#[macro_export]
macro_rules! module_entry {
    ($module:ty) => {
        impl $crate::__kernel::InPlaceModule for $module {
            fn init(
                _module: &'static $crate::__kernel::ThisModule,
            ) -> impl $crate::__pin_init::PinInit<Self, $crate::__kernel::error::Error> {
                $crate::dev::enter::<Self>()
            }
        }

        // SAFETY: `THIS_MODULE` is that of the crate, which the type is part of.
        unsafe impl $crate::dev::Owner for $module {
            const MODULE: &'static $crate::__kernel::ThisModule = &THIS_MODULE;
        }
    };
}
