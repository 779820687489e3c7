// SPDX-License-Identifier: GPL-2.0

//! What a budget gives, what it refuses, and who has to make room.

use super::{
    Budget,
    NoRoom,
    Reservation, //
};
use crate::{
    cx::{
        Cx,
        Process,
        Reclaim,
        ReclaimLock, //
    },
    gfp,
    kunit::process, //
    plan::budget::{
        Limits,
        Update, //
    },
    shrinker::{
        Count,
        CountControl,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
    sync::{
        Mutex,
        ReclaimMutex, //
    },
};

use core::num::NonZeroUsize;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Reservations that can be given up.
#[pin_data]
struct Kept {
    #[pin]
    kept: ReclaimMutex<KVec<Reservation>>,
}

impl Kept {
    fn new(cx: &mut Cx<'_, Process>) -> Result<Arc<Self>> {
        let kept = gfp::kernel(cx).vec(8)?;
        let kept = Mutex::new(cx, crate::lock_class!(ReclaimLock, "kept"), kept);
        gfp::kernel(cx).arc_init(pin_init!(Self { kept <- kept }))
    }

    fn keep(&self, cx: &mut Cx<'_, Process>, reservation: Reservation) {
        self.kept.lock(cx, |kept, _| {
            assert!(kept.push_within_capacity(reservation).is_ok());
        });
    }
}

impl Shrinker for Kept {
    type Owner = crate::Strata;

    fn count(&self, cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        let pages: usize = self
            .kept
            .lock(cx, |kept, _| kept.iter().map(Reservation::pages).sum());
        Count::from(pages)
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        _control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        if !matches!(round, Round::Idle) {
            return Scan::Stop;
        }
        match self.kept.lock(cx, |kept, _| kept.pop()) {
            Some(reservation) => Scan::Freed(reservation.pages()),
            None => Scan::Stop,
        }
    }
}

fn budget(cx: &mut Cx<'_, Process>, soft: usize, hard: usize) -> Result<Arc<Budget>> {
    let limits = Limits::new(soft, NonZeroUsize::new(hard)).map_err(|_| EINVAL)?;
    Budget::new(cx, limits)
}

#[kunit_tests(strata_limit)]
mod cases {
    use super::*;

    #[test]
    fn what_is_reserved_is_given_back() -> Result {
        process(|cx| {
            let (budget, kept) = (budget(cx, 10, 10)?, Kept::new(cx)?);
            let reservation = budget.reserve(cx, 7, &*kept)?;
            assert_eq!((reservation.pages(), budget.used()), (7, 7));
            assert_eq!(budget.reserve(cx, 4, &*kept).err(), Some(NoRoom::Full));
            assert_eq!(budget.used(), 7);
            drop(reservation);
            assert_eq!((budget.used(), budget.peak()), (0, 7));
            Ok(())
        })
    }

    #[test]
    fn the_oldest_make_room() -> Result {
        process(|cx| {
            let (budget, kept) = (budget(cx, 10, 10)?, Kept::new(cx)?);
            for _ in 0..3 {
                let reservation = budget.reserve(cx, 3, &*kept)?;
                kept.keep(cx, reservation);
            }
            // One of the three is enough for 4, and then there is room for no more.
            let reservation = budget.reserve(cx, 4, &*kept)?;
            assert_eq!(budget.used(), 10);
            drop(reservation);
            assert_eq!(budget.used(), 6);
            Ok(())
        })
    }

    #[test]
    fn the_soft_limit_gives_way_and_the_hard_one_does_not() -> Result {
        process(|cx| {
            let (budget, kept) = (budget(cx, 4, 8)?, Kept::new(cx)?);
            let first = budget.reserve(cx, 6, &*kept)?;
            assert_eq!(budget.reserve(cx, 3, &*kept).err(), Some(NoRoom::Full));
            let second = budget.reserve(cx, 2, &*kept)?;
            assert_eq!(budget.used(), 8);
            drop((first, second));
            Ok(())
        })
    }

    #[test]
    fn lowering_a_limit_evicts() -> Result {
        process(|cx| {
            let (budget, kept) = (budget(cx, 10, 0)?, Kept::new(cx)?);
            for _ in 0..3 {
                let reservation = budget.reserve(cx, 3, &*kept)?;
                kept.keep(cx, reservation);
            }
            let lower = |text| Update::parse(text).map_err(|_| EINVAL);
            budget.update(cx, lower(b"soft 5")?, &*kept)?;
            assert_eq!(budget.used(), 3);
            assert_eq!(budget.update(cx, lower(b"hard 4")?, &*kept), Err(EINVAL));
            assert_eq!(budget.limits().hard(), None);
            Ok(())
        })
    }

    #[test]
    fn a_reservation_can_be_split() -> Result {
        process(|cx| {
            let (budget, kept) = (budget(cx, 10, 0)?, Kept::new(cx)?);
            let Ok((three, four)) = budget.reserve(cx, 7, &*kept)?.split(3) else {
                return Err(EINVAL);
            };
            assert_eq!((three.pages(), four.pages()), (3, 4));
            drop(three);
            assert_eq!(budget.used(), 4);
            assert!(four.split(5).is_err_and(|whole| whole.pages() == 4));
            assert_eq!(budget.used(), 0);
            Ok(())
        })
    }
}
