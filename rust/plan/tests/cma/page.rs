// SPDX-License-Identifier: GPL-2.0

//! What is read in a page, case by case, and from any bits at all.

use proptest::prelude::*;
use strata_plan::cma::{Extent, Flags, Reading, Sight, MAX_BUDDY_ORDER, MAX_FOLIO_ORDER};

const ANON: Flags = Flags::LRU.union(Flags::ANON).union(Flags::MAPPING);
const FILE: Flags = Flags::LRU.union(Flags::MAPPING);

const ALL: [Flags; 12] = [
    Flags::BUDDY,
    Flags::LRU,
    Flags::HUGETLB,
    Flags::MOVABLE_OPS,
    Flags::LOCKED,
    Flags::WRITEBACK,
    Flags::POISONED,
    Flags::OFFLINE,
    Flags::ANON,
    Flags::SWAPCACHE,
    Flags::MAPPING,
    Flags::PRIVATE,
];

fn flags(bits: u16) -> Flags {
    let set = (0..12).filter(|bit| bits >> bit & 1 == 1);
    set.fold(Flags::NONE, |flags, bit| flags.union(ALL[bit]))
}

/// References, mappings, order, index and flags of the page 0x1000 + index, and what it is.
type Case = (u32, u32, u64, u64, Flags, Sight, u64);

#[test]
fn pages_as_they_are_met() {
    use Sight::*;
    let cases: &[Case] = &[
        // Free: in the buddy, its tail, on a per-CPU list.
        (0, 0, 10, 0, Flags::BUDDY, Free, 1024),
        (0, 0, 0, 0, Flags::BUDDY, Free, 1),
        (0, 0, 0, 0, Flags::NONE, Free, 1),
        // No such buddy: the order is of somebody else, or the page a tail.
        (0, 0, 11, 0, Flags::BUDDY, Free, 1),
        (0, 0, u64::MAX, 0, Flags::BUDDY, Free, 1),
        (0, 0, 9, 3, Flags::BUDDY, Free, 1),
        // It was allocated after its flag was read.
        (1, 0, 3, 0, Flags::BUDDY, Pinned, 8),
        // Anonymous, as often mapped as it is referenced, and fewer.
        (1, 1, 0, 0, ANON, Movable, 1),
        (3, 3, 0, 0, ANON, Movable, 1),
        (1, 3, 0, 0, ANON, Movable, 1),
        (2, 1, 0, 0, ANON, Pinned, 1),
        (1, 0, 0, 0, ANON, Pinned, 1),
        // In the swap cache: one more for each page.
        (2, 1, 0, 0, ANON.union(Flags::SWAPCACHE), Movable, 1),
        (3, 1, 0, 0, ANON.union(Flags::SWAPCACHE), Pinned, 1),
        (9, 1, 3, 0, ANON.union(Flags::SWAPCACHE), Movable, 8),
        // In a file: one for each page, one for its buffers.
        (1, 0, 0, 0, FILE, Movable, 1),
        (2, 0, 0, 0, FILE, Pinned, 1),
        (2, 0, 0, 0, FILE.union(Flags::PRIVATE), Movable, 1),
        (3, 1, 0, 0, FILE.union(Flags::PRIVATE), Movable, 1),
        (4, 1, 0, 0, FILE.union(Flags::PRIVATE), Pinned, 1),
        (16, 0, 4, 0, FILE, Movable, 16),
        (17, 0, 4, 0, FILE, Pinned, 16),
        // Swap cache says nothing of a file, nor buffers of an anonymous page.
        (2, 0, 0, 0, FILE.union(Flags::SWAPCACHE), Pinned, 1),
        (2, 1, 0, 0, ANON.union(Flags::PRIVATE), Pinned, 1),
        // Truncated: no mapping any more.
        (1, 0, 0, 0, Flags::LRU, Pinned, 1),
        // Not on the LRU: somebody's own, or in a batch.
        (1, 1, 0, 0, Flags::ANON.union(Flags::MAPPING), Pinned, 1),
        (5, 0, 0, 0, Flags::MOVABLE_OPS, Movable, 1),
        (5, 0, 0, 0, Flags::MOVABLE_OPS.union(Flags::LOCKED), Slow, 1),
        // Tails of a THP are what its head is, to its end.
        (512, 512, 9, 0, ANON, Movable, 512),
        (512, 512, 9, 511, ANON, Movable, 1),
        (513, 512, 9, 1, ANON, Pinned, 511),
        // Such a page is being split.
        (0, 0, 9, 1, ANON, Movable, 511),
        (0, 0, 9, 512, ANON, Movable, 1),
        (1, 1, 19, 0, ANON, Movable, 1),
        (1, 1, u64::MAX, 0, ANON, Movable, 1),
        // hugetlb: in the pool without references, in use with any.
        (0, 0, 9, 0, Flags::HUGETLB, Movable, 512),
        (99, 1, 9, 256, Flags::HUGETLB, Movable, 256),
        (1, 1, 9, 0, Flags::HUGETLB.union(Flags::LOCKED), Slow, 512),
        // What is waited for, and held is worse.
        (1, 1, 0, 0, ANON.union(Flags::LOCKED), Slow, 1),
        (1, 0, 0, 0, FILE.union(Flags::WRITEBACK), Slow, 1),
        (2, 1, 0, 0, ANON.union(Flags::LOCKED), Pinned, 1),
        // For ever, one by one.
        (1, 1, 9, 4, ANON.union(Flags::POISONED), Gone, 1),
        (0, 0, 10, 0, Flags::BUDDY.union(Flags::POISONED), Gone, 1),
        (1, 0, 0, 0, Flags::OFFLINE, Gone, 1),
    ];
    for case in cases {
        let (refs, mapped, order, index, flags, sight, pages) = *case;
        let reading = Reading {
            refs,
            mapped,
            order,
            index,
            flags,
        };
        let extent = Extent { sight, pages };
        assert_eq!(reading.extent(0x1000 + index), extent, "{case:?}");
    }
    assert_eq!(Reading::OFFLINE.extent(7).sight, Gone);
    assert_eq!(Reading::default().extent(7).sight, Free);
}

