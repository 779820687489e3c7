// SPDX-License-Identifier: GPL-2.0

//! Work that fences wait for: items that run in a signalling section, after the fences that they
//! wait for.

use super::{
    published::Signaller,
    queue::CANCELED,
    shared::Fence,
    timeline::Prepared,
    workers::{
        section,
        QUEUE, //
    },
};
use crate::{
    bindings,
    cx::{
        Cx,
        MayAlloc,
        MaySleep,
        Signalling,
        Sleep, //
    },
    dev::{
        work::Header,
        Owner, //
    },
    gfp::{
        self,
        NoMemory, //
    },
};
use core::{
    mem::MaybeUninit,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    ffi::c_int,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Refcount, //
    },
    types::Opaque, //
};

/// What is done for a fence, by a worker.
///
/// Its function has the token of a signalling section and no other: nobody can forget to annotate
/// it, and what it queues it can only queue from there.
pub trait Job: Send + Sized + 'static {
    /// Whose code this is.
    type Owner: Owner;

    /// Called once, when all fences that the job waits for are signalled, or its timeline was dropped.
    ///
    /// `dependencies` is the first error among those that had one, or `ECANCELED` if not all of them
    /// were waited for. `signaller` is the duty to signal the job's own fence: here, or by whom it is
    /// handed to. After the end of its timeline it is signalled already.
    ///
    /// # Context
    ///
    /// A signalling section in a kernel thread: may sleep, has no mm. The thread is there also when
    /// no memory is; but it is one for all then, so a job does not wait here for what another job
    /// signals: it is given that fence when it is prepared.
    fn run(self, cx: &mut Cx<'_, Signalling>, dependencies: Result, signaller: Signaller);
}

/// A fence that a job waits for.
#[repr(C)]
struct Wait {
    cb: Opaque<bindings::dma_fence_cb>,
    job: NonNull<Waiting>,
    fence: ARef<Fence>,
}

/// What becomes of a job's own fence before the job has run: its timeline signals it and is gone.
#[repr(C)]
struct Own {
    cb: Opaque<bindings::dma_fence_cb>,
    job: NonNull<Waiting>,
}

/// The part of a job that is not generic.
#[repr(C)]
struct Waiting {
    work: Header,
    /// Ends the wait, where that may take the locks of other fences.
    give_up: Opaque<bindings::work_struct>,
    own: Own,
    /// How many fences are to be signalled yet, and one for who arms them or gives up.
    pending: Refcount,
    /// 0 or a negative errno.
    error: Atomic<c_int>,
    waits: KVec<Wait>,
}

#[repr(C)]
struct Boxed<J> {
    waiting: Waiting,
    job: J,
    /// Set when the job is queued.
    signaller: Option<Signaller>,
}

/// A job with its fence, and all memory that it takes to wait for others and to be queued.
#[must_use = "a job does nothing until it is queued"]
pub struct PreparedJob<J: Job> {
    boxed: KBox<Boxed<J>>,
    fence: Prepared,
}

// SAFETY: Nothing of it but `job` and `fence`, which are `Send`, is used before it is queued.
unsafe impl<J: Job> Send for PreparedJob<J> {}

impl<J: Job> PreparedJob<J> {
    /// Takes the memory for `job`, which waits for `fences` and signals `fence`.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`, and may sleep.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] with the job.
    pub fn new<L, S>(
        cx: &mut Cx<'_, L, S>,
        job: J,
        fence: Prepared,
        fences: &[ARef<Fence>],
    ) -> Result<Self, NoMemory<J>>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        let mut gfp = gfp::kernel(cx);
        for other in fences {
            fence.timeline().will_wait_for(other);
        }
        let Ok(mut waits) = gfp.vec(fences.len()) else {
            return Err(NoMemory { value: job });
        };
        for other in fences {
            let wait = Wait {
                cb: Opaque::uninit(),
                job: NonNull::dangling(),
                fence: other.clone(),
            };
            if waits.push_within_capacity(wait).is_err() {
                return Err(NoMemory { value: job });
            }
        }
        let waiting = Waiting {
            // SAFETY: The function is for such boxes.
            work: unsafe { Header::new::<J::Owner>(run_boxed::<J>) },
            give_up: Opaque::uninit(),
            own: Own {
                cb: Opaque::uninit(),
                job: NonNull::dangling(),
            },
            pending: Refcount::new(1),
            error: Atomic::new(0),
            waits,
        };
        let boxed = Boxed {
            waiting,
            job,
            signaller: None,
        };
        match gfp.boxed(boxed) {
            Ok(boxed) => Ok(Self { boxed, fence }),
            Err(NoMemory { value }) => Err(NoMemory { value: value.job }),
        }
    }

    /// What was prepared, to look at.
    pub fn job(&self) -> &J {
        &self.boxed.job
    }

    /// The job's fence, which is still to be published.
    pub fn fence(&self) -> &Prepared {
        &self.fence
    }

    /// Publishes the job's fence, and queues the job for when all that it waits for is signalled.
    ///
    /// The driver's module stays until it has run.
    ///
    /// # Context
    ///
    /// In a signalling section. Takes the locks of the fences. C: `dma_fence_add_callback()`,
    /// `queue_work()`.
    pub fn queue<S: Sleep>(self, cx: &mut Cx<'_, Signalling, S>) -> ARef<Fence> {
        let job = self.publish(cx);
        let fence = job.fence().clone();
        job.queue(cx);
        fence
    }

    /// Publishes the job's fence, for what is to be done with it before the job can run.
    ///
    /// # Context
    ///
    /// In a signalling section. Allocates nothing.
    pub fn publish<S: Sleep>(self, cx: &mut Cx<'_, Signalling, S>) -> PublishedJob<J> {
        let Self { boxed, fence } = self;
        let (fence, signaller) = fence.publish(cx);
        PublishedJob {
            boxed,
            fence,
            signaller,
        }
    }
}

