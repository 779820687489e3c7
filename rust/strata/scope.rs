// SPDX-License-Identifier: GPL-2.0

//! Ways into a narrower context: closures that say so to the compiler, the task and lockdep.
//!
//! Each sets what the kernel knows of the context (the task's `PF_MEMALLOC_*` bits, so that code
//! which knows nothing of tokens is weakened too; lockdep's maps, so that it is reported), lends
//! the narrower token to a closure, and undoes it all when the closure returns. They are closures
//! because state that is saved and restored by value must nest: a guard could be dropped out of
//! order, or forgotten.
//!
//! | way in | task bits | lockdep |
//! |---|---|---|
//! | [`Cx::nofs`] | `PF_MEMALLOC_NOFS` | - |
//! | [`Cx::noio`] | `PF_MEMALLOC_NOIO` | - |
//! | [`Cx::mmap_read`] | - | the lock itself |
//! | [`Cx::reclaim`] | none, on purpose | `fs_reclaim` |
//! | [`Cx::notifier`] | `PF_MEMALLOC_NOIO` | `mmu_notifier_invalidate_range_start` |
//! | [`Cx::signalling`] | `PF_MEMALLOC_NOIO` | `dma_fence_map` |
//! | [`Cx::atomic`] | - | sleeping is reported (`non_block_start()`) |
//!
//! C: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h),
//! [`include/linux/dma-fence.h`](srctree/include/linux/dma-fence.h). Docs:
//! `Documentation/core-api/gfp_mask-from-fs-io.rst`.

use crate::{
    bindings,
    cx::{
        Atomic,
        Before,
        Cx,
        Join,
        Level,
        MaySleep,
        MmapHeld,
        NoFs,
        NoIo,
        Notifier,
        Process,
        Reclaim,
        Signalling,
        Sleep,
        Sleepable, //
    },
    lockdep,
};
use core::ffi::c_void;
use kernel::{
    error::to_result,
    mm::{
        MmWithUser,
        MmapReadGuard, //
    },
    prelude::*,
    types::NotThreadSafe, //
};

/// A `memalloc_nofs` scope of the running task, closed when dropped.
///
/// Stays within this crate, where every one is dropped in the block that made it: the bits nest
/// only if the scopes do.
pub(crate) struct NoFsScope(u32, NotThreadSafe);

impl NoFsScope {
    #[inline(always)]
    pub(crate) fn enter() -> Self {
        // SAFETY: Sets a bit of the running task; restored when the value is dropped.
        Self(unsafe { bindings::memalloc_nofs_save() }, NotThreadSafe)
    }
}

impl Drop for NoFsScope {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: The flags are those of the matching save.
        unsafe { bindings::memalloc_nofs_restore(self.0) };
    }
}

/// A `memalloc_noio` scope of the running task, closed when dropped. As [`NoFsScope`].
pub(crate) struct NoIoScope(u32, NotThreadSafe);

impl NoIoScope {
    #[inline(always)]
    pub(crate) fn enter() -> Self {
        // SAFETY: Sets a bit of the running task; restored when the value is dropped.
        Self(unsafe { bindings::memalloc_noio_save() }, NotThreadSafe)
    }
}

impl Drop for NoIoScope {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: The flags are those of the matching save.
        unsafe { bindings::memalloc_noio_restore(self.0) };
    }
}

/// `PF_MEMALLOC` of the running task, as reclaim sets it. As [`NoFsScope`].
pub(crate) struct NoReclaimScope(u32, NotThreadSafe);

impl NoReclaimScope {
    pub(crate) fn enter() -> Self {
        // SAFETY: Sets a bit of the running task; restored when the value is dropped.
        let flags = unsafe { bindings::memalloc_noreclaim_save() };
        Self(flags, NotThreadSafe)
    }
}

impl Drop for NoReclaimScope {
    fn drop(&mut self) {
        // SAFETY: The flags are those of the matching save.
        unsafe { bindings::memalloc_noreclaim_restore(self.0) };
    }
}

