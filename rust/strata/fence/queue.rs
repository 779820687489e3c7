// SPDX-License-Identifier: GPL-2.0

//! What has been published and is not signalled: the truth about the fences of a timeline.

use super::{
    alarm::Alarm,
    shared::Fence, //
};
use crate::{
    bindings,
    cx::IrqLock,
    dev::Owner,
    gfp::{
        Allocate,
        Gfp,
        Kernel, //
    },
    lock_class,
    sync::IrqSave,
    Strata, //
};
use core::{
    cell::UnsafeCell,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    alloc::AllocError,
    ffi::{
        c_char,
        c_int, //
    },
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Atomic,
            Relaxed, //
        },
        lock::Lock,
        rcu,
        Refcount, //
    },
    time::Jiffies,
    types::Opaque, //
};

/// What a fence comes to that nobody works for any more.
pub(super) const CANCELED: c_int = -(bindings::ECANCELED as c_int);

/// How long a name may be: what user space is told of a fence has room for no more.
const NAME: usize = 32;

/// What all fences of a timeline refer to, until they are signalled.
///
/// Freed a grace period after its last reference: who asks a fence for its names does so under RCU
/// while it is not signalled.
#[repr(C)]
#[pin_data]
pub(super) struct Shared {
    rcu: Opaque<bindings::strata_rcu>,
    refs: Refcount,
    context: u64,
    rank: u32,
    /// Its work may wait for fences that are not of lower rank: nobody can prove that it comes first.
    open: Atomic<bool>,
    driver: [u8; NAME],
    name: [u8; NAME],
    #[pin]
    pub(super) state: Lock<State, IrqSave>,
}

/// What has been published and is not signalled, as a queue.
pub(super) struct State {
    seqno: u64,
    /// No more fences: those that come are signalled at once.
    closed: bool,
    /// Somebody is signalling what is done, and will go on with what is done meanwhile.
    draining: bool,
    pub(super) first: *mut Inner,
    last: *mut Inner,
    /// The one that was the first, and is being signalled by who drains. He has a reference.
    signalling: *mut Inner,
    /// When the first became that, in jiffies.
    pub(super) since: Jiffies,
    pub(super) watchdog: Option<NonNull<Alarm>>,
    /// The watchdog is started, and ends itself when there is nothing to watch.
    pub(super) watching: Option<NonNull<Alarm>>,
}

// SAFETY: The pointers are to fences that the list has a reference to, each of which may be used by
// any task.
unsafe impl Send for State {}

/// A fence of ours. Once it is published it is freed by the kernel proper, as what it begins with.
#[repr(C)]
pub(super) struct Inner {
    base: Opaque<bindings::dma_fence>,
    /// With a reference, until the fence is signalled: then nobody asks for it any more.
    timeline: NonNull<Shared>,
    /// Under the timeline's lock.
    link: UnsafeCell<Link>,
}

struct Link {
    next: *mut Inner,
    /// What it came to, once it is done: 0 or a negative errno.
    outcome: Option<c_int>,
}

// SAFETY: What is behind the pointer may be used by any task.
unsafe impl Send for Shared {}
// SAFETY: It is not changed but under its lock.
unsafe impl Sync for Shared {}

// SAFETY: It is counted; the memory is there while the count is not 0, and a grace period longer.
unsafe impl AlwaysRefCounted for Shared {
    fn inc_ref(&self) {
        self.refs.inc();
    }

    unsafe fn dec_ref(shared: NonNull<Self>) {
        // SAFETY: The caller has a reference.
        if unsafe { shared.as_ref() }.refs.dec_and_test() {
            // SAFETY: It came from a box, has nothing to drop, and nobody refers to it any more but
            // readers under RCU.
            unsafe { bindings::kfree_rcu(shared.as_ptr().cast()) };
            // SAFETY: `Shared::new()` got it. Who gives a last reference up is a driver's code, and
            // drivers hold the library, or one of the library's workers, for which that waits.
            unsafe { bindings::module_put(<Strata as Owner>::MODULE.as_ptr()) };
        }
    }
}

