// SPDX-License-Identifier: GPL-2.0

//! Who may use a tree: under each kind of lock, without one, and under none but its own.

use super::{
    super::{
        External,
        Gaps,
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
    gfp,
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
    small::{
        range,
        seen,
        three, //
    },
    Cx,
    Process, //
};
use crate::kunit::process;
use kernel::{
    prelude::*,
    sync::{
        rcu,
        Arc, //
    }, //
};

#[kunit_tests(strata_maple_locks)]
mod cases {
    use super::*;

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
    fn a_lock_that_is_held_is_not_waited_for() -> Result {
        process(|cx| {
            let tree = Spun::<Number, Plain>::new(cx)?.0;
            let number = Number::new(7).ok_or(EINVAL)?;
            let stored = tree.try_lock(cx, |tree, cx| {
                tree.insert(&mut gfp::nowait(cx), Range::at(3), number)
            });
            assert!(matches!(stored, Some(Ok(()))));
            // A kernel for one processor reports who tries a spinlock that is held.
            if cfg!(CONFIG_SMP) {
                let again = tree.lock(cx, |_, cx| tree.try_lock(cx, |_, _| ()));
                assert_eq!(again, None);
            }
            // It was let go of each time.
            let found = tree.try_lock(cx, |tree, _| tree.load(3));
            assert_eq!(found, Some(Some(number)));
            let found = tree.lock(cx, |tree, _| tree.load(3));
            assert_eq!(found, Some(number));
            Ok(())
        })
    }
}
