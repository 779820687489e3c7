// SPDX-License-Identifier: GPL-2.0

//! What a request does to what is there: each case that was measured of `drm_gpuvm`, by its number
//! in the driver's page of the documentation.

use super::gpu::{
    commit,
    expect,
    mapped,
    ops,
    settled,
    space,
    Ask,
    Few,
    Part,
    Seen, //
};
use crate::kunit::process;
use kernel::prelude::*;

/// An old mapping: of object 1, its offset the same as its address.
const fn old(addr: u64, length: u64) -> Ask {
    Ask::Map {
        addr,
        length,
        object: 1,
        offset: addr,
    }
}

const fn map(addr: u64, length: u64, object: usize, offset: u64) -> Ask {
    Ask::Map {
        addr,
        length,
        object,
        offset,
    }
}

const fn unmap(addr: u64, length: u64) -> Ask {
    Ask::Unmap { addr, length }
}

const fn split(addr: u64, length: u64) -> Ask {
    Ask::Split { addr, length }
}

/// A mapping of object 1 that is left, with its number, which is that of the old one.
const fn left(addr: u64, length: u64) -> (Part, usize, u64) {
    ((addr, length, addr), 1, 1)
}

const fn part(addr: u64, length: u64) -> Option<Part> {
    Some((addr, length, addr))
}

/// Maps what is old, does what is asked, and compares what was done and what is there then.
fn case<const OPS: usize, const AFTER: usize>(
    olds: &[Ask],
    ask: Ask,
    expected: [Seen; OPS],
    after: [(Part, usize, u64); AFTER],
) -> Result {
    process(|cx| {
        let space = space(cx)?;
        for old in olds {
            drop(commit(cx, &space, *old, 1)?);
        }
        let done = commit(cx, &space, ask, 2)?;
        expect(ops(&done), Few::of(expected))?;
        expect(mapped(&space), Few::of(after))?;
        drop(done);
        drop(space);
        expect(settled(), true)
    })
}

#[kunit_tests(strata_va)]
mod cases {
    use super::*;
    use Seen::{
        Cut,
        Map,
        Remap,
        Unmap, //
    };

    #[test]
    fn case_1_identical() -> Result {
        case(
            &[old(10, 10)],
            map(10, 10, 1, 10),
            [Unmap(10, true), Map((10, 10, 10), 1)],
            [((10, 10, 10), 1, 2)],
        )?;
        case(&[old(10, 10)], unmap(10, 10), [Unmap(10, false)], [])
    }

    #[test]
    fn case_2_and_3_another_offset_or_object() -> Result {
        case(
            &[old(10, 10)],
            map(10, 10, 1, 11),
            [Unmap(10, false), Map((10, 10, 11), 1)],
            [((10, 10, 11), 1, 2)],
        )?;
        case(
            &[old(10, 10)],
            map(10, 10, 2, 10),
            [Unmap(10, false), Map((10, 10, 10), 2)],
            [((10, 10, 10), 2, 2)],
        )
    }

    #[test]
    fn case_4_same_start_and_the_old_one_is_shorter() -> Result {
        case(
            &[old(10, 5)],
            map(10, 10, 1, 10),
            [Unmap(10, true), Map((10, 10, 10), 1)],
            [((10, 10, 10), 1, 2)],
        )?;
        case(&[old(10, 5)], unmap(10, 10), [Unmap(10, false)], [])
    }

    #[test]
    fn case_5_and_6_same_start_and_the_old_one_is_longer() -> Result {
        case(
            &[old(10, 20)],
            map(10, 10, 1, 10),
            [Remap(10, None, part(20, 10), true), Map((10, 10, 10), 1)],
            [((10, 10, 10), 1, 2), left(20, 10)],
        )?;
        case(
            &[old(10, 20)],
            map(10, 10, 2, 0),
            [Remap(10, None, part(20, 10), false), Map((10, 10, 0), 2)],
            [((10, 10, 0), 2, 2), left(20, 10)],
        )?;
        case(
            &[old(10, 20)],
            unmap(10, 10),
            [Remap(10, None, part(20, 10), false)],
            [left(20, 10)],
        )
    }

    #[test]
    fn case_7_and_8_same_end_and_the_old_one_starts_earlier() -> Result {
        case(
            &[old(10, 20)],
            map(20, 10, 1, 20),
            [Remap(10, part(10, 10), None, true), Map((20, 10, 20), 1)],
            [left(10, 10), ((20, 10, 20), 1, 2)],
        )?;
        case(
            &[old(10, 20)],
            map(20, 10, 2, 20),
            [Remap(10, part(10, 10), None, false), Map((20, 10, 20), 2)],
            [left(10, 10), ((20, 10, 20), 2, 2)],
        )?;
        case(
            &[old(10, 20)],
            unmap(20, 10),
            [Remap(10, part(10, 10), None, false)],
            [left(10, 10)],
        )
    }

    #[test]
    fn case_9_and_10_the_old_one_ends_inside() -> Result {
        case(
            &[old(10, 20), old(32, 4)],
            map(20, 20, 1, 20),
            [
                Remap(10, part(10, 10), None, true),
                Unmap(32, true),
                Map((20, 20, 20), 1),
            ],
            [left(10, 10), ((20, 20, 20), 1, 2)],
        )?;
        case(
            &[old(10, 20)],
            map(20, 20, 2, 0),
            [Remap(10, part(10, 10), None, false), Map((20, 20, 0), 2)],
            [left(10, 10), ((20, 20, 0), 2, 2)],
        )?;
        case(
            &[old(10, 20)],
            unmap(20, 20),
            [Remap(10, part(10, 10), None, false)],
            [left(10, 10)],
        )
    }

