// SPDX-License-Identifier: GPL-2.0

//! Finds runs: chunks in a row that one call can get.

use super::area::Area;
use super::cell::Cell;
use super::cell::Kind;
use super::cell::Tick;
use super::request::Missed;
use core::ops::DerefMut;
use core::ops::Range;

/// The level at which every chunk may be moved. At level `n` of it, `n / LEVELS` of a chunk may.
///
/// A run of all that can be moved is the cheapest where what is in use lies scattered; where it
/// lies in blocks, the runs between them are.
pub(super) const LEVELS: u8 = 4;

/// Which chunks may be in a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// How many cells a chunk is.
    pub(super) ratio: usize,
    /// How much of a chunk may have to be moved.
    pub(super) level: u8,
    /// Whether something may have to be waited for.
    pub(super) slow: bool,
    /// Nothing but what looks pinned, each alone.
    pub(super) pinned: bool,
    /// Whether what failed before `began` may be tried at once.
    pub(super) again: bool,
    /// What failed since then is not tried again.
    pub(super) began: Tick,
    pub(super) now: Tick,
}

/// How long a run may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) chunks: usize,
    /// In ns.
    pub(super) time: u64,
}

/// Cells of whole chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) cells: Range<usize>,
    pub(super) moves: u64,
}

/// A run, and what was passed over.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) run: Option<Run>,
    /// Chunks in a pageblock where another call is under way.
    pub(super) blocked: bool,
    /// Chunks that take longer than the limit, each.
    pub(super) dear: bool,
}

/// What a chunk is to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Not,
    Alone(u64),
    First(u64),
    Any(u64),
}

impl Rule {
    fn part(&self, cells: &[Cell]) -> Part {
        let (mut moves, mut alone, mut pinned) = (0u64, self.pinned, false);
        for cell in cells {
            let fits = match cell.kind() {
                Kind::Free | Kind::Movable => true,
                Kind::Slow => self.slow,
                Kind::Pinned => self.pinned,
                Kind::Foreign | Kind::Unread | Kind::Gone | Kind::Flying | Kind::Taken => false,
            };
            if !fits || self.rests(cell) {
                return Part::Not;
            }
            pinned |= cell.kind() == Kind::Pinned;
            alone |= cell.alone();
            moves += u64::from(cell.moves());
        }
        if pinned != self.pinned {
            return Part::Not;
        }
        if alone {
            return Part::Alone(moves);
        }
        match cells.first().is_some_and(Cell::edge) {
            true => Part::First(moves),
            false => Part::Any(moves),
        }
    }

    fn rests(&self, cell: &Cell) -> bool {
        match self.again {
            // Only what failed since then.
            true => cell.resting(self.began, Tick::at(u64::MAX)),
            false => cell.resting(self.began, self.now),
        }
    }
}

impl<C: DerefMut<Target = [Cell]>> Area<C> {
    /// The first run in these cells, as long as it can be.
    pub(super) fn find(&self, rule: &Rule, cells: Range<usize>, limit: &Limit) -> Found {
        let mut found = Found::default();
        let most = ((rule.ratio as u64) << self.unit()) * u64::from(rule.level);
        let end = cells.end.min(self.cells().len());
        let mut at = self.align(cells.start, rule.ratio);
        let mut quiet = Quiet::default();
        while end.saturating_sub(at) >= rule.ratio {
            let chunk = at..at + rule.ratio;
            at = chunk.end;
            let part = rule.part(self.of(chunk.clone()));
            let (moves, begins, ends) = match part {
                Part::Alone(moves) => (moves, true, true),
                Part::First(moves) => (moves, true, false),
                Part::Any(moves) => (moves, false, false),
                Part::Not => (u64::MAX, true, true),
            };
            if begins && found.run.is_some() {
                break;
            }
            let fits = moves
                .checked_mul(LEVELS.into())
                .is_some_and(|moves| moves <= most);
            let blocked = fits && !quiet.holds(self, &chunk);
            found.blocked |= blocked;
            if fits && !blocked {
                match self.grown(found.run.as_ref(), &chunk, moves, rule.ratio, limit) {
                    Some(run) => {
                        found.run = Some(run);
                        if !ends {
                            continue;
                        }
                    }
                    None if found.run.is_none() => found.dear = true,
                    None => {}
                }
            }
            if found.run.is_some() {
                break;
            }
        }
        found
    }

    /// A run with one more chunk, if that is within the limit.
    fn grown(
        &self,
        run: Option<&Run>,
        chunk: &Range<usize>,
        moves: u64,
        ratio: usize,
        limit: &Limit,
    ) -> Option<Run> {
        let start = run.map_or(chunk.start, |run| run.cells.start);
        let moves = run.map_or(0, |run| run.moves) + moves;
        let cells = start..chunk.end;
        if cells.len() / ratio > limit.chunks {
            return None;
        }
        let pages = self.pages(&cells).count();
        (self.model.estimate(pages, moves) <= limit.time).then_some(Run { cells, moves })
    }

    /// What a run costs per chunk, coarsely: four steps each time it doubles. What each chunk
    /// costs anywhere is not in it.
    pub(super) fn price(&self, run: &Run, ratio: usize) -> u32 {
        let chunks = (run.cells.len() / ratio).max(1) as u64;
        let each = (self.model.estimate(0, run.moves) / chunks).max(4);
        let log = each.ilog2();
        4 * log + ((each >> (log - 2)) & 3) as u32
    }

    /// How many cells are nobody's and can be got.
    pub(super) fn open(&self) -> usize {
        let open = |cell: &&Cell| match cell.kind() {
            Kind::Unread | Kind::Free | Kind::Movable | Kind::Slow => true,
            Kind::Foreign | Kind::Pinned | Kind::Gone | Kind::Flying | Kind::Taken => false,
        };
        self.cells().iter().filter(open).count()
    }

    /// What stands in the way of each chunk of which all is lent.
    pub(super) fn missed(&self, rule: &Rule) -> Missed {
        let mut missed = Missed::default();
        let mut at = self.align(0, rule.ratio);
        while self.cells().len().saturating_sub(at) >= rule.ratio {
            let cells = self.of(at..at + rule.ratio);
            at += rule.ratio;
            let any = |kind| cells.iter().any(|cell| cell.kind() == kind);
            let count = if any(Kind::Foreign) {
                continue;
            } else if any(Kind::Gone) {
                &mut missed.gone
            } else if any(Kind::Taken) || any(Kind::Flying) {
                &mut missed.taken
            } else if any(Kind::Pinned) {
                &mut missed.pinned
            } else if cells.iter().any(|cell| rule.rests(cell)) {
                &mut missed.resting
            } else if any(Kind::Slow) {
                &mut missed.slow
            } else if any(Kind::Movable) {
                &mut missed.movable
            } else {
                &mut missed.free
            };
            *count += 1;
        }
        missed
    }
}

/// The pageblocks that were looked at last, where no call is under way.
#[derive(Debug, Default)]
struct Quiet(Range<usize>);

impl Quiet {
    fn holds<C>(&mut self, area: &Area<C>, chunk: &Range<usize>) -> bool
    where
        C: DerefMut<Target = [Cell]>,
    {
        if chunk.start >= self.0.start && chunk.end <= self.0.end {
            return true;
        }
        let blocks = area.blocks(chunk);
        let mut cells = area.of(blocks.clone()).iter();
        let quiet = cells.all(|cell| cell.kind() != Kind::Flying);
        if quiet {
            self.0 = blocks;
        }
        quiet
    }
}
