// SPDX-License-Identifier: GPL-2.0

//! The way down: what to ask `cma_alloc()` for where an area cannot be claimed.
//!
//! It takes no address, looks from the beginning of the area each time, and tries each window
//! that it could not get again in each call. So the largest blocks are asked for first; and when
//! it had to pass over something, what is good there is taken at once: a window of which some is
//! ours is passed over without a try.
//!
//! It cannot say what it would move, so there is no [`Mode::Fast`] here.

use super::cost::Model;
use super::request::End;
use super::request::Mode;
use super::request::Request;

/// The highest order that is asked for.
pub const MAX_TOP: u8 = 40;

/// The first pause of [`Mode::Hard`], and the longest, in ns.
const PAUSES: (u64, u64) = (1_000_000, 128_000_000);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the descent waits for it"]
pub enum Ask {
    /// `cma_alloc()` of `1 << order` pages, aligned to as many: [`Descent::report`].
    Allocate {
        /// The order of the block, and of its alignment.
        order: u8,
    },
    /// `cma_release()` of a block that was got: it is not where it was wanted.
    GiveBack {
        /// The first page frame.
        pfn: u64,
        /// The order of the block.
        order: u8,
    },
    /// Wait until that moment.
    Wait(u64),
    /// That is all.
    Done {
        /// How many chunks there are.
        got: usize,
        /// Why there are not more.
        end: End,
    },
}

/// Below a block that was got, something was passed over.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// Where the block begins that was got.
    end: u64,
    order: u8,
}

/// The way down for one request.
///
/// # Examples
///
/// Four chunks of 16 pages, where the second of them cannot be had:
///
/// ```
/// use strata_plan::cma::{Ask, Budget, Descent, End, Mode, Model, Request};
///
/// let request = Request::new(4, 4, Mode::Normal, Budget::UNLIMITED).unwrap();
/// let mut descent = Descent::new(request, 6).unwrap();
/// let model = Model::new();
/// let mut got = Vec::new();
/// let end = loop {
///     match descent.next(&model, 0) {
///         Ask::Allocate { order: 4 } if got.len() < 3 => {
///             got.push([0, 32, 48][got.len()]);
///             descent.report(got.last().copied());
///         }
///         Ask::Allocate { .. } => descent.report(None),
///         Ask::GiveBack { .. } | Ask::Wait(_) => unreachable!("nothing was passed over"),
///         Ask::Done { got: 3, end } => break end,
///         Ask::Done { .. } => unreachable!("it asked for every order"),
///     }
/// };
/// assert_eq!(end, End::Exhausted);
/// ```
#[derive(Clone, Debug)]
pub struct Descent {
    request: Request,
    got: usize,
    order: u8,
    /// Where the last block of this order ends.
    cursor: Option<u64>,
    gap: Option<Gap>,
    /// What was asked for, or is to be given back.
    asked: Option<u8>,
    back: Option<(u64, u8)>,
    round: u32,
    /// How long the next pause is, before it begins.
    tired: Option<u64>,
    /// When it ends.
    pause: Option<u64>,
    end: Option<End>,
}

impl Descent {
    /// From blocks of the order `top` down to chunks. `None` for [`Mode::Fast`].
    pub fn new(request: Request, top: u8) -> Option<Self> {
        if request.mode == Mode::Fast {
            return None;
        }
        Some(Self {
            request,
            got: 0,
            order: top.min(MAX_TOP).max(request.order),
            cursor: None,
            gap: None,
            asked: None,
            back: None,
            round: 0,
            tired: None,
            pause: None,
            end: None,
        })
    }

    /// What to do next. What was asked for is to be reported before.
    pub fn next(&mut self, model: &Model, now: u64) -> Ask {
        if let Some((pfn, order)) = self.back.take() {
            return Ask::GiveBack { pfn, order };
        }
        let need = self.request.count.get() - self.got;
        let end = match self.end {
            Some(end) => Some(end),
            None if need == 0 => Some(End::Complete),
            None => self.late(model, now),
        };
        if let Some(end) = end {
            self.end = Some(end);
            return Ask::Done { got: self.got, end };
        }
        if let Some(pause) = self.tired.take() {
            self.pause = Some(now.saturating_add(pause));
        }
        match self.pause {
            Some(until) if now < until => {
                return Ask::Wait(until.min(self.request.budget.deadline))
            }
            Some(_) | None => self.pause = None,
        }
        let order = self.fitting(need, model, now);
        self.asked = Some(order);
        Ask::Allocate { order }
    }

    /// Where the block is that was asked for, if there was one.
    pub fn report(&mut self, block: Option<u64>) {
        let Some(order) = self.asked.take() else {
            return;
        };
        match (self.gap, block) {
            // No block of this order is left in the gap.
            (Some(gap), Some(pfn)) if pfn >= gap.end => {
                self.back = Some((pfn, order));
                self.narrow(gap, order);
            }
            (Some(gap), None) => self.narrow(gap, order),
            (Some(_), Some(_)) => self.got += self.chunks(order),
            (None, Some(pfn)) => {
                self.got += self.chunks(order);
                let passed = self.cursor.is_some_and(|cursor| pfn > cursor);
                if passed && order > self.request.order {
                    self.gap = Some(Gap {
                        end: pfn,
                        order: order - 1,
                    });
                }
                self.cursor = pfn.checked_add(1 << order);
            }
            (None, None) => self.lower(order),
        }
    }

    /// Ends it: the caller is being killed.
    pub fn stop(&mut self) {
        self.end = Some(End::Interrupted);
    }

    /// The order to ask for: no more than is needed, and no more than there is time for.
    fn fitting(&mut self, need: usize, model: &Model, now: u64) -> u8 {
        let time = self.request.budget.most(now);
        let mut order = self.gap.map_or(self.order, |gap| gap.order);
        while order > self.request.order
            && (self.chunks(order) > need || model.estimate(1 << order, 1 << order) > time)
        {
            order -= 1;
        }
        match &mut self.gap {
            Some(gap) => gap.order = order,
            None if order < self.order => {
                self.order = order;
                self.cursor = None;
            }
            None => {}
        }
        order
    }

    fn chunks(&self, order: u8) -> usize {
        1usize
            .checked_shl(u32::from(order - self.request.order))
            .unwrap_or(usize::MAX)
    }

    /// The gap is looked through for less, until that is less than a chunk.
    fn narrow(&mut self, gap: Gap, order: u8) {
        self.gap = (order > self.request.order).then(|| Gap {
            order: order - 1,
            ..gap
        });
    }

    fn lower(&mut self, order: u8) {
        self.cursor = None;
        if order > self.request.order {
            self.order = order - 1;
            return;
        }
        match self.request.mode {
            Mode::Hard => {
                let (first, most) = PAUSES;
                let pause = (first << self.round.min(16)).min(most);
                self.round = self.round.saturating_add(1);
                self.tired = Some(pause);
            }
            Mode::Normal | Mode::Fast => self.end = Some(End::Exhausted),
        }
    }

    /// Whether a chunk is more than there is time for, all of it moved.
    fn late(&self, model: &Model, now: u64) -> Option<End> {
        let time = self.request.budget.most(now);
        let pages = 1u64 << self.request.order.min(MAX_TOP);
        if model.estimate(pages, pages) <= time {
            return None;
        }
        Some(if time < self.request.budget.stall {
            End::Deadline
        } else {
            End::Stall
        })
    }
}
