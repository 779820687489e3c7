// SPDX-License-Identifier: GPL-2.0

//! What calls cost, as it is learnt.

use proptest::prelude::*;
use strata_plan::cma::{Budget, Cost, Model};

/// The model after many calls of a machine where they cost that much.
fn taught(cost: Cost) -> Model {
    let mut model = Model::new();
    for round in 0..600u64 {
        let (pages, moves) = match round % 3 {
            0 => (16, 0),
            1 => (4096, 0),
            _ => (512, 512),
        };
        model.learn(
            pages,
            moves,
            cost.call + pages * cost.page + moves * cost.moved,
        );
    }
    model
}

proptest! {
    #[test]
    fn it_comes_near_to_what_calls_cost(
        call in 10_000u64..20_000_000,
        moved in 500u64..200_000,
        page in 50u64..50_000,
    ) {
        let model = taught(Cost { call, moved, page });
        for (pages, moves) in [(16, 0), (4096, 0), (512, 512)] {
            let real = call + pages * page + moves * moved;
            let estimate = model.estimate(pages, moves);
            prop_assert!(estimate <= 2 * real && real <= 2 * estimate, "{real} {estimate}");
        }
    }

    #[test]
    fn no_numbers_break_it(calls in prop::collection::vec(any::<(u64, u64, u64, bool)>(), 0..40)) {
        let mut model = Model::new();
        for (pages, moves, elapsed, failed) in calls {
            match failed {
                true => model.learn_failed(pages, moves, elapsed),
                false => model.learn(pages, moves, elapsed),
            }
            model.relax();
            let Cost { call, moved, page } = model.cost();
            prop_assert!([call, moved, page].iter().all(|part| (1..=Model::MOST).contains(part)));
            prop_assert!(model.estimate(pages, moves) >= call);
        }
    }

    #[test]
    fn more_is_never_cheaper(pages in 0u64..1 << 40, moves in 0u64..1 << 40, more in 1u64..1 << 20) {
        let model = Model::new();
        prop_assert!(model.estimate(pages + more, moves) > model.estimate(pages, moves));
        prop_assert!(model.estimate(pages, moves + more) > model.estimate(pages, moves));
    }

    #[test]
    fn a_budget_is_the_lesser_of_two(deadline: u64, stall: u64, now: u64) {
        let most = Budget { deadline, stall }.most(now);
        prop_assert_eq!(most, deadline.saturating_sub(now).min(stall));
    }
}

#[test]
fn one_measure_says_little() {
    let mut model = Model::new();
    let before = model.estimate(512, 512);
    model.learn(512, 512, u64::MAX);
    // A quarter of its time more for each eighth: three eighths at most.
    assert!(model.estimate(512, 512) <= before * 12 / 8);
    assert!(model.estimate(512, 512) > before * 9 / 8);
}

#[test]
fn a_failure_teaches_nothing_good() {
    let mut model = Model::new();
    model.learn_failed(16, 0, 1);
    assert_eq!(model, Model::new());
    model.learn_failed(16, 0, 10 * Model::FIRST.call);
    assert!(model.cost().call > Model::FIRST.call);
    assert_eq!(
        model.cost().moved,
        Model::FIRST.moved,
        "nothing was to be moved"
    );
}

#[test]
fn what_was_dear_is_tried_again() {
    let mut model = Model::new();
    (0..200).for_each(|_| model.learn(16, 16, u64::MAX));
    assert!(model.cost().call > Model::MOST / 2);
    let mut rounds = 0;
    while model != Model::new() {
        model.relax();
        rounds += 1;
        assert!(rounds < 200);
    }
    assert!(rounds > 8);
    // What was found to be cheap stays.
    (0..50).for_each(|_| model.learn(16, 0, 1000));
    let cheap = model;
    model.relax();
    assert!(cheap.cost().call < Model::FIRST.call / 8 && model == cheap);
}
