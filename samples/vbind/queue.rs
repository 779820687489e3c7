// SPDX-License-Identifier: GPL-2.0

//! A queue: its jobs, one after the other, and what becomes of them when one hangs.

use crate::{
    figures::{
        Account,
        Counted,
        Figure, //
    },
    job::Parked,
    ranks::{
        Last,
        Part,
        Submission, //
    },
    uapi,
    vm::Vm,
    Vbind, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        msecs_to_jiffies,
        Jiffies, //
    },
};
use strata::{
    cx::{
        SignalLock,
        Signalling, //
    },
    fence::{
        Fence,
        Hang,
        Timeline,
        Waited,
        Wake,
        Watchdog, //
    },
    lock_class,
    prelude::*,
    sync::{
        Mutex,
        SpinLock, //
    },
};

/// How long a job may make no progress, unless user space says otherwise.
const TIMEOUT_MS: u32 = 2000;

/// The job was given up.
pub(crate) fn canceled() -> Error {
    Error::from_errno(-(bindings::ECANCELED as i32))
}

/// It took too long.
pub(crate) fn timed_out() -> Error {
    Error::from_errno(-(bindings::ETIME as i32))
}

/// A queue.
#[pin_data]
pub(crate) struct Queue {
    id: u32,
    timeout_ms: u32,
    vm: Arc<Vm>,
    engine: Arc<Engine>,
    #[pin]
    submission: Mutex<(), Submission>,
    /// The fence of the last job.
    #[pin]
    last: SpinLock<Option<ARef<Fence>>, Last>,
    // Before the timeline, which it watches.
    _watchdog: Watchdog<Reset>,
    // What was not signalled is, when it is dropped. Jobs have no reference to the queue.
    timeline: Timeline,
    _counted: Counted,
}

impl Queue {
    /// A queue without jobs. It is to be closed before it is dropped.
    pub(crate) fn new(
        cx: &mut Cx<'_, Process>,
        id: u32,
        vm: Arc<Vm>,
        timeout_ms: u32,
        account: &Account,
    ) -> Result<Arc<Self>> {
        let timeout_ms = match timeout_ms {
            0 => TIMEOUT_MS,
            timeout if timeout <= uapi::STRATA_VBIND_TIMEOUT_MAX_MS => timeout,
            _ => return Err(EINVAL),
        };
        let engine = Engine::new(cx, account)?;
        let timeline = Timeline::new(cx, c"strata-vbind", c"queue")?;
        let patience = msecs_to_jiffies(timeout_ms).max(1);
        let watchdog = Watchdog::new(cx, &timeline, patience, Reset(engine.clone()))?;
        let submission = Mutex::new(cx, lock_class!(Submission, "submission"), ());
        let last = SpinLock::new(cx, lock_class!(Last, "last"), None);
        let queue = gfp::kernel(cx).arc_init(try_pin_init!(Self {
            id,
            timeout_ms,
            vm,
            engine,
            submission <- submission,
            last <- last,
            _watchdog: watchdog,
            timeline,
            _counted: account.one(Figure::Queues),
        }))?;
        queue.vm.attach(cx, queue.engine.clone())?;
        Ok(queue)
    }

    /// Its name in the file that made it.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn timeout_ms(&self) -> u32 {
        self.timeout_ms
    }

    pub(crate) fn vm(&self) -> &Arc<Vm> {
        &self.vm
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Who submits to it holds this, and is alone in doing so.
    pub(crate) fn submission(&self) -> &Mutex<(), Submission> {
        &self.submission
    }

    /// The fence of the last job that was submitted.
    pub(crate) fn last_fence<L: Before<Last>>(&self, cx: &mut Cx<'_, L>) -> Option<ARef<Fence>> {
        self.last.lock(cx, |last, _| last.clone())
    }

    /// There is one more job.
    pub(crate) fn submitted(&self, cx: &mut Cx<'_, Signalling>, fence: ARef<Fence>) {
        let before = self.last.lock(cx, |last, _| last.replace(fence));
        drop(before);
    }

    /// Cancels all jobs. None of them touches anything when this returns.
    pub(crate) fn close(&self, cx: &mut Cx<'_, Process>) {
        let running = cx.signalling(|cx| {
            let (parked, running) = self.engine.cancel(cx);
            if let Some(parked) = parked {
                parked.end(cx, Err(canceled()));
            }
            running
        });
        if let Some(running) = running {
            // It stops between two parts of its work, and needs nothing of ours for that.
            let _ = running.wait(cx, Wake::Done);
        }
        // Those that wait for others, too: who still refers to the queue may be waiting for them.
        self.timeline.end(cx);
        self.vm.detach(cx, &self.engine);
    }
}

/// `STRATA_VBIND_WAIT`, for the last fence of a queue.
pub(crate) fn wait(cx: &mut Cx<'_, Process>, last: Option<ARef<Fence>>, timeout_ns: u64) -> Result {
    let Some(fence) = last else {
        return Ok(());
    };
    match fence.wait_timeout(cx, Wake::Signal, jiffies(timeout_ns)) {
        Ok(Waited::Signalled) => Ok(()),
        Ok(Waited::TimedOut) => Err(timed_out()),
        // The time that is left is not known to a call that is begun again.
        Err(_) => Err(EINTR),
    }
}

/// Jiffies, rounded up.
fn jiffies(nanoseconds: u64) -> Jiffies {
    let milliseconds = nanoseconds.div_ceil(1_000_000);
    msecs_to_jiffies(u32::try_from(milliseconds).unwrap_or(u32::MAX))
}