impl<L: Level, S: Sleep> Cx<'_, L, S> {
    /// Runs `f` such that every allocation in it is `GFP_NOFS` at most.
    ///
    /// For code that holds what a file system or a shrinker needs. Nothing earlier in the order may
    /// be acquired in `f`, since its reason for the scope is that reclaim may be waiting for it.
    ///
    /// # Context
    ///
    /// Any before [`NoFs`]. Does not sleep by itself. Sets `PF_MEMALLOC_NOFS`
    /// (`memalloc_nofs_save()`).
    #[inline(always)]
    pub fn nofs<R>(&mut self, f: impl for<'b> FnOnce(&mut Cx<'b, NoFs, S>) -> R) -> R
    where
        L: Before<NoFs>,
    {
        let _scope = NoFsScope::enter();
        // SAFETY: `L` comes before `NoFs`, which holds nothing.
        unsafe { self.at(f) }
    }

    /// Runs `f` such that every allocation in it is `GFP_NOIO` at most.
    ///
    /// For code that reclaim's own IO may wait for.
    ///
    /// # Context
    ///
    /// Any before [`NoIo`]. Does not sleep by itself. Sets `PF_MEMALLOC_NOIO`
    /// (`memalloc_noio_save()`).
    #[inline(always)]
    pub fn noio<R>(&mut self, f: impl for<'b> FnOnce(&mut Cx<'b, NoIo, S>) -> R) -> R
    where
        L: Before<NoIo>,
    {
        let _scope = NoIoScope::enter();
        // SAFETY: `L` comes before `NoIo`, which holds nothing.
        unsafe { self.at(f) }
    }

    /// Runs `f` with the mmap lock of `mm` held for reading.
    ///
    /// # Context
    ///
    /// Any before [`MmapHeld`] that may sleep. Takes `mmap_lock` (`mmap_read_lock()`).
    #[inline]
    pub fn mmap_read<R>(
        &mut self,
        mm: &MmWithUser,
        f: impl for<'b> FnOnce(&MmapReadGuard<'_>, &mut Cx<'b, MmapHeld, S>) -> R,
    ) -> R
    where
        L: Before<MmapHeld>,
        S: MaySleep,
    {
        let guard = mm.mmap_read_lock();
        // SAFETY: `L` comes before `MmapHeld`, which is what the guard holds.
        unsafe { self.at(|cx| f(&guard, cx)) }
    }

    /// Runs `f` with the mmap lock of `mm` held for reading, if nobody holds it for writing.
    ///
    /// `f` stands at the later of `L` and [`MmapHeld`]: a trylock cannot deadlock, what is done
    /// under it can.
    ///
    /// # Context
    ///
    /// Any that may sleep (the unlock may). Trylocks `mmap_lock` (`mmap_read_trylock()`).
    #[inline]
    pub fn mmap_try_read<R>(
        &mut self,
        mm: &MmWithUser,
        f: impl for<'b> FnOnce(&MmapReadGuard<'_>, &mut Cx<'b, L::Out, S>) -> R,
    ) -> Option<R>
    where
        L: Join<MmapHeld>,
        S: MaySleep,
    {
        let guard = mm.mmap_read_trylock()?;
        // SAFETY: `Out` is the later of what the caller and the guard hold.
        Some(unsafe { self.at(|cx| f(&guard, cx)) })
    }

    /// Runs `f` as a shrinker is run: inside `fs_reclaim`.
    ///
    /// For triggers that call a driver's own reclaim code. The task's bits are left alone on
    /// purpose: real reclaim sets `PF_MEMALLOC`, which makes lockdep ignore an allocation inside of
    /// a shrinker, and a NOFS scope would hide it too. Here it is reported.
    ///
    /// # Context
    ///
    /// Any before [`Reclaim`] that may sleep. Acquires `fs_reclaim` for lockdep
    /// (`fs_reclaim_acquire()`).
    #[inline]
    pub fn reclaim<R>(&mut self, f: impl for<'b> FnOnce(&mut Cx<'b, Reclaim, S>) -> R) -> R
    where
        L: Before<Reclaim>,
        S: MaySleep,
    {
        let _held = lockdep::FsReclaim::enter();
        // SAFETY: `L` comes before `Reclaim`, which is what was entered.
        unsafe { self.at(f) }
    }

    /// Runs `f` in a dma-fence signalling section: others may wait for what it does.
    ///
    /// Nothing of the order may be acquired in it: not with a lock, not with an allocation that
    /// reclaims. Sections nest.
    ///
    /// # Context
    ///
    /// Any but under a [`SignalLock`](crate::cx::SignalLock). May sleep if the caller may. Sets
    /// `PF_MEMALLOC_NOIO`, so that an allocation behind the back of the types reclaims as little as
    /// a scope can say. Lockdep: `dma_fence_begin_signalling()`, which does nothing in atomic
    /// context.
    #[inline]
    pub fn signalling<R>(&mut self, f: impl for<'b> FnOnce(&mut Cx<'b, Signalling, S>) -> R) -> R
    where
        L: Before<Signalling>,
    {
        let _scope = NoIoScope::enter();
        let _section = lockdep::Signalling::enter();
        // SAFETY: `L` may be followed by `Signalling`, which is what was entered.
        unsafe { self.at(f) }
    }

    /// Runs `f` as if in an atomic section: nothing in it may sleep.
    ///
    /// It disables nothing; it is for code whose caller's contract says that it must not block.
    ///
    /// # Context
    ///
    /// Any. On a kernel with `CONFIG_DEBUG_ATOMIC_SLEEP` sleeping in `f` is reported
    /// (`non_block_start()`).
    #[inline(always)]
    pub fn atomic<R>(&mut self, f: impl for<'b> FnOnce(&mut Cx<'b, L, Atomic>) -> R) -> R {
        let _section = lockdep::NonBlock::enter();
        // SAFETY: The level stays, and an atomic context claims nothing of sleep.
        unsafe { self.at(f) }
    }
}

