// SPDX-License-Identifier: GPL-2.0

//! How far one run of reclaim may go: the `__GFP_FS` and `__GFP_IO` of who called for it, as proofs.
//!
//! The level of a shrinker's token says what may be *acquired*. It does not say for whom memory is
//! reclaimed: a task that holds a page's lock, or that writes a page to swap, allocates with a mask
//! that lacks these bits, and reclaim calls shrinkers for it all the same.
//!
//! C: `__GFP_FS` and `__GFP_IO` in
//! [`include/linux/gfp_types.h`](srctree/include/linux/gfp_types.h), `gfp_mask` of
//! `struct shrink_control`.

use core::marker::PhantomData;
use kernel::types::NotThreadSafe;

macro_rules! proofs {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy)]
            pub struct $name<'a> {
                _lent: PhantomData<fn(&'a ()) -> &'a ()>,
                _task: NotThreadSafe,
            }

            impl $name<'_> {
                /// Mints a proof out of nothing.
                ///
                /// # Safety
                ///
                /// While it lives, whoever the running task reclaims for must allow it.
                #[inline(always)]
                pub(crate) unsafe fn assume() -> Self {
                    Self {
                        _lent: PhantomData,
                        _task: NotThreadSafe,
                    }
                }
            }
        )*
    };
}

proofs! {
    /// Reclaim may take what file systems take (`__GFP_FS`). Not yet the lock of any page: that of a
    /// huge one is held over such an allocation while it is split.
    EnterFs;
    /// Reclaim may start IO: write pages to swap (`__GFP_IO`, and `__GFP_FS`, since a page is locked
    /// for it).
    StartIo;
}
