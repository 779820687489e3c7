// SPDX-License-Identifier: GPL-2.0

//! Stores over what is there: what comes out, what is left, and what is needed for it.

use super::{
    super::{
        Cause,
        Range,
        Reservation,
        Spares, //
    },
    gfp,
    hold::Hold,
    ledger::{
        Boxed,
        Ledger, //
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
use kernel::prelude::*;

#[kunit_tests(strata_maple_stores)]
mod cases {
    use super::*;

    #[test]
    fn what_a_store_covers_in_part_leaves_rests() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            for (at, displaced, left) in [
                // The rest to the left, to the right, on both sides, of one and of two values.
                (
                    range(15, 19),
                    &[(10, 19, 1)][..],
                    &[(10, 14, 1), (15, 19, 7)][..],
                ),
                (range(10, 12), &[(10, 19, 1)], &[(10, 12, 7), (13, 19, 1)]),
                (
                    range(13, 14),
                    &[(10, 19, 1)],
                    &[(10, 12, 1), (13, 14, 7), (15, 19, 1)],
                ),
                (
                    range(15, 24),
                    &[(10, 19, 1), (20, 29, 2)],
                    &[(10, 14, 1), (15, 24, 7), (25, 29, 2)],
                ),
                // None at all.
                (range(10, 19), &[(10, 19, 1)], &[(10, 19, 7)]),
                (range(30, 39), &[], &[(30, 39, 7)]),
                (
                    Range::ALL,
                    &[(10, 19, 1), (20, 29, 2), (40, 49, 4)],
                    &[(0, usize::MAX, 7)],
                ),
                (
                    range(11, 47),
                    &[(10, 19, 1), (20, 29, 2), (40, 49, 4)],
                    &[(10, 10, 1), (11, 47, 7), (48, 49, 4)],
                ),
            ] {
                let mut tree = three::<Plainly, _, _>(cx, &ledger)?;
                let value = KBox::make(&mut gfp::kernel(cx), &ledger, 7)?;
                let mut spares = Spares::new(&mut gfp::kernel(cx))?;
                let mut out = Seen::default();
                tree.with(cx, |tree, gfp| {
                    tree.store(gfp, at, Some(value), &mut spares, |range, old| {
                        out.push(range, old.tag)
                    })
                })
                .map_err(|error| error.cause)?;
                assert_eq!(out.get(), displaced);
                let all = tree.with(cx, |tree, _| seen(tree, Range::ALL));
                let wanted = left.len();
                let found = all
                    .get()
                    .iter()
                    .filter(|entry| left.contains(entry))
                    .count();
                assert_eq!(found, wanted);
            }
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn a_store_without_the_memory_for_a_rest_changes_nothing() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = three::<Plainly, _, _>(cx, &ledger)?;
            let mut spares = Spares::new(&mut gfp::kernel(cx))?;
            spares.left = None;
            let value = KBox::make(&mut gfp::kernel(cx), &ledger, 7)?;
            let error = tree.with(cx, |tree, gfp| {
                tree.store(gfp, range(15, 35), Some(value), &mut spares, |_, _| ())
            });
            let error = error.err().ok_or(EINVAL)?;
            assert_eq!(error.cause, Cause::NoSpare);
            assert_eq!(error.value.map(|value| value.tag), Some(7));
            let all = tree.with(cx, |tree, _| seen(tree, Range::ALL));
            assert_eq!(all.get(), &[(10, 19, 1), (20, 29, 2), (40, 49, 4)]);
            spares.refill(&mut gfp::kernel(cx))?;
            tree.with(cx, |tree, gfp| {
                tree.erase_range(gfp, range(15, 35), &mut spares, |_, _| ())
            })?;
            let all = tree.with(cx, |tree, _| seen(tree, Range::ALL));
            assert_eq!(all.get(), &[(10, 14, 1), (40, 49, 4)]);
            drop((tree, spares));
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn what_is_erased_comes_back() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = three::<Plainly, _, _>(cx, &ledger)?;
            assert!(tree.with(cx, |tree, gfp| tree.erase(gfp, 35))?.is_none());
            let erased = tree.with(cx, |tree, gfp| tree.erase(gfp, 25))?;
            let erased = erased.map(|(range, value)| (range, value.tag));
            assert_eq!(erased, Some((range(20, 29), 2)));
            let mut spares = Spares::new(&mut gfp::kernel(cx))?;
            let mut out = Seen::default();
            tree.with(cx, |tree, gfp| {
                tree.erase_range(gfp, range(12, 43), &mut spares, |range, value| {
                    out.push(range, value.tag)
                })
            })?;
            assert_eq!(out.get(), &[(10, 19, 1), (40, 49, 4)]);
            let all = tree.with(cx, |tree, _| seen(tree, Range::ALL));
            assert_eq!(all.get(), &[(10, 11, 1), (44, 49, 4)]);
            // Nothing is there: nothing is done, and no rest needs memory.
            tree.with(cx, |tree, gfp| {
                tree.erase_range(gfp, range(12, 43), &mut spares, |_, _| ())
            })?;
            drop((tree, spares));
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn a_reservation_is_good_for_as_many_stores_as_it_was_made_for() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = Plainly::new(cx)?;
            let mut nodes = Reservation::new(&mut gfp::kernel(cx), 100, 3)?;
            let once = Reservation::new(&mut gfp::kernel(cx), 100, 1)?;
            let value = KBox::make(&mut gfp::kernel(cx), &ledger, 1)?;
            let other = KBox::make(&mut gfp::kernel(cx), &ledger, 2)?;
            let mut spares = Spares::new(&mut gfp::kernel(cx))?;
            tree.with(cx, |tree, _| tree.insert(&mut nodes, range(0, 99), value))?;
            tree.with(cx, |tree, _| {
                tree.store(
                    &mut nodes,
                    range(50, 59),
                    Some(other),
                    &mut spares,
                    |_, _| (),
                )
            })
            .map_err(|error| error.cause)?;
            let erased = tree.with(cx, |tree, _| tree.erase(&mut nodes, 50))?;
            assert_eq!(erased.map(|(_, value)| value.tag), Some(2));
            let erased = tree.with(cx, |tree, _| tree.erase(once, 0))?;
            assert_eq!(
                erased.map(|(range, value)| (range.last(), value.tag)),
                Some((49, 1))
            );
            assert_eq!(
                Reservation::new(&mut gfp::kernel(cx), usize::MAX, 100).err(),
                Some(EINVAL)
            );
            drop((tree, spares));
            assert!(ledger.settled());
            Ok(())
        })
    }
}
