// SPDX-License-Identifier: GPL-2.0

//! What reclaim hears of what a driver says, and which rounds there are for whom.

use super::{
    raw,
    rounds::{
        self,
        Reach,
        Request, //
    },
    Count,
    CountControl,
    Prepared,
    Registration,
    Round,
    Scan,
    ScanControl,
    Scope,
    Shrinker, //
};
use crate::{
    bindings,
    cx::{
        Cx,
        Process,
        Reclaim, //
    },
    gfp,
    kunit::process, //
    plan::drop_mask::Mask,
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// Says what it is told to say, and remembers the rounds that it was asked for.
struct Parrot {
    count: Count,
    scan: Scan,
    /// What it says that it scanned, in each round.
    scanned: usize,
    rounds: Atomic<u32>,
    /// Whether it waits for what never comes.
    waits: bool,
}

impl Parrot {
    fn new(count: Count, scan: Scan, scanned: usize) -> Self {
        Self {
            count,
            scan,
            scanned,
            rounds: Atomic::new(0),
            waits: false,
        }
    }
}

impl Shrinker for Parrot {
    type Owner = crate::Strata;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        self.count
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        let bit = match round {
            Round::Purge(_) => Mask::PURGE,
            Round::Idle => Mask::IDLE,
            Round::Active(token) => {
                if self.waits {
                    assert!(!token.until(cx, || false));
                }
                Mask::ACTIVE
            }
            Round::WriteBack(_) => Mask::WRITEBACK,
        };
        self.rounds
            .store(self.rounds.load(Relaxed) | bit.bits(), Relaxed);
        control.scanned(self.scanned);
        self.scan
    }
}

fn register(cx: &mut Cx<'_, Process>, parrot: Parrot) -> Result<Registration<Parrot>> {
    let parrot = gfp::kernel(cx).arc(parrot).map_err(|_| ENOMEM)?;
    Ok(Prepared::new(cx, c"strata-test")?.register(cx, parrot))
}

/// What C gets from a scan for 128 pages: its result, and how many were scanned.
fn scan_as_c(registration: &Registration<Parrot>) -> (usize, usize) {
    let mut control = bindings::shrink_control {
        gfp_mask: bindings::GFP_KERNEL,
        nr_to_scan: 128,
        nr_scanned: 128,
        ..pin_init::zeroed()
    };
    // SAFETY: The shrinker is registered, and the control is ours.
    let freed = unsafe { raw::scan::<Parrot>(registration.inner.as_ptr(), &mut control) };
    (freed, control.nr_scanned)
}

fn count_as_c(registration: &Registration<Parrot>) -> usize {
    let mut control = pin_init::zeroed();
    // SAFETY: The shrinker is registered, and the control is ours.
    unsafe { raw::count::<Parrot>(registration.inner.as_ptr(), &mut control) }
}

const STOP: usize = bindings::SHRINK_STOP as usize;
const EMPTY: usize = bindings::SHRINK_EMPTY as usize;

#[kunit_tests(strata_shrinker)]
mod cases {
    use super::*;

    #[test]
    fn counts_are_told_as_c_wants_them() -> Result {
        process(|cx| {
            for (count, told) in [
                (Count::Empty, EMPTY),
                (Count::Unknown, 0),
                (Count::from(0), 0),
                (Count::from(7), 7),
                // Larger ones would overflow in reclaim's sums, or mean something else.
                (Count::from(usize::MAX), isize::MAX as usize / 8),
                (Count::from(STOP), isize::MAX as usize / 8),
            ] {
                let registration = register(cx, Parrot::new(count, Scan::Stop, 0))?;
                assert_eq!(count_as_c(&registration), told);
            }
            Ok(())
        })
    }

    #[test]
    fn a_scan_without_progress_says_stop() -> Result {
        process(|cx| {
            // In C the second would be called for ever.
            for scan in [Scan::Stop, Scan::Freed(0)] {
                let registration = register(cx, Parrot::new(Count::from(1), scan, 0))?;
                assert_eq!(scan_as_c(&registration), (STOP, 0));
            }
            Ok(())
        })
    }

