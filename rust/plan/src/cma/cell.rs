// SPDX-License-Identifier: GPL-2.0

//! What is known of a few pages: what was read last, and what became of the tries to get them.

use super::page::Sight;

/// What a cell is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Not lent to us, or only in part: never planned.
    #[default]
    Foreign,
    /// Ours to plan, and not read yet.
    Unread,
    /// All of it is free.
    Free,
    /// Some of it is in use, and looks as if it can be moved.
    Movable,
    /// Some of it has to be waited for.
    Slow,
    /// Somebody looks as if he holds some of it.
    Pinned,
    /// Some of it is never to be had.
    Gone,
    /// A call is under way for it.
    Flying,
    /// Somebody has it, of those who plan here.
    Taken,
}

impl Kind {
    /// Whether reading its pages says what it is.
    pub const fn readable(self) -> bool {
        match self {
            Kind::Unread | Kind::Free | Kind::Movable => true,
            Kind::Slow | Kind::Pinned | Kind::Gone => true,
            Kind::Foreign | Kind::Flying | Kind::Taken => false,
        }
    }
}

impl From<Sight> for Kind {
    fn from(sight: Sight) -> Self {
        match sight {
            Sight::Free => Kind::Free,
            Sight::Movable => Kind::Movable,
            Sight::Slow => Kind::Slow,
            Sight::Pinned => Kind::Pinned,
            Sight::Gone => Kind::Gone,
        }
    }
}

/// A moment, in steps of 2^26 ns (67 ms): nine years fit, and after those all bad windows are
/// forgotten at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(u32);

impl Tick {
    pub(super) fn at(now: u64) -> Self {
        Self(u32::try_from(now >> 26).unwrap_or(u32::MAX))
    }

    const fn after(self, ticks: u32) -> Self {
        Self(self.0.saturating_add(ticks))
    }
}

/// How long a window rests after its first failure, in ticks: a second. Each failure doubles that.
const REST: u32 = 15;

/// The failures that still double it: 64 times is a minute.
const DOUBLINGS: u8 = 6;

/// Some pages, as many as the area's unit says, in eight bytes.
///
/// It is made to be kept in a large array, all of it zero at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    failed: Tick,
    moves: u16,
    kind: Kind,
    marks: u8,
}

const _: () = assert!(size_of::<Cell>() == 8);

/// It is tried alone: it was the first that was still in use after a run failed.
const SUSPECT: u8 = 1 << 7;
/// Runs begin here and do not cross it: one that did failed, and nothing says where.
const EDGE: u8 = 1 << 6;
const STRIKES: u8 = EDGE - 1;

impl Cell {
    /// What it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How many of its pages would have to be moved.
    pub const fn moves(&self) -> u16 {
        self.moves
    }

    /// How often in a row it failed alone.
    pub const fn strikes(&self) -> u8 {
        self.marks & STRIKES
    }

    /// Whether it must not be part of a longer run.
    pub(super) const fn alone(&self) -> bool {
        self.marks & SUSPECT != 0 || self.strikes() > 0
    }

    pub(super) const fn edge(&self) -> bool {
        self.marks & EDGE != 0
    }

    /// Whether it failed in a call that began at `began`, or not long ago.
    pub(super) fn resting(&self, began: Tick, now: Tick) -> bool {
        self.strikes() > 0 && (self.failed >= began || !self.rested(now))
    }

    fn rested(&self, now: Tick) -> bool {
        let doublings = self.strikes().saturating_sub(1).min(DOUBLINGS);
        now >= self.failed.after(REST << doublings)
    }

    /// What was read replaces what was known, but not what is remembered.
    pub(super) fn set(&mut self, kind: Kind, moves: u16) {
        self.kind = kind;
        self.moves = moves;
    }

    /// It was got, or given back: what was remembered is no more.
    pub(super) fn renew(&mut self, kind: Kind) {
        *self = Self {
            kind,
            ..Self::default()
        };
    }

    /// It failed alone.
    pub(super) fn strike(&mut self, now: Tick) {
        self.failed = now;
        if self.strikes() < STRIKES {
            self.marks += 1;
        }
    }

    pub(super) fn suspect(&mut self, now: Tick) {
        self.mark(SUSPECT, now);
    }

    pub(super) fn split(&mut self, now: Tick) {
        self.mark(EDGE, now);
    }

    fn mark(&mut self, mark: u8, now: Tick) {
        self.marks |= mark;
        if self.strikes() == 0 {
            self.failed = now;
        }
    }

    /// Forgets how runs failed, once that is as long ago as a window rests. Strikes stay: they
    /// say that it is tried alone.
    pub(super) fn fade(&mut self, now: Tick) {
        if self.rested(now) {
            self.marks &= STRIKES;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 30;

    fn struck(times: u32, at: u64) -> Cell {
        let mut cell = Cell::default();
        (0..times).for_each(|_| cell.strike(Tick::at(at)));
        cell
    }

    #[test]
    fn a_rest_doubles_and_ends() {
        let before = Tick::at(1000 * SECOND);
        for (strikes, seconds) in [(1, 1), (2, 2), (3, 4), (7, 64), (8, 64), (200, 64)] {
            let cell = struck(strikes, 0);
            let resting = |now| cell.resting(before, Tick::at(now));
            assert!(resting(seconds * SECOND * 9 / 10), "{strikes}");
            assert!(!resting(seconds * SECOND), "{strikes}");
        }
        assert_eq!(struck(200, 0).strikes(), STRIKES);
        assert!(!struck(200, 0).edge() && struck(1, 0).alone());
    }

    #[test]
    fn a_call_tries_nothing_again() {
        let cell = struck(1, 10 * SECOND);
        let late = Tick::at(100 * SECOND);
        assert!(cell.resting(Tick::at(10 * SECOND), late));
        assert!(cell.resting(Tick::at(9 * SECOND), late));
        assert!(!cell.resting(Tick::at(11 * SECOND), late));
        assert!(!Cell::default().resting(Tick::at(0), Tick::at(0)));
    }

    #[test]
    fn at_the_end_of_time_nothing_rests() {
        assert!(struck(9, u64::MAX).rested(Tick::at(u64::MAX)));
        assert_eq!(Tick::at(u64::MAX), Tick(u32::MAX));
    }

    #[test]
    fn marks_fade_and_strikes_do_not() {
        let mut cell = struck(1, 0);
        cell.suspect(Tick::at(5 * SECOND));
        cell.split(Tick::at(5 * SECOND));
        assert_eq!(
            cell.failed,
            Tick::at(0),
            "a mark does not make it rest again"
        );
        cell.fade(Tick::at(0));
        assert!(cell.edge());
        cell.fade(Tick::at(SECOND));
        assert!(!cell.edge() && cell.alone() && cell.strikes() == 1);

        let mut cell = Cell::default();
        cell.suspect(Tick::at(5 * SECOND));
        cell.fade(Tick::at(5 * SECOND + SECOND / 2));
        assert!(cell.alone() && !cell.edge());
        cell.fade(Tick::at(6 * SECOND));
        assert_eq!((cell.alone(), cell.strikes()), (false, 0));
    }
}
