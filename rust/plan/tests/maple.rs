// SPDX-License-Identifier: GPL-2.0

//! The arithmetic of the maple tree against trees that are as empty as its rules let them be, and
//! fits in gaps against a search.

use proptest::prelude::*;
use strata_plan::maple::{
    height, highest_fit, lowest_fit, nodes, reserved_height, Shape, HEIGHT_MAX,
};

/// Entries of the emptiest leaf, by trying all. The rules are those that `mt_validate()` checks:
/// seven of 16 slots, no two empty ones side by side, and an empty one at the end in the last
/// leaf alone.
fn emptiest_leaf(last: bool) -> u32 {
    let leaves = (7..=16).flat_map(|slots| (0u32..1 << slots).map(move |full| (slots, full)));
    let allowed = leaves.filter(|(slots, full)| {
        let empty = !full & ((1 << slots) - 1);
        empty & (empty >> 1) == 0 && (last || empty >> (slots - 1) == 0)
    });
    allowed.map(|(_, full)| full.count_ones()).min().unwrap()
}

/// Entries of a subtree whose nodes are all as empty as may be.
fn emptiest(height: u8, children: u128, last: bool, leaves: &[u128; 2]) -> u128 {
    match (height, last) {
        (1, _) => leaves[usize::from(last)],
        (_, false) => children * emptiest(height - 1, children, false, leaves),
        (_, true) => {
            let others = (children - 1) * emptiest(height - 1, children, false, leaves);
            others + emptiest(height - 1, children, true, leaves)
        }
    }
}

/// Entries of the emptiest trees of each height whose entries can be counted: of none, of a root
/// that is a leaf and need not be full at all, and of roots with two children.
fn emptiest_trees(children: u128) -> Vec<u128> {
    let leaves = &[false, true].map(|last| u128::from(emptiest_leaf(last)));
    let higher = (1..HEIGHT_MAX).map(|below| {
        emptiest(below, children, false, leaves) + emptiest(below, children, true, leaves)
    });
    let trees = [0, 1].into_iter().chain(higher);
    trees
        .take_while(|least| *least <= usize::MAX as u128)
        .collect()
}

const SHAPES: [(Shape, u128); 2] = [(Shape::Plain, 7), (Shape::Gaps, 5)];

#[test]
fn leaves_hold_what_they_must() {
    assert_eq!((emptiest_leaf(false), emptiest_leaf(true)), (4, 3));
}

#[test]
fn heights_are_those_of_the_emptiest_trees() {
    for (shape, children) in SHAPES {
        let trees = emptiest_trees(children);
        let naive = |entries: usize| {
            let possible = trees.iter().rposition(|least| *least <= entries as u128);
            possible.unwrap() as u8
        };
        let edges = trees.iter().flat_map(|least| {
            let least = *least as usize;
            [least.saturating_sub(1), least, least + 1]
        });
        for entries in (0..30_000).chain(edges).chain([usize::MAX]) {
            assert_eq!(
                height(entries, shape),
                naive(entries),
                "{entries} {shape:?}"
            );
        }
        assert!(height(usize::MAX, shape) < HEIGHT_MAX);
    }
}

/// What the research measured and computed.
#[test]
fn known_heights() {
    let heights = |entries| SHAPES.map(|(shape, _)| height(entries, shape));
    assert_eq!(heights(100_000), [6, 7]);
    assert_eq!(heights(500_000), [7, 8]);
    assert_eq!(heights(1_000_000), [8, 9]);
    assert_eq!(heights(10_000_000), [9, 10]);
    assert_eq!([6, 7, 8, 9, 10].map(nodes), [19, 22, 25, 28, 31]);
}

#[test]
fn one_store_reserves_its_own_height() {
    for (shape, _) in SHAPES {
        for entries in (0..1000).chain([usize::MAX - 1, usize::MAX]) {
            let own = height(entries, shape);
            assert_eq!(reserved_height(entries, shape, 1), Some(own));
            assert_eq!(reserved_height(entries, shape, 0), Some(0));
        }
    }
}

#[test]
fn no_reservation_is_higher_than_the_flags_of_a_tree_say() {
    for (shape, _) in SHAPES {
        // Stores into an empty tree take one node each, those into a leaf four at most.
        assert_eq!(reserved_height(0, shape, 91), Some(HEIGHT_MAX - 1));
        assert_eq!(reserved_height(0, shape, 92), Some(HEIGHT_MAX));
        assert_eq!(
            reserved_height(0, shape, nodes(HEIGHT_MAX)),
            Some(HEIGHT_MAX)
        );
        assert_eq!(reserved_height(0, shape, nodes(HEIGHT_MAX) + 1), None);
        assert_eq!(reserved_height(1, shape, usize::MAX / 4 + 1), None);
    }
}

/// All small gaps, those at the end of the number too, where nothing may look past the last index.
#[test]
fn fits_are_found_by_search() {
    const LENGTH: usize = 14;
    for base in [0, 4096 + 5, usize::MAX - (LENGTH - 1)] {
        let ends = (0..LENGTH).flat_map(|first| (0..LENGTH).map(move |last| (first, last)));
        for (first, last) in ends.map(|(first, last)| (base + first, base + last)) {
            for (size, align) in (0..LENGTH + 2).flat_map(|size| (0..9).map(move |at| (size, at))) {
                let fits = |at: &usize| {
                    let inside = size != 0 && last - at >= size - 1;
                    inside && align != 0 && at % align == 0
                };
                assert_eq!(
                    lowest_fit(first, last, size, align),
                    (first..=last).find(fits)
                );
                assert_eq!(
                    highest_fit(first, last, size, align),
                    (first..=last).rfind(fits)
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn reservations_are_enough_and_no_more(
        entries in prop_oneof![0usize..100, any::<usize>()],
        stores in prop_oneof![0usize..40, any::<usize>()],
    ) {
        for (shape, _) in SHAPES {
            let wanted = nodes(height(entries, shape)) as u128 * stores as u128;
            let naive = (0..=HEIGHT_MAX).find(|height| nodes(*height) as u128 >= wanted);
            prop_assert_eq!(reserved_height(entries, shape, stores), naive);
        }
    }

    /// Whatever the numbers, what is found fits, and nothing below or above it does.
    #[test]
    fn no_numbers_panic(
        first in any_number(),
        last in any_number(),
        size in any_number(),
        align in any_number(),
    ) {
        let (low, high) = (
            lowest_fit(first, last, size, align),
            highest_fit(first, last, size, align),
        );
        let Some((low, high)) = low.zip(high) else {
            prop_assert_eq!((low, high), (None, None));
            // None of the multiples is in the gap, or the first is too near to its end.
            let first = first as u128;
            let next = (align != 0).then(|| first.next_multiple_of(align as u128));
            let fits = next.is_some_and(|next| size != 0 && next + size as u128 - 1 <= last as u128);
            prop_assert!(!fits);
            return Ok(());
        };
        prop_assert!(first <= low && low <= high && low % align == 0 && high % align == 0);
        prop_assert!(high as u128 + size as u128 - 1 <= last as u128);
        prop_assert!(low - first < align);
        prop_assert!(last - (high + (size - 1)) < align);
    }
}

/// Any number, those at the edges often.
fn any_number() -> impl Strategy<Value = usize> {
    prop_oneof![0usize..20, (usize::MAX - 20)..=usize::MAX, any::<usize>()]
}
