// SPDX-License-Identifier: GPL-2.0

//! Plans in made-up areas, against an allocator that does what the kernel's does.

use crate::world::{run, run_with, world, What, World};
use proptest::prelude::*;
use strata_plan::cma::*;
use What::*;

/// What shows what it is.
const HONEST: &[(u32, What)] = &[
    (12, Free),
    (3, Listed),
    (8, Anon),
    (3, File),
    (2, Locked),
    (2, Batched),
    (2, Huge),
    (2, Pinned),
    (1, Poisoned),
    (1, Offline),
    (1, Foreign),
];

/// And held pages that do not show.
const HIDING: &[(u32, What)] = &[
    (12, Free),
    (8, Anon),
    (4, File),
    (2, Locked),
    (1, Batched),
    (2, Pinned),
    (2, Hidden),
    (2, HiddenFile),
    (1, Foreign),
];

/// And pages that look free and are not to be had.
const LYING: &[(u32, What)] = &[
    (20, Free),
    (8, Anon),
    (1, Hidden),
    (1, HiddenFree),
    (1, Pinned),
];

fn request(order: u8, count: usize, mode: Mode) -> Request {
    Request::new(order, count, mode, Budget::UNLIMITED).unwrap()
}

fn missed(report: &Report) -> usize {
    let Missed {
        gone,
        taken,
        pinned,
        resting,
        slow,
        movable,
        free,
    } = report.missed;
    gone + taken + pinned + resting + slow + movable + free
}

/// How many chunks have something in them that does not show.
fn hiding(world: &World, order: u8) -> usize {
    let hides = |chunk: &&Vec<What>| chunk.iter().any(|what| what.hidden());
    world.chunks(order).iter().filter(hides).count()
}