impl<L: Level, S: MaySleep> Cx<'_, L, S> {
    /// Lets others run, in a loop that may be long.
    ///
    /// # Context
    ///
    /// Any that may sleep. C: `cond_resched()`.
    ///
    /// # Errors
    ///
    /// `EINTR` if the task is being killed.
    pub fn give_way(&mut self) -> Result {
        // SAFETY: The token says that the task may sleep.
        if unsafe { bindings::give_way() } {
            return Err(EINTR);
        }
        Ok(())
    }
}

impl Cx<'_, Process> {
    /// Runs `f` inside of a real mmu notifier's `invalidate` callback.
    ///
    /// The kernel exports no annotation for that level, so a page of the running process is mapped,
    /// watched and unmapped. For tests of code that such callbacks call.
    ///
    /// # Context
    ///
    /// Process context of a task with an mm. Takes the mmap lock, allocates. `f` runs with
    /// `PF_MEMALLOC_NOIO` set.
    ///
    /// # Errors
    ///
    /// `ESRCH` for a kernel thread; `EOPNOTSUPP` without `CONFIG_MMU_NOTIFIER`; `EAGAIN` if another
    /// thread of the process unmapped the page; what mapping it returned. `f` was not called then.
    pub fn notifier<R>(
        &mut self,
        f: impl for<'b> FnOnce(&mut Cx<'b, Notifier, Sleepable>) -> R,
    ) -> Result<R> {
        struct Call<F, R> {
            f: Option<F>,
            result: Option<R>,
        }

        /// # Safety
        ///
        /// `arg` must point to a `Call<F, R>`, unused by others, and the caller must be a
        /// notifier's callback that may block.
        unsafe extern "C" fn callback<F, R>(arg: *mut c_void)
        where
            F: for<'b> FnOnce(&mut Cx<'b, Notifier, Sleepable>) -> R,
        {
            // SAFETY: The caller passes such a pointer.
            let call = unsafe { &mut *arg.cast::<Call<F, R>>() };
            let _scope = NoIoScope::enter();
            // SAFETY: A blockable notifier callback stands at `Notifier` and may sleep.
            let mut cx = unsafe { Cx::assume() };
            call.result = call.f.take().map(|f| f(&mut cx));
        }

        fn call<F, R>(call: &mut Call<F, R>) -> Result
        where
            F: for<'b> FnOnce(&mut Cx<'b, Notifier, Sleepable>) -> R,
        {
            let arg: *mut Call<F, R> = call;
            // SAFETY: The callback gets a pointer to `call`, which outlives the call.
            to_result(unsafe { bindings::in_notifier(Some(callback::<F, R>), arg.cast()) })
        }

        let mut state = Call {
            f: Some(f),
            result: None,
        };
        call(&mut state)?;
        state.result.ok_or(EAGAIN)
    }
}

#[kunit_tests(strata_scope)]
mod tests {
    use super::*;
    use crate::kunit::process;

    /// The reclaim bits of the running task.
    fn bits() -> u32 {
        let task = kernel::current!();
        // SAFETY: The running task is valid, and its flags are its own to read.
        let flags = unsafe { (*task.as_ptr()).flags };
        flags & (bindings::PF_MEMALLOC | bindings::PF_MEMALLOC_NOFS | bindings::PF_MEMALLOC_NOIO)
    }

    #[test]
    fn scopes_set_their_bits_and_undo_them() {
        process(|cx| {
            let outside = bits();
            let (nofs, noio) = cx.nofs(|cx| (bits(), cx.noio(|_| bits())));
            assert_eq!(nofs, outside | bindings::PF_MEMALLOC_NOFS);
            assert_eq!(noio, nofs | bindings::PF_MEMALLOC_NOIO);
            assert_eq!(
                cx.signalling(|_| bits()),
                outside | bindings::PF_MEMALLOC_NOIO
            );
            assert_eq!(bits(), outside);
        });
    }

    #[test]
    fn a_scope_in_the_same_scope_leaves_it_alone() {
        process(|cx| {
            let outside = bits();
            cx.noio(|cx| {
                // The section saves a bit that is set already, and must not clear it.
                cx.signalling(|_| ());
                assert_eq!(bits(), outside | bindings::PF_MEMALLOC_NOIO);
            });
            assert_eq!(bits(), outside);
        });
    }

    #[test]
    fn reclaim_hides_nothing_from_lockdep() {
        process(|cx| {
            let outside = bits();
            assert_eq!(cx.reclaim(|_| bits()), outside);
        });
    }

    #[test]
    fn allocations_leave_no_bit_behind() {
        process(|cx| {
            let outside = bits();
            assert!(crate::gfp::nofs(cx).boxed(1).is_ok());
            assert!(crate::gfp::noio(cx).boxed(1).is_ok());
            assert_eq!(bits(), outside);
        });
    }

    #[test]
    fn a_kernel_thread_has_no_notifier() {
        process(|cx| {
            let mut ran = false;
            let cause = if cfg!(CONFIG_MMU_NOTIFIER) {
                ESRCH
            } else {
                Error::from_errno(-(bindings::EOPNOTSUPP as i32))
            };
            assert_eq!(cx.notifier(|_| ran = true).err(), Some(cause));
            assert!(!ran);
        });
    }
}
