// SPDX-License-Identifier: GPL-2.0

//! Readers without the tree's lock, between whose steps the tree changes.

use super::{
    super::{
        Locked,
        Range,
        Rcu,
        RcuBox,
        Retired, //
    },
    hold::{
        Hold,
        Spun, //
    },
    ledger::{
        Boxed,
        Ledger,
        Token, //
    },
};
use crate::{
    gfp,
    kunit::process, //
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

type Tree = Spun<RcuBox<Token>, Rcu>;

#[kunit_tests(strata_maple_steps)]
mod cases {
    use super::*;

    /// With the last value goes the last node, and with it the place of who stands there.
    #[test]
    fn a_reader_ends_when_the_tree_loses_its_nodes() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            for left in [None, Some(0)] {
                let mut tree = Tree::new(cx)?;
                for tag in [0, 5, 9] {
                    let value = RcuBox::make(&mut gfp::kernel(cx), &ledger, tag)?;
                    tree.with(cx, |tree, gfp| tree.insert(gfp, Range::at(tag), value))?;
                }
                let guard = rcu::read_lock();
                let mut reader = tree.0.iter(&guard, Range::ALL);
                assert_eq!(reader.next().map(|(_, value)| value.tag), Some(0));
                assert_eq!(reader.next().map(|(_, value)| value.tag), Some(5));
                for tag in [0, 5, 9] {
                    if left != Some(tag) {
                        tree.0.lock(cx, |tree: &mut Locked<'_, '_, _, _>, cx| {
                            let erased = tree.erase(&mut gfp::nowait(cx), tag)?;
                            let value: Option<Retired<'_, Token>> = erased.map(|(_, value)| value);
                            drop(value);
                            Ok::<_, Error>(())
                        })?;
                    }
                }
                assert!(reader.next().is_none());
                assert!(reader.next().is_none());
                drop(guard);
                drop(tree);
            }
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn a_reader_passes_over_no_value_that_stays() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut tree = Tree::new(cx)?;
            // More than a leaf holds, so that nodes are split and joined.
            for tag in 0..40 {
                let value = RcuBox::make(&mut gfp::kernel(cx), &ledger, tag)?;
                tree.with(cx, |tree, gfp| tree.insert(gfp, Range::at(3 * tag), value))?;
            }
            let guard = rcu::read_lock();
            let mut reader = tree.0.iter(&guard, Range::ALL);
            for tag in 0..40 {
                assert_eq!(reader.next().map(|(_, value)| value.tag), Some(tag));
                // All that it was at goes, and what it comes to gets a neighbour.
                let beside = RcuBox::make(&mut gfp::nowait(cx), &ledger, 99)?;
                tree.0.lock(cx, |tree: &mut Locked<'_, '_, _, _>, cx| {
                    tree.insert(&mut gfp::nowait(cx), Range::at(3 * tag + 200), beside)?;
                    let erased = tree.erase(&mut gfp::nowait(cx), 3 * tag)?;
                    assert!(erased.is_some());
                    Ok::<_, Error>(())
                })?;
            }
            drop(guard);
            drop(tree);
            assert!(ledger.settled());
            Ok(())
        })
    }
}
