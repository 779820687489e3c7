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
use crate::scope::{
    NoFsScope,
    NoIoScope, //
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
    /// Calls `f` with the flags of the class, inside of its scope.
    #[doc(hidden)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R;
}

impl Allocate for Kernel {
    #[inline(always)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R {
        f(GFP_KERNEL)
    }
}

impl Allocate for NoFs {
    #[inline(always)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R {
        let _scope = NoFsScope::enter();
        f(GFP_KERNEL)
    }
}

impl Allocate for NoIo {
    #[inline(always)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R {
        let _scope = NoIoScope::enter();
        f(GFP_KERNEL)
    }
}

impl Allocate for NoWait {
    #[inline(always)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R {
        f(GFP_NOWAIT)
    }
}

impl Allocate for Atomic {
    #[inline(always)]
    fn with<R>(f: impl FnOnce(Flags) -> R) -> R {
        f(GFP_ATOMIC)
    }
}
