// SPDX-License-Identifier: GPL-2.0

//! Many reservations at once, in any order.
//!
//! C: [`include/linux/ww_mutex.h`](srctree/include/linux/ww_mutex.h), `drm_exec`. Docs:
//! `Documentation/locking/ww-mutex-design.rst`.

use super::{
    held::Held,
    Resv, //
};
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        MaySleep,
        ResvHeld, //
    },
    gfp,
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ptr, //
};
use kernel::{
    alloc::AllocError,
    error::to_result,
    ffi::c_int,
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

/// It is locked in this context.
const EALREADY: c_int = -(bindings::EALREADY as c_int);
/// Another task goes first.
const EDEADLK: c_int = -(bindings::EDEADLK as c_int);

/// Why the closure of [`many`] has to return: what [`Many::lock`] says, or an error of its own.
#[derive(Debug)]
pub struct Again(Why);

#[derive(Debug)]
enum Why {
    /// Another task goes first: all is unlocked, and the closure called again.
    Deadlock,
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Again {
    fn from(error: E) -> Self {
        Self(Why::Failed(error.into()))
    }
}

/// The reservations that a closure of [`many`] has locked. They outlive `'r`.
///
/// # Invariants
///
/// Each of `held` is locked in `ctx`, and no other is; none is there twice.
pub struct Many<'r, 'c> {
    ctx: Opaque<bindings::ww_acquire_ctx>,
    // Boxed, so that what was given out stays where it is when there are more.
    held: UnsafeCell<KVec<KBox<Held<'r>>>>,
    /// What another task has that goes first: to be locked before all others.
    contended: UnsafeCell<Option<KBox<Held<'r>>>>,
    interruptible: bool,
    _resvs: PhantomData<&'r ()>,
    // The token of the closure: that of a closure inside of it, which holds more, locks nothing here.
    _token: PhantomData<fn(&'c ()) -> &'c ()>,
    _task: NotThreadSafe,
}

/// Runs `f`, in which any number of reservations can be locked.
///
/// Two tasks that lock the same reservations in different orders would wait for each other. Instead
/// one of them is told by [`Many::lock`] that it has to go back: `f` returns that, all is unlocked,
/// what it was waiting for is locked first, and `f` is called again. So `f` locks all that it needs
/// before it changes anything.
///
/// A reservation may be locked again in the same call, as for two buffers that share one.
///
/// # Context
///
/// Anything before [`ResvHeld`] that may sleep. C: `ww_acquire_init()`, `dma_resv_lock()`,
/// `dma_resv_lock_slow()`.
///
/// # Errors
///
/// What `f` returns, other than that it has to go back; `ENOMEM` of [`Many::lock`].
///
/// # Examples
///
/// ```
/// use strata::prelude::*;
/// use strata::resv::{self, Resv};
///
/// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
/// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
/// # let cx = &mut cx;
/// let from: Pin<KBox<Resv>> = gfp::kernel(cx).boxed_init(Resv::new(()))?;
/// let to: Pin<KBox<Resv>> = gfp::kernel(cx).boxed_init(Resv::new(()))?;
/// resv::many(cx, |many, cx| {
///     let read = many.lock(cx, &from)?.reserve_one(&mut gfp::kernel(cx))?;
///     let write = many.lock(cx, &to)?.reserve_one(&mut gfp::kernel(cx))?;
///     // Here both are locked: publish a fence and add it to each.
///     drop((read, write));
///     Ok(())
/// })?;
/// # Ok::<(), Error>(())
/// ```
pub fn many<'r, L, S, O>(
    cx: &mut Cx<'_, L, S>,
    f: impl for<'c> FnMut(&Many<'r, 'c>, &mut Cx<'c, ResvHeld, S>) -> Result<O, Again>,
) -> Result<O>
where
    L: Before<ResvHeld>,
    S: MaySleep,
{
    run(cx, false, f)
}

/// As [`many`], and gives up when the task gets a signal while it waits for a lock.
///
/// # Context
///
/// As [`many`]. C: `dma_resv_lock_interruptible()`.
///
/// # Errors
///
/// As [`many`]; `EINTR`.
pub fn many_interruptible<'r, L, S, O>(
    cx: &mut Cx<'_, L, S>,
    f: impl for<'c> FnMut(&Many<'r, 'c>, &mut Cx<'c, ResvHeld, S>) -> Result<O, Again>,
) -> Result<O>
where
    L: Before<ResvHeld>,
    S: MaySleep,
{
    run(cx, true, f)
}

