// SPDX-License-Identifier: GPL-2.0

//! A made-up area, and an allocator of ranges that does with it what `alloc_contig_range()` does.

use proptest::collection::vec;
use proptest::prelude::*;
use strata_plan::cma::*;

/// The order of a pageblock here.
pub const BLOCK: u8 = 5;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Free,
    /// On a per-CPU list.
    Listed,
    Anon,
    File,
    /// Anonymous, and locked.
    Locked,
    /// Anonymous, and in a per-CPU batch of the LRU: looks pinned until the next drain.
    Batched,
    Huge,
    /// Anonymous and held: passed over.
    Pinned,
    /// A held page that does not show. Of a file: the call stops there.
    Hidden,
    HiddenFile,
    /// Looks free and cannot be got.
    HiddenFree,
    Poisoned,
    Offline,
    /// Another user's, or not claimed.
    Foreign,
    /// Got by a planner.
    Ours,
}

use What::*;

/// A page of a folio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub what: What,
    pub order: u8,
    pub index: u64,
}

#[derive(Clone, Debug)]
pub struct World {
    pub first: u64,
    pub pages: Vec<Page>,
    /// How many pages there are outside, to move others to.
    pub room: u64,
    pub clock: u64,
    pub moved: u64,
}

impl What {
    /// Whether no call ever gets it.
    pub fn bad(self) -> bool {
        match self {
            Pinned | Hidden | HiddenFile | HiddenFree | Poisoned | Offline | Foreign | Ours => true,
            Free | Listed | Anon | File | Locked | Batched | Huge => false,
        }
    }

    pub fn hidden(self) -> bool {
        matches!(self, Hidden | HiddenFile | HiddenFree)
    }
}

impl World {
    /// Folios one after the other; one that does not fit where it would be is a free page.
    pub fn new(first: u64, folios: &[(What, u8)]) -> Self {
        let mut pages = Vec::new();
        for (what, order) in folios {
            let order = match (first + pages.len() as u64) % (1 << order) {
                0 => *order,
                _ => 0,
            };
            pages.extend((0..1 << order).map(|index| Page {
                what: *what,
                order,
                index,
            }));
        }
        Self {
            first,
            pages,
            room: u64::MAX,
            clock: 0,
            moved: 0,
        }
    }

    pub fn all(&self) -> Pages {
        Pages::new(self.first, self.pages.len() as u64).unwrap()
    }

    pub fn area(&self, unit: u8) -> Area<Vec<Cell>> {
        let count = cells_for(self.all(), unit).unwrap();
        let mut area = Area::new(self.all(), unit, BLOCK, vec![Cell::default(); count]).unwrap();
        let mut at = 0;
        // What is claimed, span by span.
        for span in self
            .pages
            .chunk_by(|a, b| (a.what == Foreign) == (b.what == Foreign))
        {
            if span[0].what != Foreign {
                let pages = Pages::new(self.first + at, span.len() as u64).unwrap();
                area.lend(pages).unwrap();
            }
            at += span.len() as u64;
        }
        area
    }

    pub fn at(&mut self, pfn: u64) -> &mut Page {
        &mut self.pages[usize::try_from(pfn - self.first).unwrap()]
    }

    /// What a reader sees.
    pub fn read(&self, pfn: u64) -> Reading {
        let page = self.pages[usize::try_from(pfn - self.first).unwrap()];
        let lru = Flags::LRU.union(Flags::MAPPING);
        let (refs, mapped, flags) = match page.what {
            // The tails of a free block have no flag.
            Free if page.index == 0 => (0, 0, Flags::BUDDY),
            Free | Listed | HiddenFree => {
                return Reading::default();
            }
            Anon | Hidden => (1, 1, lru.union(Flags::ANON)),
            Locked => (2, 2, lru.union(Flags::ANON).union(Flags::LOCKED)),
            Pinned | Batched => (2, 1, lru.union(Flags::ANON)),
            File | HiddenFile => ((1 << page.order) + 1, 1, lru),
            Huge => (7, 0, Flags::HUGETLB),
            Poisoned => (1, 0, Flags::POISONED),
            Offline => (1, 0, Flags::OFFLINE),
            Foreign | Ours => panic!("{pfn:#x} is not to be read: {page:?}"),
        };
        Reading {
            refs,
            mapped,
            order: page.order.into(),
            index: page.index,
            flags,
        }
    }

    /// How many pages of these are to be moved.
    pub fn moves(&self, pages: Pages) -> u64 {
        let used = |pfn: &u64| {
            let page = self.pages[usize::try_from(pfn - self.first).unwrap()];
            !matches!(page.what, Free | Listed | HiddenFree)
        };
        (pages.start()..pages.end()).filter(used).count() as u64
    }

    /// The call, at the costs that the model begins with.
    pub fn alloc(&mut self, pages: Pages) -> (Outcome, u64) {
        for page in &mut self.pages {
            match page.what {
                Batched => page.what = Anon,
                Listed => page.what = Free,
                _ => {}
            }
        }
        let before = self.moved;
        let outcome = self.isolate(pages);
        let cost = Model::FIRST;
        let cleared = match outcome {
            Outcome::Got => pages.count() * cost.page,
            _ => 0,
        };
        let elapsed = cost.call + (self.moved - before) * cost.moved + cleared;
        self.clock += elapsed;
        (outcome, elapsed)
    }

