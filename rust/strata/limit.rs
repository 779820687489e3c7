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

mod file;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

pub use self::file::LimitFile;

use crate::{
    cx::{
        Before,
        Cx,
        MayAlloc,
        MaySleep,
        Process,
        Reclaim, //
    },
    gfp, lockdep, page,
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
use core::num::NonZeroUsize;
use kernel::{
    new_spinlock,
    prelude::*,
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

/// The limits that a driver's module parameters ask for, in pages: `soft` is half of memory if it is 0,
/// or the hard limit if that is less, and there is no hard limit if `hard` is 0.
///
/// # Context
///
/// Any. C: `totalram_pages()`.
///
/// # Errors
///
/// `EINVAL` if the soft limit is above the hard one.
pub fn of_parameters(soft: usize, hard: usize) -> Result<Limits> {
    let hard = NonZeroUsize::new(hard);
    let default = page::total() / 2;
    let soft = match (soft, hard) {
        (0, Some(hard)) => default.min(hard.get()),
        (0, None) => default,
        (soft, _) => soft,
    };
    Limits::new(soft, hard).map_err(|_| EINVAL)
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
    ///
    /// # Context
    ///
    /// Any but interrupts. Takes a spinlock that nothing else is taken under.
    pub fn limits(&self) -> Limits {
        self.state.lock().limits
    }

    /// How many pages are used.
    ///
    /// # Context
    ///
    /// Any but interrupts. Takes a spinlock that nothing else is taken under.
    pub fn used(&self) -> usize {
        self.state.lock().ledger.used()
    }

    /// How many pages were used at most.
    ///
    /// # Context
    ///
    /// Any but interrupts. Takes a spinlock that nothing else is taken under.
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
            cx.give_way().map_err(|_| NoRoom::Killed)?;
        }
    }

    fn give_back(&self, pages: usize) {
        let returned = self.state.lock().ledger.uncharge(pages);
        // A reservation gives back what it took.
        kernel::warn_on!(returned.is_err());
    }
}

/// Evicts so many pages of what is held. Nothing is thrown away for a limit: memory is not short,
/// and a driver gives the reservation of what was given up back at once.
fn make_room<T: Shrinker>(cx: &mut Cx<'_, Reclaim>, target: &T, pages: usize) -> usize {
    let held = Mask::IDLE.union(Mask::ACTIVE);
    let request = Request::new(Scope::All, pages, Reach::PROCESS).only(held);
    rounds::run(target, cx, &request).freed()
}

/// Pages taken from a budget. Given back when dropped.
///
/// # Context
///
/// Dropped anywhere, under any lock that is not taken in interrupts.
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