/// Runs `f` with all of `resvs` locked. What is there twice is given twice.
///
/// # Context
///
/// As [`many`], and allocates.
///
/// # Errors
///
/// `ENOMEM`; `f` was not called then.
pub fn all<L, S, D, O>(
    cx: &mut Cx<'_, L, S>,
    resvs: &[&Resv<D>],
    f: impl FnOnce(&[&Held<'_>], &mut Cx<'_, ResvHeld, S>) -> O,
) -> Result<O>
where
    L: Before<ResvHeld>,
    S: MaySleep,
{
    let mut f = Some(f);
    many(cx, |many, cx| {
        let mut held = gfp::kernel(cx).vec(resvs.len())?;
        for resv in resvs {
            // There is room.
            let _ = held.push_within_capacity(many.lock(cx, resv)?);
        }
        // All are locked, so this is the last call.
        let f = f.take().ok_or(EINVAL)?;
        Ok(f(&held, cx))
    })
}

fn run<'r, L, S, O>(
    cx: &mut Cx<'_, L, S>,
    interruptible: bool,
    mut f: impl for<'c> FnMut(&Many<'r, 'c>, &mut Cx<'c, ResvHeld, S>) -> Result<O, Again>,
) -> Result<O>
where
    L: Before<ResvHeld>,
    S: MaySleep,
{
    // INVARIANT: Nothing is locked.
    let mut many = Many {
        ctx: Opaque::uninit(),
        held: UnsafeCell::new(KVec::new()),
        contended: UnsafeCell::new(None),
        interruptible,
        _resvs: PhantomData,
        _token: PhantomData,
        _task: NotThreadSafe,
    };
    // SAFETY: `ctx` is valid for writing, and is not moved until it is done with.
    unsafe { bindings::resv_acquire_init(many.ctx.get()) };
    loop {
        // SAFETY: `L` comes before `ResvHeld`, which is what is held.
        let result = unsafe { cx.at(|cx| f(many.branded(cx), cx)) };
        let Some(first) = many.contended.get_mut().take() else {
            return result.map_err(|Again(why)| match why {
                // It was kept from a call before, where it was right.
                Why::Deadlock => Error::from_errno(EDEADLK),
                Why::Failed(error) => error,
            });
        };
        // Whatever `f` made of it: it does not have what it asked for.
        drop(result);
        many.go_back(first)?;
    }
}

impl<'r, 'c> Many<'r, 'c> {
    /// For the closure that is lent a token of `'d`.
    fn branded<'d, S: MaySleep>(&self, _cx: &Cx<'d, ResvHeld, S>) -> &Many<'r, 'd> {
        // SAFETY: The lifetime says which token, and nothing of what is there.
        unsafe { &*ptr::from_ref(self).cast() }
    }

    /// Locks `resv`, unless this call of the closure has it already.
    ///
    /// # Context
    ///
    /// In the closure of [`many`], with its own token: not under a reservation that was tried in it,
    /// which another task could be waiting for without being told to go back. Allocates with
    /// `GFP_KERNEL`. C: `dma_resv_lock()`.
    ///
    /// # Errors
    ///
    /// The closure has to return what this says.
    pub fn lock<D, S: MaySleep>(
        &self,
        cx: &mut Cx<'c, ResvHeld, S>,
        resv: &'r Resv<D>,
    ) -> Result<&Held<'r>, Again> {
        // SAFETY: Nobody has a reference to it for longer than this.
        if unsafe { &*self.contended.get() }.is_some() {
            return Err(Again(Why::Deadlock));
        }
        // First the memory, so that what is locked is noted.
        // SAFETY: The task has the token of the lock's holder, in which alone it is used.
        let held = unsafe { Held::new(&resv.raw) };
        let held = gfp::kernel(cx).boxed(held).map_err(|_| ENOMEM)?;
        self.room(&mut gfp::kernel(cx))
            .map_err(|AllocError| ENOMEM)?;
        let lock = if self.interruptible {
            bindings::resv_lock_interruptible
        } else {
            bindings::dma_resv_lock
        };
        // SAFETY: It is initialised, and the context is open.
        match unsafe { lock(resv.as_ptr(), self.ctx.get()) } {
            0 => Ok(self.push(held)),
            EALREADY => self.find(resv.as_ptr()).ok_or(EINVAL.into()),
            EDEADLK => {
                // SAFETY: As above.
                unsafe { *self.contended.get() = Some(held) };
                Err(Again(Why::Deadlock))
            }
            error => Err(Error::from_errno(error).into()),
        }
    }

    fn find(&self, raw: *mut bindings::dma_resv) -> Option<&Held<'r>> {
        // SAFETY: It is changed in `room()`, `push()` and `go_back()` alone, which give no other
        // reference to it away.
        let held = unsafe { &*self.held.get() };
        held.iter()
            .find(|held| ptr::eq(held.as_ptr(), raw))
            .map(|held| &**held)
    }

    fn room(&self, gfp: &mut gfp::Gfp<'_, gfp::Kernel>) -> Result<(), AllocError> {
        // SAFETY: As above: what was given out are the boxes' contents, which stay.
        let held = unsafe { &mut *self.held.get() };
        gfp.with(|flags| held.reserve(1, flags))
    }

    fn push(&self, new: KBox<Held<'r>>) -> &Held<'r> {
        let place: *const Held<'r> = &*new;
        // SAFETY: As above.
        let held = unsafe { &mut *self.held.get() };
        // There is room, so it is not dropped.
        let _ = held.push_within_capacity(new);
        // SAFETY: The box is there until all is unlocked, which takes `&mut self`.
        unsafe { &*place }
    }

    /// Unlocks all, and locks what was waited for.
    fn go_back(&mut self, first: KBox<Held<'r>>) -> Result {
        self.unlock_all();
        let lock = |raw, ctx| {
            if self.interruptible {
                // SAFETY: Nothing is locked in the context, which was told to wait for this.
                return unsafe { bindings::resv_lock_slow_interruptible(raw, ctx) };
            }
            // SAFETY: As above.
            unsafe { bindings::resv_lock_slow(raw, ctx) };
            0
        };
        to_result(lock(first.as_ptr(), self.ctx.get()))?;
        // INVARIANT: It is locked.
        self.push(first);
        Ok(())
    }

    fn unlock_all(&mut self) {
        while let Some(held) = self.held.get_mut().pop() {
            // SAFETY: By the invariant it is locked, by this task.
            unsafe { bindings::dma_resv_unlock(held.as_ptr()) };
        }
    }
}

impl Drop for Many<'_, '_> {
    fn drop(&mut self) {
        self.unlock_all();
        // SAFETY: It was opened when the value was made, and nothing is locked in it.
        unsafe { bindings::resv_acquire_fini(self.ctx.get()) };
    }
}
