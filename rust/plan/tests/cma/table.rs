// SPDX-License-Identifier: GPL-2.0

//! Areas that are small, odd or wrong, case by case.

use crate::world::{run, What, World};
use strata_plan::cma::*;
use What::*;

fn request(order: u8, count: usize, mode: Mode) -> Request {
    Request::new(order, count, mode, Budget::UNLIMITED).unwrap()
}

fn pages(start: u64, count: u64) -> Pages {
    Pages::new(start, count).unwrap()
}

/// The calls that a plan makes, as first chunk and number of chunks, where these pages are bad.
fn calls(world: &World, request: Request) -> (Vec<(u64, u64)>, Report) {
    let (mut world, mut area) = (world.clone(), world.area(0));
    let mut planner = Planner::begin(&mut area, request, 0).unwrap();
    let mut calls = Vec::new();
    loop {
        match planner.next(&mut area, world.clock) {
            Step::Scan(_) => planner.scan(&mut area, world.clock, |pfn| world.read(pfn)),
            Step::Try(call) => {
                calls.push((call.pages.start() - world.first, call.pages.count()));
                let (outcome, elapsed) = world.alloc(call.pages);
                planner.report(&mut area, outcome, elapsed);
            }
            Step::Wait(_) => panic!("there is nobody else"),
            Step::Done(report) => return (calls, report),
        }
    }
}

fn world(what: &[What]) -> World {
    let folios: Vec<_> = what.iter().map(|what| (*what, 0)).collect();
    World::new(64, &folios)
}

#[test]
fn requests_that_are_none() {
    let new =
        |order, count| Request::new(order, count, Mode::Normal, Budget::UNLIMITED).map(|_| ());
    assert_eq!(new(0, 0), Err(BadRequest::Nothing));
    assert_eq!(new(64, 1), Err(BadRequest::Overflow));
    assert_eq!(new(255, 1), Err(BadRequest::Overflow));
    assert_eq!(new(1, usize::MAX), Err(BadRequest::Overflow));
    assert_eq!(new(63, 2), Err(BadRequest::Overflow));
    assert_eq!(new(63, 1), Ok(()));
    assert_eq!(new(0, usize::MAX), Ok(()));
}

#[test]
fn areas_where_nothing_fits() {
    // Start and number of pages, unit, cells, and the order of a chunk.
    for (start, count, unit, cells, order) in [
        (64, 0, 0, 0, 0),
        (0, 0, 3, 0, 3),
        (65, 6, 3, 0, 3),
        (65, 14, 3, 0, 3),
        (64, 8, 3, 1, 4),
        (72, 16, 3, 2, 4),
        (64, 31, 0, 31, 5),
        (64, 32, 0, 32, 40),
        (u64::MAX - 3, 3, 2, 0, 2),
    ] {
        let all = pages(start, count);
        assert_eq!(cells_for(all, unit), Some(cells));
        let mut area = Area::new(all, unit, 5, vec![Cell::default(); cells]).unwrap();
        area.lend(all).unwrap();
        for mode in [Mode::Fast, Mode::Normal, Mode::Hard] {
            let mut planner = Planner::begin(&mut area, request(order, 1, mode), 0).unwrap();
            let mut scans = 0;
            let report = loop {
                match planner.next(&mut area, 0) {
                    Step::Scan(_) => planner.scan(&mut area, 0, |_| Reading::default()),
                    Step::Done(report) => break report,
                    step => panic!("{step:?}"),
                }
                scans += 1;
                assert!(scans < 4);
            };
            assert_eq!((report.got, report.end), (0, End::Exhausted));
            assert_eq!((report.tries, report.missed), (0, Missed::default()));
        }
    }
}

#[test]
fn areas_that_are_none() {
    let new = |unit, block, cells| {
        let cells = vec![Cell::default(); cells];
        Area::new(pages(64, 64), unit, block, cells).map(|_| ())
    };
    assert_eq!(new(0, 5, 64), Ok(()));
    assert_eq!(new(5, 5, 2), Ok(()));
    assert_eq!(new(6, 5, 1), Err(Refused::Unit));
    assert_eq!(new(11, 11, 0), Err(Refused::Unit));
    assert_eq!(new(0, 32, 64), Err(Refused::Unit));
    assert_eq!(new(0, 5, 63), Err(Refused::Length));
    assert_eq!(new(0, 5, 65), Err(Refused::Length));
    assert_eq!(cells_for(pages(0, u64::MAX), 11), None);
    assert!(Pages::new(u64::MAX, 1).is_none());
}

