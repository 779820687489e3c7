// SPDX-License-Identifier: GPL-2.0

//! A job: what is done for one fence, in a signalling section.
//!
//! It is all prepared when it is submitted. Here nothing is allocated, no reservation is locked, and
//! what may sleep when it is dropped is handed to a work item that was prepared, too.

use crate::{
    buffer::BufferRef,
    exec::{
        Exec,
        Outcome, //
    },
    figures::{
        Counted,
        Figure, //
    },
    named::settle,
    queue::{
        canceled,
        Engine, //
    },
    quota::Room,
    shared::Shared,
    trace,
    vm::{
        Gpu,
        Vm, //
    },
    Vbind, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    time::{
        Instant,
        Monotonic, //
    },
};
use strata::{
    cx::Signalling,
    dev::work,
    fence::{
        self,
        Fence,
        Signaller, //
    },
    prelude::*,
    va, //
};

/// What a job does.
pub(crate) enum Work {
    Bind(va::Prepared<Gpu>),
    Exec(Exec),
}

/// What a job keeps, and may not drop in a signalling section.
pub(crate) struct Kept {
    shared: Arc<Shared>,
    engine: Arc<Engine>,
    vm: Arc<Vm>,
    buffers: KVVec<BufferRef>,
}

impl Kept {
    pub(crate) fn new(
        shared: Arc<Shared>,
        engine: &Arc<Engine>,
        vm: &Arc<Vm>,
        buffers: KVVec<BufferRef>,
    ) -> Self {
        Self {
            shared,
            engine: engine.clone(),
            vm: vm.clone(),
            buffers,
        }
    }
}

/// A job that has not ended, as it is counted.
struct Pending {
    engine: Arc<Engine>,
    _counted: Counted,
}

impl Pending {
    fn new(engine: &Arc<Engine>) -> Self {
        engine.count(1);
        Self {
            engine: engine.clone(),
            _counted: engine.account().one(Figure::Jobs),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.engine.count(-1);
    }
}

/// Lets go of what a job used, and drops what it kept, in process context.
pub(crate) struct Retire(Arc<Kept>);

impl work::Item for Retire {
    type Owner = Vbind;

    fn run(self, cx: &mut Cx<'_, Process>) {
        for buffer in &self.0.buffers {
            settle(cx, buffer);
        }
    }
}

/// A job.
pub(crate) struct Job {
    work: Option<Work>,
    /// The fences whose errors are the job's, too.
    waits: KVec<ARef<Fence>>,
    epoch: u32,
    /// What it takes of what there may be; others may have it when the job has ended.
    room: Room,
    pending: Pending,
    submitted: Instant<Monotonic>,
    began: Instant<Monotonic>,
    kept: Arc<Kept>,
    retire: work::Prepared<Retire>,
}

impl Job {
    /// Takes what is still needed.
    pub(crate) fn new<L>(
        cx: &mut Cx<'_, L>,
        work: Work,
        waits: KVec<ARef<Fence>>,
        epoch: u32,
        room: Room,
        kept: Kept,
    ) -> Result<Self>
    where
        L: MayAlloc<gfp::Kernel>,
    {
        let pending = Pending::new(&kept.engine);
        let kept = gfp::kernel(cx).arc(kept)?;
        let retire = work::Prepared::new(cx, Retire(kept.clone()))?;
        let now = Instant::now();
        Ok(Self {
            work: Some(work),
            waits,
            epoch,
            room,
            pending,
            submitted: now,
            began: now,
            kept,
            retire,
        })
    }

    /// The first error of the fences that it waited for.
    fn waited_for(&self) -> Result {
        self.waits
            .iter()
            .try_for_each(|fence| fence.status().unwrap_or(Ok(())))
    }

