// SPDX-License-Identifier: GPL-2.0

//! Cursors: where they stand after each of their calls, against a model of all values.

use super::{
    super::{
        Gaps,
        Plain,
        Range,
        Rcu,
        RcuBox, //
    },
    checked::Checked,
    hold::{
        Guarded,
        Hold,
        Owned,
        Spun, //
    },
    ledger::{
        Boxed,
        Keeps,
        Ledger,
        Token, //
    },
    model::Place,
    random::Random,
    seed, //
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

/// Walks about in a tree, again and again.
fn wander<H: Hold<V, M>, V: Boxed, M: Keeps<V>>(
    cx: &mut Cx<'_, Process>,
    place: Place,
    seed: u32,
) -> Result {
    let mut random = Random::new(seed);
    let mut tree = Checked::<H, V, M>::new(cx, USED, place)?;
    let mut highest = 0;
    for walk in 0..150 {
        let (first, last) = match walk % 3 {
            0 => (0, USED - 1),
            _ => random.range(USED, USED),
        };
        tree.walk(cx, &mut random, first, last)?;
        tree.look_at_all(cx)?;
        highest = highest.max(tree.tree.with(cx, |tree, _| tree.height()));
    }
    ensure!(highest >= 2, "it had {highest} levels at most\n");
    tree.end()
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
    fn it_stands_where_a_model_says_it_does() -> Result {
        process(|cx| {
            let seed = seed();
            wander::<Owned<KBox<Token>, Plain>, _, _>(cx, Place::Low, seed)?;
            wander::<Guarded<KBox<Token>, Gaps>, _, _>(cx, Place::High, seed)?;
            wander::<Spun<RcuBox<Token>, Rcu>, _, _>(cx, Place::Pages, seed)
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
