// SPDX-License-Identifier: GPL-2.0

//! What is in a tree, and where: each call once, with what it says and what it refuses.

use super::{
    super::{
        BadRange,
        Cause,
        Gaps,
        Number,
        Plain,
        Range,
        Spares, //
    },
    gfp,
    hold::{
        Hold,
        Owned, //
    },
    ledger::{
        Boxed,
        Ledger,
        Token, //
    },
    small::{
        range,
        seen,
        three,
        Plainly,
        Seen, //
    },
};
use crate::kunit::process;
use core::ops::Bound;
use kernel::{
    prelude::*,
    sync::Arc, //
};

#[kunit_tests(strata_maple)]
mod cases {
    use super::*;

    #[test]
    fn what_is_inserted_is_found_at_all_of_its_range() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = three::<Plainly, _, _>(cx, &ledger)?;
            tree.with(cx, |tree, _| {
                assert!(tree.load(9).is_none());
                assert_eq!(tree.load(10).map(|value| value.tag), Some(1));
                assert_eq!(tree.load(19).map(|value| value.tag), Some(1));
                let entry = tree.entry(25).map(|(range, value)| (range, value.tag));
                assert_eq!(entry, Some((range(20, 29), 2)));
                assert!(tree.entry(30).is_none());
                assert_eq!(tree.load_mut(44).map(|value| value.tag), Some(4));
                assert!(tree.load_mut(50).is_none());
                assert!(!tree.is_empty());
                assert!(tree.height() >= 1);
            });
            drop(tree);
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn an_insert_changes_nothing_where_something_is() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = three::<Plainly, _, _>(cx, &ledger)?;
            for at in [
                range(5, 10),
                range(19, 19),
                range(12, 13),
                range(29, 40),
                range(30, 100),
                range(0, 15),
                Range::ALL,
            ] {
                let value = KBox::make(&mut gfp::kernel(cx), &ledger, 7)?;
                let error = tree.with(cx, |tree, gfp| tree.insert(gfp, at, value));
                let error = error.err().map(|error| (error.value.tag, error.cause));
                assert_eq!(error, Some((7, Cause::Occupied)));
            }
            let all = tree.with(cx, |tree, _| seen(tree, Range::ALL));
            assert_eq!(all.get(), &[(10, 19, 1), (20, 29, 2), (40, 49, 4)]);
            for (tag, at) in [
                (3, range(30, 39)),
                (0, range(0, 9)),
                (5, range(50, usize::MAX)),
            ] {
                let value = KBox::make(&mut gfp::kernel(cx), &ledger, tag)?;
                tree.with(cx, |tree, gfp| tree.insert(gfp, at, value))?;
            }
            let (low, high) = tree.with(cx, |tree, _| {
                (
                    tree.load(0).map(|value| value.tag),
                    tree.load(usize::MAX).map(|value| value.tag),
                )
            });
            assert_eq!((low, high), (Some(0), Some(5)));
            drop(tree);
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn one_value_may_stand_at_all_there_is() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = Plainly::new(cx)?;
            for at in [Range::ALL, Range::at(0), Range::at(usize::MAX), range(0, 5)] {
                assert!(tree.with(cx, |tree, _| tree.is_empty()));
                let value = KBox::make(&mut gfp::kernel(cx), &ledger, 7)?;
                tree.with(cx, |tree, gfp| tree.insert(gfp, at, value))?;
                let all = tree.with(cx, |tree, _| seen(tree, Range::ALL));
                assert_eq!(all.get(), &[(at.first(), at.last(), 7)]);
                let erased = tree.with(cx, |tree, gfp| tree.erase(gfp, at.last()))?;
                assert_eq!(
                    erased.map(|(range, value)| (range, value.tag)),
                    Some((at, 7))
                );
            }
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn neighbours_are_found_in_both_directions() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = three::<Plainly, _, _>(cx, &ledger)?;
            tree.with(cx, |tree, _| {
                let next = |index| tree.next(index).map(|(_, value)| value.tag);
                assert_eq!((next(0), next(9), next(10)), (Some(1), Some(1), Some(2)));
                assert_eq!(
                    (next(29), next(40), next(usize::MAX)),
                    (Some(4), None, None)
                );
                let prev = |index| tree.prev(index).map(|(_, value)| value.tag);
                assert_eq!(
                    (prev(usize::MAX), prev(50), prev(49)),
                    (Some(4), Some(4), Some(2))
                );
                assert_eq!((prev(29), prev(15), prev(0)), (Some(1), None, None));
                assert_eq!(tree.next(15).map(|(range, _)| range), Some(range(20, 29)));
            });
            Ok(())
        })
    }

    #[test]
    fn a_walk_gives_all_that_a_range_meets() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = three::<Plainly, _, _>(cx, &ledger)?;
            tree.with(cx, |tree, _| {
                assert_eq!(seen(tree, range(15, 40)).get().len(), 3);
                assert_eq!(seen(tree, range(20, 39)).get(), &[(20, 29, 2)]);
                assert!(seen(tree, range(30, 39)).get().is_empty());
                let mut back = Seen::default();
                for (range, value) in tree.iter_rev(range(19, 45)) {
                    back.push(range, value.tag);
                }
                assert_eq!(back.get(), &[(40, 49, 4), (20, 29, 2), (10, 19, 1)]);
                assert!(tree.iter_rev(range(30, 39)).next().is_none());
                assert!(tree.iter_rev(range(0, 9)).next().is_none());

                let mut slots = Seen::default();
                for (range, value) in tree.slots(range(5, 45)) {
                    slots.push(range, value.map_or(0, |value| value.tag));
                }
                let all = &[
                    (5, 9, 0),
                    (10, 19, 1),
                    (20, 29, 2),
                    (30, 39, 0),
                    (40, 49, 4),
                ];
                assert_eq!(slots.get(), all);
                let mut slots = Seen::default();
                for (range, value) in tree.slots(range(50, usize::MAX)) {
                    slots.push(range, value.map_or(0, |value| value.tag));
                }
                assert_eq!(slots.get(), &[(50, usize::MAX, 0)]);
            });
            Ok(())
        })
    }

    #[test]
    fn a_value_is_replaced_where_it_stands() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = three::<Plainly, _, _>(cx, &ledger)?;
            let mut value = KBox::make(&mut gfp::kernel(cx), &ledger, 7)?;
            for at in [
                range(20, 28),
                range(21, 29),
                range(30, 39),
                range(10, 29),
                Range::ALL,
            ] {
                let error = tree.with(cx, |tree, _| tree.replace(at, value));
                let Err(error) = error else {
                    return Err(EINVAL);
                };
                assert_eq!(error.cause, Cause::NotThere);
                value = error.value;
            }
            let old = tree.with(cx, |tree, _| tree.replace(range(20, 29), value))?;
            assert_eq!(old.tag, 2);
            let all = tree.with(cx, |tree, _| seen(tree, Range::ALL));
            assert_eq!(all.get(), &[(10, 19, 1), (20, 29, 7), (40, 49, 4)]);
            drop((tree, old));
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn other_kinds_of_values() -> Result {
        process(|cx| {
            let mut tree = Owned::<Number, Plain>::new(cx)?;
            let mut spares = Spares::new(&mut gfp::kernel(cx))?;
            let (low, high) = (
                Number::new(0).ok_or(EINVAL)?,
                Number::new(isize::MAX as usize),
            );
            let high = high.ok_or(EINVAL)?;
            assert!(Number::new(1 << 63).is_none());
            tree.with(cx, |tree, gfp| tree.insert(gfp, range(0, 9), high))?;
            tree.with(cx, |tree, gfp| {
                tree.store(gfp, range(4, 5), Some(low), &mut spares, |_, _| ())
            })
            .map_err(|error| error.cause)?;
            tree.with(cx, |tree, _| {
                assert_eq!(tree.load(0), Some(high));
                assert_eq!(tree.load(4), Some(low));
                assert_eq!(tree.entry(9), Some((range(6, 9), high)));
            });

            let ledger = Ledger::new(cx)?;
            let mut shared = Owned::<Arc<Token>, Gaps>::new(cx)?;
            let token = gfp::kernel(cx).arc(Token::new(&ledger, 3))?;
            let mut spares = Spares::new(&mut gfp::kernel(cx))?;
            let share = token.clone();
            shared.with(cx, |tree, gfp| tree.insert(gfp, range(0, 9), share))?;
            shared.with(cx, |tree, gfp| {
                tree.erase_range(gfp, range(4, 5), &mut spares, |_, _| ())
            })?;
            shared.with(cx, |tree, _| {
                assert_eq!(tree.load(0).map(|token| token.tag), Some(3));
                assert_eq!(tree.load(9).map(|token| token.tag), Some(3));
                assert!(tree.load(4).is_none());
            });
            drop(shared);
            assert_eq!(ledger.alive(), 1);
            drop(token);
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn a_range_is_neither_empty_nor_reversed() {
        let max = usize::MAX;
        for (first, last) in [(9, 3), (1, 0), (max, 0), (max, max - 1)] {
            assert_eq!(Range::new(first, last), Err(BadRange));
            assert_eq!(Range::of(first..=last), Err(BadRange));
            assert_eq!(Range::of(first..last), Err(BadRange));
        }
        for index in [0, 1, 7, max] {
            assert_eq!(Range::new(index, index), Ok(Range::at(index)));
            assert_eq!(Range::of(index..index), Err(BadRange));
        }
        assert_eq!(Range::of(..0), Err(BadRange));
        assert_eq!(Range::of(..=0), Ok(Range::at(0)));
        assert_eq!(Range::of(max..), Ok(Range::at(max)));
        // Behind the last index there is none.
        let behind = (Bound::Excluded(max), Bound::Unbounded);
        assert_eq!(Range::of(behind), Err(BadRange));
        let between = (Bound::Excluded(3), Bound::Excluded(4));
        assert_eq!(Range::of(between), Err(BadRange));
        assert_eq!(Error::from(BadRange), EINVAL);
        // Nor is what is cut off of one.
        let some = range(10, 19);
        assert_eq!(some.before(&range(10, 12)), None);
        assert_eq!(some.after(&range(17, 19)), None);
        assert_eq!(some.intersection(&range(20, 29)), None);
        assert_eq!(some.before(&range(0, 3)), None);
        assert_eq!(some.after(&range(30, max)), None);
        assert_eq!(some.after(&range(0, 3)), Some(some));
        assert_eq!(some.before(&range(15, max)), Some(range(10, 14)));
    }
}
