// SPDX-License-Identifier: GPL-2.0

//! Finding fences that nobody signals.

use super::{
    alarm::Alarm,
    queue::{
        jiffies,
        Shared, //
    },
    shared::Fence,
    timeline::Timeline,
    workers::section, //
};
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        MayAlloc,
        MaySleep,
        Reclaim,
        Signalling, //
    },
    dev::Owner,
    gfp,
    lockdep, //
};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::aref::ARef,
    time::Jiffies, //
};

/// What is done about a fence that is not signalled in time.
pub trait Hang: Send + Sync + 'static {
    /// Whose code this is.
    type Owner: Owner;

    /// The first fence of the timeline that is not signalled has been that for as long as the
    /// watchdog waits. Called again, after as long, if it still is.
    ///
    /// Whoever has its [`Signaller`](super::Signaller) is told to give up: a reset ends in a signal
    /// as the work would have, with an error.
    ///
    /// # Context
    ///
    /// A signalling section in a kernel thread, which is there also when no memory is: a reset is a
    /// part of what others wait for.
    fn hung(&self, cx: &mut Cx<'_, Signalling>, fence: &Fence);
}

/// The part of a watchdog that is not generic.
#[repr(C)]
struct Header {
    alarm: Alarm,
    timeline: ARef<Shared>,
    call: unsafe fn(NonNull<Header>, &Fence),
}

#[repr(C)]
struct Boxed<H> {
    header: Header,
    handler: H,
}

/// Watches a timeline while it lives.
///
/// # Dropping
///
/// Waits for a call that is under way. May be done where one may allocate with `GFP_KERNEL`.
///
/// # Invariants
///
/// `boxed` is watching its timeline, and is this value's.
pub struct Watchdog<H: Hang> {
    boxed: NonNull<Boxed<H>>,
}

// SAFETY: It may be dropped by any task, and `H` is `Send`.
unsafe impl<H: Hang> Send for Watchdog<H> {}
// SAFETY: There is nothing to change through `&self`.
unsafe impl<H: Hang> Sync for Watchdog<H> {}

impl<H: Hang> Watchdog<H> {
    /// Has `handler` called when a fence of `timeline` was the first of it for `patience` jiffies.
    ///
    /// The driver's module stays for as long as there are fences to be watched.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`, and may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` for no patience; `EBUSY` if the timeline is watched already.
    pub fn new<L, S>(
        cx: &mut Cx<'_, L, S>,
        timeline: &Timeline,
        patience: Jiffies,
        handler: H,
    ) -> Result<Self>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        if patience == 0 {
            return Err(EINVAL);
        }
        let header = Header {
            // Jiffies that are farther away are in the past.
            alarm: Alarm::new::<H::Owner>(patience.min((isize::MAX as Jiffies >> 1) - 1)),
            timeline: timeline.shared().into(),
            call: call::<H>,
        };
        let boxed = NonNull::from(KBox::leak(cx.alloc(Boxed { header, handler })?));
        // SAFETY: It is valid, stays where it is, and is the first field of the header.
        unsafe { Alarm::init(boxed.cast(), bark) };
        // SAFETY: It is initialised, and stays until it is taken back.
        if !unsafe { timeline.shared().watch(boxed.cast()) } {
            // SAFETY: It was leaked above, and nobody has it.
            drop(unsafe { KBox::from_raw(boxed.as_ptr()) });
            return Err(EBUSY);
        }
        // INVARIANT: It watches.
        Ok(Self { boxed })
    }
}

