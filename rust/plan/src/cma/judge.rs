// SPDX-License-Identifier: GPL-2.0

//! What is learned of a run that failed, when its pages are read again.
//!
//! The call does not say where it failed, but it leaves traces: it moves pages in the order of
//! their addresses, and passes over or stops at the one that it cannot move. The first chunk that
//! is still in use is the one, and is tried alone: two wasted calls for each chunk that is bad.
//! Where nothing was moved nothing is proven, and the run is halved as well.
//!
//! Each failure leaves a mark where there was none. That is why a plan ends.

use super::area::Area;
use super::cell::Cell;
use super::cell::Kind;
use super::cell::Tick;
use super::run::Run;
use core::ops::DerefMut;
use core::ops::Range;

impl<C: DerefMut<Target = [Cell]>> Area<C> {
    /// Notes why `run`, read again since, may have failed. A chunk has `ratio` cells.
    pub(super) fn judge(&mut self, run: &Run, ratio: usize, now: Tick) {
        if run.cells.len() <= ratio {
            self.strike(&run.cells, now);
        } else if !self.cut(&run.cells, now) {
            let moves = self.ours(&run.cells).map(|cell| u64::from(cell.moves()));
            let moves: u64 = moves.sum();
            let suspected = self.suspect(&run.cells, now);
            if !suspected || moves >= run.moves {
                self.halve(&run.cells, ratio, now);
            }
        }
    }

    /// A chunk that failed alone: those cells of it that show why, or all of them.
    fn strike(&mut self, chunk: &Range<usize>, now: Tick) {
        let worst = self.ours(chunk).map(|cell| rank(cell.kind())).max();
        for cell in self.of_mut(chunk.clone()) {
            if cell.kind().readable() && Some(rank(cell.kind())) == worst {
                cell.strike(now);
            }
        }
    }

    /// Whether some of it is now seen to be bad. That is left out from now on.
    fn cut(&mut self, cells: &Range<usize>, now: Tick) -> bool {
        let mut any = false;
        for cell in self.of_mut(cells.clone()) {
            if matches!(cell.kind(), Kind::Pinned | Kind::Gone) {
                cell.suspect(now);
                any = true;
            }
        }
        any
    }

    /// Whether some of it is still in use; the first of that is to be tried alone.
    fn suspect(&mut self, cells: &Range<usize>, now: Tick) -> bool {
        let mut used = self.of_mut(cells.clone()).iter_mut();
        match used.find(|cell| cell.kind().readable() && cell.moves() > 0) {
            Some(cell) => {
                cell.suspect(now);
                true
            }
            None => false,
        }
    }

    fn halve(&mut self, cells: &Range<usize>, ratio: usize, now: Tick) {
        let middle = cells.start + cells.len() / ratio / 2 * ratio;
        if let Some(cell) = self.of_mut(middle..middle + 1).first_mut() {
            cell.split(now);
        }
    }

    /// Those cells that nobody took in the meantime.
    fn ours(&self, cells: &Range<usize>) -> impl Iterator<Item = &Cell> {
        let cells = self.of(cells.clone()).iter();
        cells.filter(|cell| cell.kind().readable())
    }
}

/// How well a kind explains a failure.
const fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Pinned | Kind::Gone => 2,
        Kind::Movable | Kind::Slow => 1,
        Kind::Free | Kind::Unread | Kind::Foreign | Kind::Flying | Kind::Taken => 0,
    }
}
