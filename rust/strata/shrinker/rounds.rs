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

/// The largest number that reclaim can do sums with: it counts with signs.
pub(super) const MOST: usize = isize::MAX as usize / 8;

/// How far a scan by the running task may go: bits of an allocation's mask, and one of our own.
#[derive(Clone, Copy)]
pub(crate) struct Reach(u32);

impl Reach {
    const FS: u32 = 1 << bindings::___GFP_FS_BIT;
    const IO: u32 = 1 << bindings::___GFP_IO_BIT;
    /// Nobody waits for the memory. Neither of the bits above.
    const BACKGROUND: u32 = !(Self::FS | Self::IO);

    /// That of a task in process context.
    pub(crate) const PROCESS: Self = Self(Self::FS | Self::IO);

    /// That of reclaim with a mask.
    #[inline(always)]
    pub(super) fn of_mask(mask: bindings::gfp_t) -> Self {
        Self(mask & (Self::FS | Self::IO))
    }

    /// Without what file systems take, as for an allocation with `GFP_NOFS`.
    pub(super) fn without_fs(self) -> Self {
        Self(self.0 & !Self::FS)
    }

    /// As kswapd, for whose work nobody waits.
    pub(super) fn background(self) -> Self {
        Self(self.0 | Self::BACKGROUND)
    }

    #[inline(always)]
    fn fs(self) -> bool {
        self.0 & Self::FS != 0
    }

    fn io(self) -> bool {
        self.0 & Self::IO != 0
    }

    fn urgent(self) -> bool {
        // SAFETY: It only looks at the running task.
        self.0 & Self::BACKGROUND == 0 && !unsafe { bindings::is_kswapd() }
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
        self.purged
            .saturating_add(self.idle)
            .saturating_add(self.active)
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
    let mut control = ScanControl::new(request.scope, request.pages, request.hardships);
    if request.rounds.contains(Mask::PURGE) {
        // SAFETY: `request.reach` says so.
        let mut round = Round::Purge(unsafe { EnterFs::assume() });
        outcome.purged = scan(target, cx, &mut control, &mut round, &mut outcome.stops);
    }
    if outcome.purged < request.pages {
        more(target, cx, request, &mut control, &mut outcome);
    }
    // Who frees more than it says that it scanned has scanned that much.
    outcome.scanned = control.pages_scanned().clamp(outcome.freed(), 4 * MOST);
    outcome.trylock_failed = control.objects_passed_over();
    outcome
}

/// The rounds after the first.
fn more<T: Shrinker>(
    target: &T,
    cx: &mut Cx<'_, Reclaim>,
    request: &Request,
    control: &mut ScanControl<'_>,
    outcome: &mut Outcome,
) {
    let rounds = request.rounds;
    let missing = |outcome: &Outcome| request.pages.saturating_sub(outcome.freed());

    if rounds.contains(Mask::IDLE) {
        control.ask(missing(outcome));
        outcome.idle = scan(target, cx, control, &mut Round::Idle, &mut outcome.stops);
    }
    if rounds.contains(Mask::ACTIVE) && missing(outcome) != 0 && request.reach.urgent() {
        control.ask(missing(outcome));
        let mut waits = Waits::default();
        let mut round = Round::Active(WaitToken::new(&mut waits));
        outcome.active = scan(target, cx, control, &mut round, &mut outcome.stops);
        outcome.waited = waits.waited;
        outcome.wait_timeout = waits.timeouts;
    }
    if rounds.contains(Mask::WRITEBACK) && missing(outcome) != 0 && request.reach.io() {
        control.ask(missing(outcome));
        // SAFETY: `request.reach` says so, of both.
        let mut round = Round::WriteBack(unsafe { StartIo::assume() });
        outcome.written_back = scan(target, cx, control, &mut round, &mut outcome.stops);
    }
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
    match target.scan(cx, control, round) {
        Scan::Freed(pages) => pages.min(MOST),
        Scan::Stop => {
            *stops += 1;
            0
        }
    }
}