/// The operations of all fences of ours.
///
/// Without `release` and `wait`, so that a fence belongs to nobody once it is signalled.
static OPERATIONS: bindings::dma_fence_ops = bindings::dma_fence_ops {
    get_driver_name: Some(driver_name),
    get_timeline_name: Some(timeline_name),
    ..pin_init::zeroed()
};

impl Inner {
    /// As others see it.
    pub(super) fn fence(&self) -> &Fence {
        // SAFETY: It was initialised, and is there as long as `self`.
        unsafe { Fence::borrow(self.base.get()) }
    }

    /// # Safety
    ///
    /// It must not be signalled.
    pub(super) unsafe fn timeline(&self) -> &Shared {
        // SAFETY: Until it is signalled it has a reference.
        unsafe { self.timeline.as_ref() }
    }
}

/// # Safety
///
/// `fence` must be an unsignalled one of ours, or have been one in this RCU reader's section.
unsafe fn shared_of<'a>(fence: *mut bindings::dma_fence) -> &'a Shared {
    // SAFETY: It is the first field of one of ours, whose timeline has a grace period more to live
    // than it is not signalled.
    unsafe { (*fence.cast::<Inner>()).timeline.as_ref() }
}

/// # Safety
///
/// As [`shared_of`].
unsafe extern "C" fn driver_name(fence: *mut bindings::dma_fence) -> *const c_char {
    // SAFETY: The kernel asks in an RCU reader's section, while it is not signalled.
    unsafe { shared_of(fence) }.driver.as_ptr().cast()
}

/// # Safety
///
/// As [`shared_of`].
unsafe extern "C" fn timeline_name(fence: *mut bindings::dma_fence) -> *const c_char {
    // SAFETY: As above.
    unsafe { shared_of(fence) }.name.as_ptr().cast()
}

