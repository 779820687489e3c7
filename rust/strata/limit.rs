// SPDX-License-Identifier: GPL-2.0

//! Page budgets: how much a driver may hold, and what makes room when that is reached.
//!
//! A [`Reservation`] is a number of pages taken from a [`Budget`], by value: it is made before the
//! pages are, and gives them back when it is dropped. Above the soft limit objects are evicted
//! first, by the code that reclaim calls ([`Shrinker`]), and where that falls short the reservation
//! is made all the same. The hard limit is never passed.
//!
//! What is counted is what the driver reserves. It is no limit for a process or a cgroup: those
//! have theirs.
//!
//! The model is the page limit of TTM, `ttm_tt_populate()` in `drivers/gpu/drm/ttm/ttm_tt.c`. The
//! arithmetic is that of [`crate::plan::budget`].

use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        MayAlloc,
        MaySleep,
        Process,
        Reclaim, //
    },
    dev::{
        debugfs,
        user::UserRange,
        Owner, //
    },
    gfp, lockdep,
    plan::{
        budget::{
            Attempt,
            Ledger,
            Limits,
            Next,
            Update, //
        },
        drop_mask::Mask, //
    },
    shrinker::{
        rounds::{
            self,
            Reach,
            Request, //
        },
        Scope,
        Shrinker, //
    },
};
use core::{
    marker::PhantomData,
    num::NonZeroUsize, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        Arc,
        SpinLock, //
    },
};

/// Why there is no reservation. Nothing was taken, though objects may have been evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The hard limit, and there was nothing more to evict.
    Full,
    /// The task is being killed.
    Killed,
}

impl From<NoRoom> for Error {
    fn from(reason: NoRoom) -> Self {
        match reason {
            NoRoom::Full => ENOSPC,
            NoRoom::Killed => EINTR,
        }
    }
}

/// What is used of a budget, and the limits.
struct State {
    limits: Limits,
    ledger: Ledger,
}

/// How many pages there may be.
#[pin_data]
pub struct Budget {
    // The last of all locks: no rank, since a reservation is dropped wherever its pages are.
    #[pin]
    state: SpinLock<State>,
}

impl Budget {
    /// A budget with these limits, none of it used.
    ///
    /// # Context
    ///
    /// Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    // Never inlined: the class of the lock is to be one for all modules.
    #[inline(never)]
    pub fn new(cx: &mut Cx<'_, Process>, limits: Limits) -> Result<Arc<Self>> {
        let state = State {
            limits,
            ledger: Ledger::new(),
        };
        gfp::kernel(cx).arc_init(pin_init!(Self {
            state <- new_spinlock!(state, "strata:budget"),
        }))
    }

    /// Takes `pages` of it. Where the soft limit is reached `target` is made to free what is above
    /// it, as reclaim does, and what is in use is waited for, for a bounded time.
    ///
    /// # Context
    ///
    /// Levels before [`Reclaim`] that may allocate with `GFP_KERNEL`, and may sleep.
    ///
    /// # Errors
    ///
    /// [`NoRoom`].
    pub fn reserve<L, S, T>(
        self: &Arc<Self>,
        cx: &mut Cx<'_, L, S>,
        pages: usize,
        target: &T,
    ) -> Result<Reservation, NoRoom>
    where
        L: Before<Reclaim> + MayAlloc<gfp::Kernel>,
        S: MaySleep,
        T: Shrinker,
    {
        self.take(cx, pages, target)?;
        // INVARIANT: So many were just taken.
        Ok(Reservation {
            pages,
            budget: self.clone(),
        })
    }

    /// The limits as they are now.
    pub fn limits(&self) -> Limits {
        self.state.lock().limits
    }

    /// How many pages are used.
    pub fn used(&self) -> usize {
        self.state.lock().ledger.used()
    }

    /// How many pages were used at most.
    pub fn peak(&self) -> usize {
        self.state.lock().ledger.peak()
    }