    #[test]
    fn case_11_and_12_strictly_inside() -> Result {
        case(
            &[old(10, 30)],
            map(20, 10, 1, 20),
            [
                Remap(10, part(10, 10), part(30, 10), true),
                Map((20, 10, 20), 1),
            ],
            [left(10, 10), ((20, 10, 20), 1, 2), left(30, 10)],
        )?;
        case(
            &[old(10, 30)],
            map(20, 10, 2, 7),
            [
                Remap(10, part(10, 10), part(30, 10), false),
                Map((20, 10, 7), 2),
            ],
            [left(10, 10), ((20, 10, 7), 2, 2), left(30, 10)],
        )?;
        case(
            &[old(10, 30)],
            unmap(20, 10),
            [Remap(10, part(10, 10), part(30, 10), false)],
            [left(10, 10), left(30, 10)],
        )
    }

    #[test]
    fn case_13_and_14_the_old_one_is_inside() -> Result {
        case(
            &[old(20, 10)],
            map(10, 20, 1, 10),
            [Unmap(20, true), Map((10, 20, 10), 1)],
            [((10, 20, 10), 1, 2)],
        )?;
        case(
            &[old(20, 10)],
            map(10, 30, 1, 11),
            [Unmap(20, false), Map((10, 30, 11), 1)],
            [((10, 30, 11), 1, 2)],
        )?;
        case(&[old(20, 10)], unmap(10, 30), [Unmap(20, false)], [])
    }

    #[test]
    fn case_15_the_old_one_starts_inside_and_ends_later() -> Result {
        case(
            &[old(20, 20)],
            map(10, 20, 1, 10),
            [Remap(20, None, part(30, 10), true), Map((10, 20, 10), 1)],
            [((10, 20, 10), 1, 2), left(30, 10)],
        )?;
        case(
            &[old(20, 20)],
            map(10, 20, 1, 0),
            [Remap(20, None, part(30, 10), false), Map((10, 20, 0), 1)],
            [((10, 20, 0), 1, 2), left(30, 10)],
        )?;
        case(
            &[old(20, 20)],
            unmap(10, 20),
            [Remap(20, None, part(30, 10), false)],
            [left(30, 10)],
        )
    }

    #[test]
    fn case_16_and_17_disjoint_or_adjacent() -> Result {
        case(
            &[old(10, 10), old(60, 10)],
            map(20, 20, 1, 20),
            [Map((20, 20, 20), 1)],
            [left(10, 10), ((20, 20, 20), 1, 2), left(60, 10)],
        )?;
        case(
            &[old(10, 10), old(60, 10)],
            unmap(20, 40),
            [],
            [left(10, 10), left(60, 10)],
        )
    }

    #[test]
    fn all_of_them_at_once_upwards() -> Result {
        case(
            &[old(10, 10), old(22, 2), old(24, 4), old(35, 10)],
            map(15, 25, 1, 15),
            [
                Remap(10, part(10, 5), None, true),
                Unmap(22, true),
                Unmap(24, true),
                Remap(35, None, part(40, 5), true),
                Map((15, 25, 15), 1),
            ],
            [left(10, 5), ((15, 25, 15), 1, 2), left(40, 5)],
        )?;
        case(
            &[old(10, 10), old(22, 2), old(24, 4), old(35, 10)],
            unmap(15, 25),
            [
                Remap(10, part(10, 5), None, false),
                Unmap(22, false),
                Unmap(24, false),
                Remap(35, None, part(40, 5), false),
            ],
            [left(10, 5), left(40, 5)],
        )
    }

    #[test]
    fn what_is_sparse_never_keeps() -> Result {
        case(
            &[map(10, 30, 0, 0)],
            map(20, 10, 0, 10),
            [
                Remap(10, Some((10, 10, 0)), Some((30, 10, 20)), false),
                Map((20, 10, 10), 0),
            ],
            [
                ((10, 10, 0), 0, 1),
                ((20, 10, 10), 0, 2),
                ((30, 10, 20), 0, 1),
            ],
        )
    }

    #[test]
    fn a_split_cuts_what_crosses_its_borders() -> Result {
        // One mapping at both.
        case(
            &[old(10, 30)],
            split(20, 10),
            [Cut(10, part(10, 10), (20, 10, 20), part(30, 10))],
            [left(10, 10), left(20, 10), left(30, 10)],
        )?;
        // Two, and some between them.
        case(
            &[old(10, 10), old(22, 2), old(24, 6), old(35, 10)],
            split(15, 25),
            [
                Cut(10, part(10, 5), (15, 5, 15), None),
                Cut(35, None, (35, 5, 35), part(40, 5)),
            ],
            [
                left(10, 5),
                left(15, 5),
                left(22, 2),
                left(24, 6),
                left(35, 5),
                left(40, 5),
            ],
        )?;
        // One, and at its other border another one ends.
        case(
            &[old(10, 10), old(20, 10)],
            split(15, 15),
            [Cut(10, part(10, 5), (15, 5, 15), None)],
            [left(10, 5), left(15, 5), left(20, 10)],
        )?;
        case(
            &[old(10, 10), old(20, 10)],
            split(10, 20),
            [],
            [left(10, 10), left(20, 10)],
        )
    }
}
