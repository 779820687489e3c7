// SPDX-License-Identifier: GPL-2.0

//! Callbacks of a fence.

use super::shared::Fence;
use crate::{
    bindings,
    cx::{
        Atomic,
        Before,
        Cx,
        FenceCallback,
        Sleep, //
    },
    dev::Owner,
    gfp::{
        Allocate,
        Gfp,
        NoMemory, //
    },
};
use core::{
    mem,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::aref::ARef,
    types::Opaque, //
};

/// What is called when a fence is signalled.
pub trait Callback: Send + Sync + 'static {
    /// Whose code this is.
    type Owner: Owner;

    /// Called once, if the fence is signalled while the callback is armed.
    ///
    /// # Context
    ///
    /// That of whoever signals the fence, an interrupt's perhaps: with the fence's own lock held and
    /// interrupts off. No other fence can be signalled here, whose lock is of the same class; what is
    /// to follow is queued.
    fn called(&self, cx: &mut Cx<'_, FenceCallback, Atomic>, fence: &Fence);
}

/// The part of a callback that is not generic: what the trampoline needs.
#[repr(C)]
struct Header {
    cb: Opaque<bindings::dma_fence_cb>,
    call: unsafe fn(NonNull<Header>, &Fence),
    owner: *mut bindings::module,
}

#[repr(C)]
struct Boxed<C> {
    header: Header,
    callback: C,
}

/// A callback with its memory, which can be armed.
#[must_use = "it is not called before it is armed"]
pub struct Waiter<C: Callback>(KBox<Boxed<C>>);

// SAFETY: The header is not used before it is armed, and `C` is `Send`.
unsafe impl<C: Callback> Send for Waiter<C> {}

impl<C: Callback> Waiter<C> {
    /// Takes the memory for `callback`.
    ///
    /// # Context
    ///
    /// What the class of `gfp` allows.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] with the callback.
    pub fn new<G: Allocate>(gfp: &mut Gfp<'_, G>, callback: C) -> Result<Self, NoMemory<C>> {
        let header = Header {
            cb: Opaque::uninit(),
            call: call::<C>,
            owner: C::Owner::MODULE.as_ptr(),
        };
        match gfp.boxed(Boxed { header, callback }) {
            Ok(boxed) => Ok(Self(boxed)),
            Err(NoMemory { value }) => Err(NoMemory {
                value: value.callback,
            }),
        }
    }

    /// Has `fence` call it. The driver's module stays until it did, or was disarmed.
    ///
    /// # Context
    ///
    /// Any but a fence's callback: takes the fence's lock. C: `dma_fence_add_callback()`.
    ///
    /// # Errors
    ///
    /// The callback, if the fence is signalled already: it is not called then.
    pub fn arm<L, S>(self, _cx: &mut Cx<'_, L, S>, fence: ARef<Fence>) -> Result<Armed<C>, Self>
    where
        L: Before<FenceCallback>,
        S: Sleep,
    {
        let boxed = NonNull::from(KBox::leak(self.0));
        // SAFETY: It is a box, which stays where it is; our code is part of its module.
        if unsafe { arm(boxed.cast(), &fence) } {
            // INVARIANT: It was armed.
            Ok(Armed { boxed, fence })
        } else {
            // SAFETY: It was leaked above, and nobody else has it.
            Err(Self(unsafe { KBox::from_raw(boxed.as_ptr()) }))
        }
    }

    /// The callback, which is not armed.
    pub fn into_inner(self) -> C {
        let Boxed { callback, .. } = KBox::into_inner(self.0);
        callback
    }
}

/// A callback that a fence calls, or has called.
///
/// Disarmed when dropped. Not to be dropped in a fence's callback, also not in its own: that takes
/// the fence's lock.
///
/// # Invariants
///
/// `boxed` was armed at `fence`, and is this value's.
pub struct Armed<C: Callback> {
    boxed: NonNull<Boxed<C>>,
    fence: ARef<Fence>,
}

// SAFETY: It may be disarmed by any task, and `C` is `Send`.
unsafe impl<C: Callback> Send for Armed<C> {}
// SAFETY: There is nothing to change through `&self`, and `C` is `Sync`.
unsafe impl<C: Callback> Sync for Armed<C> {}

impl<C: Callback> Armed<C> {
    /// The fence that it is armed at.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Disarms it. Whether it was called, it can be armed again.
    ///
    /// When this returns it is not running any more, and will not.
    ///
    /// # Context
    ///
    /// As [`Waiter::arm`]. C: `dma_fence_remove_callback()`.
    pub fn disarm<L, S>(self, _cx: &mut Cx<'_, L, S>) -> Waiter<C>
    where
        L: Before<FenceCallback>,
        S: Sleep,
    {
        let boxed = self.boxed;
        drop_armed(&self.fence, boxed.cast());
        // SAFETY: The fence is taken out of the value, which is then forgotten.
        drop(unsafe { core::ptr::read(&self.fence) });
        mem::forget(self);
        // SAFETY: It was leaked when it was armed, and nobody else has it any more.
        Waiter(unsafe { KBox::from_raw(boxed.as_ptr()) })
    }
}

impl<C: Callback> Deref for Armed<C> {
    type Target = C;