#[test]
fn ends_that_are_not_aligned_are_not_planned() {
    // 70 to 109 in chunks of 8: 72 to 104.
    let mut world = World::new(70, &[(Free, 0); 39]);
    for unit in 0..4 {
        let (mut world, mut area) = (world.clone(), world.area(unit));
        let report = run(&mut world, &mut area, request(3, 9, Mode::Normal));
        assert_eq!((report.got, report.tries), (4, 1), "{unit}");
        let ours = world.pages.iter().position(|page| page.what == Ours);
        assert_eq!((ours, world.count(3, |what| what == Ours)), (Some(2), 4));
    }
    // A cell that is lent in part is not lent.
    let mut area = Area::new(world.all(), 1, 5, vec![Cell::default(); 19]).unwrap();
    area.lend(pages(71, 4)).unwrap();
    area.lend(pages(75, 6)).unwrap();
    let lent: Vec<_> = area
        .cells()
        .iter()
        .map(|cell| cell.kind() == Kind::Unread)
        .collect();
    assert_eq!(lent[..6], [false, true, false, true, true, false]);
    (0..39)
        .filter(|at| !matches!(at, 2..4 | 6..10))
        .for_each(|at| world.pages[at].what = Foreign);
    assert_eq!(run(&mut world, &mut area, request(1, 9, Mode::Hard)).got, 3);
}

#[test]
fn claims_begin_and_end() {
    let all = pages(64, 32);
    let mut area = Area::new(all, 2, 5, vec![Cell::default(); 8]).unwrap();
    assert_eq!(area.lend(pages(60, 8)), Err(Refused::Outside));
    assert_eq!(area.lend(pages(92, 8)), Err(Refused::Outside));
    area.lend(pages(64, 16)).unwrap();
    assert_eq!(area.lend(pages(76, 8)), Err(Refused::State), "some is lent");
    assert_eq!(area.cells()[4].kind(), Kind::Foreign, "nothing changed");
    assert_eq!(
        area.release(pages(64, 4)),
        Err(Refused::State),
        "nobody has it"
    );

    let mut world = World::new(64, &[(Free, 0); 32]);
    (16..32).for_each(|at| world.pages[at].what = Foreign);
    assert_eq!(run(&mut world, &mut area, request(2, 3, Mode::Fast)).got, 3);
    assert_eq!(
        area.release(pages(64, 2)),
        Err(Refused::Outside),
        "half a cell"
    );
    assert_eq!(
        area.release(pages(72, 8)),
        Err(Refused::State),
        "half is nobody's"
    );
    area.release(pages(64, 4)).unwrap();
    area.withdraw(pages(68, 8)).unwrap();
    world.pages[..4].fill(World::new(0, &[(Free, 0)]).pages[0]);
    let report = run(&mut world, &mut area, request(2, 9, Mode::Hard));
    // Two more there are, and two that are withdrawn.
    assert_eq!((report.got, report.end), (2, End::Exhausted));
}

#[test]
fn all_is_pinned() {
    let one = world(&[Pinned; 8]);
    let (calls_made, report) = calls(&one, request(1, 9, Mode::Normal));
    assert_eq!(calls_made, [(0, 2)], "one call drains the lists");
    let pinned = Missed {
        pinned: 4,
        ..Missed::default()
    };
    assert_eq!((report.missed, report.end), (pinned, End::Exhausted));
    let (calls_made, report) = calls(&one, request(1, 9, Mode::Fast));
    assert_eq!((calls_made.len(), report.missed), (0, pinned));
    // What only looked so is seen by that.
    let (calls_made, report) = calls(&world(&[Batched; 8]), request(1, 9, Mode::Normal));
    assert_eq!((calls_made, report.got), (vec![(0, 2), (2, 6)], 4));
}

#[test]
fn the_cheapest_runs_come_first() {
    // Free: 6, then 2 to be moved, then 8 free.
    let mut what = [Free; 16];
    what[6..8].fill(Anon);
    let few = calls(&world(&what), request(0, 8, Mode::Normal));
    assert_eq!(few.0, [(8, 8)], "eight that are free");
    let all = calls(&world(&what), request(0, 16, Mode::Normal));
    assert_eq!(all.0, [(0, 16)], "a call is dearer than two pages");
    let fast = calls(&world(&what), request(0, 16, Mode::Fast));
    assert_eq!(fast.0, [(8, 8), (0, 6)]);
    assert_eq!((fast.1.got, fast.1.missed.movable), (14, 2));
}

#[test]
fn a_pin_is_planned_around_and_a_hidden_one_found() {
    let mut what = [Anon; 16];
    what[5] = Pinned;
    let (around, report) = calls(&world(&what), request(0, 16, Mode::Normal));
    assert_eq!((around, report.wasted), (vec![(6, 10), (0, 5)], 0));

    what[5] = Hidden;
    let (found, report) = calls(&world(&what), request(0, 16, Mode::Normal));
    assert_eq!(found, [(0, 16), (6, 10), (0, 5), (5, 1)]);
    assert_eq!(
        (report.wasted, report.got, report.missed.resting),
        (2, 15, 1)
    );

    // Where nothing was moved, the run is halved too.
    what[..5].fill(Free);
    what[5] = HiddenFile;
    let (found, report) = calls(&world(&what), request(0, 16, Mode::Normal));
    assert_eq!(found, [(0, 16), (8, 8), (0, 5), (6, 2), (5, 1)]);
    assert_eq!((report.wasted, report.got), (2, 15));
}

