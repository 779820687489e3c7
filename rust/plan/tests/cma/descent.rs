// SPDX-License-Identifier: GPL-2.0

//! The descent against a first-fit allocator with windows that it never gets.

use proptest::collection::vec;
use proptest::prelude::*;
use strata_plan::cma::{Ask, Budget, Descent, End, Mode, Model, Request};

/// `cma_alloc()`: for each page whether it is taken, and whether it can be.
struct Cma {
    taken: Vec<bool>,
    bad: Vec<bool>,
    calls: usize,
    tries: usize,
}

impl Cma {
    fn new(bad: &[bool]) -> Self {
        Self {
            taken: vec![false; bad.len()],
            bad: bad.to_vec(),
            calls: 0,
            tries: 0,
        }
    }

    fn alloc(&mut self, order: u8) -> Option<u64> {
        self.calls += 1;
        let size = 1 << order;
        for start in (0..self.taken.len()).step_by(size) {
            let window = start..start + size;
            if window.end > self.taken.len() || self.taken[window.clone()].contains(&true) {
                continue;
            }
            self.tries += 1;
            if !self.bad[window.clone()].contains(&true) {
                self.taken[window].fill(true);
                return Some(start as u64);
            }
        }
        None
    }

    fn release(&mut self, pfn: u64, order: u8) {
        let pages = &mut self.taken[pfn as usize..pfn as usize + (1 << order)];
        assert!(pages.iter().all(|taken| *taken));
        pages.fill(false);
    }

    fn good(&self, order: u8) -> usize {
        let chunks = self.bad.chunks_exact(1 << order);
        chunks.filter(|chunk| !chunk.contains(&true)).count()
    }
}

fn request(order: u8, count: usize) -> Request {
    Request::new(order, count, Mode::Normal, Budget::UNLIMITED).unwrap()
}

fn run(cma: &mut Cma, request: Request, top: u8) -> (usize, End) {
    let (mut descent, model) = (Descent::new(request, top).unwrap(), Model::new());
    let mut last = None;
    for _ in 0..100_000 {
        match descent.next(&model, 0) {
            Ask::Allocate { order } => {
                assert!(order >= request.order && order <= top.max(request.order));
                let block = cma.alloc(order);
                last = block.map(|pfn| (pfn, order));
                descent.report(block);
            }
            Ask::GiveBack { pfn, order } => {
                assert_eq!(last.take(), Some((pfn, order)));
                cma.release(pfn, order);
            }
            Ask::Wait(_) => panic!("it is not hard"),
            Ask::Done { got, end } => {
                assert_eq!(descent.next(&model, 0), Ask::Done { got, end });
                return (got, end);
            }
        }
    }
    panic!("it does not end");
}

proptest! {
    #[test]
    fn it_gets_all_there_is_and_no_more(
        bad in vec(prop::bool::weighted(0.1), 0..300),
        order in 0u8..4,
        count in 1usize..200,
        top in 0u8..10,
    ) {
        let mut cma = Cma::new(&bad);
        let good = cma.good(order);
        let (got, end) = run(&mut cma, request(order, count), top);
        prop_assert_eq!(got, good.min(count));
        prop_assert_eq!(end, if good < count { End::Exhausted } else { End::Complete });
        prop_assert_eq!(cma.taken.iter().filter(|taken| **taken).count(), got << order);
    }

    /// What was passed over is taken before what is above it, so that it is not tried again.
    #[test]
    fn it_does_not_try_all_bad_windows_each_time(bad in vec(0usize..4096, 1..24)) {
        let mut pages = vec![false; 4096];
        bad.iter().for_each(|page| pages[*page] = true);
        let mut cma = Cma::new(&pages);
        let (got, _) = run(&mut cma, request(2, 900), 9);
        prop_assert_eq!(got, 900);
        let mut naive = Cma::new(&pages);
        (0..900).for_each(|_| assert!(naive.alloc(2).is_some()));
        prop_assert!(cma.calls < naive.calls / 2, "{} {}", cma.calls, naive.calls);
        prop_assert!(cma.tries <= naive.tries);
    }
}

