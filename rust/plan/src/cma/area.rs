// SPDX-License-Identifier: GPL-2.0

//! The map of an area: a cell for every few pages of it.

use super::cell::Cell;
use super::cell::Kind;
use super::cell::Tick;
use super::cost::Model;
use super::page::Reading;
use super::page::Sight;
use super::share::Callers;
use core::fmt;
use core::ops::DerefMut;
use core::ops::Range;

/// The greatest order of pages that a cell may stand for: what it counts fits into 16 bits.
pub const MAX_UNIT: u8 = 10;

/// Page frames without a gap. May be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    start: u64,
    end: u64,
}

impl Pages {
    /// `count` pages from `start`, unless their end overflows.
    pub const fn new(start: u64, count: u64) -> Option<Self> {
        match start.checked_add(count) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// The first page frame number.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// One past the last.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// How many they are.
    pub const fn count(&self) -> u64 {
        self.end - self.start
    }

    /// Those in whole blocks of the order `unit`.
    const fn whole(&self, unit: u8) -> Self {
        let mask = (1u64 << unit) - 1;
        let end = self.end & !mask;
        match self.start.checked_add(mask) {
            Some(up) if up & !mask < end => Self {
                start: up & !mask,
                end,
            },
            Some(_) | None => Self { start: end, end },
        }
    }
}

/// Why an area does not do what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The unit is above [`MAX_UNIT`], or above the order of a pageblock.
    Unit,
    /// The array has not as many cells as [`cells_for`] says.
    Length,
    /// Some of the pages are not in the area.
    Outside,
    /// Some of the pages are not in the state that this is for.
    State,
    /// There are more callers than [`Callers::MOST`]: wait until one ends.
    Callers,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Unit => "no such unit",
            Refused::Length => "the number of cells is not that of the area",
            Refused::Outside => "pages outside of the area",
            Refused::State => "pages that are not in the state for this",
            Refused::Callers => "too many callers at once",
        })
    }
}

/// How many cells of `1 << unit` pages the map of these pages has. `None` if no array is as long.
pub fn cells_for(pages: Pages, unit: u8) -> Option<usize> {
    if unit > MAX_UNIT {
        return None;
    }
    usize::try_from(pages.whole(unit).count() >> unit).ok()
}

/// An area, or a range of one where it has several: what is known of its pages, what the calls
/// cost, and who plans in it.
///
/// It is one thing under one lock, which is not held while pages are allocated. All of its pages
/// are in one zone. What lies between the spans that are lent to it stays [`Kind::Foreign`].
///
/// # Invariants
///
/// - `first` is a multiple of `1 << unit`, and the last cell's last page is a number.
/// - A cell is [`Kind::Flying`] while one caller, and no other, has been told to try it.
#[derive(Debug)]
pub struct Area<C> {
    all: Pages,
    first: u64,
    unit: u8,
    block: u8,
    cells: C,
    pub(super) model: Model,
    pub(super) callers: Callers,
}

impl<C: DerefMut<Target = [Cell]>> Area<C> {
    /// The map of `pages`, none of which are lent yet. `unit` is the least order of a chunk,
    /// `block` that of a pageblock: calls that are under way in one pageblock at once fail.
    pub fn new(pages: Pages, unit: u8, block: u8, mut cells: C) -> Result<Self, Refused> {
        if unit > block || block >= 32 {
            return Err(Refused::Unit);
        }
        let count = cells_for(pages, unit).ok_or(Refused::Unit)?;
        if cells.len() != count {
            return Err(Refused::Length);
        }
        cells.fill(Cell::default());
        // INVARIANT: whole blocks; nothing is tried.
        Ok(Self {
            all: pages,
            first: pages.whole(unit).start,
            unit,
            block,
            cells,
            model: Model::new(),
            callers: Callers::new(),
        })
    }

    /// The order of a cell's pages.
    pub const fn unit(&self) -> u8 {
        self.unit
    }

    /// All cells, by address.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// What the calls cost.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The pages of cells.
    pub fn pages(&self, cells: &Range<usize>) -> Pages {
        let pfn = |index: usize| self.first + ((index as u64) << self.unit);
        Pages {
            start: pfn(cells.start),
            end: pfn(cells.end),
        }
    }

