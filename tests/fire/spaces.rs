// SPDX-License-Identifier: GPL-2.0

//! `spaces`: requests to a VA space that cannot fail, where every allocation does.
//!
//! Groups of one to three requests are prepared, with `GFP_KERNEL`, and some of them wait. They are
//! committed in another order, each group at once, in a signalling section. Requests of a group
//! overlap each other, and often those of another group that waits.

use super::{
    add,
    commits::Limits,
    flat::{
        numbered,
        seen,
        Ask,
        Flat,
        Seen,
        What, //
    },
    gpu::{
        prepare,
        Gpu, //
    },
    inject::{
        self,
        Failing, //
    },
    ledger::Ledger,
    random::Random,
    Counts, //
};
use kernel::{
    prelude::*,
    sync::{
        rcu,
        Arc, //
    },
    time::{
        Instant,
        Monotonic, //
    },
};
use strata::{
    cx::{
        SignalLock,
        Signalling, //
    },
    prelude::*,
    va::{
        self,
        Done,
        Prepared,
        Space, //
    },
};

/// Cells to a mapping, at first.
const APART: usize = 4;
/// Cells that the smallest space has.
const LEAST: usize = 40;
/// Requests of a group, at most.
const MOST: usize = 3;
/// Groups that wait.
const WAITING: usize = 4;
/// Cells around a place that the requests of a group begin in.
const NEAR: usize = 20;
/// Requests from one look at all of the space to the next, for each mapping in it.
const LOOK: usize = 4;

/// Where three requests of a group are, of which the third cuts what the others did.
const THREE: [(usize, usize); MOST] = [(1, 9), (10, 19), (5, 14)];

/// What is committed at once.
struct Group {
    prepared: Prepared<Gpu>,
    asks: [Option<Ask>; MOST],
    /// Where its requests are, about.
    place: usize,
}

impl Group {
    fn len(&self) -> usize {
        self.asks.iter().flatten().count()
    }
}

/// A space of some size with what it should hold.
struct Grown {
    space: Arc<Space<Gpu>>,
    flat: Flat,
    random: Random,
    ledger: Arc<Ledger>,
    /// How many mappings there should be, about.
    wanted: usize,
    /// The number of the last request.
    number: usize,
}

impl Grown {
    /// A space of so many mappings.
    fn new(cx: &mut Cx<'_, Process>, mappings: usize, seed: u32) -> Result<Self> {
        let flat = Flat::new(cx, (APART * mappings).max(LEAST), 2 * mappings)?;
        let class = strata::lock_class!(SignalLock, "fire-space");
        let space = Space::<Gpu>::new(cx, class, va::Limits::from(flat.span()?));
        let mut grown = Self {
            space: gfp::kernel(cx).arc_init(space)?,
            flat,
            random: Random::new(seed),
            ledger: Ledger::new(cx)?,
            wanted: mappings,
            number: 0,
        };
        for number in 0..mappings {
            let first = number * APART;
            let ask = grown.map(first, first + number % (APART - 1));
            let prepared = prepare(cx, &grown.space, &grown.ledger, &ask)?;
            drop(grown.space.commit(cx, prepared)?);
            grown.flat.make_room(cx, 1)?;
            grown.flat.enter(&ask)?;
            inject::breathe();
        }
        Ok(grown)
    }

    /// A mapping at some cells.
    fn map(&mut self, first: usize, last: usize) -> Ask {
        self.number += 1;
        // Of few objects, from offsets that often fit together with those of neighbours.
        let object = self.random.below(4);
        let offset = (first + self.random.below(8) / 7) << 12;
        Ask {
            what: What::Map {
                object,
                offset: offset as u64,
            },
            first,
            last,
            number: self.number,
        }
    }

    /// What may be asked at some cells: so that there are about as many mappings as there should be.
    fn ask(&mut self, first: usize, last: usize) -> Ask {
        let few = self.flat.mappings < self.wanted;
        let what = match self.random.below(100) {
            0..=49 if few => return self.map(first, last),
            0..=34 => return self.map(first, last),
            35..=69 => What::Unmap,
            70..=84 => What::Split,
            _ => What::SplitSparse,
        };
        Ask {
            what,
            first,
            last,
            number: 0,
        }
    }

    /// One request near a place.
    fn ask_near(&mut self, place: usize) -> Ask {
        let cells = self.flat.len();
        let longest = match self.random.below(100) {
            0..=79 => 6,
            80..=96 => 40,
            97..=98 => 200,
            _ => 1000,
        };
        let first = (place + self.random.below(NEAR)) % cells;
        let last = (first + self.random.below(longest)).min(cells - 1);
        self.ask(first, last)
    }

    /// Prepares a group near a place.
    fn group(&mut self, cx: &mut Cx<'_, Process>, place: usize) -> Result<Group> {
        let three = self.random.percent(20);
        let count = if three {
            MOST
        } else {
            1 + self.random.below(MOST)
        };
        // All of the three have to be inside.
        let place = place.min(self.flat.len() - NEAR);
        let mut asks = [None; MOST];
        let mut all: Option<Prepared<Gpu>> = None;
        for (ask, (first, last)) in asks.iter_mut().zip(THREE).take(count) {
            let next = match three {
                true => self.ask(place + first, place + last),
                false => self.ask_near(place),
            };
            let prepared = prepare(cx, &self.space, &self.ledger, &next)?;
            all = Some(match all.take() {
                Some(before) => before.then(prepared),
                None => prepared,
            });
            *ask = Some(next);
        }
        Ok(Group {
            prepared: all.ok_or(EINVAL)?,
            asks,
            place,
        })
    }

