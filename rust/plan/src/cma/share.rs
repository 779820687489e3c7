// SPDX-License-Identifier: GPL-2.0

//! Several callers at once: how much of what there is each may have.
//!
//! What one caller does not want is for the others (max-min fairness). A share holds a caller
//! back only while another who could use the rest is not held back himself, so that there is
//! always one who goes on.

/// A caller's place among the [`Callers`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seat(usize);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Caller {
    wants: usize,
    holds: usize,
    waits: bool,
}

/// Those who plan in an area, in cells.
#[derive(Debug)]
pub struct Callers {
    seats: [Option<Caller>; Self::MOST],
}

impl Callers {
    /// How many there may be at once.
    pub const MOST: usize = 16;

    pub(super) const fn new() -> Self {
        Self {
            seats: [None; Self::MOST],
        }
    }

    /// One more, who wants that many cells in all.
    pub(super) fn join(&mut self, wants: usize) -> Option<Seat> {
        let index = self.seats.iter().position(Option::is_none)?;
        *self.seats.get_mut(index)? = Some(Caller {
            wants,
            ..Caller::default()
        });
        Some(Seat(index))
    }

    /// One less. What he got is no longer counted.
    pub(super) fn leave(&mut self, seat: Seat) {
        if let Some(place) = self.seats.get_mut(seat.0) {
            *place = None;
        }
        self.wake();
    }

    pub(super) fn count(&self) -> usize {
        self.all().count()
    }

    pub(super) fn take(&mut self, seat: &Seat, cells: usize) {
        if let Some(caller) = self.caller(seat) {
            caller.holds = caller.holds.saturating_add(cells);
        }
    }

    pub(super) fn give(&mut self, seat: &Seat, cells: usize) {
        if let Some(caller) = self.caller(seat) {
            caller.holds = caller.holds.saturating_sub(cells);
        }
    }

    pub(super) fn wait(&mut self, seat: &Seat, waits: bool) {
        if let Some(caller) = self.caller(seat) {
            caller.waits = waits;
        }
    }

    /// All are woken: whether one still waits he says when he looked again.
    pub(super) fn wake(&mut self) {
        let all = self.seats.iter_mut().flatten();
        all.for_each(|caller| caller.waits = false);
    }

    /// How many cells more a caller may take while `open` cells are nobody's.
    pub(super) fn allowance(&self, seat: &Seat, open: usize) -> usize {
        let Some(Some(this)) = self.seats.get(seat.0) else {
            return 0;
        };
        let others = || {
            self.seats
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != seat.0)
        };
        if others().all(|(_, other)| other.is_none_or(|other| other.waits)) {
            return usize::MAX;
        }
        let held: usize = self.all().map(|caller| caller.holds).sum();
        self.level(open.saturating_add(held))
            .min(this.wants)
            .saturating_sub(this.holds)
    }

    /// How much each of those gets who want more than that, of `supply`.
    fn level(&self, supply: usize) -> usize {
        let mut level = 0;
        loop {
            let above = self.all().filter(|caller| caller.wants > level).count();
            let given: usize = self.all().map(|caller| caller.wants.min(level)).sum();
            // Up to the next who has enough, or as far as it goes.
            let next = self
                .all()
                .map(|caller| caller.wants)
                .filter(|wants| *wants > level);
            let (Some(next), Some(each)) =
                (next.min(), supply.saturating_sub(given).checked_div(above))
            else {
                return level;
            };
            if level.saturating_add(each) < next {
                return level.saturating_add(each);
            }
            level = next;
        }
    }

    fn all(&self) -> impl Iterator<Item = &Caller> {
        self.seats.iter().flatten()
    }

    fn caller(&mut self, seat: &Seat) -> Option<&mut Caller> {
        self.seats.get_mut(seat.0)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callers(wants: &[usize]) -> (Callers, Vec<Seat>) {
        let mut callers = Callers::new();
        let seats = wants.iter().map(|wants| callers.join(*wants).unwrap());
        let seats = seats.collect();
        (callers, seats)
    }

    #[test]
    fn what_one_does_not_want_is_for_the_others() {
        for (supply, wants, gets) in [
            (100, [10, 20, 90], [10, 20, 70]),
            (100, [50, 50, 50], [33, 33, 33]),
            (100, [20, 70, 70], [20, 40, 40]),
            (300, [20, 70, 70], [20, 70, 70]),
            (0, [1, 2, 3], [0, 0, 0]),
            (2, [1, 2, 3], [0, 0, 0]),
            (usize::MAX, [1, usize::MAX, 3], [1, usize::MAX / 3, 3]),
        ] {
            let (callers, seats) = callers(&wants);
            for (seat, gets) in seats.iter().zip(gets) {
                let gets = if supply == usize::MAX && gets > 3 {
                    supply - 4
                } else {
                    gets
                };
                assert_eq!(callers.allowance(seat, supply), gets, "{supply} {wants:?}");
            }
        }
    }

    #[test]
    fn what_is_held_counts_for_both_sides() {
        let (mut callers, seats) = callers(&[80, 80]);
        callers.take(&seats[0], 60);
        assert_eq!(callers.allowance(&seats[0], 40), 0);
        assert_eq!(callers.allowance(&seats[1], 40), 50);
        callers.give(&seats[0], 20);
        assert_eq!(callers.allowance(&seats[0], 60), 10);
    }

    #[test]
    fn the_last_who_does_not_wait_is_not_held_back() {
        let (mut callers, mut seats) = callers(&[80, 80, 80]);
        callers.wait(&seats[0], true);
        assert_eq!(callers.allowance(&seats[1], 30), 10);
        callers.wait(&seats[2], true);
        assert_eq!(callers.allowance(&seats[1], 30), usize::MAX);
        assert_eq!(callers.allowance(&seats[0], 30), 10);
        callers.wait(&seats[2], false);
        assert_eq!(callers.allowance(&seats[1], 30), 10);
        callers.wait(&seats[2], true);
        callers.wake();
        assert_eq!(callers.allowance(&seats[1], 30), 10);
        callers.wait(&seats[0], true);
        callers.wait(&seats[1], true);
        callers.leave(seats.remove(0));
        assert_eq!(
            callers.allowance(&seats[1], 30),
            15,
            "who leaves wakes the others"
        );
        callers.leave(seats.remove(0));
        assert_eq!(callers.allowance(&seats[0], 30), usize::MAX);
        assert_eq!(callers.count(), 1);
    }

    #[test]
    fn there_are_only_so_many() {
        let (mut callers, mut seats) = callers(&[1; Callers::MOST]);
        assert_eq!(callers.join(1), None);
        callers.leave(seats.remove(3));
        assert_eq!(callers.join(1), Some(Seat(3)));
    }
}