#[test]
fn a_stall_bounds_each_run() {
    let first = Model::FIRST;
    let budget = Budget {
        stall: first.call + 4 * (first.page + first.moved),
        ..Budget::UNLIMITED
    };
    let request = |order| Request::new(order, 9, Mode::Normal, budget).unwrap();
    let (made, report) = calls(&world(&[Anon; 12]), request(0));
    assert_eq!((made.len(), report.got), (3, 9));
    assert!(made.iter().all(|(_, count)| *count <= 4));
    let (made, report) = calls(&world(&[Anon; 16]), request(3));
    assert_eq!((made.len(), report.end), (0, End::Stall));
    // What is free is within it.
    let (made, report) = calls(&world(&[[Anon; 8], [Free; 8]].concat()), request(3));
    assert_eq!((made, report.end), (vec![(8, 8)], End::Stall));
}

/// Whatever the calls say, and however often: each failure leaves a mark where there was none.
#[test]
fn an_area_where_every_call_fails_comes_to_an_end() {
    for (outcome, end) in [
        (Outcome::Busy, End::Exhausted),
        (Outcome::NoMemory, End::NoMemory),
    ] {
        for what in [[Free; 32], [Anon; 32], [Pinned; 32]] {
            let (world, mode) = (world(&what), Mode::Normal);
            let mut area = world.area(0);
            let mut planner = Planner::begin(&mut area, request(1, 16, mode), 0).unwrap();
            let report = loop {
                match planner.next(&mut area, 0) {
                    Step::Scan(_) => planner.scan(&mut area, 0, |pfn| world.read(pfn)),
                    Step::Try(_) => planner.report(&mut area, outcome, 1),
                    Step::Wait(_) => panic!("there is nobody else"),
                    Step::Done(report) => break report,
                }
                assert!(
                    area.cells().iter().all(|cell| cell.strikes() <= 1),
                    "tried twice"
                );
            };
            assert_eq!(report.tries, report.wasted);
            let most = match (what[0], outcome) {
                // Nothing is to be moved: each half, down to each chunk. 16 and 15 above them.
                (Free, _) => 31,
                (Anon, Outcome::NoMemory) | (Pinned, _) => 1,
                _ => 3 * 16,
            };
            assert!((1..=most).contains(&report.wasted), "{report:?}");
            let ends = if what[0] == Free { End::Exhausted } else { end };
            assert_eq!((report.got, report.end), (0, ends), "{what:?}");
        }
    }
}

#[test]
fn a_plan_is_stopped_and_its_place_is_free() {
    let mut world = World::new(64, &[(Free, 0); 32]);
    let mut area = world.area(0);
    let all = request(0, 32, Mode::Normal);
    let begin = |area: &mut Area<Vec<Cell>>| Planner::begin(area, all, 0);
    let mut planners: Vec<_> = (0..Callers::MOST)
        .map(|_| begin(&mut area).unwrap())
        .collect();
    assert_eq!(begin(&mut area).err(), Some(Refused::Callers));
    for planner in &mut planners {
        planner.stop();
        let Step::Done(report) = planner.next(&mut area, 0) else {
            panic!("it was stopped");
        };
        assert_eq!((report.end, report.missed.free), (End::Interrupted, 32));
    }
    // A call that is under way ends first, and may end it.
    for (outcome, end) in [
        (Outcome::Interrupted, End::Interrupted),
        (Outcome::Refused, End::Refused),
    ] {
        let mut planner = begin(&mut area).unwrap();
        while let Step::Scan(_) = planner.next(&mut area, 0) {
            planner.scan(&mut area, 0, |pfn| world.read(pfn));
        }
        planner.stop();
        assert!(matches!(planner.next(&mut area, 0), Step::Try(_)));
        assert!(area.cells().iter().all(|cell| cell.kind() == Kind::Flying));
        planner.report(&mut area, outcome, 1);
        let Step::Done(report) = planner.next(&mut area, 0) else {
            panic!("it ended");
        };
        assert_eq!((report.got, report.end, report.wasted), (0, end, 1));
    }
    let report = run(&mut world, &mut area, all);
    assert_eq!((report.got, report.end), (32, End::Complete));
    let low = Area::new(pages(64, 32), 2, 5, vec![Cell::default(); 8]);
    assert_eq!(
        Planner::begin(&mut low.unwrap(), all, 0).err(),
        Some(Refused::Unit)
    );
}