/// What runs the jobs of a queue. They have it, and so it lives for as long as they do.
#[pin_data]
pub(crate) struct Engine {
    #[pin]
    state: SpinLock<State, SignalLock>,
    /// Held during a part of the work.
    #[pin]
    part: SpinLock<(), Part>,
    /// As in the state, for who only looks.
    cancelled: Atomic<bool>,
    jobs: Atomic<i32>,
    resets: Atomic<u32>,
    account: Account,
}

/// What an engine does.
struct State {
    /// The fence of the job that runs.
    running: Option<ARef<Fence>>,
    /// A job that hangs.
    parked: Option<Parked>,
    /// Jobs that were submitted before the last reset are of an earlier one.
    epoch: u32,
    /// The watchdog saw the job hang before.
    seen: bool,
    cancelled: bool,
}

/// What debugfs shows of an engine.
pub(crate) struct Glance {
    pub(crate) jobs: i32,
    pub(crate) resets: u32,
    pub(crate) what: &'static CStr,
}

impl Engine {
    fn new(cx: &mut Cx<'_, Process>, account: &Account) -> Result<Arc<Self>> {
        let state = State {
            running: None,
            parked: None,
            epoch: 0,
            seen: false,
            cancelled: false,
        };
        let state = SpinLock::new(cx, lock_class!(SignalLock, "vbind engine"), state);
        let part = SpinLock::new(cx, lock_class!(Part, "part"), ());
        gfp::kernel(cx).arc_init(pin_init!(Self {
            state <- state,
            part <- part,
            cancelled: Atomic::new(false),
            jobs: Atomic::new(0),
            resets: Atomic::new(0),
            account: account.clone(),
        }))
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// One job more, or fewer.
    pub(crate) fn count(&self, jobs: i32) {
        self.jobs.add(jobs, Relaxed);
    }

    /// What a job is submitted in.
    pub(crate) fn epoch<L: Before<SignalLock>>(&self, cx: &mut Cx<'_, L>) -> u32 {
        self.state.lock(cx, |state, _| state.epoch)
    }

    /// A job that was submitted in `epoch` begins.
    pub(crate) fn begin(
        &self,
        cx: &mut Cx<'_, Signalling>,
        epoch: u32,
        fence: &ARef<Fence>,
    ) -> Result {
        let fence = fence.clone();
        self.state.lock(cx, |state, _| {
            if state.cancelled || state.epoch != epoch {
                return Err(canceled());
            }
            state.running = Some(fence);
            state.seen = false;
            Ok(())
        })
    }

    /// The job may go on.
    pub(crate) fn may_go_on(&self) -> Result {
        if self.cancelled.load(Relaxed) {
            return Err(canceled());
        }
        Ok(())
    }

    /// Runs `f` when the engine is at no part of its work, and it begins none meanwhile.
    pub(crate) fn part<L: Before<Part>, S: Sleep, R>(
        &self,
        cx: &mut Cx<'_, L, S>,
        f: impl FnOnce() -> R,
    ) -> R {
        self.part.lock(cx, |(), _| f())
    }

    /// The job hangs, until somebody takes it. Comes back if nobody would.
    pub(crate) fn park(&self, cx: &mut Cx<'_, Signalling>, parked: Parked) -> Result<(), Parked> {
        self.state.lock(cx, |state, _| {
            if state.cancelled {
                return Err(parked);
            }
            state.parked = Some(parked);
            Ok(())
        })
    }

    /// The job with this fence has ended.
    pub(crate) fn end(&self, cx: &mut Cx<'_, Signalling>, fence: &ARef<Fence>) {
        let ended = self.state.lock(cx, |state, _| {
            // The next one may have begun: it waited for nothing but the signal.
            state
                .running
                .take_if(|running| running.seqno() == fence.seqno())
        });
        drop(ended);
    }

    /// No job begins any more. Gives the one that hangs, and the fence of the one that runs.
    fn cancel(&self, cx: &mut Cx<'_, Signalling>) -> (Option<Parked>, Option<ARef<Fence>>) {
        self.cancelled.store(true, Relaxed);
        self.state.lock(cx, |state, _| {
            state.cancelled = true;
            (state.parked.take(), state.running.clone())
        })
    }

    pub(crate) fn glance<L: Before<SignalLock>>(&self, cx: &mut Cx<'_, L>) -> Glance {
        let what = self.state.lock(cx, |state, _| {
            if state.parked.is_some() {
                c"hangs"
            } else if state.running.is_some() {
                c"runs"
            } else {
                c"idle"
            }
        });
        Glance {
            jobs: self.jobs.load(Relaxed),
            resets: self.resets.load(Relaxed),
            what,
        }
    }
}

/// What is done when a queue makes no progress.
pub(crate) struct Reset(Arc<Engine>);

impl Hang for Reset {
    type Owner = Vbind;

    fn hung(&self, cx: &mut Cx<'_, Signalling>, _fence: &Fence) {
        let engine = &self.0;
        let parked = engine.state.lock(cx, |state, _| {
            // What waits for other fences, or is only slow, does not hang. What hangs may have begun
            // to do so just now: the second look is one timeout later.
            if !state.seen {
                state.seen = state.parked.is_some();
                return None;
            }
            let parked = state.parked.take()?;
            state.seen = false;
            state.epoch = state.epoch.wrapping_add(1);
            Some(parked)
        });
        let Some(parked) = parked else {
            return;
        };
        engine.resets.add(1, Relaxed);
        engine.account.add(Figure::Resets, 1);
        parked.end(cx, Err(timed_out()));
    }
}