    /// Changes limits, and evicts what is then above them. What is in use stays, above them or not.
    ///
    /// # Context
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Errors
    ///
    /// `EINVAL` for a hard limit below the soft one; nothing is changed then. `EINTR` when the task
    /// is being killed before all that can be evicted is.
    pub fn update<L, S, T>(&self, cx: &mut Cx<'_, L, S>, update: Update, target: &T) -> Result
    where
        L: Before<Reclaim> + MayAlloc<gfp::Kernel>,
        S: MaySleep,
        T: Shrinker,
    {
        {
            let mut state = self.state.lock();
            state.limits = state.limits.updated(update).map_err(|_| EINVAL)?;
        }
        match self.take(cx, 0, target) {
            Ok(()) | Err(NoRoom::Full) => Ok(()),
            Err(NoRoom::Killed) => Err(EINTR),
        }
    }

    fn take<L, S, T>(&self, cx: &mut Cx<'_, L, S>, pages: usize, target: &T) -> Result<(), NoRoom>
    where
        L: Before<Reclaim>,
        S: MaySleep,
        T: Shrinker,
    {
        // Below the limit nothing is evicted, and lockdep would see nothing.
        lockdep::might_alloc_kernel();
        let mut attempt = Attempt::new(pages);
        loop {
            let (used, excess) = {
                let mut state = self.state.lock();
                let used = state.ledger.used();
                match attempt.step(&state.limits, used) {
                    Next::Charge(_) => {
                        return state.ledger.charge(pages).map_err(|_| NoRoom::Full);
                    }
                    Next::Evict(excess) => (used, excess),
                    Next::Refuse => return Err(NoRoom::Full),
                }
            };
            let freed = cx.reclaim(|cx| cx.sleepable(|cx| make_room(cx, target, excess)));
            attempt.evicted(used, freed);
            // SAFETY: The token says that the task may sleep.
            if unsafe { bindings::give_way() } {
                return Err(NoRoom::Killed);
            }
        }
    }

    fn give_back(&self, pages: usize) {
        let returned = self.state.lock().ledger.uncharge(pages);
        // A reservation gives back what it took.
        kernel::warn_on!(returned.is_err());
    }
}

/// Evicts so many pages: what is held first, since what was given up need not be held any more.
fn make_room<T: Shrinker>(cx: &mut Cx<'_, Reclaim>, target: &T, pages: usize) -> usize {
    let request = Request::new(Scope::All, pages, Reach::PROCESS);
    let held = request.only(Mask::IDLE.union(Mask::ACTIVE));
    let freed = rounds::run(target, cx, &held).freed();
    if freed != 0 {
        return freed;
    }
    rounds::run(target, cx, &request.only(Mask::PURGE)).freed()
}

/// Pages taken from a budget. Given back when dropped.
///
/// # Invariants
///
/// `pages` of `budget` are charged for this.
#[must_use = "dropping it gives the pages back"]
pub struct Reservation {
    pages: usize,
    budget: Arc<Budget>,
}

impl Reservation {
    /// How many pages it is for.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Splits `pages` off, for an owner of their own.
    ///
    /// # Errors
    ///
    /// The reservation as it was, if it has fewer.
    pub fn split(mut self, pages: usize) -> Result<(Self, Self), Self> {
        let Some(rest) = self.pages.checked_sub(pages) else {
            return Err(self);
        };
        // INVARIANT: The two together are charged what the one was.
        self.pages = pages;
        let other = Self {
            pages: rest,
            budget: self.budget.clone(),
        };
        Ok((self, other))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.pages);
    }
}

/// The file `limit` of a budget: shows the limits and what is used, and takes new limits.
pub struct LimitFile<T, O> {
    budget: Arc<Budget>,
    target: Arc<T>,
    _owner: PhantomData<fn() -> O>,
}

/// The longest text that can be written.
const LONGEST: usize = 128;

impl<T: Shrinker, O: Owner> LimitFile<T, O> {
    /// What the file shows, and what is evicted where a limit is lowered.
    pub fn new(budget: Arc<Budget>, target: Arc<T>) -> Self {
        Self {
            budget,
            target,
            _owner: PhantomData,
        }
    }
}

#[vtable]
impl<T: Shrinker, O: Owner> debugfs::File for LimitFile<T, O> {
    type Owner = O;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        let limits = self.budget.limits();
        let (soft, hard) = (limits.soft(), limits.hard().map_or(0, NonZeroUsize::get));
        let (used, peak) = (self.budget.used(), self.budget.peak());
        seq_print!(out, "soft {soft}\nhard {hard}\nused {used}\npeak {peak}\n");
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        if input.len() > LONGEST {
            return Err(EINVAL);
        }
        let mut buffer = [0; LONGEST];
        let text = input.read_bytes(cx, &mut buffer)?;
        let update = Update::parse(text).map_err(|_| EINVAL)?;
        self.budget.update(cx, update, &*self.target)
    }
}

#[kunit_tests(strata_limit)]
mod tests {
    use super::*;
    use crate::{
        cx::ReclaimLock,
        shrinker::{
            Count,
            CountControl,
            Round,
            Scan,
            ScanControl, //
        },
        sync::{
            Mutex,
            ReclaimMutex, //
        },
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

    fn process<R>(f: impl FnOnce(&mut Cx<'_, Process>) -> R) -> R {
        crate::lockdep::assert_process();
        // SAFETY: KUnit runs its cases in a kthread that holds nothing.
        f(&mut unsafe { Cx::assume() })
    }

    fn budget(cx: &mut Cx<'_, Process>, soft: usize, hard: usize) -> Result<Arc<Budget>> {
        let limits = Limits::new(soft, NonZeroUsize::new(hard)).map_err(|_| EINVAL)?;
        Budget::new(cx, limits)
    }

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
