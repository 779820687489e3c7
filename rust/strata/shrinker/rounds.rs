// SPDX-License-Identifier: GPL-2.0

//! The rounds of one scan: the same for the kernel's reclaim, for the trigger and for a page limit.

use super::{
    control::{
        Hardships,
        Waits, //
    },
    Round,
    Scan,
    ScanControl,
    Scope,
    Shrinker,
    WaitToken, //
};
use crate::{
    bindings,
    cx::{
        Cx,
        EnterFs,
        Reclaim,
        StartIo, //
    },
    plan::drop_mask::Mask, //
};

/// How far a scan may go, and who asks for it.
#[derive(Clone, Copy)]
pub(crate) struct Reach(u32);

impl Reach {
    /// That of a task in process context which waits for the memory.
    pub(crate) const PROCESS: Self = Self(
        bindings::strata_reach_STRATA_REACH_FS
            | bindings::strata_reach_STRATA_REACH_IO
            | bindings::strata_reach_STRATA_REACH_URGENT,
    );

    /// That of reclaim with a mask, by the running task.
    #[inline(always)]
    pub(super) fn of_mask(mask: bindings::gfp_t) -> Self {
        // SAFETY: It only looks at the mask and the running task.
        Self(unsafe { bindings::reclaim_reach(mask) })
    }

    /// Without what file systems take, as for an allocation with `GFP_NOFS`.
    pub(super) fn without_fs(self) -> Self {
        Self(self.0 & !bindings::strata_reach_STRATA_REACH_FS)
    }

    /// As kswapd, for whose work nobody waits.
    pub(super) fn background(self) -> Self {
        Self(self.0 & !bindings::strata_reach_STRATA_REACH_URGENT)
    }

    #[inline(always)]
    fn fs(self) -> bool {
        self.0 & bindings::strata_reach_STRATA_REACH_FS != 0
    }

    #[inline(always)]
    fn io(self) -> bool {
        self.0 & bindings::strata_reach_STRATA_REACH_IO != 0
    }

    #[inline(always)]
    fn urgent(self) -> bool {
        self.0 & bindings::strata_reach_STRATA_REACH_URGENT != 0
    }
}

/// What one scan is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) scope: Scope,
    pub(crate) pages: usize,
    pub(crate) reach: Reach,
    /// Which rounds there are.
    pub(crate) rounds: Mask,
    pub(super) hardships: Hardships,
}

impl Request {
    /// Every round, of which `reach` may leave some out.
    #[inline(always)]
    pub(crate) fn new(scope: Scope, pages: usize, reach: Reach) -> Self {
        Self {
            scope,
            pages,
            reach,
            rounds: Mask::ROUNDS,
            hardships: Hardships {
                fail_every: 0,
                shuffle: false,
            },
        }
    }

    /// These rounds alone.
    pub(crate) fn only(self, rounds: Mask) -> Self {
        Self { rounds, ..self }
    }
}

/// What one scan did.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outcome {
    pub(crate) scanned: usize,
    pub(crate) purged: usize,
    pub(crate) idle: usize,
    pub(crate) active: usize,
    pub(crate) written_back: usize,
    /// Rounds that said [`Scan::Stop`].
    pub(crate) stops: usize,
    pub(crate) trylock_failed: usize,
    pub(crate) waited: usize,
    pub(crate) wait_timeout: usize,
}

impl Outcome {
    /// The pages that were freed. Those that were written back were freed before.
    #[inline(always)]
    pub(crate) fn freed(&self) -> usize {
        self.purged + self.idle + self.active
    }
}

/// Runs the rounds of `request` on `target`, one after the other, until as much was freed as it
/// asks for.
///
/// Without `__GFP_FS` there are none. The objects are counted all the same, and reclaim remembers
/// what it could not scan for those who may.
#[inline]
pub(crate) fn run<T: Shrinker>(target: &T, cx: &mut Cx<'_, Reclaim>, request: &Request) -> Outcome {
    let mut outcome = Outcome::default();
    if !request.reach.fs() {
        outcome.stops = 1;
        return outcome;
    }
    let mut waits = Waits::default();
    let mut control = ScanControl::new(request.scope, request.pages, request.hardships);
    // SAFETY: `request.reach` says so.
    let fs = unsafe { EnterFs::assume() };

    if request.rounds.contains(Mask::PURGE) {
        outcome.purged = scan(
            target,
            cx,
            &mut control,
            &mut Round::Purge(fs),
            &mut outcome.stops,
        );
    }
    if request.rounds.contains(Mask::IDLE) && outcome.freed() < request.pages {
        control.ask(request.pages - outcome.freed());
        outcome.idle = scan(
            target,
            cx,
            &mut control,
            &mut Round::Idle,
            &mut outcome.stops,
        );
    }
    if request.rounds.contains(Mask::ACTIVE)
        && request.reach.urgent()
        && outcome.freed() < request.pages
    {
        control.ask(request.pages - outcome.freed());
        let mut round = Round::Active(WaitToken::new(&mut waits));
        outcome.active = scan(target, cx, &mut control, &mut round, &mut outcome.stops);
    }
    if request.rounds.contains(Mask::WRITEBACK)
        && request.reach.io()
        && outcome.freed() < request.pages
    {
        control.ask(request.pages - outcome.freed());
        // SAFETY: `request.reach` says so, of both.
        let io = unsafe { StartIo::assume() };
        let mut round = Round::WriteBack(io);
        outcome.written_back = scan(target, cx, &mut control, &mut round, &mut outcome.stops);
    }

    outcome.scanned = control.pages_scanned();
    outcome.trylock_failed = control.objects_passed_over();
    outcome.waited = waits.waited;
    outcome.wait_timeout = waits.timeouts;
    outcome
}

/// One round. Returns the pages that it freed.
#[inline(always)]
fn scan<T: Shrinker>(
    target: &T,
    cx: &mut Cx<'_, Reclaim>,
    control: &mut ScanControl<'_>,
    round: &mut Round<'_>,
    stops: &mut usize,
) -> usize {
    let before = control.pages_scanned();
    match target.scan(cx, control, round) {
        Scan::Freed(pages) => {
            // Who frees more than it says that it scanned has scanned that much.
            let scanned = control.pages_scanned() - before;
            control.scanned(pages.saturating_sub(scanned));
            pages
        }
        Scan::Stop => {
            *stops += 1;
            0
        }
    }
}
