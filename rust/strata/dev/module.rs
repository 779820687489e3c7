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
///
/// # Safety
///
/// What it returns must be run where the kernel loads a module: in process context, with nothing
/// of the order held.
#[doc(hidden)]
pub unsafe fn enter<M: Module>() -> impl PinInit<M, Error> {
    pin_init::pin_init_scope(|| {
        lockdep::assert_process();
        // SAFETY: The caller promises it, it was just checked, and the initialiser that may keep
        // the token runs as a part of this.
        M::init(unsafe { Cx::assume_borrowed() })
    })
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
                // SAFETY: The kernel's module loader is what calls this.
                unsafe { $crate::dev::enter::<Self>() }
            }
        }

        // SAFETY: It is the module of the crate, which the type is part of.
        unsafe impl $crate::dev::Owner for $module {
            const MODULE: &'static $crate::__kernel::ThisModule = $crate::this_module!($module);
        }
    };
}

/// The module that `kernel::module!` was told is of a type.
#[cfg(not(strata_this_module_is_associated))]
#[doc(hidden)]
#[macro_export]
macro_rules! this_module {
    ($module:ty) => {
        &THIS_MODULE
    };
}

/// The module that `kernel::module!` was told is of a type.
#[cfg(strata_this_module_is_associated)]
#[doc(hidden)]
#[macro_export]
macro_rules! this_module {
    ($module:ty) => {
        &<$module as $crate::__kernel::ModuleMetadata>::THIS_MODULE
    };
}
