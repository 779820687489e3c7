// SPDX-License-Identifier: GPL-2.0

//! Cursors: where they stand after each of their calls, against a list of all values.

use super::{
    super::{
        Cause,
        Gaps,
        Mode,
        Plain,
        Range,
        Rcu,
        RcuBox, //
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
};
use crate::{
    cx::{
        Cx,
        Process, //
    },
    gfp,
    kunit::process, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// How many indices are used.
const USED: usize = 160;

/// What stands where: the values in a list that is not sorted.
#[derive(Default)]
struct List(KVec<(Range, usize)>);

impl List {
    fn met(&self, range: Range) -> impl Iterator<Item = (Range, usize)> + '_ {
        let met = move |item: &(Range, usize)| item.0.intersection(&range).is_some();
        self.0.iter().copied().filter(met)
    }

    fn take(&mut self, range: Range) {
        self.0.retain(|item| item.0 != range);
    }

    fn put(&mut self, range: Range, tag: usize) -> Result {
        Ok(self.0.push((range, tag), GFP_ATOMIC)?)
    }
}

/// Where a cursor should be.
#[derive(Clone, Copy, Debug)]
enum Place {
    Before,
    Value(Range),
    Gap(Range),
    After,
}

impl Place {
    /// All that is above it, or below it.
    fn beyond(self, within: Range, up: bool) -> Option<Range> {
        match (self, up) {
            (Place::Before, true) | (Place::After, false) => Some(within),
            (Place::Before, false) | (Place::After, true) => None,
            (Place::Value(at) | Place::Gap(at), true) => within.after(&at),
            (Place::Value(at) | Place::Gap(at), false) => within.before(&at),
        }
    }
}

/// Numbers from a seed: the same in each run.
struct Random(u64);

impl Random {
    /// One below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    /// A range of up to `longest` of the used indices, which begin at `base`.
    fn range(&mut self, base: usize, longest: usize) -> Range {
        let first = self.below(USED);
        let last = (first + self.below(longest)).min(USED - 1);
        Range::new(base + first, base + last).unwrap_or(Range::ALL)
    }
}

/// Walks about in a tree, and compares each step.
fn wander<V: Boxed, M: Mode<V>, H: Hold<V, M>>(cx: &mut Cx<'_, Process>, base: usize) -> Result {
    let ledger = Ledger::new(cx)?;
    let mut tree = H::new(cx)?;
    let mut list = List::default();
    let mut random = Random(0xc0de_u64.wrapping_add(base as u64));
    let mut highest = 0;
    for walk in 0..30 {
        let within = match walk % 3 {
            0 => Range::ALL,
            _ => random.range(base, USED),
        };
        highest = highest.max(tree.with(cx, |tree, gfp| {
            let mut cursor = tree.cursor(within);
            let mut place = Place::Before;
            for _ in 0..60 {
                let step = random.below(8);
                match step {
                    // To the next one, or the one before.
                    0..3 => {
                        let up = step != 0;
                        let found = match up {
                            true => cursor.next(),
                            false => cursor.prev(),
                        };
                        let found = found.map(|(range, value)| (range, V::token(&value).tag));
                        let met = (place.beyond(within, up)).and_then(|beyond| match up {
                            true => list.met(beyond).min_by_key(|item| item.0.first()),
                            false => list.met(beyond).max_by_key(|item| item.0.first()),
                        });
                        expect(found, met)?;
                        place = match met {
                            Some((range, _)) => Place::Value(range),
                            None if up => Place::After,
                            None => Place::Before,
                        };
                    }
                    3 => {
                        let index = random.range(base, 1).first();
                        let found = cursor.seek(index);
                        let found = found.map(|(range, value)| (range, V::token(&value).tag));
                        let met = match within.contains(index) {
                            true => list.met(Range::at(index)).next(),
                            false => None,
                        };
                        expect(found, met)?;
                        place = match met {
                            Some((range, _)) => Place::Value(range),
                            None if within.contains(index) => Place::Gap(Range::at(index)),
                            None if index < within.first() => Place::Before,
                            None => Place::After,
                        };
                    }
                    4 => {
                        let value = V::make(gfp, &ledger, walk)?;
                        let replaced = cursor.replace(value);
                        match (place, replaced) {
                            (Place::Value(range), Ok(_)) => {
                                list.take(range);
                                list.put(range, walk)?;
                            }
                            (Place::Value(_), Err(error)) => return Err(error.into()),
                            (_, Err(error)) => expect(error.cause, Cause::NotThere)?,
                            (_, Ok(_)) => return Err(EINVAL),
                        }
                    }
                    5 => {
                        let removed = cursor.remove(&mut *gfp)?.map(|(range, _)| range);
                        match place {
                            Place::Value(range) => {
                                expect(removed, Some(range))?;
                                list.take(range);
                                place = Place::Gap(range);
                            }
                            Place::Before | Place::Gap(_) | Place::After => expect(removed, None)?,
                        }
                    }
                    _ => {
                        let range = random.range(base, 4);
                        let value = V::make(gfp, &ledger, walk)?;
                        let stored = cursor.insert(&mut *gfp, range, value);
                        if list.met(range).next().is_some() {
                            let cause = stored.err().map(|error| error.cause);
                            expect(cause, Some(Cause::Occupied))?;
                            continue;
                        }
                        stored?;
                        list.put(range, walk)?;
                        place = match within.intersection(&range) {
                            Some(_) => Place::Value(range),
                            None if range.first() < within.first() => Place::Before,
                            None => Place::After,
                        };
                    }
                }
                let here = cursor.current();
                let here = here.map(|(range, value)| (range, V::token(&value).tag));
                let there = match place {
                    Place::Value(range) => list.met(range).next(),
                    Place::Before | Place::Gap(_) | Place::After => None,
                };
                expect(here, there)?;
                expect(cursor.gap().is_some(), matches!(place, Place::Gap(_)))?;
                if let (Place::Gap(at), Some(gap)) = (place, cursor.gap()) {
                    expect(list.met(gap).next(), None)?;
                    expect(at.intersection(&within), at.intersection(&gap))?;
                }
            }
            tree.validate();
            Ok::<_, Error>(tree.height())
        })?);
    }
    expect(highest, 2)?;
    drop(tree);
    expect(ledger.settled(), true)
}

/// Says what is not as it should be.
#[track_caller]
fn expect<T: PartialEq + ::core::fmt::Debug>(found: T, expected: T) -> Result {
    if found != expected {
        let line = ::core::panic::Location::caller().line();
        pr_err!("line {line}: {found:?}, not {expected:?}\n");
        return Err(EINVAL);
    }
    Ok(())
}

/// A tree with values at `ranges`, which have the first index as their number.
fn tree_of<H: Hold<KBox<Token>, Plain>>(
    cx: &mut Cx<'_, Process>,
    ledger: &Arc<Ledger>,
    ranges: &[Range],
) -> Result<H> {
    let mut tree = H::new(cx)?;
    for &range in ranges {
        let value = KBox::make(&mut gfp::kernel(cx), ledger, range.first())?;
        tree.with(cx, |tree, gfp| tree.insert(gfp, range, value))?;
    }
    Ok(tree)
}

#[kunit_tests(strata_maple_cursor)]
mod cases {
    use super::*;

    #[test]
    fn it_stands_where_a_list_says_it_does() -> Result {
        process(|cx| {
            wander::<KBox<Token>, Plain, Owned<_, _>>(cx, 0)?;
            wander::<KBox<Token>, Gaps, Guarded<_, _>>(cx, usize::MAX - (USED - 1))?;
            wander::<RcuBox<Token>, Rcu, Spun<_, _>>(cx, 1000)
        })
    }

    /// The transitions of `check_state_handling()` in the kernel's own tests, with and without nodes.
    #[test]
    fn at_both_ends_it_turns_around() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let max = usize::MAX;
            let root = [Range::at(0)];
            let all = [Range::ALL];
            let ends = [Range::at(0), Range::at(max)];
            let inside = [Range::of(0x1000..=0x1500)?, Range::of(0x2000..=0x2500)?];
            for ranges in [&root[..], &all, &ends, &inside] {
                let mut tree = tree_of::<Owned<_, _>>(cx, &ledger, ranges)?;
                tree.with(cx, |tree, _| {
                    let mut cursor = tree.cursor(Range::ALL);
                    for _ in 0..2 {
                        assert!(cursor.current().is_none());
                        assert!(cursor.prev().is_none());
                        assert!(cursor.prev().is_none());
                        for range in ranges {
                            assert_eq!(cursor.next().map(|(range, _)| range), Some(*range));
                        }
                        assert!(cursor.next().is_none());
                        assert!(cursor.next().is_none());
                        assert!(cursor.current().is_none());
                        for range in ranges.iter().rev() {
                            assert_eq!(cursor.prev().map(|(range, _)| range), Some(*range));
                        }
                        assert!(cursor.prev().is_none());
                    }
                    cursor.to_end();
                    let last = ranges.last().copied();
                    assert_eq!(cursor.prev().map(|(range, _)| range), last);
                    cursor.to_start();
                    assert_eq!(
                        cursor.next().map(|(range, _)| range),
                        ranges.first().copied()
                    );
                });
            }
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn its_range_bounds_it_and_values_may_reach_beyond() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let ranges = [
                Range::at(0),
                Range::of(10..20)?,
                Range::of(30..40)?,
                Range::of(50..60)?,
            ];
            let mut tree = tree_of::<Owned<_, _>>(cx, &ledger, &ranges)?;
            tree.with(cx, |tree, gfp| {
                let mut cursor = tree.cursor(Range::of(15..=30)?);
                let next = cursor.next().map(|(range, value)| (range, value.tag));
                assert_eq!(next, Some((Range::of(10..20)?, 10)));
                assert!(cursor.prev().is_none());
                cursor.next();
                let next = cursor.next().map(|(range, value)| (range, value.tag));
                assert_eq!(next, Some((Range::of(30..40)?, 30)));
                assert!(cursor.next().is_none());
                assert_eq!(cursor.prev().map(|(_, value)| value.tag), Some(30));
                assert_eq!(cursor.prev().map(|(_, value)| value.tag), Some(10));
                // Before and after its range there is nothing for it.
                assert!(cursor.seek(0).is_none());
                assert_eq!(cursor.next().map(|(_, value)| value.tag), Some(10));
                assert!(cursor.seek(50).is_none());
                assert_eq!(cursor.prev().map(|(_, value)| value.tag), Some(30));
                // A gap is shown as far as it is in the range, whatever was around it.
                assert!(cursor.seek(25).is_none());
                assert_eq!(cursor.gap(), Some(Range::of(20..30)?));
                assert_eq!(cursor.prev().map(|(_, value)| value.tag), Some(10));
                assert_eq!(cursor.gap(), None);
                assert!(cursor.remove(gfp)?.is_some());
                assert_eq!(cursor.gap(), Some(Range::of(15..30)?));
                assert!(cursor.current().is_none());
                Ok::<_, Error>(())
            })?;
            drop(tree);
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn what_it_stands_at_can_be_changed_and_replaced() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let ranges = [Range::at(0), Range::of(10..20)?];
            let mut tree = tree_of::<Spun<_, _>>(cx, &ledger, &ranges)?;
            let mut values = [5, 15].map(|tag| KBox::make(&mut gfp::kernel(cx), &ledger, tag).ok());
            let out = tree.with(cx, |tree, _| {
                let mut cursor = tree.cursor(Range::ALL);
                let mut out = [None, None];
                for (value, out) in values.iter_mut().zip(&mut out) {
                    let value = value.take().ok_or(ENOMEM)?;
                    let next = cursor.next().map(|(range, _)| range);
                    *out = Some(cursor.replace(value)?);
                    let here = cursor.current().map(|(range, value)| (range, value.tag));
                    assert_eq!(here.map(|(range, _)| range), next);
                    if let Some((_, value)) = cursor.current_mut() {
                        value.tag += 1;
                    }
                }
                assert!(cursor.next().is_none());
                assert!(cursor.current_mut().is_none());
                assert_eq!(cursor.prev().map(|(_, value)| value.tag), Some(16));
                assert_eq!(cursor.prev().map(|(_, value)| value.tag), Some(6));
                Ok::<_, Error>(out)
            })?;
            assert_eq!(
                out.map(|value| value.map(|value| value.tag)),
                [Some(0), Some(10)]
            );
            assert_eq!(ledger.alive(), 2);
            drop(tree);
            assert!(ledger.settled());
            Ok(())
        })
    }

    /// One value at 0 is the root itself: a store to it leaves no place to go on from.
    #[test]
    fn it_goes_on_from_a_root_that_it_replaced() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = tree_of::<Owned<_, _>>(cx, &ledger, &[Range::at(0)])?;
            tree.with(cx, |tree, gfp| {
                let mut cursor = tree.cursor(Range::ALL);
                assert_eq!(cursor.next().map(|(_, value)| value.tag), Some(0));
                assert_eq!(cursor.replace(KBox::make(gfp, &ledger, 1)?)?.tag, 0);
                assert!(cursor.next().is_none());
                assert_eq!(cursor.prev().map(|(_, value)| value.tag), Some(1));
                assert_eq!(cursor.replace(KBox::make(gfp, &ledger, 2)?)?.tag, 1);
                assert!(cursor.prev().is_none());
                assert_eq!(cursor.next().map(|(_, value)| value.tag), Some(2));
                assert!(cursor.remove(&mut *gfp)?.is_some());
                assert_eq!(cursor.gap(), Some(Range::ALL));
                assert!(cursor.prev().is_none());
                assert!(cursor.next().is_none());
                Ok::<_, Error>(())
            })?;
            drop(tree);
            assert!(ledger.settled());
            Ok(())
        })
    }
}
