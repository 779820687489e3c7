// SPDX-License-Identifier: GPL-2.0

//! The order in which runs are tried: the cheapest per chunk first.
//!
//! An area is swept from its beginning, once for each level of a price. What is dearer waits for
//! a later sweep, and the next price is the least that was seen: there are as many sweeps as
//! there are prices, however many runs there are, and none goes back. Of the same price those
//! are first where nothing is moved, then the longest, which are those where most may be.

use super::area::Area;
use super::cell::Cell;
use super::run::Limit;
use super::run::Rule;
use super::run::Run;
use core::ops::DerefMut;
use core::ops::Range;

/// Where the sweeps are.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    price: u32,
    /// The least price above it.
    next: u32,
    /// How many levels were swept at this price: the lowest, then from the highest down.
    swept: u8,
    at: usize,
    /// Something was passed over because of another call.
    pub(super) blocked: bool,
    /// Something was passed over because it takes too long.
    pub(super) dear: bool,
}

impl Sweep {
    pub(super) const fn new() -> Self {
        Self {
            price: 0,
            next: u32::MAX,
            swept: 0,
            at: 0,
            blocked: false,
            dear: false,
        }
    }

    /// The next run, at levels up to `rule.level`. `None` when all sweeps are done.
    pub(super) fn next<C>(&mut self, area: &Area<C>, rule: &Rule, limit: &Limit) -> Option<Run>
    where
        C: DerefMut<Target = [Cell]>,
    {
        loop {
            let end = area.cells().len();
            if self.swept <= rule.level {
                while let Some(run) = self.cheap(area, rule, self.at..end, limit) {
                    match run {
                        Ok(run) => return Some(run),
                        Err(past) => self.at = past,
                    }
                }
                self.swept += 1;
                self.at = 0;
            } else if self.next == u32::MAX {
                return None;
            } else {
                self.price = self.next;
                self.next = u32::MAX;
                self.swept = 0;
                self.at = 0;
            }
        }
    }

    /// What is left of a run that was found, now that it was read again; `None` if that is
    /// nothing, or dearer.
    pub(super) fn again<C>(
        &mut self,
        area: &Area<C>,
        rule: &Rule,
        cells: &Range<usize>,
        limit: &Limit,
    ) -> Option<Run>
    where
        C: DerefMut<Target = [Cell]>,
    {
        self.at = cells.start;
        while let Some(run) = self.cheap(area, rule, self.at..cells.end, limit) {
            match run {
                Ok(run) => return Some(run),
                Err(past) => self.at = past,
            }
        }
        self.at = cells.end;
        None
    }

    /// These cells are to be looked at again.
    pub(super) fn back(&mut self, cells: &Range<usize>) {
        self.at = cells.start;
    }

    /// The first run there, or where it ends if it is too dear for this sweep.
    fn cheap<C>(
        &mut self,
        area: &Area<C>,
        rule: &Rule,
        cells: Range<usize>,
        limit: &Limit,
    ) -> Option<Result<Run, usize>>
    where
        C: DerefMut<Target = [Cell]>,
    {
        let level = match self.swept {
            0 => 0,
            swept => (rule.level + 1).saturating_sub(swept),
        };
        let rule = Rule { level, ..*rule };
        let found = area.find(&rule, cells, limit);
        self.blocked |= found.blocked;
        self.dear |= found.dear;
        let run = found.run?;
        let price = area.price(&run, rule.ratio);
        if price <= self.price {
            return Some(Ok(run));
        }
        self.next = self.next.min(price);
        Some(Err(run.cells.end))
    }
}
