// SPDX-License-Identifier: GPL-2.0

//! Fences: what is done between their publication and their signal, and who waits for them where.

use crate::{
    cases::{
        cases,
        forged,
        untokened,
        Case, //
    },
    Misuse, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        rcu,
        Arc,
        Completion, //
    },
};
use strata::{
    cx::{
        IrqLock,
        SignalLock,
        Signalling, //
    },
    dev::{
        user::UserRange,
        work, //
    },
    fence::{
        Fence,
        Hang,
        Job,
        PreparedJob,
        Signaller,
        SyncFile,
        Timeline,
        Waited,
        Wake,
        Watchdog, //
    },
    lock_class,
    prelude::*,
    reserve::Reserve,
    sync::{
        wait_for_completion,
        IrqSpinLock,
        Mutex,
        SignalMutex,
        SignalSpinLock,
        SpinLock, //
    },
};

/// What fences are made of, and what stands in the way of them.
#[pin_data]
pub(crate) struct Fences {
    pub(crate) timeline: Timeline,
    pub(crate) other: Timeline,
    pub(crate) steps: Reserve<u64>,
    /// What sections take, and what others may hold when they wait.
    #[pin]
    pub(crate) queue: SignalMutex<()>,
    /// The same, spinning. Not for interrupts.
    #[pin]
    pub(crate) ring: SignalSpinLock<()>,
    /// For who signals in a place that is given nothing.
    #[pin]
    pub(crate) signaller: IrqSpinLock<Option<Signaller>>,
    /// Completed.
    #[pin]
    done: Completion,
}

impl Fences {
    pub(crate) fn new(cx: &mut Cx<'_, Process>) -> Result<Arc<Self>> {
        let timeline = Timeline::new(cx, c"strata_misuse", c"fences")?;
        let other = Timeline::new(cx, c"strata_misuse", c"others")?;
        let steps = Reserve::new(&mut gfp::kernel(cx), 4)?;
        let queue = Mutex::new(cx, lock_class!(SignalLock, "queue"), ());
        let ring = SpinLock::new(cx, lock_class!(SignalLock, "ring of fences"), ());
        let signaller = IrqSpinLock::new(cx, lock_class!(IrqLock, "signaller"), None);
        let fences = gfp::kernel(cx).arc_init(try_pin_init!(Self {
            timeline,
            other,
            steps,
            queue <- queue,
            ring <- ring,
            signaller <- signaller,
            done <- Completion::new(),
        }? Error))?;
        fences.done.complete_all();
        Ok(fences)
    }

    /// Hands the duty to who takes it later.
    pub(crate) fn hand(&self, cx: &mut Cx<'_, Process>, signaller: Signaller) {
        self.signaller.lock(cx, |slot, _| *slot = Some(signaller));
    }
}

/// Publishes one more.
pub(crate) fn publish(
    cx: &mut Cx<'_, Process>,
    timeline: &Timeline,
) -> Result<(ARef<Fence>, Signaller)> {
    let prepared = timeline.prepare(&mut gfp::kernel(cx))?;
    Ok(cx.signalling(|cx| prepared.publish(cx)))
}

cases![
    fences:
    job_that_allocates,
    job_prepared_in_reclaim,
    job_without_mistake,
    watchdog_that_allocates,
    watchdog_ended_in_signalling,
    fence_signalled_outside_of_section,
    fence_prepared_in_signalling,
    sync_file_made_in_signalling,
    own_fence_waited_for_in_signalling,
    fence_waited_for_under_spinlock,
    fence_waited_for_by_reader,
    timeline_dropped_under_signal_mutex,
    completion_waited_for_in_signalling,
    completion_waited_for_in_reclaim,
    work_flushed_in_signalling,
    user_memory_in_signalling,
    mutex_of_sections_over_kernel_fence,
    reserve_waited_for_in_signalling,
    reserve_waited_for_under_spinlock,
    reserve_waited_for_with_element_in_hand,
    reserve_used_everywhere,
];

