// SPDX-License-Identifier: GPL-2.0

//! Each call once, with what it says and what it refuses.

use super::{
    super::{
        Cause,
        External,
        Gaps,
        Locked,
        MapleTree,
        Mode,
        NotTheLock,
        Number,
        Plain,
        Range,
        Rcu,
        RcuBox,
        Reservation,
        Retired,
        Spares, //
    },
    hold::{
        guard,
        Guard,
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
    sync::{
        rcu,
        Arc, //
    }, //
};

/// What a tree holds: first, last and tag of each value.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen([(usize, usize, usize); 8], usize);

impl Seen {
    fn push(&mut self, range: Range, tag: usize) {
        if let Some(slot) = self.0.get_mut(self.1) {
            *slot = (range.first(), range.last(), tag);
            self.1 += 1;
        }
    }

    fn get(&self) -> &[(usize, usize, usize)] {
        self.0.get(..self.1).unwrap_or(&[])
    }
}

fn seen<V: Boxed, M: Mode<V>>(tree: &Locked<'_, '_, V, M>, range: Range) -> Seen {
    let mut seen = Seen::default();
    for (range, value) in tree.iter(range) {
        seen.push(range, V::token(&value).tag);
    }
    seen
}

fn range(first: usize, last: usize) -> Range {
    Range::new(first, last).unwrap_or(Range::ALL)
}

/// A tree with 1 at 10 to 19, 2 at 20 to 29, 4 at 40 to 49.
fn three<H: Hold<V, M>, V: Boxed, M: Mode<V>>(
    cx: &mut Cx<'_, Process>,
    ledger: &Arc<Ledger>,
) -> Result<H> {
    let mut tree = H::new(cx)?;
    for tag in [1, 2, 4] {
        let value = V::make(&mut gfp::kernel(cx), ledger, tag)?;
        let at = range(10 * tag, 10 * tag + 9);
        tree.with(cx, |tree, gfp| tree.insert(gfp, at, value))?;
    }
    Ok(tree)
}

type Plainly = Spun<KBox<Token>, Plain>;

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

    #[test]
    fn every_lock_mode_takes_the_same_calls() -> Result {
        fn all<H: Hold<V, M>, V: Boxed, M: Mode<V>>(
            cx: &mut Cx<'_, Process>,
            ledger: &Arc<Ledger>,
        ) -> Result<bool> {
            let mut tree = three::<H, V, M>(cx, ledger)?;
            let value = V::make(&mut gfp::kernel(cx), ledger, 7)?;
            let mut spares = Spares::new(&mut gfp::kernel(cx))?;
            let nodes = Reservation::new(&mut gfp::kernel(cx), 10, 1)?;
            tree.with(cx, |tree, _| {
                tree.store(nodes, range(15, 24), Some(value), &mut spares, |_, _| ())
            })
            .map_err(|error| error.cause)?;
            let found = tree.with(cx, |tree, _| seen(tree, Range::ALL));
            Ok(found.get() == [(10, 14, 1), (15, 24, 7), (25, 29, 2), (40, 49, 4)])
        }
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            assert!(all::<Spun<KBox<Token>, Plain>, _, _>(cx, &ledger)?);
            assert!(all::<Spun<KBox<Token>, Gaps>, _, _>(cx, &ledger)?);
            assert!(all::<Spun<RcuBox<Token>, Rcu>, _, _>(cx, &ledger)?);
            assert!(all::<Guarded<KBox<Token>, Plain>, _, _>(cx, &ledger)?);
            assert!(all::<Guarded<KBox<Token>, Gaps>, _, _>(cx, &ledger)?);
            assert!(all::<Guarded<RcuBox<Token>, Rcu>, _, _>(cx, &ledger)?);
            assert!(all::<Owned<KBox<Token>, Plain>, _, _>(cx, &ledger)?);
            assert!(all::<Owned<KBox<Token>, Gaps>, _, _>(cx, &ledger)?);
            assert!(all::<Owned<RcuBox<Token>, Rcu>, _, _>(cx, &ledger)?);
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn only_the_trees_own_lock_opens_it() -> Result {
        process(|cx| {
            let tree = Guarded::<Number, Plain>::new(cx)?;
            let other = guard(cx)?;
            other.lock(cx, |count, _| {
                assert_eq!(tree.tree.locked(count).err(), Some(NotTheLock));
            });
            let mut stray = 0;
            assert_eq!(tree.tree.locked(&mut stray).err(), Some(NotTheLock));
            assert!(Arc::ptr_eq(tree.tree.handle(), &tree.guard));
            tree.guard.lock(cx, |count, _| {
                assert!(tree.tree.locked(count).is_ok());
            });
            Ok(())
        })
    }

    #[test]
    fn two_trees_may_share_a_lock() -> Result {
        process(|cx| {
            let guard = guard(cx)?;
            let one = MapleTree::<Number, External<Arc<Guard>>>::new(cx, guard.clone());
            let one = gfp::kernel(cx).boxed_init(one)?;
            let two = MapleTree::<Number, External<Arc<Guard>>>::new(cx, guard.clone());
            let two = gfp::kernel(cx).boxed_init(two)?;
            let number = Number::new(7).ok_or(EINVAL)?;
            guard.lock(cx, |count, cx| -> Result {
                one.locked(count)?
                    .insert(&mut gfp::nowait(cx), range(1, 5), number)?;
                two.locked(count)?
                    .insert(&mut gfp::nowait(cx), range(3, 9), number)?;
                let first = one.locked(count)?.entry(3).map(|(range, _)| range);
                assert_eq!(first, Some(range(1, 5)));
                Ok(())
            })
        })
    }

    #[test]
    fn readers_see_what_is_there_without_the_lock() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = three::<Spun<RcuBox<Token>, Rcu>, _, _>(cx, &ledger)?;
            let reader = rcu::read_lock();
            let value = tree.0.load(&reader, 15);
            assert_eq!(value.map(|value| value.tag), Some(1));
            let entry = tree
                .0
                .entry(&reader, 40)
                .map(|(range, value)| (range, value.tag));
            assert_eq!(entry, Some((range(40, 49), 4)));
            assert!(tree.0.load(&reader, 30).is_none());
            assert_eq!(tree.0.iter(&reader, range(29, 40)).count(), 2);
            drop(reader);

            let erased = tree.with(cx, |tree, gfp| {
                let erased = tree.erase(gfp, 15).ok().flatten();
                erased.map(|(range, value)| (range, value.tag))
            });
            assert_eq!(erased, Some((range(10, 19), 1)));
            assert!(tree.0.load(&rcu::read_lock(), 15).is_none());
            drop(tree);
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn what_left_an_rcu_tree_waits_for_its_readers() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let tree = three::<Spun<RcuBox<Token>, Rcu>, _, _>(cx, &ledger)?.0;
            let erase = |cx: &mut Cx<'_, Process>, index| {
                let erased = tree.lock(cx, |tree, cx| tree.erase(&mut gfp::nowait(cx), index));
                erased.map(|found| found.map(|(_, value)| value))
            };
            let reader = rcu::read_lock();
            let value = tree.load(&reader, 15).ok_or(ENOENT)?;
            // SAFETY: An RCU reader holds nothing of the order; it does not sleep here.
            let mut inner = unsafe { Cx::<'_, Process, crate::cx::Atomic>::assume() };
            let erased = tree.lock(&mut inner, |tree, cx| tree.erase(&mut gfp::nowait(cx), 15))?;
            drop(erased);
            // The reader is not done: the value stays.
            assert_eq!(value.tag, 1);
            assert!(value.id() >= 0);
            drop(reader);

            let retired: Retired<'_, Token> = erase(cx, 25)?.ok_or(ENOENT)?;
            assert_eq!(retired.tag, 2);
            let boxed = retired.into_inner(cx);
            assert_eq!(boxed.tag, 2);
            // As good as new: it may go to a tree again.
            tree.lock(cx, |tree, cx| {
                tree.insert(&mut gfp::nowait(cx), Range::at(5), boxed)
            })?;
            assert_eq!(
                tree.load(&rcu::read_lock(), 5).map(|value| value.tag),
                Some(2)
            );
            drop(erase(cx, 5)?);
            // The tree waits for the one that was retired last.
            drop(tree);
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
}