impl Shared {
    /// A queue without fences, in a context of its own.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ENAMETOOLONG`.
    pub(super) fn new(
        gfp: &mut Gfp<'_, Kernel>,
        driver: &CStr,
        name: &CStr,
        rank: u32,
    ) -> Result<ARef<Self>> {
        let class = lock_class!(IrqLock, "timeline");
        class.prime_irq_spinlock();
        let (driver, name) = (fixed(driver)?, fixed(name)?);
        let state = State {
            seqno: 0,
            closed: false,
            draining: false,
            first: ptr::null_mut(),
            last: ptr::null_mut(),
            signalling: ptr::null_mut(),
            since: 0,
            watchdog: None,
            watching: None,
        };
        let shared = gfp.boxed_init(pin_init!(Shared {
            rcu: Opaque::uninit(),
            refs: Refcount::new(1),
            // SAFETY: It only counts.
            context: unsafe { bindings::dma_fence_context_alloc(1) },
            rank,
            open: Atomic::new(false),
            driver,
            name,
            state <- Lock::new(state, class.name(), class.key()),
        }))?;
        // A timeline that is forgotten keeps the operations of its fences.
        // SAFETY: This is code of the library, so that is alive.
        unsafe { bindings::__module_get(<Strata as Owner>::MODULE.as_ptr()) };
        // SAFETY: The counted object stays where it is until it is freed.
        let shared = KBox::into_raw(unsafe { Pin::into_inner_unchecked(shared) });
        // SAFETY: It comes from a box, with the one reference that it begins with.
        Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(shared)) })
    }

    pub(super) fn context(&self) -> u64 {
        self.context
    }

    pub(super) fn rank(&self) -> u32 {
        self.rank
    }

    /// The work of this timeline will wait for `fence`.
    pub(super) fn will_wait_for(&self, fence: &Fence) {
        let earlier = match place_of(fence) {
            // One of its own was published before, and is signalled before.
            Some(place) => {
                !place.open && (place.rank < self.rank || fence.context() == self.context)
            }
            // Of another driver, or signalled.
            None => fence.status().is_some(),
        };
        if !earlier {
            self.open.store(true, Relaxed);
        }
    }

    /// A fence of this queue, initialised, with a reference to the queue.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    pub(super) fn fence<C: Allocate>(
        &self,
        gfp: &mut Gfp<'_, C>,
    ) -> Result<NonNull<Inner>, AllocError> {
        let inner = Inner {
            base: Opaque::uninit(),
            timeline: NonNull::from(self),
            link: UnsafeCell::new(Link {
                next: ptr::null_mut(),
                outcome: None,
            }),
        };
        let inner = NonNull::from(KBox::leak(gfp.boxed(inner).map_err(|_| AllocError)?));
        self.inc_ref();
        // SAFETY: The memory is kmalloc's and ours, the operations are static. The sequence number
        // is set when the fence is published.
        unsafe {
            bindings::dma_fence_init64(
                inner.as_ref().base.get(),
                &OPERATIONS,
                ptr::null_mut(),
                self.context,
                0,
            )
        };
        Ok(inner)
    }

    /// Ends the queue: what is not done is done, with [`CANCELED`], and all is signalled when this
    /// returns.
    ///
    /// The caller must be allowed to wait for a fence, and to sleep.
    pub(super) fn close(&self) {
        let last = {
            let mut state = self.state.lock();
            state.closed = true;
            let mut next = state.first;
            let mut last = NonNull::new(state.signalling);
            while let Some(inner) = NonNull::new(next) {
                // SAFETY: The list has a reference, and we have the lock.
                let link = unsafe { &mut *inner.as_ref().link.get() };
                link.outcome = link.outcome.or(Some(CANCELED));
                next = link.next;
                last = Some(inner);
            }
            // SAFETY: As above; who signals one has a reference to it while it stands there.
            last.map(|inner| ARef::from(unsafe { inner.as_ref() }.fence()))
        };
        self.drain();
        if let Some(last) = last {
            // If somebody else was signalling, he does it now; the last comes last.
            last.wait_for_other();
        }
    }

    /// Appends a fence, and gives it its sequence number. Says whether the queue goes on; if it has
    /// ended, the fence is done, and to be drained.
    pub(super) fn push(&self, inner: NonNull<Inner>) -> bool {
        let mut state = self.state.lock();
        state.seqno += 1;
        // SAFETY: The fence is not published yet: it is the caller's alone.
        unsafe { (*inner.as_ref().base.get()).seqno = state.seqno };
        if state.closed {
            // SAFETY: As above.
            unsafe { (*inner.as_ref().link.get()).outcome = Some(CANCELED) };
        }
        if state.first.is_null() {
            state.first = inner.as_ptr();
            state.since = jiffies();
            if let (Some(watchdog), None) = (state.watchdog, state.watching) {
                state.watching = Some(watchdog);
                // SAFETY: It is the timeline's while it stands there, and is not started; who
                // publishes is code of the driver's.
                unsafe { Alarm::start(watchdog) };
            }
        } else {
            // SAFETY: The list has a reference to its last fence, and we have the lock.
            unsafe { (*(*state.last).link.get()).next = inner.as_ptr() };
        }
        state.last = inner.as_ptr();
        !state.closed
    }

    /// A fence is done. Signals it, unless one before it is not done, and all that follow it and are.
    ///
    /// Says whether it was not done before; else it does nothing.
    pub(super) fn done(&self, inner: NonNull<Inner>, outcome: c_int) -> bool {
        {
            let _state = self.state.lock();
            // SAFETY: We have the lock, and the caller a reference.
            let link = unsafe { &mut *inner.as_ref().link.get() };
            if link.outcome.is_some() {
                return false;
            }
            link.outcome = Some(outcome);
        }
        self.drain();
        true
    }

    /// Signals what is done, in order.
    pub(super) fn drain(&self) {
        let mut drains = false;
        loop {
            let mut state = self.state.lock();
            if !drains {
                if state.draining {
                    return;
                }
                state.draining = true;
                drains = true;
            }
            let Some(first) = NonNull::new(state.first) else {
                state.draining = false;
                return;
            };
            // SAFETY: We have the lock, and the list a reference.
            let link = unsafe { &mut *first.as_ref().link.get() };
            let Some(outcome) = link.outcome else {
                state.draining = false;
                return;
            };
            state.first = link.next;
            state.since = jiffies();
            let watchdog = state.watchdog.filter(|_| state.first.is_null());
            if let Some(watchdog) = watchdog.filter(|_| state.watching == watchdog) {
                // Nothing to watch: it lets go of the driver's module at once.
                // SAFETY: It is the timeline's while it stands there, and is started.
                unsafe { Alarm::now(watchdog) };
            }
            state.signalling = first.as_ptr();
            drop(state);
            // SAFETY: It is alive: the reference of the list is ours now.
            let fence = ARef::from(unsafe { first.as_ref() }.fence());
            // SAFETY: It was on the list, is off it, and its outcome is set for ever.
            unsafe { signal(first, outcome) };
            self.state.lock().signalling = ptr::null_mut();
            drop(fence);
        }
    }
}

