// SPDX-License-Identifier: GPL-2.0

//! Annotations: the same order, told to lockdep.
//!
//! Every function here compiles to nothing on a kernel without `CONFIG_LOCKDEP`.
//!
//! C: [`include/linux/lockdep.h`](srctree/include/linux/lockdep.h), `fs_reclaim_acquire()` in
//! `mm/page_alloc.c`, `dma_fence_begin_signalling()` in `drivers/dma-buf/dma-fence.c`, and
//! `rust/helpers/lockdep.c` of this tree. Docs: `Documentation/locking/lockdep-design.rst`.

#[cfg(any(CONFIG_LOCKDEP, CONFIG_DEBUG_ATOMIC_SLEEP))]
use crate::bindings;
use core::marker::PhantomData;
use kernel::types::NotThreadSafe;

#[cfg(CONFIG_LOCKDEP)]
mod prime;
#[cfg(CONFIG_LOCKDEP)]
pub(crate) use self::prime::{
    prime,
    Kind, //
};

/// `fs_reclaim` is held, as far as lockdep knows. Closed when dropped.
///
/// Never leaves this crate: a scope of task state is a closure outside of it.
pub(crate) struct FsReclaim(PhantomData<NotThreadSafe>);

impl FsReclaim {
    #[inline(always)]
    pub(crate) fn enter() -> Self {
        #[cfg(CONFIG_LOCKDEP)]
        // SAFETY: Always safe to call; released when the value is dropped.
        unsafe {
            bindings::fs_reclaim_acquire(bindings::GFP_KERNEL)
        };
        Self(PhantomData)
    }
}

impl Drop for FsReclaim {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(CONFIG_LOCKDEP)]
        // SAFETY: Acquired when the value was made.
        unsafe {
            bindings::fs_reclaim_release(bindings::GFP_KERNEL)
        };
    }
}

/// A dma-fence signalling section is open, as far as lockdep knows. Closed when dropped.
pub(crate) struct Signalling {
    #[cfg(CONFIG_LOCKDEP)]
    cookie: bool,
    _task: NotThreadSafe,
}

impl Signalling {
    #[inline(always)]
    pub(crate) fn enter() -> Self {
        Self {
            #[cfg(CONFIG_LOCKDEP)]
            // SAFETY: Always safe to call; ended when the value is dropped.
            cookie: unsafe { bindings::dma_fence_begin_signalling() },
            _task: NotThreadSafe,
        }
    }
}

impl Drop for Signalling {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(CONFIG_LOCKDEP)]
        // SAFETY: The cookie is that of the matching begin.
        unsafe {
            bindings::dma_fence_end_signalling(self.cookie)
        };
    }
}

/// Sleeping is reported, by `CONFIG_DEBUG_ATOMIC_SLEEP`. Closed when dropped.
pub(crate) struct NonBlock(PhantomData<NotThreadSafe>);

impl NonBlock {
    #[inline(always)]
    pub(crate) fn enter() -> Self {
        #[cfg(CONFIG_DEBUG_ATOMIC_SLEEP)]
        // SAFETY: Counts in the running task; undone when the value is dropped.
        unsafe {
            bindings::non_block_start()
        };
        Self(PhantomData)
    }
}

impl Drop for NonBlock {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(CONFIG_DEBUG_ATOMIC_SLEEP)]
        // SAFETY: Counted up when the value was made.
        unsafe {
            bindings::non_block_end()
        };
    }
}

/// Reports a caller that may not allocate with `GFP_KERNEL`: one in reclaim, in a notifier, in a
/// signalling section, under a lock of their ranks, or one that may not sleep.
///
/// For operations that sleep or reclaim only on their slow path, where the kernel's own annotation
/// would stay silent on the fast one.
#[inline(always)]
pub(crate) fn might_alloc_kernel() {
    #[cfg(any(CONFIG_LOCKDEP, CONFIG_DEBUG_ATOMIC_SLEEP))]
    // SAFETY: An annotation; it has no requirements.
    unsafe {
        bindings::might_alloc_kernel()
    };
}

/// Reports a caller that may not take the mmap lock of its own mm.
#[inline(always)]
pub(crate) fn might_use_mmap_lock() {
    #[cfg(CONFIG_LOCKDEP)]
    // SAFETY: An annotation; it has no requirements.
    unsafe {
        bindings::might_use_mmap_lock()
    };
}

/// Reports a caller that may not wait for a fence, or not sleep.
#[inline(always)]
pub(crate) fn might_wait_for_fence() {
    kernel::task::might_sleep();
    #[cfg(CONFIG_LOCKDEP)]
    // SAFETY: An annotation; it has no requirements.
    unsafe {
        bindings::fence_might_wait()
    };
}

/// The claim of an entry point in process context, checked: nothing of the order is held.
#[inline(always)]
pub(crate) fn assert_process() {
    might_use_mmap_lock();
    might_alloc_kernel();
}

/// The claim of an entry point that holds the mmap lock: nothing that comes after it is held.
#[inline(always)]
pub(crate) fn assert_mmap_held() {
    might_alloc_kernel();
}
