// SPDX-License-Identifier: GPL-2.0

//! Gaps: what is found, against a map of all indices that says for each whether something is there.

use super::{
    super::{
        BadRoom,
        Cause,
        Cycle,
        FindsGaps,
        Gaps,
        Locked,
        Mode,
        Number,
        Range,
        Rcu,
        RcuBox,
        Reservation,
        Room,
        Value, //
    },
    hold::{
        Guarded,
        Hold,
        Owned,
        Spun, //
    },
    ledger::{
        Boxed,
        Ledger,
        Token, //
    },
    random::Random,
    seed,
    small::range, //
};
use crate::{
    cx::{
        Cx,
        Process, //
    },
    gfp,
    kunit::process, //
};
use kernel::prelude::*;

/// Enough for three levels of nodes.
const MAPPED: usize = 400;

/// Which of the indices from `base` on have something.
struct Map {
    base: usize,
    taken: [bool; MAPPED],
}

impl Map {
    /// Where there is room, upwards.
    fn fits(&self, room: Room, within: Range) -> impl DoubleEndedIterator<Item = Range> + '_ {
        (0..MAPPED)
            .map(|place| self.base + place)
            .filter(move |first| first % room.align() == 0)
            .filter_map(move |first| Range::new(first, first.checked_add(room.size() - 1)?).ok())
            .filter(move |range| within.intersection(range) == Some(*range))
            .filter(|range| self.is_free(range))
    }

    fn is_free(&self, range: &Range) -> bool {
        let (first, last) = (range.first() - self.base, range.last() - self.base);
        (self.taken.get(first..=last)).is_some_and(|taken| !taken.contains(&true))
    }

    fn set(&mut self, range: &Range, taken: bool) {
        let (first, last) = (range.first() - self.base, range.last() - self.base);
        if let Some(places) = self.taken.get_mut(first..=last) {
            places.fill(taken);
        }
    }

    /// A range of up to `longest` places.
    fn any(&self, random: &mut Random, longest: usize) -> Range {
        let (first, last) = random.range(MAPPED, longest);
        range(self.base + first, self.base + last)
    }
}

fn number() -> Result<Number> {
    Number::new(1).ok_or(EINVAL)
}

/// Compares what is found in a tree that is full but for some of the places from `base` on.
fn compare<H: Hold<Number, Gaps>>(cx: &mut Cx<'_, Process>, base: usize) -> Result {
    let mut map = Map {
        base,
        taken: [false; MAPPED],
    };
    let places = Range::new(base, base + (MAPPED - 1))?;
    let mut random = Random::new(seed());
    let mut tree = H::new(cx)?;
    tree.with(cx, |tree, gfp| {
        let outside = [Range::ALL.before(&places), Range::ALL.after(&places)];
        for outside in outside.into_iter().flatten() {
            tree.insert(&mut *gfp, outside, number()?)?;
        }
        for round in 0..900 {
            let at = map.any(&mut random, 3);
            if map.is_free(&at) {
                tree.insert(&mut *gfp, at, number()?)?;
                map.set(&at, true);
            } else if round > 400 && random.below(2) == 0 {
                if let Some((range, _)) = tree.erase(&mut *gfp, at.first())? {
                    if places.intersection(&range) == Some(range) {
                        map.set(&range, false);
                    } else {
                        tree.insert(&mut *gfp, range, number()?)?;
                    }
                }
            }
            let room = Room::new(1 + random.below(12))?.aligned(1 << random.below(6))?;
            let within = match random.below(3) {
                0 => Range::ALL,
                _ => map.any(&mut random, MAPPED),
            };
            let found = (tree.find_gap(room, within), tree.find_gap_rev(room, within));
            let mut fits = map.fits(room, within);
            let lowest = fits.next();
            let expected = (lowest, fits.next_back().or(lowest));
            if found != expected {
                pr_err!("{room:?} in {within:?}: {found:?}, not {expected:?}\n");
                return Err(EINVAL);
            }
        }
        tree.validate();
        ::core::assert_eq!(tree.height(), 3);
        Ok(())
    })
}

