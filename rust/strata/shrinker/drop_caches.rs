// SPDX-License-Identifier: GPL-2.0

//! The trigger in debugfs: a driver's shrinker, run when a developer says so.
//!
//! It runs the same `count` and `scan` as reclaim does, inside of `fs_reclaim` as lockdep knows it,
//! and without `PF_MEMALLOC`: real reclaim sets that, and the kernel's own ways to call a shrinker
//! (`/proc/sys/vm/drop_caches`, `/sys/kernel/debug/shrinker`) are not inside of `fs_reclaim`, so
//! that none of them sees an allocation in a shrinker. This one reports it at the first call,
//! without any memory pressure.
//!
//! Docs: `Documentation/shrinker.rst`. The model is `drop_caches` of i915.

use super::{
    control::Hardships,
    rounds::{
        self,
        Reach,
        Request, //
    },
    stats::{
        Run,
        Stats, //
    },
    CountControl,
    Scope,
    Shrinker, //
};
use crate::{
    bindings,
    cx::{
        Cx,
        Process,
        Reclaim,
        ReclaimLock, //
    },
    dev::{
        debugfs::{
            self,
            Dir,
            Entry, //
        },
        user::UserRange,
        work, //
    },
    gfp, lock_class,
    plan::drop_mask::Mask,
    scope::NoReclaimScope,
    sync::{
        self,
        Mutex,
        ReclaimMutex, //
    },
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::Arc,
    time::{
        Instant,
        Monotonic, //
    },
};

/// What else the trigger of a driver can do, before and after reclaim.
#[vtable]
pub trait Phases: Shrinker {
    /// `retire`: handles what has completed, so that it is idle.
    ///
    /// # Context
    ///
    /// Process context of the task that writes.
    fn retire(&self, _cx: &mut Cx<'_, Process>) -> Result {
        Ok(())
    }

    /// `wait_idle`: waits until nothing is in use.
    ///
    /// # Context
    ///
    /// Process context of the task that writes.
    ///
    /// # Errors
    ///
    /// `ETIME` if that takes too long; `EINTR` when the task is being killed.
    fn wait_idle(&self, _cx: &mut Cx<'_, Process>) -> Result {
        Ok(())
    }
}

/// The files `drop_caches`, `drop_stats` and `count` of one shrinker, for as long as this lives.
pub struct Trigger<T: Phases> {
    _drop_caches: Entry<DropCaches<T>>,
    _drop_stats: Entry<DropStats<T>>,
    _count: Entry<CountFile<T>>,
}

impl<T: Phases> Trigger<T> {
    /// The files, in `dir`.
    ///
    /// # Context
    ///
    /// Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(cx: &mut Cx<'_, Process>, dir: &Arc<Dir>, target: &Arc<T>) -> Result<Self> {
        let class = lock_class!(ReclaimLock, "drop_stats");
        let stats = Mutex::new(cx, class, Stats::default());
        let target = target.clone();
        let shared = gfp::kernel(cx).arc_init(try_pin_init!(Shared {
            target,
            stats <- stats,
        }? Error))?;
        let drop_caches = gfp::kernel(cx).arc(DropCaches(shared.clone()))?;
        let drop_stats = gfp::kernel(cx).arc(DropStats(shared.clone()))?;
        let count = gfp::kernel(cx).arc(CountFile(shared))?;
        Ok(Self {
            _drop_caches: Entry::new(cx, dir.clone(), c"drop_caches", drop_caches),
            _drop_stats: Entry::new(cx, dir.clone(), c"drop_stats", drop_stats),
            _count: Entry::new(cx, dir.clone(), c"count", count),
        })
    }
}

/// What the files have in common.
#[pin_data]
struct Shared<T> {
    target: Arc<T>,
    #[pin]
    stats: ReclaimMutex<Stats>,
}

/// How many pages are scanned before the writer may be interrupted.
const BATCH: usize = 1024;

/// With `fail_trylock`, every so-manieth object is taken for locked.
const FAIL_EVERY: u32 = 3;

/// What keeps a scan from objects that it could have.
const OBSTACLES: Mask = Mask::FAIL_TRYLOCK.union(Mask::RANDOM_ORDER);

impl<T: Phases> Shared<T> {
    /// The bits that this trigger has.
    fn supported() -> Mask {
        let mut mask = Mask::KNOWN;
        if !T::HAS_RETIRE {
            mask = mask.without(Mask::RETIRE);
        }
        if !T::HAS_WAIT_IDLE {
            mask = mask.without(Mask::WAIT_IDLE);
        }
        mask
    }

    /// All phases that `mask` asks for, in their order.
    fn run(&self, cx: &mut Cx<'_, Process>, mask: Mask) -> Result {
        if mask.contains(Mask::RETIRE) {
            self.target.retire(cx)?;
        }
        if mask.contains(Mask::WAIT_IDLE) {
            self.target.wait_idle(cx)?;
        }
        if !mask.rounds().is_empty() {
            let began = Instant::<Monotonic>::now();
            let mut run = Run::default();
            let result = cx.reclaim(|cx| self.reclaim(cx, mask, &mut run));
            run.ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(0);
            self.stats.lock(cx, |stats, _| stats.add(&run));
            result?;
        }
        if mask.contains(Mask::FREED) {
            work::flush(cx);
        }
        if mask.contains(Mask::RCU) {
            sync::rcu_barrier(cx);
        }
        Ok(())
    }