    fn deref(&self) -> &C {
        // SAFETY: By the invariant it is there; others have it by shared reference too.
        unsafe { &self.boxed.as_ref().callback }
    }
}

impl<C: Callback> Drop for Armed<C> {
    fn drop(&mut self) {
        drop_armed(&self.fence, self.boxed.cast());
        // SAFETY: It was leaked when it was armed, and nobody else has it any more.
        drop(unsafe { KBox::from_raw(self.boxed.as_ptr()) });
    }
}

/// Arms a callback whose module the caller belongs to; not if the fence is signalled.
///
/// # Safety
///
/// `header` must be the first field of what its `call` takes, and stay where it is until it is
/// called or disarmed.
#[inline(never)]
unsafe fn arm(header: NonNull<Header>, fence: &Fence) -> bool {
    // SAFETY: Valid by the caller's promise.
    let (cb, owner) = unsafe { ((*header.as_ptr()).cb.get(), (*header.as_ptr()).owner) };
    // SAFETY: The caller's own code is part of the module, so that is alive.
    unsafe { bindings::__module_get(owner) };
    // SAFETY: The fence is initialised, and `cb` stays, as the caller promises.
    let result = unsafe { bindings::dma_fence_add_callback(fence.as_ptr(), cb, Some(trampoline)) };
    if to_result(result).is_err() {
        // SAFETY: It was got above.
        unsafe { bindings::module_put(owner) };
        return false;
    }
    true
}

/// Disarms a callback; when it returns, the callback does not run and never will.
#[inline(never)]
fn drop_armed(fence: &Fence, header: NonNull<Header>) {
    // SAFETY: It was armed, so it is valid until it is freed, after this.
    let (cb, owner) = unsafe { ((*header.as_ptr()).cb.get(), (*header.as_ptr()).owner) };
    // SAFETY: The callback was added to this fence.
    if unsafe { bindings::dma_fence_remove_callback(fence.as_ptr(), cb) } {
        // SAFETY: `arm()` got it, and the trampoline, which would put it, does not run.
        unsafe { bindings::module_put(owner) };
    }
}

/// # Safety
///
/// `cb` must be that of a [`Header`] that was armed at `fence`.
unsafe extern "C" fn trampoline(fence: *mut bindings::dma_fence, cb: *mut bindings::dma_fence_cb) {
    // SAFETY: It is the first field.
    let header = unsafe { NonNull::new_unchecked(cb.cast::<Header>()) };
    // SAFETY: Who disarms it waits for the fence's lock, which is held here.
    let (call, owner) = unsafe { ((*header.as_ptr()).call, (*header.as_ptr()).owner) };
    // SAFETY: Who signals a fence has a reference to it.
    let fence = unsafe { Fence::borrow(fence) };
    // SAFETY: It is that of the header.
    unsafe { call(header, fence) };
    // SAFETY: `arm()` got it. No code of the module follows.
    unsafe { bindings::module_put(owner) };
}

/// # Safety
///
/// `header` must be that of a `Boxed<C>`, and the caller be a fence that calls its callbacks.
unsafe fn call<C: Callback>(header: NonNull<Header>, fence: &Fence) {
    // SAFETY: The caller promises it.
    let boxed = unsafe { header.cast::<Boxed<C>>().as_ref() };
    // SAFETY: The fence's lock is held, and interrupts are off; nothing that comes later is held.
    let mut cx = unsafe { Cx::assume() };
    boxed.callback.called(&mut cx, fence);
}