/// Fills `within` with ones of `room`, which takes up all of it.
fn fill<V: Boxed, M: Mode<V> + FindsGaps, H: Hold<V, M>>(cx: &mut Cx<'_, Process>) -> Result {
    let ledger = Ledger::new(cx)?;
    let mut tree = H::new(cx)?;
    let within = Range::new(7, 46)?;
    for number in 0..10 {
        let room = Room::new(4)?;
        let value = V::make(&mut gfp::kernel(cx), &ledger, number)?;
        let expected = if number % 2 == 0 {
            7 + 2 * number
        } else {
            45 - 2 * number
        };
        let range = tree.with(cx, |tree, gfp| match number % 2 {
            0 => tree.alloc(gfp, room, within, value),
            _ => tree.alloc_rev(gfp, room, within, value),
        })?;
        ::core::assert_eq!(range, Range::new(expected, expected + 3)?);
    }
    let mut nodes = Reservation::new(&mut gfp::kernel(cx), 100, 1)?;
    let mut cycle = Cycle::new(20);
    for way in 0..3 {
        let value = V::make(&mut gfp::kernel(cx), &ledger, 99)?;
        let refused = tree.with(cx, |tree, _| match way {
            0 => tree.alloc(&mut nodes, Room::ONE, within, value),
            1 => tree.alloc_rev(&mut nodes, Room::ONE, within, value),
            _ => (tree.alloc_cyclic(&mut nodes, Room::ONE, within, &mut cycle, value))
                .map(|found| found.range),
        });
        let refused = refused.err().ok_or(EINVAL)?;
        ::core::assert_eq!((refused.value.own().tag, refused.cause), (99, Cause::Full));
    }
    ::core::assert_eq!(cycle, Cycle::new(20));
    // What was reserved is still there.
    let value = V::make(&mut gfp::kernel(cx), &ledger, 10)?;
    let range = tree.with(cx, |tree, _| {
        tree.alloc(&mut nodes, Room::ONE, Range::ALL, value)
    })?;
    ::core::assert_eq!(range, Range::at(0));
    drop(tree);
    ::core::assert!(ledger.settled());
    Ok(())
}

/// What is found in the whole of a tree: the lowest and the highest.
fn found<V: Value, M: Mode<V> + FindsGaps>(
    tree: &Locked<'_, '_, V, M>,
    size: usize,
) -> Result<(Option<usize>, Option<usize>)> {
    let room = Room::new(size)?;
    Ok((
        tree.find_gap(room, Range::ALL).map(|range| range.first()),
        tree.find_gap_rev(room, Range::ALL)
            .map(|range| range.last()),
    ))
}

#[kunit_tests(strata_maple_gap)]
mod cases {
    use super::*;

    #[test]
    fn what_is_found_is_the_lowest_and_the_highest_that_there_is() -> Result {
        process(|cx| {
            compare::<Owned<_, _>>(cx, 0)?;
            compare::<Spun<_, _>>(cx, 5000)?;
            compare::<Guarded<_, _>>(cx, usize::MAX - (MAPPED - 1))
        })
    }

    #[test]
    fn a_tree_without_nodes_has_gaps_too() -> Result {
        process(|cx| {
            let mut tree = Owned::<Number, Gaps>::new(cx)?;
            tree.with(cx, |tree, gfp| {
                let max = usize::MAX;
                assert_eq!(found(tree, 1)?, (Some(0), Some(max)));
                assert_eq!(found(tree, max)?, (Some(0), Some(max)));
                // One value at 0 is the root itself.
                tree.insert(&mut *gfp, Range::at(0), number()?)?;
                assert_eq!(found(tree, 1)?, (Some(1), Some(max)));
                assert_eq!(found(tree, max)?, (Some(1), Some(max)));
                let low = Range::new(0, 5)?;
                let six = Room::new(6)?;
                assert_eq!(tree.find_gap(six, low), None);
                assert_eq!(tree.find_gap_rev(six, low), None);
                assert_eq!(tree.find_gap(Room::ONE, Range::at(0)), None);
                assert_eq!(tree.find_gap_rev(Room::ONE, Range::at(0)), None);
                tree.erase(&mut *gfp, 0)?;
                tree.insert(&mut *gfp, Range::ALL, number()?)?;
                assert_eq!(found(tree, 1)?, (None, None));
                Ok(())
            })
        })
    }

    #[test]
    fn the_lowest_gap_is_found_from_the_last_index_down() -> Result {
        process(|cx| {
            let mut tree = Owned::<Number, Gaps>::new(cx)?;
            tree.with(cx, |tree, gfp| {
                tree.insert(&mut *gfp, Range::of(100..)?, number()?)?;
                assert_eq!(found(tree, 100)?, (Some(0), Some(99)));
                assert_eq!(found(tree, 101)?, (None, None));
                Ok(())
            })
        })
    }

