// SPDX-License-Identifier: GPL-2.0

//! Work items: a function that a worker calls later, with a token of its own.
//!
//! The memory is taken when the item is made, so that queueing cannot fail and is allowed
//! everywhere. A queued item holds its driver's module; the trampoline that lets go of it stands in
//! `strata.ko`, which drains its queue before it goes: no instruction of a module runs after it is
//! unloaded.
//!
//! C: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h). Docs:
//! `Documentation/core-api/workqueue.rst`.

use super::Owner;
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        Level,
        MayAlloc,
        MaySleep,
        Process,
        Reclaim,
        Sleep, //
    },
    gfp,
    lockdep, //
};
use core::{
    mem::MaybeUninit,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};

/// What a work item does.
pub trait Item: Send + Sized + 'static {
    /// Whose code this is.
    type Owner: Owner;

    /// Called once, by a worker.
    ///
    /// # Context
    ///
    /// Process context of a kernel thread: may sleep, has no mm.
    fn run(self, cx: &mut Cx<'_, Process>);
}

/// The part of an item that is not generic: what the trampoline needs.
#[repr(C)]
pub(crate) struct Header {
    work: Opaque<bindings::work_struct>,
    /// Frees the item and runs what was in it.
    run: unsafe fn(NonNull<Header>),
    owner: *mut bindings::module,
}

impl Header {
    /// The header of an item whose code is `O`'s.
    ///
    /// # Safety
    ///
    /// `run` must be for what the header is to be the first field of.
    pub(crate) unsafe fn new<O: Owner>(run: unsafe fn(NonNull<Header>)) -> Self {
        Self {
            work: Opaque::uninit(),
            run,
            owner: O::MODULE.as_ptr(),
        }
    }

    /// Holds the item's module from now on until it has run.
    ///
    /// # Safety
    ///
    /// `header` must be valid and stay where it is. The caller must be code of the module, and
    /// [`enqueue`](Self::enqueue) it later, once.
    #[inline(never)]
    pub(crate) unsafe fn hold(header: NonNull<Self>) {
        // SAFETY: Valid by the caller's promise; so the module is alive, and another reference may be
        // taken.
        unsafe { bindings::__module_get((*header.as_ptr()).owner) };
        // SAFETY: Valid by the caller's promise.
        let work = unsafe { (*header.as_ptr()).work.get() };
        // SAFETY: `work` is pinned, as it stays where it is, and not queued yet.
        unsafe { bindings::init_work(work, Some(trampoline)) };
    }

    /// Hands the item to a worker of `queue`. It may be gone when this returns.
    ///
    /// # Safety
    ///
    /// [`hold`](Self::hold) was called for it, and this was not; `queue` is started.
    pub(crate) unsafe fn enqueue(header: NonNull<Self>, queue: &Queue) {
        // SAFETY: The caller promises that both are there.
        unsafe {
            bindings::queue_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as i32,
                queue.as_ptr(),
                (*header.as_ptr()).work.get(),
            )
        };
    }
}

#[repr(C)]
struct Boxed<I> {
    header: Header,
    item: I,
}

/// A work item that was prepared: queueing it needs no memory and cannot fail.
///
/// # Invariants
///
/// `header` is initialised.
#[must_use = "an item does nothing until it is queued"]
pub struct Prepared<I: Item> {
    boxed: KBox<Boxed<I>>,
}

// SAFETY: The header is not used before the item is queued, and `I` is `Send`.
unsafe impl<I: Item> Send for Prepared<I> {}

