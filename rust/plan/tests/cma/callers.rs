// SPDX-License-Identifier: GPL-2.0

//! Several callers in one area, whose calls are under way at the same time.

use crate::world::{world, What, World, BLOCK};
use proptest::collection::vec;
use proptest::prelude::*;
use strata_plan::cma::*;
use What::*;

const KINDS: &[(u32, What)] = &[(12, Free), (8, Anon), (2, File), (1, Hidden), (1, Pinned)];

const HONEST: &[(u32, What)] = &[(12, Free), (8, Anon), (2, File), (1, Pinned), (1, Foreign)];

/// A caller, and what he is doing.
struct Caller {
    planner: Planner,
    request: Request,
    flying: Option<Pages>,
    waits: bool,
    report: Option<Report>,
}

impl Caller {
    fn begin(area: &mut Area<Vec<Cell>>, request: Request) -> Self {
        Self {
            planner: Planner::begin(area, request, 0).unwrap(),
            request,
            flying: None,
            waits: false,
            report: None,
        }
    }

    /// One step. Whether others may have something to go on with.
    fn step(&mut self, world: &mut World, area: &mut Area<Vec<Cell>>) -> bool {
        if let Some(pages) = self.flying.take() {
            let (outcome, elapsed) = world.alloc(pages);
            self.planner.report(area, outcome, elapsed);
            return true;
        }
        match self.planner.next(area, world.clock) {
            Step::Scan(_) => self.planner.scan(area, world.clock, |pfn| world.read(pfn)),
            Step::Try(call) => self.flying = Some(call.pages),
            Step::Wait(_) => {
                assert_eq!(self.request.mode, Mode::Normal);
                self.waits = true;
            }
            Step::Done(report) => {
                self.report = Some(report);
                return true;
            }
        }
        false
    }
}

fn blocks(pages: &Pages) -> std::ops::Range<u64> {
    pages.start() >> BLOCK..((pages.end() - 1) >> BLOCK) + 1
}

/// Lets the callers go on in the order of `turns`, until all are done.
fn run(world: &mut World, requests: &[Request], turns: &[usize]) -> Vec<Report> {
    let mut area = world.area(0);
    let begin = |request: &Request| Caller::begin(&mut area, *request);
    let mut callers: Vec<Caller> = requests.iter().map(begin).collect();
    for turn in turns.iter().cycle().take(300_000) {
        // Somebody always can go on: who waits is woken by those who do not.
        let able = |caller: &&mut Caller| caller.report.is_none() && !caller.waits;
        let mut able: Vec<&mut Caller> = callers.iter_mut().filter(able).collect();
        if able.is_empty() {
            break;
        }
        let index = turn % able.len();
        if able[index].step(world, &mut area) {
            callers.iter_mut().for_each(|caller| caller.waits = false);
        }
        let flying: Vec<_> = callers
            .iter()
            .filter_map(|caller| caller.flying.as_ref())
            .collect();
        for (index, one) in flying.iter().enumerate() {
            for other in &flying[index + 1..] {
                let (one, other) = (blocks(one), blocks(other));
                assert!(
                    one.end <= other.start || other.end <= one.start,
                    "in one pageblock"
                );
            }
        }
    }
    callers
        .into_iter()
        .map(|caller| caller.report.expect("all wait for each other"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn together_they_get_all_there_is(
        mut world in world(KINDS),
        wants in vec((0u8..3, 1usize..200, any::<bool>()), 1..5),
        turns in vec(any::<usize>(), 1..40),
    ) {
        let budget = Budget::UNLIMITED;
        let requests: Vec<_> = wants
            .iter()
            .map(|(order, count, fast)| {
                let mode = if *fast { Mode::Fast } else { Mode::Normal };
                Request::new(*order, *count, mode, budget).unwrap()
            })
            .collect();
        let reports = run(&mut world, &requests, &turns);
        let mut held = 0;
        for (request, report) in requests.iter().zip(&reports) {
            held += report.got << request.order;
            prop_assert!(report.got <= request.count.get());
            let left = world.count(request.order, |what| !what.bad());
            if request.mode == Mode::Normal && report.got < request.count.get() {
                // The last of them saw all that there was; others gave nothing back.
                prop_assert_eq!(left, 0, "{:?}", report);
            }
        }
        prop_assert_eq!(world.count(0, |what| what == Ours), held);
    }

    #[test]
    fn each_has_his_share(
        mut world in world(HONEST),
        wants in vec(1usize..100, 2..5),
        turns in vec(any::<usize>(), 1..40),
    ) {
        let good = world.count(0, |what| !what.bad());
        let budget = Budget::UNLIMITED;
        let request = |count: &usize| Request::new(0, *count, Mode::Normal, budget).unwrap();
        let requests: Vec<_> = wants.iter().map(request).collect();
        // What is there is dealt out, one to each who still wants one.
        let (mut shares, mut left) = (vec![0; wants.len()], good);
        while shares != wants && left >= wants.len() {
            for (share, want) in shares.iter_mut().zip(&wants) {
                if *share < *want {
                    *share += 1;
                    left -= 1;
                }
            }
        }
        let got: Vec<_> = run(&mut world, &requests, &turns).iter().map(|report| report.got).collect();
        prop_assert!(got.iter().zip(&shares).all(|(got, share)| got >= share), "{got:?} {shares:?}");
        prop_assert_eq!(got.iter().sum::<usize>(), good.min(wants.iter().sum()));
    }
}
