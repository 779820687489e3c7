// SPDX-License-Identifier: GPL-2.0

//! The classes of allocation that the order tells apart, as types.
//!
//! C: `GFP_*` in [`include/linux/gfp_types.h`](srctree/include/linux/gfp_types.h).

mod private {
    /// Keeps [`super::Class`] to the classes that the kernel has.
    pub trait Sealed {}
}

/// A class of allocation: what an allocation may acquire while it looks for memory.
pub trait Class: private::Sealed {}

macro_rules! classes {
    ($($(#[$doc:meta])* $class:ident,)*) => {
        $(
            $(#[$doc])*
            pub enum $class {}

            impl private::Sealed for $class {}
            impl Class for $class {}
        )*
    };
}

classes! {
    /// `GFP_KERNEL`: sleeps, enters reclaim of every kind.
    Kernel,
    /// `GFP_NOFS`: sleeps, enters reclaim that calls into no file system. Still calls shrinkers,
    /// with a mask that lacks `__GFP_FS`, and mmu notifiers. May start IO.
    NoFs,
    /// `GFP_NOIO`: sleeps, enters reclaim that starts no IO. Still calls shrinkers and mmu
    /// notifiers.
    NoIo,
    /// `GFP_NOWAIT`: never sleeps, never reclaims by itself, fails easily.
    NoWait,
    /// `GFP_ATOMIC`: as [`NoWait`], and may dip into the reserves that interrupts live on.
    Atomic,
}