impl<H: Hang> Watchdog<H> {
    /// Ends it: when this returns it does not call, and will not. As dropping it does, in a place of
    /// which the types say that it may be done there.
    ///
    /// # Context
    ///
    /// Anything before [`Reclaim`] that may sleep. C: `cancel_delayed_work_sync()`.
    pub fn end<L, S>(self, _cx: &mut Cx<'_, L, S>)
    where
        L: Before<Reclaim>,
        S: MaySleep,
    {
        drop(self);
    }
}

impl<H: Hang> Drop for Watchdog<H> {
    fn drop(&mut self) {
        // A destructor is given no token: where it may run is only checked.
        lockdep::might_alloc_kernel();
        // SAFETY: By the invariant it watches its timeline, and stays until it does not.
        unsafe { end(self.boxed.cast()) };
        // SAFETY: It was leaked when it was made; nobody else has it any more.
        drop(unsafe { KBox::from_raw(self.boxed.as_ptr()) });
    }
}

/// Ends what [`Shared::watch`] began. The watchdog does not bark any more when this returns.
///
/// # Safety
///
/// `header` must watch its timeline.
#[inline(never)]
unsafe fn end(header: NonNull<Header>) {
    // SAFETY: The caller promises that it is valid.
    let this = unsafe { header.as_ref() };
    this.timeline.unwatch();
    this.alarm.stop();
    if this.timeline.ended(header.cast()) {
        // SAFETY: It was started, and nobody else ends it.
        unsafe { this.alarm.let_go() };
    }
}

/// What a watchdog finds.
enum Look {
    /// Nothing to watch, and that was known before.
    Idle,
    /// Nothing to watch any more: it ends.
    Ended,
    /// It is not time yet.
    Later(Jiffies),
    /// This one is not signalled.
    Hung(ARef<Fence>),
}

impl Shared {
    /// Has `watchdog` watch; not if another one does.
    ///
    /// # Safety
    ///
    /// It must be initialised, and stay until [`unwatch`](Self::unwatch) and what it started is over.
    unsafe fn watch(&self, watchdog: NonNull<Alarm>) -> bool {
        let mut state = self.state.lock();
        // One that is about to end may still be started.
        if state.watchdog.is_some() || state.watching.is_some() {
            return false;
        }
        state.watchdog = Some(watchdog);
        state.since = jiffies();
        if !state.first.is_null() {
            state.watching = Some(watchdog);
            // SAFETY: It is not started; who has it watch is code of the driver's.
            unsafe { Alarm::start(watchdog) };
        }
        true
    }

    /// Ends that: it is not started any more.
    fn unwatch(&self) {
        self.state.lock().watchdog = None;
    }

    /// The watchdog is not started any more. Says whether it was.
    fn ended(&self, watchdog: NonNull<Alarm>) -> bool {
        let mut state = self.state.lock();
        state
            .watching
            .take_if(|started| *started == watchdog)
            .is_some()
    }

    /// What there is for the watchdog to do. It is not started any more if that is nothing.
    fn look(&self, watchdog: NonNull<Alarm>) -> Look {
        let mut state = self.state.lock();
        let first = NonNull::new(state.first).filter(|_| state.watchdog == Some(watchdog));
        let Some(first) = first else {
            return match state.watching.take_if(|started| *started == watchdog) {
                Some(_) => Look::Ended,
                None => Look::Idle,
            };
        };
        // SAFETY: It is the timeline's while it stands there.
        let patience = unsafe { watchdog.as_ref() }.patience();
        // Jiffies begin anew some day.
        let waited = jiffies().wrapping_sub(state.since);
        if waited < patience {
            return Look::Later(patience - waited);
        }
        state.since = jiffies();
        // SAFETY: The list has a reference, and we have the lock.
        Look::Hung(unsafe { first.as_ref() }.fence().into())
    }
}

/// # Safety
///
/// `work` must be that of a [`Header`] that was started.
unsafe extern "C" fn bark(work: *mut bindings::work_struct) {
    // SAFETY: The work is the first field of the alarm, and that of the header.
    let header = unsafe { NonNull::new_unchecked(work.cast::<Header>()) };
    // SAFETY: Who ends it waits for this function.
    let this = unsafe { header.as_ref() };
    match this.timeline.look(header.cast()) {
        Look::Idle => {}
        // SAFETY: It was started, and the timeline says so once. No code of the module follows.
        Look::Ended => unsafe { this.alarm.let_go() },
        // SAFETY: It is started.
        Look::Later(delay) => unsafe { Alarm::again(header.cast(), delay) },
        Look::Hung(fence) => {
            // SAFETY: It is that of the header.
            unsafe { (this.call)(header, &fence) };
            // SAFETY: It is started.
            unsafe { Alarm::again(header.cast(), this.alarm.patience()) };
        }
    }
}

/// # Safety
///
/// `header` must be that of a `Boxed<H>`, and the caller a worker.
unsafe fn call<H: Hang>(header: NonNull<Header>, fence: &Fence) {
    // SAFETY: The caller promises it.
    let boxed = unsafe { header.cast::<Boxed<H>>().as_ref() };
    // SAFETY: The caller promises it.
    unsafe { section(|cx| boxed.handler.hung(cx, fence)) };
}