    /// Compares all of it.
    fn compare(&self) -> Result {
        let guard = rcu::read_lock();
        let found = self.space.iter(&guard, self.flat.span()?).map(numbered);
        let agrees = found.eq(self.flat.parts(0, self.flat.len() - 1));
        ensure!(agrees, "the space holds something else\n");
        ensure!(self.ledger.sound(), "a dead value was touched\n");
        Ok(())
    }

    /// Drops the space, and says if that was not the end of all that was in it.
    fn end(self) -> Result {
        let ledger = self.ledger.clone();
        drop(self);
        ensure!(ledger.sound(), "a dead value was touched\n");
        ensure!(ledger.alive() == 0, "{} values leaked\n", ledger.alive());
        Ok(())
    }
}

/// Whether the space holds around some cells what it should.
fn same_around(space: &Space<Gpu>, flat: &Flat, ask: &Ask) -> Result<bool> {
    let around = Ask {
        first: ask.first.saturating_sub(NEAR),
        last: (ask.last + NEAR).min(flat.len() - 1),
        ..*ask
    };
    let guard = rcu::read_lock();
    let found = space.iter(&guard, around.span()?).map(numbered);
    Ok(found.eq(flat.parts(around.first, around.last)))
}

/// Commits a group, and looks at all that is said of it.
fn commit<'s>(
    cx: &mut Cx<'_, Signalling>,
    counts: &Counts,
    space: &'s Space<Gpu>,
    flat: &mut Flat,
    group: Group,
) -> Result<Done<'s, Gpu>> {
    let asks = group.asks;
    let done = space.commit(cx, group.prepared).map_err(|error| {
        pr_err!("{:?} was not committed: {:?}\n", asks, error.cause);
        EINVAL
    })?;
    let mut ops = done.ops();
    let mut operations = 0;
    let mut cuts = 0;
    for ask in asks.iter().flatten() {
        let right = flat.is_done(ask, || {
            let op = ops.next().map(seen);
            operations += 1;
            cuts += usize::from(matches!(op, Some(Seen::Cut(..))));
            op
        });
        ensure!(right, "something else was done, by {ask:?} of {asks:?}\n");
        flat.enter(ask)?;
    }
    ensure!(ops.next().is_none(), "more was done, by {asks:?}\n");
    drop(ops);
    for ask in asks.iter().flatten() {
        ensure!(
            same_around(space, flat, ask)?,
            "something else is mapped, by {ask:?} of {asks:?}\n"
        );
    }
    add(&counts.operations, operations);
    add(&counts.cuts, cuts);
    Ok(done)
}

/// Commits a group or two in one section, while all allocations fail.
fn section(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    grown: &mut Grown,
    groups: [Option<Group>; 2],
) -> Result<usize> {
    let requests = groups.iter().flatten().map(Group::len).sum();
    let together = groups.iter().flatten().filter(|group| group.len() > 1);
    let together = together.count();
    grown.flat.make_room(cx, requests)?;
    let keep = grown.random.percent(50);
    let Grown { space, flat, .. } = grown;
    let kept = cx.signalling(|cx| {
        let _failing = Failing::begin();
        ensure!(
            gfp::nowait(cx).boxed(0).is_err(),
            "an allocation succeeds\n"
        );
        add(&counts.refused, 1);
        let mut kept = [None, None];
        for (group, kept) in groups.into_iter().flatten().zip(&mut kept) {
            let done = commit(cx, counts, space, flat, group)?;
            // What is not kept is dropped here.
            *kept = keep.then_some(done);
        }
        Ok(kept)
    })?;
    drop(kept);
    add(&counts.requests, requests);
    add(&counts.together, together);
    Ok(requests)
}

/// Prepares what is to wait.
fn refill(
    cx: &mut Cx<'_, Process>,
    grown: &mut Grown,
    waiting: &mut [Option<Group>; WAITING],
) -> Result {
    for at in 0..WAITING {
        // Half of them come to where another waits.
        let other = grown.random.below(2 * WAITING);
        let place = match waiting.get(other).and_then(Option::as_ref) {
            Some(other) => other.place,
            None => grown.random.below(grown.flat.len()),
        };
        if let Some(slot @ None) = waiting.get_mut(at) {
            *slot = Some(grown.group(cx, place)?);
        }
    }
    Ok(())
}

/// Commits until a limit is reached.
pub(crate) fn run(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    mappings: usize,
    limits: Limits,
    seed: u32,
) -> Result {
    let mut grown = Grown::new(cx, mappings, seed)?;
    let mut waiting: [Option<Group>; WAITING] = [const { None }; WAITING];
    let began = Instant::<Monotonic>::now();
    let mut done = 0;
    let mut look = 0;
    while done < limits.count && began.elapsed().as_millis() / 1000 < limits.seconds as i64 {
        refill(cx, &mut grown, &mut waiting)?;
        let count = if grown.random.percent(30) { 2 } else { 1 };
        let mut groups = [None, None];
        for group in groups.iter_mut().take(count) {
            let slot = grown.random.below(WAITING);
            *group = waiting.get_mut(slot).and_then(Option::take);
        }
        done += section(cx, counts, &mut grown, groups)?;
        if done >= look {
            grown.compare()?;
            look = done + LOOK * grown.flat.mappings.max(100);
        }
        inject::breathe();
    }
    grown.compare()?;
    let left = grown.flat.mappings;
    pr_info!("{done} requests to a space of {mappings} mappings, then {left}\n");
    drop(waiting);
    grown.end()
}
