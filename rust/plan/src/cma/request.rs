// SPDX-License-Identifier: GPL-2.0

//! What is asked of a [`Planner`](super::Planner), and what it says.

use super::area::Pages;
use super::cost::Budget;
use core::fmt;
use core::num::NonZeroUsize;

/// How much trouble chunks are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What is free now. Nothing is moved, nothing is waited for.
    Fast,
    /// Pages are moved. Each window is tried once, and none that failed lately.
    Normal,
    /// As [`Mode::Normal`], and again, with longer and longer pauses, until the deadline.
    Hard,
}

/// Why a request is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// No chunks.
    Nothing,
    /// A chunk is less than a cell of the area.
    SmallOrder,
    /// The number of pages overflows.
    Overflow,
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadRequest::Nothing => "no chunks are asked for",
            BadRequest::SmallOrder => "the order is below the area's unit",
            BadRequest::Overflow => "the number of pages overflows",
        })
    }
}

/// What a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The order of a chunk. Chunks are aligned to it.
    pub order: u8,
    /// How many chunks. Fewer is an answer too.
    pub count: NonZeroUsize,
    /// How much trouble they are worth.
    pub mode: Mode,
    /// How long it may take.
    pub budget: Budget,
}

impl Request {
    /// This request, unless there are no such chunks.
    pub fn new(order: u8, count: usize, mode: Mode, budget: Budget) -> Result<Self, BadRequest> {
        let count = NonZeroUsize::new(count).ok_or(BadRequest::Nothing)?;
        let pages = 1u64.checked_shl(order.into());
        pages
            .and_then(|pages| pages.checked_mul(count.get() as u64))
            .filter(|pages| usize::try_from(*pages).is_ok())
            .ok_or(BadRequest::Overflow)?;
        Ok(Self {
            order,
            count,
            mode,
            budget,
        })
    }
}

/// A call of `alloc_contig_range()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// What to allocate.
    pub pages: Pages,
    /// Whether pages may be moved; else without `__GFP_DIRECT_RECLAIM`, for what looked free and
    /// no longer is.
    pub moves: bool,
}

/// What the caller of a planner does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the planner waits for it"]
pub enum Step {
    /// Read these pages: call [`Planner::scan`](super::Planner::scan).
    Scan(Pages),
    /// Allocate these pages, without the area's lock, and say how it went:
    /// [`Planner::report`](super::Planner::report).
    Try(Try),
    /// Wait until that moment, or until another caller of the area has reported or is done: each
    /// of them wakes all who wait.
    Wait(u64),
    /// That is all.
    Done(Report),
}

/// How a [`Try`] went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The pages are ours.
    Got,
    /// `-EBUSY`: something in this window cannot be moved now.
    Busy,
    /// `-ENOMEM`: there is nowhere to move pages to.
    NoMemory,
    /// `-EINTR`: the caller is being killed.
    Interrupted,
    /// Anything else: a call that should not have been made.
    Refused,
}

/// Why a plan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There is all that was asked for.
    Complete,
    /// There is nothing left to try in this mode.
    Exhausted,
    /// Nothing that is left can be done before the deadline.
    Deadline,
    /// All that is left would take longer than one call may.
    Stall,
    /// What is left would have to be moved, and there is nowhere to.
    NoMemory,
    /// What is left is for other callers.
    Share,
    /// The caller is being killed, or stopped it.
    Interrupted,
    /// A call failed in a way that it never should.
    Refused,
}

/// The chunks of the area that were not got, by what stands in their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Some page is poisoned or offline.
    pub gone: usize,
    /// Others have some of it, or are about to.
    pub taken: usize,
    /// Somebody looks as if he held a page.
    pub pinned: usize,
    /// They failed lately.
    pub resting: usize,
    /// A page is locked or under writeback.
    pub slow: usize,
    /// Pages would have to be moved.
    pub movable: usize,
    /// Nothing.
    pub free: usize,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many chunks there are.
    pub got: usize,
    /// Why there are not more.
    pub end: End,
    /// What of the area was not got.
    pub missed: Missed,
    /// How many calls were made.
    pub tries: usize,
    /// How many of them failed.
    pub wasted: usize,
    /// How many pages were to be moved in the calls that did not fail.
    pub moved: u64,
    /// How long the longest call took, in ns.
    pub stall: u64,
}