    /// Cells whose pages are claimed are to be planned from now on. Those that `pages` holds in
    /// part are not.
    pub fn lend(&mut self, pages: Pages) -> Result<(), Refused> {
        if pages.start < self.all.start || pages.end > self.all.end {
            return Err(Refused::Outside);
        }
        let whole = pages.whole(self.unit);
        match whole.count() {
            0 => Ok(()),
            _ => self.turn(whole, Kind::Foreign, Kind::Unread),
        }
    }

    /// Pages that were got and are free again.
    pub fn release(&mut self, pages: Pages) -> Result<(), Refused> {
        self.turn(pages, Kind::Taken, Kind::Unread)
    }

    /// Pages that were got are not to be planned any more: their claim ends.
    pub fn withdraw(&mut self, pages: Pages) -> Result<(), Refused> {
        self.turn(pages, Kind::Taken, Kind::Foreign)
    }

    /// All of these cells are one kind, and become another; else nothing changes.
    fn turn(&mut self, pages: Pages, from: Kind, to: Kind) -> Result<(), Refused> {
        let range = self.range(pages).ok_or(Refused::Outside)?;
        let cells = self.cells.get_mut(range).ok_or(Refused::Outside)?;
        if cells.iter().any(|cell| cell.kind() != from) {
            return Err(Refused::State);
        }
        cells.iter_mut().for_each(|cell| cell.renew(to));
        Ok(())
    }

    /// The cells of these pages, if they are whole cells of this area.
    fn range(&self, pages: Pages) -> Option<Range<usize>> {
        let mask = (1u64 << self.unit) - 1;
        let index = |pfn: u64| {
            let past = pfn.checked_sub(self.first)?;
            match past & mask {
                0 => usize::try_from(past >> self.unit).ok(),
                _ => None,
            }
        };
        let range = index(pages.start)?..index(pages.end)?;
        (range.end <= self.cells.len()).then_some(range)
    }

    /// How many cells a chunk is.
    pub(super) fn ratio(&self, order: u8) -> Option<usize> {
        1usize.checked_shl(u32::from(order.checked_sub(self.unit)?))
    }

    /// The first cell at `from` or above it where a chunk of `ratio` cells may begin.
    pub(super) fn align(&self, from: usize, ratio: usize) -> usize {
        let past = (self.first >> self.unit) as usize & (ratio - 1);
        let sum = from.saturating_add(past).saturating_add(ratio - 1);
        (sum & !(ratio - 1)).saturating_sub(past).max(from)
    }

    /// Those cells, or none of them if they are not all there.
    pub(super) fn of(&self, cells: Range<usize>) -> &[Cell] {
        self.cells.get(cells).unwrap_or(&[])
    }

    pub(super) fn of_mut(&mut self, cells: Range<usize>) -> &mut [Cell] {
        self.cells.get_mut(cells).unwrap_or(&mut [])
    }

    /// The cells of the pageblocks that those are in.
    pub(super) fn blocks(&self, cells: &Range<usize>) -> Range<usize> {
        let ratio = 1usize << (self.block - self.unit);
        let past = (self.first >> self.unit) as usize & (ratio - 1);
        let down = ((cells.start + past) & !(ratio - 1)).saturating_sub(past);
        let up = (cells.end.saturating_add(past).saturating_add(ratio - 1)) & !(ratio - 1);
        down..(up - past).min(self.cells.len())
    }

    /// Reads the pages of those cells that nobody has.
    pub(super) fn read(&mut self, cells: Range<usize>, mut page: impl FnMut(u64) -> Reading) {
        for index in cells {
            let pages = self.pages(&(index..index + 1));
            if let Some(cell) = self.cells.get_mut(index) {
                if cell.kind().readable() {
                    let (kind, moves) = sum(pages, &mut page);
                    cell.set(kind, moves);
                }
            }
        }
    }

    /// Forgets where runs failed, where that is long ago.
    pub(super) fn fade(&mut self, now: Tick) {
        self.cells.iter_mut().for_each(|cell| cell.fade(now));
    }
}

/// What a few pages are together: the worst of them, and how many are in use.
fn sum(pages: Pages, page: &mut impl FnMut(u64) -> Reading) -> (Kind, u16) {
    let (mut worst, mut moves, mut pfn) = (Sight::Free, 0u16, pages.start);
    while pfn < pages.end {
        let extent = page(pfn).extent(pfn);
        // Of what reaches over the border the other cells know too.
        let count = extent.pages.min(pages.end - pfn);
        if extent.sight != Sight::Free {
            moves = moves.saturating_add(count as u16);
        }
        worst = worst.max(extent.sight);
        pfn += count;
    }
    (worst.into(), moves)
}