#[test]
fn an_empty_area_takes_few_calls() {
    let mut cma = Cma::new(&[false; 1 << 13]);
    assert_eq!(run(&mut cma, request(4, 300), 12), (300, End::Complete));
    // 4800 pages: 4096, 512, 128 and 64.
    assert_eq!((cma.calls, cma.tries), (4, 4));
}

#[test]
fn a_gap_is_taken_first() {
    let mut pages = [false; 64];
    pages[17] = true;
    let mut cma = Cma::new(&pages);
    let mut descent = Descent::new(request(0, 63), 4).unwrap();
    let mut asked = Vec::new();
    let end = loop {
        match descent.next(&Model::new(), 0) {
            Ask::Allocate { order } => {
                let block = cma.alloc(order);
                asked.push((order, block));
                descent.report(block);
            }
            Ask::GiveBack { pfn, order } => {
                cma.release(pfn, order);
                asked.push((order, None));
            }
            Ask::Wait(_) => unreachable!("it is not hard"),
            Ask::Done { got, end } => break (got, end),
        }
    };
    assert_eq!(end, (63, End::Complete));
    let first = [
        (4, Some(0)),
        (4, Some(32)),
        (3, Some(24)),
        (3, Some(48)),
        (3, None),
    ];
    assert_eq!(asked[..5], first);
    assert_eq!(asked[5..8], [(2, Some(20)), (2, Some(48)), (2, None)]);
}

#[test]
fn the_budget_bounds_each_block() {
    let model = Model::new();
    let cost = model.cost();
    let page = cost.moved + cost.page;
    let budget = Budget {
        deadline: 20 * cost.call,
        stall: cost.call + 64 * page,
    };
    let with = |budget| Request::new(2, 100, Mode::Hard, budget).unwrap();
    let mut descent = Descent::new(with(budget), 20).unwrap();
    assert_eq!(descent.next(&model, 0), Ask::Allocate { order: 6 });
    descent.report(Some(0));
    let late = budget.deadline - cost.call - 8 * page;
    assert_eq!(descent.next(&model, late), Ask::Allocate { order: 3 });
    descent.report(None);
    assert_eq!(descent.next(&model, late), Ask::Allocate { order: 2 });
    // Hard: again, after one and after two milliseconds.
    descent.report(None);
    assert_eq!(descent.next(&model, 1000), Ask::Wait(1_001_000));
    assert_eq!(descent.next(&model, 1_000_999), Ask::Wait(1_001_000));
    assert_eq!(descent.next(&model, 1_001_000), Ask::Allocate { order: 2 });
    descent.report(None);
    assert_eq!(descent.next(&model, 5_000_000), Ask::Wait(7_000_000));
    let done = |end| Ask::Done { got: 16, end };
    assert_eq!(descent.next(&model, budget.deadline), done(End::Deadline));

    let stall = Budget {
        stall: cost.call,
        ..Budget::UNLIMITED
    };
    let mut descent = Descent::new(with(stall), 20).unwrap();
    let end = End::Stall;
    assert_eq!(descent.next(&model, 0), Ask::Done { got: 0, end });
}

#[test]
fn it_stops_and_refuses() {
    let mut descent = Descent::new(request(0, 5), 0).unwrap();
    assert_eq!(descent.next(&Model::new(), 0), Ask::Allocate { order: 0 });
    descent.report(Some(1));
    descent.stop();
    let end = End::Interrupted;
    assert_eq!(descent.next(&Model::new(), 0), Ask::Done { got: 1, end });
    // A report that nothing asked for.
    descent.report(Some(2));
    assert_eq!(descent.next(&Model::new(), 0), Ask::Done { got: 1, end });

    let fast = Request::new(0, 1, Mode::Fast, Budget::UNLIMITED).unwrap();
    assert!(Descent::new(fast, 9).is_none());
    // A top below the order of a chunk, and one above all there is.
    let mut low = Descent::new(request(4, 1), 0).unwrap();
    assert_eq!(low.next(&Model::new(), 0), Ask::Allocate { order: 4 });
    let mut high = Descent::new(request(0, 1 << 50), u8::MAX).unwrap();
    assert_eq!(high.next(&Model::new(), 0), Ask::Allocate { order: 40 });
}