/// Signals a fence, and gives up its reference to the timeline and one to itself.
///
/// # Safety
///
/// It must not be signalled yet, nor be by anybody else, and both references be the caller's to
/// give.
pub(super) unsafe fn signal(inner: NonNull<Inner>, outcome: c_int) {
    // SAFETY: It is alive.
    let (fence, timeline) = unsafe { (inner.as_ref().base.get(), inner.as_ref().timeline) };
    if outcome < 0 {
        // SAFETY: It is not signalled.
        unsafe { bindings::fence_set_error(fence, outcome) };
    }
    // SAFETY: It is initialised.
    unsafe { bindings::dma_fence_signal(fence) };
    // SAFETY: The caller gives it.
    unsafe { bindings::fence_put(fence) };
    // SAFETY: The caller gives it. Nobody asks a signalled fence for its timeline, but readers under
    // RCU, for whom it is there a grace period longer.
    unsafe { Shared::dec_ref(timeline) };
}

/// The clock of timeouts. It may be a `u32` that begins anew.
pub(super) fn jiffies() -> Jiffies {
    // SAFETY: It is always there to be read.
    unsafe { bindings::now_in_jiffies() }
}

/// A name as fences have it.
fn fixed(name: &CStr) -> Result<[u8; NAME]> {
    let mut fixed = [0; NAME];
    let bytes = name.to_bytes_with_nul();
    fixed
        .get_mut(..bytes.len())
        .ok_or(Error::from_errno(-(bindings::ENAMETOOLONG as c_int)))?
        .copy_from_slice(bytes);
    Ok(fixed)
}

/// What a fence of ours says of its timeline, while it is not signalled.
pub(super) struct Place {
    /// The timeline's rank.
    pub(super) rank: u32,
    /// Whether its work may wait for that of later ones.
    pub(super) open: bool,
}

/// Where a fence stands, if it is one of ours that is not signalled yet.
pub(super) fn place_of(fence: &Fence) -> Option<Place> {
    // Before the look: the timeline is there for who saw its operations as a reader.
    let _reader = rcu::read_lock();
    // SAFETY: It is initialised.
    if !ptr::eq(unsafe { bindings::fence_ops(fence.as_ptr()) }, &OPERATIONS) {
        return None;
    }
    // SAFETY: It is one of ours; if it was signalled since, the timeline is still there for this
    // reader.
    let shared = unsafe { shared_of(fence.as_ptr()) };
    Some(Place {
        rank: shared.rank,
        open: shared.open.load(Relaxed),
    })
}