    #[test]
    fn what_ends_with_the_last_index_is_exact() -> Result {
        process(|cx| {
            let mut tree = Owned::<Number, Gaps>::new(cx)?;
            tree.with(cx, |tree, gfp| {
                let max = usize::MAX;
                tree.insert(&mut *gfp, Range::of(..max - 4)?, number()?)?;
                assert_eq!(found(tree, 5)?, (Some(max - 4), Some(max)));
                assert_eq!(found(tree, 6)?, (None, None));
                // From max - 3 on there are four, which are aligned to four.
                let four = Room::new(4)?.aligned(4)?;
                let last = Range::new(max - 3, max).ok();
                assert_eq!(tree.find_gap(four, Range::ALL), last);
                assert_eq!(tree.find_gap_rev(four, Range::ALL), last);
                let eight = Room::ONE.aligned(8)?;
                assert_eq!(tree.find_gap(eight, Range::ALL), None);
                assert_eq!(tree.find_gap_rev(eight, Range::ALL), None);
                let farthest = Room::ONE.aligned(1 << 63)?;
                assert_eq!(tree.find_gap(farthest, Range::ALL), None);
                tree.erase(&mut *gfp, 0)?;
                let half = Some(Range::at(1 << 63));
                assert_eq!(tree.find_gap(farthest, Range::of(1..)?), half);
                assert_eq!(tree.find_gap_rev(farthest, Range::ALL), half);
                Ok(())
            })
        })
    }

    #[test]
    fn bad_input_is_refused_before_there_is_a_tree() -> Result {
        assert_eq!(Room::new(0), Err(BadRoom::Empty));
        for align in [0, 3, 24, usize::MAX] {
            assert_eq!(Room::ONE.aligned(align), Err(BadRoom::Alignment));
        }
        assert!(Room::new(usize::MAX)?.aligned(1 << 63).is_ok());
        assert_eq!(Error::from(BadRoom::Empty), EINVAL);
        Ok(())
    }

    #[test]
    fn all_that_has_room_is_filled_and_the_value_comes_back_then() -> Result {
        process(|cx| {
            fill::<KBox<Token>, Gaps, Spun<_, _>>(cx)?;
            fill::<KBox<Token>, Gaps, Guarded<_, _>>(cx)?;
            fill::<RcuBox<Token>, Rcu, Spun<_, _>>(cx)
        })
    }

    #[test]
    fn a_cycle_comes_to_all_before_it_comes_back() -> Result {
        process(|cx| {
            let mut tree = Owned::<Number, Gaps>::new(cx)?;
            tree.with(cx, |tree, gfp| {
                let max = usize::MAX;
                let within = Range::new(max - 4, max)?;
                let mut cycle = Cycle::default();
                let two = Room::new(2)?;
                for (first, wrapped) in [(max - 4, false), (max - 2, false), (max - 4, true)] {
                    let found = tree.alloc_cyclic(&mut *gfp, two, within, &mut cycle, number()?)?;
                    assert_eq!(found.range, Range::new(first, first + 1)?);
                    assert_eq!(found.wrapped, wrapped);
                    tree.erase(&mut *gfp, first)?;
                }
                // Behind the last index there is none: not 0, which would not be a new round.
                let mut cycle = Cycle::new(max);
                let found =
                    tree.alloc_cyclic(&mut *gfp, Room::ONE, within, &mut cycle, number()?)?;
                assert_eq!((found.range, found.wrapped), (Range::at(max), false));
                tree.erase(&mut *gfp, max)?;
                let all = Range::ALL;
                let found = tree.alloc_cyclic(&mut *gfp, Room::ONE, all, &mut cycle, number()?)?;
                assert_eq!((found.range, found.wrapped), (Range::at(0), true));
                // Another one of the same tree knows nothing of that.
                let mut other = Cycle::new(5);
                let found = tree.alloc_cyclic(&mut *gfp, Room::ONE, all, &mut other, number()?)?;
                assert_eq!((found.range, found.wrapped), (Range::at(5), false));
                let found = tree.alloc_cyclic(&mut *gfp, Room::ONE, all, &mut cycle, number()?)?;
                assert_eq!((found.range, found.wrapped), (Range::at(1), false));
                Ok(())
            })
        })
    }
}