impl<I: Item> Prepared<I> {
    /// Takes the memory for `item`.
    ///
    /// # Context
    ///
    /// Levels that may allocate with `GFP_KERNEL`, and may sleep.
    ///
    /// # Errors
    ///
    /// [`gfp::NoMemory`] with the item.
    pub fn new<L, S>(cx: &mut Cx<'_, L, S>, item: I) -> Result<Self, gfp::NoMemory<I>>
    where
        L: MayAlloc<gfp::Kernel>,
        S: MaySleep,
    {
        // SAFETY: The function is for such boxes.
        let header = unsafe { Header::new::<I::Owner>(run_boxed::<I>) };
        match cx.alloc(Boxed { header, item }) {
            // INVARIANT: All fields but `work` were set; queueing initialises that.
            Ok(boxed) => Ok(Self { boxed }),
            Err(gfp::NoMemory { value }) => Err(gfp::NoMemory { value: value.item }),
        }
    }

    /// Hands the item to a worker. The module stays until it has run.
    ///
    /// # Context
    ///
    /// Any. C: `queue_work()`.
    pub fn queue<L: Level, S: Sleep>(self, _cx: &mut Cx<'_, L, S>) {
        // The box now belongs to the queue, until `run_boxed()` takes it back.
        let item = NonNull::from(KBox::leak(self.boxed)).cast();
        // SAFETY: `item` is valid, and `Header` its first field.
        unsafe { Header::hold(item) };
        // SAFETY: It is held, and queued nowhere.
        unsafe { Header::enqueue(item, &QUEUE) };
    }
}

/// Waits until all items that were queued before have run, those of other drivers too.
///
/// An idle queue returns at once, and lockdep would see nothing; so this says itself where it may
/// be called.
///
/// # Context
///
/// Anything before [`Reclaim`] that may sleep: items may allocate. C: `flush_workqueue()`.
pub fn flush<L, S>(_cx: &mut Cx<'_, L, S>)
where
    L: Before<Reclaim>,
    S: MaySleep,
{
    lockdep::might_alloc_kernel();
    // SAFETY: The queue lives for as long as `strata.ko`, whose code this is.
    unsafe { bindings::__flush_workqueue(QUEUE.as_ptr()) };
}

/// Runs an item and lets go of its module.
///
/// # Safety
///
/// `work` must be that of a `Header` that was queued.
unsafe extern "C" fn trampoline(work: *mut bindings::work_struct) {
    let work = work.cast::<Opaque<bindings::work_struct>>();
    // SAFETY: Only works of a `Header` are queued with this function.
    let header = unsafe { kernel::container_of!(work, Header, work) };
    // SAFETY: The header is valid until `run` frees it.
    let (run, owner) = unsafe { ((*header).run, (*header).owner) };
    if let Some(header) = NonNull::new(header) {
        // SAFETY: The item is not queued any more, and nobody else has it.
        unsafe { run(header) };
    }
    // SAFETY: The reference was taken when the item was queued. No code of the module follows.
    unsafe { bindings::module_put(owner) };
}

/// Takes the box back, and runs its item.
///
/// # Safety
///
/// `header` must be that of a `Boxed<I>` which the queue has let go of.
unsafe fn run_boxed<I: Item>(header: NonNull<Header>) {
    let boxed = header.cast::<MaybeUninit<Boxed<I>>>().as_ptr();
    // SAFETY: It came from a box of this type, by the caller's promise.
    let boxed = unsafe { KBox::from_raw(boxed) };
    // SAFETY: It is initialised, and not used any more: the header has nothing to drop.
    let item = unsafe { (&raw const (*boxed.as_ptr()).item).read() };
    lockdep::assert_process();
    // SAFETY: A worker runs its items in process context, with nothing held.
    let mut cx = unsafe { Cx::assume() };
    item.run(&mut cx);
    // Not before: the kernel takes a work at the address of one that is being run for the same, and
    // has it wait for that. An item may wait for one that it queued.
    drop(boxed);
}

/// A queue of this library's, for as long as that is loaded.
pub(crate) struct Queue(Atomic<*mut bindings::workqueue_struct>);

impl Queue {
    /// One that is not started yet.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(ptr::null_mut()))
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::workqueue_struct {
        self.0.load(Relaxed)
    }

    /// Creates the queue. It is drained and destroyed when the result is dropped.
    pub(crate) fn start(&'static self, name: &'static CStr, flags: u32) -> Result<Works> {
        // SAFETY: The name is a format without arguments.
        let queue = unsafe { bindings::alloc_workqueue_noprof(name.as_char_ptr(), flags, 0) };
        if queue.is_null() {
            return Err(ENOMEM);
        }
        self.0.store(queue, Relaxed);
        Ok(Works(self))
    }
}

/// The queue of all items.
static QUEUE: Queue = Queue::new();

/// Creates the queue of all items.
pub(crate) fn start() -> Result<Works> {
    QUEUE.start(c"strata", bindings::wq_flags_WQ_UNBOUND)
}

/// Keeps a queue. Drains it when dropped.
pub(crate) struct Works(&'static Queue);

impl Drop for Works {
    fn drop(&mut self) {
        // SAFETY: Users of the crate are unloaded before it, so nothing is queued any more; this
        // waits for the trampolines that still run.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

#[kunit_tests(strata_work)]
mod tests {
    use super::*;
    use crate::{
        kunit::process,
        sync::wait_for_completion, //
    };
    use kernel::sync::{
        Arc,
        Completion, //
    };

    struct Add(Arc<Atomic<i32>>, i32);

    impl Item for Add {
        type Owner = crate::Strata;

        fn run(self, _cx: &mut Cx<'_, Process>) {
            self.0.fetch_add(self.1, Relaxed);
        }
    }

    #[test]
    fn queued_items_have_run_after_a_flush() -> Result {
        process(|cx| {
            let sum = gfp::kernel(cx).arc(Atomic::new(0))?;
            for n in 1..=10 {
                let item = Prepared::new(cx, Add(sum.clone(), n))?;
                // From where nothing may be allocated: the memory is there already.
                cx.signalling(|cx| cx.atomic(|cx| item.queue(cx)));
            }
            flush(cx);
            assert_eq!(sum.load(Relaxed), 55);
            Ok(())
        })
    }

    #[test]
    fn an_item_that_is_never_queued_is_freed() -> Result {
        process(|cx| {
            let sum = gfp::kernel(cx).arc(Atomic::new(0))?;
            drop(Prepared::new(cx, Add(sum.clone(), 1))?);
            // Ours is the only reference again.
            assert!(Arc::into_unique_or_drop(sum).is_some());
            Ok(())
        })
    }

    /// Queues the next one, and waits for it.
    struct Chain(i32, Arc<Completion>);

    impl Item for Chain {
        type Owner = crate::Strata;

        fn run(self, cx: &mut Cx<'_, Process>) {
            let next = gfp::kernel(cx).arc_init(Completion::new());
            if let (1.., Ok(next)) = (self.0, next) {
                let item = Prepared::new(cx, Chain(self.0 - 1, next.clone()));
                if let Ok(item) = item {
                    item.queue(cx);
                    wait_for_completion(cx, &next);
                }
            }
            self.1.complete_all();
        }
    }

    #[test]
    fn an_item_may_wait_for_another() -> Result {
        process(|cx| {
            // The memory of one is not that of the next while it runs: it would wait for itself.
            for _ in 0..20 {
                let done = gfp::kernel(cx).arc_init(Completion::new())?;
                Prepared::new(cx, Chain(4, done.clone()))?.queue(cx);
                wait_for_completion(cx, &done);
            }
            Ok(())
        })
    }
}