proptest! {
    #[test]
    fn normal_gets_each_chunk_that_nobody_holds(
        mut world in world(HIDING),
        unit in 0u8..3,
        more in 0u8..3,
        count in 1usize..300,
    ) {
        let order = unit + more;
        let good = world.count(order, |what| !what.bad());
        let bad = hiding(&world, order);
        let mut area = world.area(unit);
        let report = run(&mut world, &mut area, request(order, count, Mode::Normal));
        prop_assert_eq!(report.got, good.min(count));
        // One is the probe, where nothing else was there to drain the lists.
        prop_assert!(report.wasted <= 2 * bad + 1, "{report:?} {bad}");
        prop_assert_eq!(world.count(order, |what| what == Ours), report.got);
    }

    #[test]
    fn normal_wastes_nothing_on_what_shows(
        mut world in world(HONEST),
        unit in 0u8..3,
        more in 0u8..3,
    ) {
        let order = unit + more;
        let good = world.count(order, |what| !what.bad());
        let lent = world.count(order, |what| what != Foreign);
        let mut area = world.area(unit);
        let report = run(&mut world, &mut area, request(order, 1000, Mode::Normal));
        prop_assert_eq!((report.got, report.end), (good, End::Exhausted));
        prop_assert!(report.wasted <= 1);
        prop_assert_eq!(report.missed.free + report.missed.movable + report.missed.slow, 0);
        prop_assert_eq!(missed(&report) + good, lent);
    }

    #[test]
    fn what_looks_free_is_found_by_halves(mut world in world(LYING), order in 0u8..3) {
        let good = world.count(order, |what| !what.bad());
        let bad = hiding(&world, order);
        let chunks = world.chunks(order).len();
        let mut area = world.area(0);
        let report = run(&mut world, &mut area, request(order, 1000, Mode::Normal));
        prop_assert_eq!(report.got, good);
        let halves = chunks.max(1).ilog2() as usize + 2;
        prop_assert!(report.wasted <= 2 * bad * halves + 1, "{report:?} {bad}");
    }

    #[test]
    fn fast_gets_what_is_free_and_moves_nothing(
        mut world in world(HONEST),
        unit in 0u8..3,
        more in 0u8..3,
        count in 1usize..300,
    ) {
        let order = unit + more;
        let free = world.count(order, |what| matches!(what, Free | Listed));
        let mut area = world.area(unit);
        let report = run(&mut world, &mut area, request(order, count, Mode::Fast));
        prop_assert_eq!((report.got, report.wasted), (free.min(count), 0));
        prop_assert_eq!((world.moved, report.moved), (0, 0));
    }

    /// Pages come into use all the time: what was read is no longer true when it is planned.
    #[test]
    fn fast_moves_nothing_in_an_area_that_fills(
        mut world in world(HONEST),
        order in 0u8..3,
        seeds in prop::collection::vec(any::<prop::sample::Index>(), 1..64),
    ) {
        let mut area = world.area(0);
        let mut seeds = seeds.iter();
        let report = run_with(&mut world, &mut area, request(order, 1000, Mode::Fast), |world| {
            if let (Some(seed), false) = (seeds.next(), world.pages.is_empty()) {
                world.fill(seed.index(world.pages.len()));
            }
        });
        prop_assert_eq!(report.wasted, 0);
        prop_assert_eq!(world.moved, 0);
    }

    #[test]
    fn a_full_system_still_gives_what_is_free(
        mut world in world(HONEST),
        order in 0u8..3,
        room in 0u64..80,
    ) {
        let free = world.count(order, |what| matches!(what, Free | Listed));
        let good = world.count(order, |what| !what.bad());
        world.room = room;
        let mut area = world.area(0);
        let report = run(&mut world, &mut area, request(order, 1000, Mode::Normal));
        prop_assert!(report.got >= free && report.got <= good);
        prop_assert!(world.moved <= room);
        if report.got < good {
            prop_assert_eq!(report.end, End::NoMemory);
        }
    }

    #[test]
    fn no_call_is_longer_than_the_budget(
        mut world in world(HIDING),
        order in 0u8..3,
        hard: bool,
        stall in 0u64..5_000_000,
        deadline in 0u64..400_000_000,
    ) {
        let mut area = world.area(0);
        let mode = if hard { Mode::Hard } else { Mode::Normal };
        let budget = Budget { deadline, stall };
        let report = run(&mut world, &mut area, Request::new(order, 1000, mode, budget).unwrap());
        if stall < Model::FIRST.call {
            prop_assert_eq!(report.tries, 0);
        }
        // A folio of 64 pages may reach over both ends, and a part may have been learnt too low.
        let over = 128 * Model::FIRST.moved;
        prop_assert!(report.stall <= (stall + over) * 9 / 8, "{report:?}");
        prop_assert!(world.clock <= deadline + (stall + over) * 9 / 8);
    }

    #[test]
    fn a_bad_chunk_rests(mut world in world(HIDING), order in 0u8..3, rest in 0u64..3_000_000_000) {
        let mut area = world.area(0);
        let bad = hiding(&world, order);
        let first = run(&mut world, &mut area, request(order, 1000, Mode::Normal));
        world.clock += rest;
        let again = run(&mut world, &mut area, request(order, 1000, Mode::Normal));
        prop_assert_eq!(again.got, 0);
        // The tick that it failed in may have been the one before.
        if rest + first.stall * 2 < 800_000_000 && world.clock < 900_000_000 {
            prop_assert!(again.wasted <= 1);
        }
        prop_assert!(again.wasted <= bad + 1, "it is remembered which");
    }

    #[test]
    fn hard_gets_what_is_let_go(mut world in world(HIDING), order in 0u8..3, after in 0u64..3_000_000_000) {
        let lent = world.count(order, |what| {
            !matches!(what, Foreign | Poisoned | Offline)
        });
        let mut area = world.area(0);
        let deadline = after + 3_000_000_000;
        let budget = Budget { deadline, stall: u64::MAX };
        let request = Request::new(order, 1000, Mode::Hard, budget).unwrap();
        let report = run_with(&mut world, &mut area, request, |world| {
            if world.clock >= after {
                for page in &mut world.pages {
                    if matches!(page.what, Hidden | HiddenFile | Pinned) {
                        page.what = Anon;
                    }
                }
            }
        });
        prop_assert_eq!(report.got, lent);
    }

    #[test]
    fn hard_ends_and_does_not_hurry(mut world in world(HIDING), order in 0u8..3, deadline in 1u64..5_000_000_000) {
        let chunks = world.chunks(order).len();
        let good = world.count(order, |what| !what.bad());
        let mut area = world.area(0);
        let budget = Budget { deadline, stall: u64::MAX };
        let report = run(&mut world, &mut area, Request::new(order, 1000, Mode::Hard, budget).unwrap());
        if report.end == End::Exhausted {
            prop_assert_eq!(report.got + report.missed.gone, world.count(order, |what| what != Foreign));
        } else {
            prop_assert_eq!(report.end, End::Deadline);
        }
        prop_assert!(report.got <= good);
        // Each chunk once a tick, and what it takes to find it.
        let ticks = (deadline >> 26) as usize + 1;
        prop_assert!(report.wasted <= 2 * chunks * ticks + 2 * chunks + 1);
    }
}