#[test]
fn a_block_where_none_can_begin_is_not_believed() {
    let buddy = Reading {
        order: 4,
        flags: Flags::BUDDY,
        ..Reading::default()
    };
    assert_eq!(buddy.extent(0x10).pages, 16);
    assert_eq!(buddy.extent(0x18).pages, 1);
    let folio = Reading {
        refs: 1,
        mapped: 1,
        order: 4,
        index: 8,
        flags: ANON,
    };
    assert_eq!(folio.extent(0x18).pages, 8);
    assert_eq!(folio.extent(0x10).pages, 1);
    assert_eq!(folio.extent(0x10).sight, Sight::Movable);
}

proptest! {
    #[test]
    fn any_bits_are_something(
        refs: u32,
        mapped: u32,
        order in prop_oneof![0u64..20, any::<u64>()],
        index in prop_oneof![0u64..1024, any::<u64>()],
        bits: u16,
        pfn in prop_oneof![0u64..4096, any::<u64>()],
    ) {
        let reading = Reading { refs, mapped, order, index, flags: flags(bits) };
        let Extent { sight, pages } = reading.extent(pfn);
        prop_assert!(pages > 0 && pages <= 1 << MAX_FOLIO_ORDER);
        // It ends where a block of its order ends.
        let end = u128::from(pfn) + u128::from(pages);
        prop_assert!(pages == 1 || end % (1 << order) == 0);
        if sight == Sight::Free {
            prop_assert!(refs == 0 && pages <= 1 << MAX_BUDDY_ORDER);
            prop_assert!(pages == 1 || reading.flags.meets(Flags::BUDDY));
            // No tail is ever free because it has no references.
            prop_assert!(order == 0 || reading.flags.meets(Flags::BUDDY));
            prop_assert!(!reading.flags.meets(Flags::POISONED.union(Flags::OFFLINE)));
        }
    }

    #[test]
    fn one_more_reference_is_a_pin(
        mapped in 0u32..1000,
        order in 0u64..10,
        bits: u16,
    ) {
        // All but those that decide alone: buddy, hugetlb, movable_ops, poisoned, offline.
        let flags = flags(bits & !0b1100_1101).union(Flags::LRU);
        let sight = |refs| Reading { refs, mapped, order, index: 0, flags }.extent(0).sight;
        // Once pinned, with more references it is no less.
        let first = (1..5000).find(|refs| sight(*refs) == Sight::Pinned).unwrap();
        prop_assert!((first..first + 100).all(|refs| sight(refs) == Sight::Pinned));
        let cached = match (flags.meets(Flags::ANON), flags.meets(Flags::SWAPCACHE)) {
            (true, true) => 1 << order,
            (true, false) => 0,
            (false, _) => {
                let mapping = if flags.meets(Flags::MAPPING) { 1 << order } else { 0 };
                mapping + u32::from(flags.meets(Flags::PRIVATE))
            }
        };
        prop_assert_eq!(first, mapped + cached + 1);
    }

    #[test]
    fn flags_are_sets(a: u16, b: u16) {
        let (a, b) = (a & 0xfff, b & 0xfff);
        prop_assert_eq!(flags(a).union(flags(b)), flags(a | b));
        prop_assert_eq!(flags(a).meets(flags(b)), a & b != 0);
    }
}