/// Runs a job, and says what it came to.
fn submitted<J: Job>(cx: &mut Cx<'_, Process>, it: &Fences, job: J) -> Result {
    let fence = it.timeline.prepare(&mut gfp::kernel(cx))?;
    let job = PreparedJob::new(cx, job, fence, &[])?;
    let fence = cx.signalling(|cx| job.queue(cx));
    fence.wait(cx, Wake::Done)?;
    fence.status().unwrap_or(Err(EIO))
}

/// A job that calls what takes no token.
struct Allocates;

impl Job for Allocates {
    type Owner = Misuse;

    fn run(self, cx: &mut Cx<'_, Signalling>, dependencies: Result, signaller: Signaller) {
        let outcome = dependencies.and_then(|()| untokened());
        signaller.signal(cx, outcome);
    }
}

fn job_that_allocates(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    submitted(cx, it, Allocates)
}

fn job_prepared_in_reclaim(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    let fence = it.timeline.prepare(&mut gfp::kernel(cx))?;
    drop(cx.reclaim(|cx| forged(cx, |cx| PreparedJob::new(cx, Allocates, fence, &[])))?);
    Ok(())
}

/// A job that does what a section may: takes its locks and memory, and waits for an earlier fence.
struct Works(Arc<Fences>);

impl Job for Works {
    type Owner = Misuse;

    fn run(self, cx: &mut Cx<'_, Signalling>, dependencies: Result, signaller: Signaller) {
        let it = &*self.0;
        let outcome = dependencies.and_then(|()| {
            drop(gfp::nowait(cx).boxed(0_u64)?);
            it.queue.lock(cx, |(), cx| {
                let step = it.steps.try_take(&mut gfp::nowait(cx), 1)?;
                let next = it.steps.preallocated(*step)?;
                (*next == 1).then_some(()).ok_or(EIO)
            })?;
            it.ring.lock(cx, |(), _| ());
            Ok(())
        });
        signaller.signal(cx, outcome);
    }
}

fn job_without_mistake(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    submitted(cx, it, Works(it.clone()))
}

/// A watchdog that calls what takes no token before it resets.
struct Resets(Arc<Fences>);

impl Hang for Resets {
    type Owner = Misuse;

    fn hung(&self, cx: &mut Cx<'_, Signalling>, _fence: &Fence) {
        let outcome = untokened();
        if let Some(signaller) = self.0.signaller.lock(cx, |slot, _| slot.take()) {
            signaller.signal(cx, outcome);
        }
    }
}

fn watchdog_that_allocates(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    let watchdog = Watchdog::new(cx, &it.timeline, 1, Resets(it.clone()))?;
    let (fence, signaller) = publish(cx, &it.timeline)?;
    it.hand(cx, signaller);
    fence.wait(cx, Wake::Done)?;
    watchdog.end(cx);
    fence.status().unwrap_or(Err(EIO))
}

fn watchdog_ended_in_signalling(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    let watchdog = Watchdog::new(cx, &it.timeline, 1000, Resets(it.clone()))?;
    cx.signalling(|cx| forged(cx, |cx| watchdog.end(cx)));
    Ok(())
}