/// A job whose fence others may know, and which is still to be queued.
///
/// Who drops it signals `ECANCELED`, as who drops a [`Signaller`]. The job is dropped there, too.
#[must_use = "others wait for the job"]
pub struct PublishedJob<J: Job> {
    boxed: KBox<Boxed<J>>,
    fence: ARef<Fence>,
    signaller: Signaller,
}

// SAFETY: As that of `PreparedJob`; the others are `Send`.
unsafe impl<J: Job> Send for PublishedJob<J> {}

impl<J: Job> PublishedJob<J> {
    /// Its fence.
    pub fn fence(&self) -> &ARef<Fence> {
        &self.fence
    }

    /// Queues the job for when all that it waits for is signalled.
    ///
    /// # Context
    ///
    /// As [`PreparedJob::queue`].
    pub fn queue<S: Sleep>(self, _cx: &mut Cx<'_, Signalling, S>) {
        let mut boxed = self.boxed;
        boxed.signaller = Some(self.signaller);
        // It belongs to its fences and to the queue, until `run_boxed()` takes it back.
        let waiting = NonNull::from(KBox::leak(boxed)).cast::<Waiting>();
        // SAFETY: It is the first field of such a box; our code is part of the module.
        unsafe { Header::hold(waiting.cast()) };
        // SAFETY: It is held, and ours alone; the fence is its own.
        unsafe { arm(waiting, &self.fence) };
    }
}

/// Arms all that a job waits for. It may be gone when this returns.
///
/// # Safety
///
/// `job` must be held, nobody else have it, and `own` be its fence.
#[inline(never)]
unsafe fn arm(job: NonNull<Waiting>, own: &Fence) {
    // SAFETY: It is ours alone until the first fence has it, and stays where it is.
    unsafe { bindings::init_work((*job.as_ptr()).give_up.get(), Some(give_up)) };
    // SAFETY: As above.
    unsafe { (*job.as_ptr()).own.job = job };
    // SAFETY: As above; it is not freed before our own count is given up.
    let waits = unsafe { &raw mut (*job.as_ptr()).waits };
    // SAFETY: As above.
    let (first, count) = unsafe { ((*waits).as_mut_ptr(), (*waits).len()) };
    for index in 0..count {
        // SAFETY: It is an element, and no fence has it yet.
        let wait = unsafe { first.add(index) };
        // SAFETY: As above.
        unsafe { (*wait).job = job };
        // SAFETY: The count is not 0, since ours is in it.
        unsafe { (*job.as_ptr()).pending.inc() };
        // SAFETY: The fence is initialised; the callback stays where it is until the job runs.
        let armed = to_result(unsafe {
            bindings::dma_fence_add_callback((*wait).fence.as_ptr(), wait.cast(), Some(signalled))
        });
        if armed.is_err() {
            // SAFETY: The fence is signalled, and does not call.
            unsafe { one_less(job, &(*wait).fence) };
        }
    }
    // Last: who gives up finds all others armed, or called.
    // SAFETY: The fence is initialised; the callback is taken back before the job is freed.
    let armed = to_result(unsafe {
        bindings::dma_fence_add_callback(
            own.as_ptr(),
            (&raw mut (*job.as_ptr()).own).cast(),
            Some(ended),
        )
    });
    if armed.is_err() {
        // SAFETY: One of its count is ours.
        unsafe { Waiting::end(job) };
    }
    // SAFETY: Our own.
    unsafe { Waiting::put(job) };
}

/// # Safety
///
/// `cb` must be that of an [`Own`] that was armed.
unsafe extern "C" fn ended(_fence: *mut bindings::dma_fence, cb: *mut bindings::dma_fence_cb) {
    // SAFETY: It is the first field of one, which is there until it is taken back.
    let job = unsafe { (*cb.cast::<Own>()).job };
    // SAFETY: The job is not freed before the callback was taken back, for which the lock is needed
    // that is held here.
    unsafe { Waiting::end(job) };
}

