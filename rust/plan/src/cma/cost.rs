// SPDX-License-Identifier: GPL-2.0

//! What a call that allocates a range costs: something fixed, something for each page that is
//! moved, something for each page that is cleared.
//!
//! It can be stopped nowhere in between: how long a caller stalls is decided before the call.

/// A cost in each of its parts, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The call itself: the grace period, and the drains on every processor.
    pub call: u64,
    /// Moving one page.
    pub moved: u64,
    /// Taking one page: clearing it.
    pub page: u64,
}

/// How much time there is, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// When the caller wants to be done, on the clock of `now`. No call begins that would end
    /// later, as far as the [`Model`] knows.
    pub deadline: u64,
    /// How long one call may take, as far as the [`Model`] knows.
    pub stall: u64,
}

impl Budget {
    /// All the time there is.
    pub const UNLIMITED: Self = Self {
        deadline: u64::MAX,
        stall: u64::MAX,
    };

    /// How long a call that begins now may take.
    pub const fn most(&self, now: u64) -> u64 {
        let left = self.deadline.saturating_sub(now);
        if left < self.stall {
            left
        } else {
            self.stall
        }
    }
}

/// The costs as they were measured lately.
///
/// # Invariants
///
/// Each part is between 1 and [`Model::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    cost: Cost,
}

/// By how much a measure changes what is believed: an eighth.
const SLOWNESS: u64 = 8;

/// A thousandth is the unit of ratios.
const UNIT: u64 = 1000;

impl Model {
    /// What is believed before anything was measured; too much for most machines.
    pub const FIRST: Cost = Cost {
        call: 2_000_000,
        moved: 10_000,
        page: 1_000,
    };

    /// More than this is not believed of any part: a minute.
    pub const MOST: u64 = 60_000_000_000;

    /// Nothing was measured.
    pub const fn new() -> Self {
        // INVARIANT: they are.
        Self { cost: Self::FIRST }
    }

    /// The costs.
    pub const fn cost(&self) -> Cost {
        self.cost
    }

    /// How long a call for `pages` takes of which `moves` are moved.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata_plan::cma::Model;
    ///
    /// let mut model = Model::new();
    /// let before = model.estimate(512, 100);
    /// assert_eq!(before, 2_000_000 + 100 * 10_000 + 512 * 1_000);
    ///
    /// (0..100).for_each(|_| model.learn(512, 100, 2 * before));
    /// assert!(model.estimate(512, 100).abs_diff(2 * before) < before / 10);
    /// ```
    pub const fn estimate(&self, pages: u64, moves: u64) -> u64 {
        let moved = moves.saturating_mul(self.cost.moved);
        let taken = pages.saturating_mul(self.cost.page);
        self.cost.call.saturating_add(moved).saturating_add(taken)
    }

    /// A call took that long.
    ///
    /// Each part is changed by its share of what was expected. One measure counts for no more
    /// than four times too much: somebody else's writeback says nothing of the next call.
    pub fn learn(&mut self, pages: u64, moves: u64, elapsed: u64) {
        let expected = self.estimate(pages, moves);
        let ratio = scaled(elapsed, UNIT, expected).min(4 * UNIT);
        let turn = |part: u64, times: u64| {
            let share = scaled(part.saturating_mul(times), UNIT, expected);
            // part * (1 + share * (ratio - 1) / SLOWNESS), without negative numbers.
            let gain = UNIT * UNIT * SLOWNESS + share * ratio - share * UNIT;
            scaled(part, gain, UNIT * UNIT * SLOWNESS).clamp(1, Self::MOST)
        };
        // INVARIANT: clamped.
        self.cost = Cost {
            call: turn(self.cost.call, 1),
            moved: turn(self.cost.moved, moves),
            page: turn(self.cost.page, pages),
        };
    }

    /// A call failed after that long. How far it came nobody knows, so it only teaches that calls
    /// are dearer.
    pub fn learn_failed(&mut self, pages: u64, moves: u64, elapsed: u64) {
        if elapsed > self.estimate(pages, moves) {
            self.learn(pages, moves, elapsed);
        }
    }

    /// Brings what is believed an eighth nearer to the beginning. Else a model that finds every
    /// call too dear would never learn that it no longer is.
    pub fn relax(&mut self) {
        let turn = |part: u64, first: u64| {
            if part > first {
                part - (part - first).div_ceil(SLOWNESS)
            } else {
                part
            }
        };
        // INVARIANT: nearer to what holds it.
        self.cost = Cost {
            call: turn(self.cost.call, Self::FIRST.call),
            moved: turn(self.cost.moved, Self::FIRST.moved),
            page: turn(self.cost.page, Self::FIRST.page),
        };
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

/// `value * by / over`, rounded to the nearest; saturates.
fn scaled(value: u64, by: u64, over: u64) -> u64 {
    let over = over.max(1);
    match value.checked_mul(by) {
        Some(product) => product.saturating_add(over / 2) / over,
        None => (value / over).saturating_mul(by),
    }
}
