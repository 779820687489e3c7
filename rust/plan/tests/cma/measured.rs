// SPDX-License-Identifier: GPL-2.0

//! The areas that a prototype was measured in, and its number of calls: chunks of 64 KiB, for a
//! secure video path.

use crate::world::{run, What, World};
use strata_plan::cma::*;
use What::*;

/// The order of a chunk.
const ORDER: u8 = 4;

/// A page in so many of 100 is in use, at random; or a pageblock.
fn filled(megabytes: u64, used: u64, what: What, block: u64) -> World {
    let mut seed = 1u64;
    let mut random = move || {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        seed >> 33
    };
    let mut folios = Vec::new();
    for _ in 0..(megabytes << 8) / block {
        let what = if random() % 100 < used { what } else { Free };
        folios.extend(vec![(what, 0); block as usize]);
    }
    World::new(1 << 18, &folios)
}

/// Pages that are held, so far apart.
fn pin(world: &mut World, what: What, count: usize, apart: usize) {
    (0..count).for_each(|pin| world.pages[pin * apart + 333 % apart].what = what);
}

fn plan(world: &mut World, count: usize, mode: Mode) -> Report {
    let mut area = world.area(ORDER);
    let request = Request::new(ORDER, count, mode, Budget::UNLIMITED).unwrap();
    run(world, &mut area, request)
}

/// What it costs to get that many chunks with that many calls, moving what lies in as many of an
/// area of which so much is in use.
fn bound(chunks: u64, calls: u64, used: u64) -> u64 {
    let (pages, cost) = (chunks << ORDER, Model::FIRST);
    calls * cost.call + pages * cost.page + pages * used / 100 * cost.moved
}

#[test]
fn an_empty_area_is_one_call() {
    let report = plan(&mut filled(512, 0, Free, 1), 4800, Mode::Normal);
    assert_eq!((report.got, report.tries, report.moved), (4800, 1, 0));
}

#[test]
fn half_full_is_less_than_a_descent() {
    for block in [1, 512] {
        let mut world = filled(512, 50, Anon, block);
        let mut normal = world.clone();
        let report = plan(&mut normal, 4800, Mode::Normal);
        assert_eq!((report.got, report.wasted), (4800, 0));
        assert!(normal.clock <= bound(4800, 5, 52), "{report:?}");
        // Where there are free blocks they come first, and most of the rest is left alone.
        assert!(
            block == 1 || normal.clock <= bound(4800, 70, 12),
            "{report:?}"
        );
        let fast = plan(&mut world, 4800, Mode::Fast);
        assert_eq!((fast.moved, fast.wasted), (0, 0));
    }
}

#[test]
fn pins_that_show_cost_nothing() {
    // Area, in use, pins and how far apart, chunks, calls of the prototype. The last had its pins
    // in fewer places, and needed 75; with 31 chunks between two it takes 78.
    for (size, used, pins, apart, count, most) in [
        (512, 50, 32, 4096, 4800, 62),
        (256, 50, 32, 2048, 2400, 38),
        (256, 78, 128, 512, 2400, 78),
    ] {
        for (what, block) in [(Anon, 1), (File, 1), (Anon, 512), (File, 512)] {
            let mut world = filled(size, used, what, block);
            pin(&mut world, Pinned, pins, apart);
            let report = plan(&mut world, count, Mode::Normal);
            assert_eq!((report.got, report.wasted), (count, 0));
            assert!(world.clock <= bound(count as u64, most, used), "{report:?}");
        }
    }
}

#[test]
fn pins_that_do_not_show_cost_two_calls_each() {
    for what in [Hidden, HiddenFile] {
        for block in [1, 512] {
            let mut world = filled(256, 50, Anon, block);
            pin(&mut world, what, 32, 2048);
            let good = world.count(ORDER, |what| !what.bad());
            let report = plan(&mut world, 4096, Mode::Normal);
            assert_eq!(report.got, good);
            assert!(report.wasted <= 64 && report.tries <= 200, "{report:?}");
        }
    }
}