/// Ends the wait of a job for all fences that are not signalled.
///
/// # Safety
///
/// `work` must be the `give_up` of a job, one of whose count is given away.
unsafe extern "C" fn give_up(work: *mut bindings::work_struct) {
    let work = work.cast::<Opaque<bindings::work_struct>>();
    // SAFETY: The caller promises it.
    let job = unsafe { kernel::container_of!(work, Waiting, give_up) };
    // SAFETY: As above.
    let job = unsafe { NonNull::new_unchecked(job) };
    // SAFETY: The job is there while its count is not 0; nobody changes them.
    let waits = unsafe { &(*job.as_ptr()).waits };
    let (first, count) = (waits.as_ptr().cast_mut(), waits.len());
    for index in 0..count {
        // SAFETY: It is an element.
        let wait = unsafe { first.add(index) };
        // SAFETY: It was armed, or the fence was signalled; either way its list is initialised.
        if unsafe { bindings::dma_fence_remove_callback((*wait).fence.as_ptr(), wait.cast()) } {
            // SAFETY: It is not called any more, and there is one more in the count: ours.
            unsafe { (*job.as_ptr()).pending.dec() };
        }
    }
    // SAFETY: It was given to us.
    unsafe { Waiting::put(job) };
}

/// # Safety
///
/// `cb` must be that of a [`Wait`] that was armed.
unsafe extern "C" fn signalled(fence: *mut bindings::dma_fence, cb: *mut bindings::dma_fence_cb) {
    // SAFETY: It is the first field of one, which is there until its job runs.
    let job = unsafe { (*cb.cast::<Wait>()).job };
    // SAFETY: Who signals a fence has a reference to it; it calls once.
    unsafe { one_less(job, Fence::borrow(fence)) };
}

/// A fence of the job is signalled.
///
/// # Safety
///
/// Called once for each.
unsafe fn one_less(job: NonNull<Waiting>, fence: &Fence) {
    if let Some(Err(error)) = fence.status() {
        // The first one stays.
        // SAFETY: The job is there while its count is not 0.
        let _ = unsafe { (*job.as_ptr()).error.cmpxchg(0, error.to_errno(), Relaxed) };
    }
    // SAFETY: The caller gives it.
    unsafe { Waiting::put(job) };
}

impl Waiting {
    /// Has the wait ended, if the job still waits.
    ///
    /// # Safety
    ///
    /// The job must be there.
    unsafe fn end(job: NonNull<Self>) {
        // SAFETY: The caller promises it.
        let pending = unsafe { &(*job.as_ptr()).pending };
        // SAFETY: As above.
        let error = unsafe { &(*job.as_ptr()).error };
        let count = pending.as_atomic();
        let mut pending = count.load(Relaxed);
        loop {
            if pending == 0 {
                return;
            }
            match count.cmpxchg(pending, pending + 1, Relaxed) {
                Ok(_) => break,
                Err(now) => pending = now,
            }
        }
        // The first one stays.
        let _ = error.cmpxchg(0, CANCELED, Relaxed);
        // SAFETY: It was initialised before the fence had the job, and is queued once: a fence is
        // signalled once. The job is there for as long as its count, of which it has one.
        unsafe {
            bindings::queue_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as i32,
                QUEUE.as_ptr(),
                (*job.as_ptr()).give_up.get(),
            )
        };
    }

    /// Gives up one of its count, and queues it with the last.
    ///
    /// # Safety
    ///
    /// One must be the caller's to give.
    unsafe fn put(job: NonNull<Self>) {
        // SAFETY: The job is there while its count is not 0.
        let pending = unsafe { &(*job.as_ptr()).pending };
        if pending.dec_and_test() {
            // SAFETY: It is held, and this happens once. Nothing of it is touched after.
            unsafe { Header::enqueue(job.cast(), &QUEUE) };
        }
    }
}

/// Takes the box back, and runs its job.
///
/// # Safety
///
/// `header` must be that of a `Boxed<J>` which the queue has let go of.
unsafe fn run_boxed<J: Job>(header: NonNull<Header>) {
    let boxed = header.cast::<Boxed<J>>().as_ptr();
    // SAFETY: It came from a box of this type, by the caller's promise, and is ours.
    let own = unsafe { &raw mut (*boxed).waiting.own };
    // SAFETY: As above; it was set before the job was queued.
    if let Some(signaller) = unsafe { &(*boxed).signaller } {
        let fence = signaller.fence().as_ptr();
        // Once it is back, the fence does not know the job any more.
        // SAFETY: It was armed, or the fence was signalled; either way its list is initialised.
        unsafe { bindings::dma_fence_remove_callback(fence, own.cast()) };
    }
    // SAFETY: As above.
    let boxed = unsafe { KBox::from_raw(boxed.cast::<MaybeUninit<Boxed<J>>>()) };
    // SAFETY: It is initialised, and not used any more. The fences that it waited for are signalled,
    // and do not touch a callback after they called it, or have given it back.
    let Boxed {
        job,
        waiting,
        signaller,
    } = unsafe { boxed.as_ptr().read() };
    let error = waiting.error.load(Relaxed);
    if let Some(signaller) = signaller {
        // SAFETY: A worker of the queue runs this, as it runs its items.
        unsafe { section(|cx| job.run(cx, to_result(error), signaller)) };
    }
    // Not before, as an item's (`dev::work`): another job at its address would wait for this one.
    drop(boxed);
}
