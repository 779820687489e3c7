// SPDX-License-Identifier: GPL-2.0

//! How each class allocates: the flags, and the scope where flags cannot say it.

use super::{
    Atomic,
    Class,
    Kernel,
    NoFs,
    NoIo,
    NoWait, //
};
use crate::{
    bindings,
    scope::{
        NoFsScope,
        NoIoScope, //
    }, //
};
use kernel::alloc::{
    flags::{
        GFP_ATOMIC,
        GFP_KERNEL,
        GFP_NOWAIT, //
    },
    Flags,
};

/// Allocates as a class does.
pub trait Allocate: Class {
    /// Whether it may reclaim, and sleep.
    #[doc(hidden)]
    const RECLAIMS: bool;

    /// The flags, as C has them: `gfp_t`.
    #[doc(hidden)]
    const RAW: u32;

    /// Calls `f` with the flags of the class, inside of its scope.
    #[doc(hidden)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R;
}

/// A class that waits for memory, for as long as that takes: [`Kernel`], [`NoFs`], [`NoIo`].
#[diagnostic::on_unimplemented(
    message = "class `{Self}` does not wait for memory",
    label = "may fail, so its result says whether it did",
    note = "use the call that may fail: `try_take`"
)]
pub trait Waits: Allocate {}

impl Waits for Kernel {}
impl Waits for NoFs {}
impl Waits for NoIo {}

impl Allocate for Kernel {
    const RECLAIMS: bool = true;
    const RAW: u32 = bindings::GFP_KERNEL;

    #[inline(always)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R {
        f(GFP_KERNEL)
    }
}

impl Allocate for NoFs {
    const RECLAIMS: bool = true;
    const RAW: u32 = bindings::GFP_KERNEL;

    #[inline(always)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R {
        let _scope = NoFsScope::enter();
        f(GFP_KERNEL)
    }
}

impl Allocate for NoIo {
    const RECLAIMS: bool = true;
    const RAW: u32 = bindings::GFP_KERNEL;

    #[inline(always)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R {
        let _scope = NoIoScope::enter();
        f(GFP_KERNEL)
    }
}

impl Allocate for NoWait {
    const RECLAIMS: bool = false;
    const RAW: u32 = bindings::GFP_NOWAIT;

    #[inline(always)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R {
        f(GFP_NOWAIT)
    }
}

impl Allocate for Atomic {
    const RECLAIMS: bool = false;
    const RAW: u32 = bindings::GFP_ATOMIC;

    #[inline(always)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R {
        f(GFP_ATOMIC)
    }
}