    fn work(&mut self, cx: &mut Cx<'_, Signalling>, fence: &Fence) -> Result<Outcome> {
        let (vm, engine) = (&self.kept.vm, &self.kept.engine);
        match self.work.take() {
            Some(Work::Bind(prepared)) => {
                let requests = prepared.requests().count() as u32;
                // It does not fail: the job has room for what it maps.
                let (done, outcome) = match vm.space().commit(cx, prepared) {
                    Ok(done) => (done, Ok(Outcome::Done)),
                    Err(error) => (error.done, Err(error.cause.into())),
                };
                vm.invalidate(cx);
                let (mapped, unmapped) = vm.account(&done);
                let (context, seqno) = (fence.context(), fence.seqno());
                trace::commit(vm.id(), context, seqno, requests, mapped, unmapped);
                outcome
            }
            Some(Work::Exec(exec)) => {
                let outcome = exec.run(cx, vm, engine);
                // Its pages are let go here, before others are told that they are not used. But what
                // hangs has them until it is ended.
                if let Ok(Outcome::Hangs) = outcome {
                    self.work = Some(Work::Exec(exec));
                }
                outcome
            }
            None => Ok(Outcome::Done),
        }
    }

    /// It has ended: others may go on.
    fn end(self, cx: &mut Cx<'_, Signalling>, signaller: Signaller, outcome: Result) {
        let Self {
            work,
            waits,
            room,
            pending,
            submitted,
            began,
            kept,
            retire,
            ..
        } = self;
        // A cancelled one still has it. What a request prepared is dropped by a worker.
        drop(work);
        let fence = signaller.fence().clone();
        let (waited_ns, ran_ns) = (
            nanoseconds(submitted, began),
            nanoseconds(began, Instant::now()),
        );
        let account = kept.engine.account();
        account.add(
            match outcome {
                Ok(()) => Figure::Completed,
                Err(_) => Figure::Failed,
            },
            1,
        );
        kept.shared.timings().add(waited_ns, ran_ns);
        let error = outcome.err().map_or(0, Error::to_errno);
        // Who sees the fence signalled finds nothing of the job in the figures. `kept` has the last
        // reference to what both have.
        drop((room, pending));
        trace::signal(fence.context(), fence.seqno(), error, ran_ns);
        signaller.signal(cx, outcome);
        kept.engine.end(cx, &fence);
        drop((fence, waits));
        // The last reference is the work item's.
        drop(kept);
        retire.queue(cx);
    }
}

fn nanoseconds(from: Instant<Monotonic>, to: Instant<Monotonic>) -> u64 {
    (to - from).as_nanos().max(0) as u64
}

impl fence::Job for Job {
    type Owner = Vbind;

    /// The job before it in its queue is among what it waited for, and its errors are its own.
    fn run(mut self, cx: &mut Cx<'_, Signalling>, _: Result, signaller: Signaller) {
        self.began = Instant::now();
        let fence = signaller.fence().clone();
        let waited = nanoseconds(self.submitted, self.began);
        trace::run(fence.context(), fence.seqno(), waited);
        let outcome = self
            .kept
            .engine
            .begin(cx, self.epoch, &fence)
            .and_then(|()| self.waited_for())
            .and_then(|()| self.work(cx, &fence));
        drop(fence);
        match outcome {
            Ok(Outcome::Done) => self.end(cx, signaller, Ok(())),
            Ok(Outcome::Hangs) => {
                let engine = self.kept.engine.clone();
                let parked = Parked {
                    job: self,
                    signaller,
                };
                if let Err(parked) = engine.park(cx, parked) {
                    parked.end(cx, Err(canceled()));
                }
            }
            Err(error) => self.end(cx, signaller, Err(error)),
        }
    }
}

/// A job that hangs, and the duty to end it.
pub(crate) struct Parked {
    job: Job,
    signaller: Signaller,
}

impl Parked {
    /// Ends it.
    pub(crate) fn end(self, cx: &mut Cx<'_, Signalling>, outcome: Result) {
        self.job.end(cx, self.signaller, outcome);
    }
}