fn fence_signalled_outside_of_section(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    let prepared = it.timeline.prepare(&mut gfp::kernel(cx))?;
    // SAFETY: It is a lie: what leads to the signal is in no section.
    let mut section = unsafe { Cx::<'_, Signalling>::assume() };
    let (_, signaller) = prepared.publish(&mut section);
    let outcome = untokened();
    signaller.signal(&mut section, Ok(()));
    outcome
}

fn fence_prepared_in_signalling(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    cx.signalling(|cx| {
        forged(cx, |cx| {
            drop(it.timeline.prepare(&mut gfp::kernel(cx))?);
            Ok(())
        })
    })
}

fn sync_file_made_in_signalling(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    let prepared = it.timeline.prepare(&mut gfp::kernel(cx))?;
    cx.signalling(|cx| {
        forged(cx, |cx| {
            drop(SyncFile::of_prepared(cx, &prepared)?);
            Ok(())
        })
    })
}

/// Were it not for the timeout, this would be a hang.
fn own_fence_waited_for_in_signalling(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    let prepared = it.timeline.prepare(&mut gfp::kernel(cx))?;
    cx.signalling(|cx| {
        let (fence, signaller) = prepared.publish(cx);
        let waited = forged(cx, |cx| fence.wait_timeout(cx, Wake::Done, 2));
        signaller.signal(cx, Ok(()));
        (waited? == Waited::TimedOut).then_some(()).ok_or(EIO)
    })
}

fn fence_waited_for_under_spinlock(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    it.ring.lock(cx, |(), cx| {
        forged(cx, |cx| Fence::signalled().wait(cx, Wake::Done))
    })
}

/// No token is forged: that of the kernel's own crate for readers changes none.
fn fence_waited_for_by_reader(cx: &mut Cx<'_, Process>, _: &Arc<Fences>) -> Result {
    let _reader = rcu::read_lock();
    Fence::signalled().wait(cx, Wake::Done)
}

/// Nothing is on it, so nobody is waited for.
fn timeline_dropped_under_signal_mutex(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    let timeline = Timeline::new(cx, c"strata_misuse", c"short")?;
    it.queue.lock(cx, |(), _| drop(timeline));
    Ok(())
}

fn completion_waited_for_in_signalling(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    cx.signalling(|cx| forged(cx, |cx| wait_for_completion(cx, &it.done)));
    Ok(())
}

fn completion_waited_for_in_reclaim(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    cx.reclaim(|cx| forged(cx, |cx| wait_for_completion(cx, &it.done)));
    Ok(())
}

fn work_flushed_in_signalling(cx: &mut Cx<'_, Process>, _: &Arc<Fences>) -> Result {
    cx.signalling(|cx| forged(cx, work::flush));
    Ok(())
}

fn user_memory_in_signalling(cx: &mut Cx<'_, Process>, _: &Arc<Fences>) -> Result {
    cx.signalling(|cx| {
        forged(cx, |cx| {
            // Nothing is mapped at 0: it is the attempt that counts.
            let read = UserRange::new(0, 8).read::<u64, _, _>(cx);
            read.err().map_or(Err(EINVAL), |_| Ok(()))
        })
    })
}

/// A fence is prepared under a lock that sections take.
fn mutex_of_sections_over_kernel_fence(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    it.queue.lock(cx, |(), cx| {
        forged(cx, |cx| {
            drop(it.timeline.prepare(&mut gfp::kernel(cx))?);
            Ok(())
        })
    })
}

/// All elements are there: what is reported is that it might have to wait.
fn reserve_waited_for_in_signalling(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    cx.signalling(|cx| forged(cx, |cx| drop(it.steps.take(&mut gfp::kernel(cx), 1))));
    Ok(())
}

fn reserve_waited_for_under_spinlock(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    it.ring.lock(cx, |(), cx| {
        forged(cx, |cx| drop(it.steps.take(&mut gfp::noio(cx), 1)));
    });
    Ok(())
}

/// Two tasks that do so with the last two elements wait for each other.
fn reserve_waited_for_with_element_in_hand(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    let first = it.steps.take(&mut gfp::kernel(cx), 1);
    let second = it.steps.take(&mut gfp::kernel(cx), 2);
    (*first + *second == 3).then_some(()).ok_or(EIO)
}

fn reserve_used_everywhere(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    let steps = &it.steps;
    let first = steps.take(&mut gfp::kernel(cx), 1);
    let second = cx.reclaim(|cx| steps.take(&mut gfp::nofs(cx), 2));
    let third = cx.noio(|cx| steps.take(&mut gfp::noio(cx), 3));
    let fourth = cx.signalling(|cx| steps.try_take(&mut gfp::nowait(cx), 4))?;
    let fifth = it.ring.lock(cx, |(), _| steps.preallocated(5))?;
    let sixth = it.signaller.lock(cx, |_, _| steps.preallocated(6))?;
    let sum = *first + *second + *third + *fourth + *fifth + *sixth;
    // They go back where nobody may sleep, and where reclaim waits.
    it.signaller.lock(cx, |_, _| drop((first, second, fifth)));
    cx.reclaim(|_| drop((third, fourth, sixth)));
    (sum == 21).then_some(()).ok_or(EIO)
}