    fn isolate(&mut self, pages: Pages) -> Outcome {
        let mut failed = false;
        let range = || pages.start()..pages.end();
        for pfn in range() {
            let page = *self.at(pfn);
            match page.what {
                Free | Listed => {}
                HiddenFree | Hidden | Pinned | Poisoned | Offline => failed = true,
                HiddenFile => return Outcome::Busy,
                Anon | File | Locked | Batched | Huge => {
                    let size = 1 << page.order;
                    if self.room < size {
                        return Outcome::NoMemory;
                    }
                    self.room -= size;
                    self.moved += size;
                    let head = pfn - page.index;
                    (head..head + size).for_each(|pfn| self.free(pfn));
                }
                Foreign | Ours => panic!("{pfn:#x} is not to be tried: {page:?}"),
            }
        }
        if failed {
            return Outcome::Busy;
        }
        range().for_each(|pfn| self.at(pfn).what = Ours);
        Outcome::Got
    }

    /// A page that was free is in use.
    pub fn fill(&mut self, index: usize) {
        let page = self.pages[index];
        if !matches!(page.what, Free | Listed) {
            return;
        }
        let head = self.first + index as u64 - page.index;
        (head..head + (1 << page.order)).for_each(|pfn| self.free(pfn));
        self.pages[index].what = Anon;
    }

    fn free(&mut self, pfn: u64) {
        // Of a folio, or of a free block, that began outside.
        if let Some(page) = pfn
            .checked_sub(self.first)
            .and_then(|at| self.pages.get_mut(at as usize))
        {
            *page = Page {
                what: Free,
                order: 0,
                index: 0,
            };
        }
    }

    /// For each chunk of this order that is there as a whole, what is in it.
    pub fn chunks(&self, order: u8) -> Vec<Vec<What>> {
        let size = 1u64 << order;
        let end = self.first + self.pages.len() as u64;
        (self.first.next_multiple_of(size)..)
            .step_by(size as usize)
            .take_while(|pfn| pfn + size <= end)
            .map(|pfn| {
                let at = (pfn - self.first) as usize;
                self.pages[at..at + size as usize]
                    .iter()
                    .map(|page| page.what)
                    .collect()
            })
            .collect()
    }

    /// How many chunks there are of which all pages pass.
    pub fn count(&self, order: u8, pass: impl Fn(What) -> bool) -> usize {
        let chunks = self.chunks(order);
        let passing = chunks
            .iter()
            .filter(|chunk| chunk.iter().all(|what| pass(*what)));
        passing.count()
    }
}

/// A planner's loop, alone in its area. Checks what holds of every step.
pub fn run(world: &mut World, area: &mut Area<Vec<Cell>>, request: Request) -> Report {
    run_with(world, area, request, |_| {})
}

/// The same, where something happens to the world before each reading of it: a call follows its
/// reading at once.
pub fn run_with(
    world: &mut World,
    area: &mut Area<Vec<Cell>>,
    request: Request,
    mut happens: impl FnMut(&mut World),
) -> Report {
    let mut planner = Planner::begin(area, request, world.clock).unwrap();
    let (mut tries, mut wasted) = (0, 0);
    let mut steps = 0;
    loop {
        steps += 1;
        assert!(steps < 200_000, "it does not end");
        let step = planner.next(area, world.clock);
        assert_eq!(step, planner.next(area, world.clock), "asked twice");
        match step {
            Step::Scan(pages) => {
                happens(world);
                planner.scan(area, world.clock, |pfn| {
                    assert!((pages.start()..pages.end()).contains(&pfn));
                    world.read(pfn)
                });
            }
            Step::Try(call) => {
                let size = 1 << request.order;
                assert_eq!(
                    (call.pages.start() % size, call.pages.count() % size),
                    (0, 0)
                );
                assert!(call.pages.count() > 0);
                assert_eq!(call.moves, request.mode != Mode::Fast);
                let estimate = area
                    .model()
                    .estimate(call.pages.count(), world.moves(call.pages));
                assert!(estimate <= request.budget.most(world.clock));
                let (outcome, elapsed) = world.alloc(call.pages);
                tries += 1;
                wasted += usize::from(outcome != Outcome::Got);
                planner.report(area, outcome, elapsed);
            }
            Step::Wait(until) => {
                assert!(until > world.clock && request.mode == Mode::Hard);
                world.clock = until;
            }
            Step::Done(report) => {
                assert_eq!((report.tries, report.wasted), (tries, wasted));
                assert!(report.got <= request.count.get());
                assert_eq!(
                    report.end == End::Complete,
                    report.got == request.count.get()
                );
                return report;
            }
        }
    }
}

/// A folio of one of those kinds.
fn folio(kinds: &[(u32, What)]) -> impl Strategy<Value = (What, u8)> {
    let kinds = kinds
        .iter()
        .map(|(weight, what)| (*weight, Just(*what).boxed()));
    let order = prop_oneof![6 => Just(0u8), 2 => 1u8..4, 1 => 4u8..7];
    (prop::strategy::Union::new_weighted(kinds.collect()), order)
}

/// An area of folios of these kinds, as often as their weights say.
pub fn world(kinds: &[(u32, What)]) -> impl Strategy<Value = World> {
    let mixed = vec(folio(kinds), 0..160);
    // Long stretches of the same, and other kinds between them.
    let first = kinds[0].1;
    let blocks = vec((0usize..60, folio(kinds)), 0..24).prop_map(move |blocks| {
        blocks
            .into_iter()
            .flat_map(|(length, folio)| [vec![(first, 0); length], vec![folio]].concat())
            .collect::<Vec<_>>()
    });
    (0u64..200, prop_oneof![mixed, blocks]).prop_map(|(first, folios)| World::new(first, &folios))
}