    fn count(&self, cx: &mut Cx<'_, Reclaim>) -> usize {
        let control = CountControl::new(Scope::All);
        self.target.count(cx, &control).pages()
    }

    /// The rounds that `mask` asks for, once, or until nothing moves any more.
    fn reclaim(&self, cx: &mut Cx<'_, Reclaim>, mut mask: Mask, run: &mut Run) -> Result {
        let _scope = mask.contains(Mask::PF_MEMALLOC).then(NoReclaimScope::enter);
        let mut count = self.count(cx);
        run.count_before = count as u64;
        let result = loop {
            let freed = run.freed;
            let result = self.pass(cx, mask, run);
            run.passes += 1;
            count = self.count(cx);
            if result.is_err() || !mask.contains(Mask::ALL) || count == 0 {
                break result;
            }
            if run.freed == freed {
                // Whether anything is stuck shows only where nothing stands in the way on purpose.
                if mask.intersection(OBSTACLES).is_empty() {
                    break result;
                }
                mask = mask.without(OBSTACLES);
            }
        };
        run.count_after = count as u64;
        run.stuck = u64::from(mask.contains(Mask::ALL) && count != 0 && result.is_ok());
        result
    }

    /// Each round once.
    fn pass(&self, cx: &mut Cx<'_, Reclaim>, mask: Mask, run: &mut Run) -> Result {
        for round in [Mask::PURGE, Mask::IDLE, Mask::ACTIVE] {
            if mask.rounds().contains(round) {
                let pages = self.count(cx);
                self.round(cx, mask, round, pages, run)?;
            }
        }
        if mask.contains(Mask::WRITEBACK) {
            // What was let go is not counted any more: this is for all of it, at once.
            let request = request(mask, Mask::WRITEBACK, usize::MAX);
            let outcome = rounds::run(&*self.target, cx, &request);
            run.scan(outcome.scanned, &outcome);
            cx.give_way()?;
        }
        Ok(())
    }

    /// One round, for so many pages, in batches.
    fn round(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        mask: Mask,
        round: Mask,
        pages: usize,
        run: &mut Run,
    ) -> Result {
        let mut left = pages;
        while left != 0 {
            let request = request(mask, round, left.min(BATCH));
            let outcome = rounds::run(&*self.target, cx, &request);
            run.scan(request.pages, &outcome);
            if outcome.scanned == 0 {
                break;
            }
            left = left.saturating_sub(outcome.scanned);
            cx.give_way()?;
        }
        Ok(())
    }
}

/// What one scan is asked for, with all that `mask` makes harder.
fn request(mask: Mask, round: Mask, pages: usize) -> Request {
    let mut reach = Reach::PROCESS;
    if mask.contains(Mask::AS_NOFS) {
        reach = reach.without_fs();
    }
    if mask.contains(Mask::AS_KSWAPD) {
        reach = reach.background();
    }
    let fail_every = if mask.contains(Mask::FAIL_TRYLOCK) {
        FAIL_EVERY
    } else {
        0
    };
    Request {
        rounds: round,
        hardships: Hardships {
            fail_every,
            shuffle: mask.contains(Mask::RANDOM_ORDER),
        },
        ..Request::new(Scope::All, pages, reach)
    }
}

/// `drop_caches`: written, it runs; read, it says what it can do.
struct DropCaches<T>(Arc<Shared<T>>);

/// The longest text that can be written.
const LONGEST: usize = 256;

#[vtable]
impl<T: Phases> debugfs::File for DropCaches<T> {
    type Owner = T::Owner;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        for bit in Shared::<T>::supported().names() {
            let (mask, name, text) = (bit.mask.bits(), bit.name, bit.text);
            seq_print!(out, "{mask:#06x} {name:<12} {text}\n");
        }
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        let mut buffer = [0; LONGEST];
        let text = input.read_text(cx, &mut buffer)?;
        let mask = Mask::parse(text).map_err(|_| EINVAL)?;
        if mask.unsupported(Shared::<T>::supported()).is_some() {
            return Err(Error::from_errno(-(bindings::EOPNOTSUPP as i32)));
        }
        self.0.run(cx, mask)
    }
}

/// `drop_stats`: what the last run did, and all of them.
struct DropStats<T>(Arc<Shared<T>>);

#[vtable]
impl<T: Phases> debugfs::File for DropStats<T> {
    type Owner = T::Owner;

    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        let stats = self.0.stats.lock(cx, |stats, _| *stats);
        stats.show(out);
        Ok(())
    }
}

/// `count`: what could be freed.
struct CountFile<T>(Arc<Shared<T>>);

#[vtable]
impl<T: Phases> debugfs::File for CountFile<T> {
    type Owner = T::Owner;

    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        let pages = cx.reclaim(|cx| self.0.count(cx));
        seq_print!(out, "{pages}\n");
        Ok(())
    }
}
