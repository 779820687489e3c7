// SPDX-License-Identifier: GPL-2.0

//! Which ranges of a CMA area to allocate, and in which order, for many chunks at once.
//!
//! `alloc_contig_range()` takes a range of an area that we claimed, or fails as a whole, and each
//! call costs a grace period and a drain on every processor. So a plan makes few calls, for long
//! runs, around what cannot be got. It knows that from the [`Area`], a map of what a reader
//! without locks saw in the pages ([`Reading`]), and remembers what failed. All of it is advice:
//! the truth is what a call returns.
//!
//! A [`Planner`] is the plan of one [`Request`]. It says what to do and is told how it went; it
//! neither reads a page nor allocates one. Several of them share one area, fairly.
//! [`Descent`] is what is left to do where the area could not be claimed.
//!
//! # Examples
//!
//! Eight chunks of two pages. Of the fifth, somebody holds a page, and it does not show:
//!
//! ```
//! use strata_plan::cma::{
//!     Area, Budget, Cell, End, Flags, Mode, Outcome, Pages, Planner, Reading, Request, Step,
//! };
//!
//! let pages = Pages::new(0x100, 16).unwrap();
//! let mut area = Area::new(pages, 1, 9, vec![Cell::default(); 8]).unwrap();
//! area.lend(pages).unwrap();
//!
//! let bad = 0x108;
//! let flags = Flags::LRU.union(Flags::ANON).union(Flags::MAPPING);
//! let used = Reading { refs: 1, mapped: 1, flags, ..Reading::default() };
//!
//! let request = Request::new(1, 8, Mode::Normal, Budget::UNLIMITED).unwrap();
//! let mut planner = Planner::begin(&mut area, request, 0).unwrap();
//! let report = loop {
//!     match planner.next(&mut area, 0) {
//!         Step::Scan(_) => planner.scan(&mut area, 0, |pfn| match pfn {
//!             _ if pfn == bad => used,
//!             _ => Reading::default(),
//!         }),
//!         Step::Try(call) => {
//!             let outcome = match (call.pages.start()..call.pages.end()).contains(&bad) {
//!                 true => Outcome::Busy,
//!                 false => Outcome::Got,
//!             };
//!             planner.report(&mut area, outcome, 1_000_000);
//!         }
//!         Step::Wait(_) => unreachable!("there is nobody else"),
//!         Step::Done(report) => break report,
//!     }
//! };
//! assert_eq!((report.got, report.end), (7, End::Exhausted));
//! assert_eq!((report.missed.resting, report.wasted), (1, 2));
//! ```

mod area;
mod cell;
mod cost;
mod descent;
mod judge;
mod page;
mod plan;
mod request;
mod run;
mod share;
mod sweep;

pub use area::{
    cells_for,
    Area,
    Pages,
    Refused,
    MAX_UNIT, //
};
pub use cell::{
    Cell,
    Kind, //
};
pub use cost::{
    Budget,
    Cost,
    Model, //
};
pub use descent::{
    Ask,
    Descent,
    MAX_TOP, //
};
pub use page::{
    Extent,
    Flags,
    Reading,
    Sight,
    MAX_BUDDY_ORDER,
    MAX_FOLIO_ORDER, //
};
pub use plan::Planner;
pub use request::{
    BadRequest,
    End,
    Missed,
    Mode,
    Outcome,
    Report,
    Request,
    Step,
    Try, //
};
pub use share::Callers;