    #[test]
    fn what_was_scanned_is_told_whatever_was_freed() -> Result {
        process(|cx| {
            // Four rounds, each of which frees nothing.
            let parrot = Parrot::new(Count::from(1), Scan::Freed(0), 10);
            assert_eq!(scan_as_c(&register(cx, parrot)?), (0, 40));
            // One is enough, and what is freed was scanned.
            let parrot = Parrot::new(Count::from(1), Scan::Freed(200), 10);
            assert_eq!(scan_as_c(&register(cx, parrot)?), (200, 200));
            // An errno is no number of pages: to reclaim it would be a negative one.
            for (freed, scanned) in [
                (usize::MAX - 4, 0),
                (usize::MAX - 4, usize::MAX),
                (0, usize::MAX),
            ] {
                let parrot = Parrot::new(Count::from(1), Scan::Freed(freed), scanned);
                let (freed, scanned) = scan_as_c(&register(cx, parrot)?);
                assert!(isize::try_from(freed).is_ok() && isize::try_from(scanned).is_ok());
                assert!(scanned >= freed && scanned != 0);
            }
            Ok(())
        })
    }

    #[test]
    fn rounds_go_on_while_there_is_too_little() {
        process(|cx| {
            let rounds = |freed, reach| {
                let parrot = Parrot::new(Count::from(1), Scan::Freed(freed), freed);
                let request = Request::new(Scope::All, 100, reach);
                let outcome = cx.reclaim(|cx| rounds::run(&parrot, cx, &request));
                (parrot.rounds.load(Relaxed), outcome.freed())
            };
            let mut rounds = rounds;
            assert_eq!(rounds(100, Reach::PROCESS), (Mask::PURGE.bits(), 100));
            assert_eq!(
                rounds(50, Reach::PROCESS),
                (Mask::PURGE.union(Mask::IDLE).bits(), 100)
            );
            // What is written back was let go before: it is not freed twice.
            assert_eq!(rounds(1, Reach::PROCESS), (Mask::ROUNDS.bits(), 3));
            // For kswapd nobody waits, so it waits for nobody.
            assert_eq!(
                rounds(1, Reach::PROCESS.background()),
                (Mask::ROUNDS.without(Mask::ACTIVE).bits(), 2)
            );
            assert_eq!(rounds(1, Reach::PROCESS.without_fs()), (0, 0));
        });
    }

    #[test]
    fn the_mask_says_how_far_reclaim_may_go() -> Result {
        process(|cx| {
            let registration = register(cx, Parrot::new(Count::from(1), Scan::Freed(1), 1))?;
            let mut control = bindings::shrink_control {
                gfp_mask: bindings::GFP_KERNEL & !(1 << bindings::___GFP_FS_BIT),
                nr_to_scan: 128,
                ..pin_init::zeroed()
            };
            // SAFETY: The shrinker is registered, and the control is ours.
            let freed = unsafe { raw::scan::<Parrot>(registration.inner.as_ptr(), &mut control) };
            assert_eq!(freed, STOP);
            assert_eq!(registration.target().rounds.load(Relaxed), 0);
            Ok(())
        })
    }

    #[test]
    fn waiting_ends() {
        process(|cx| {
            let parrot = Parrot {
                waits: true,
                ..Parrot::new(Count::from(1), Scan::Freed(0), 1)
            };
            let request = Request::new(Scope::All, 100, Reach::PROCESS);
            let outcome = cx.reclaim(|cx| rounds::run(&parrot, cx, &request));
            assert_eq!((outcome.waited, outcome.wait_timeout), (1, 1));
        });
    }

    #[test]
    fn a_shrinker_that_is_never_registered_is_freed() -> Result {
        process(|cx| {
            drop(Prepared::new(cx, c"strata-test")?.seeks(0));
            Ok(())
        })
    }

    #[test]
    fn unregistering_lets_go_of_the_target() -> Result {
        process(|cx| {
            let registration = register(cx, Parrot::new(Count::Empty, Scan::Stop, 0))?;
            let target = registration.target().clone();
            registration.unregister(cx);
            assert!(kernel::sync::Arc::into_unique_or_drop(target).is_some());
            Ok(())
        })
    }
}
