// SPDX-License-Identifier: GPL-2.0

//! `sweep`: whatever may fail does, at each of its allocations.
//!
//! Each operation is tried again and again, the first time with its first allocation failing, then
//! with its second one, until it needs no more. Until then nothing may have changed, and what it was
//! given comes back.

use super::{
    add,
    grown::{
        tagged,
        Kind, //
    },
    inject,
    ledger::{
        Boxed,
        Keeps,
        Ledger, //
    },
    model::{
        Model,
        Place, //
    },
    random::Random,
    Counts,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    gfp::{
        Allocate,
        Gfp,
        Kernel,
        NoWait, //
    },
    maple::{
        Cause,
        Exclusive,
        MapleTree,
        Nodes,
        Range,
        Reservation,
        Spares, //
    },
    prelude::*,
};

const CELLS: usize = 1000;
/// Allocations of one operation: many more than there are.
const MOST: u32 = 40;

/// A class of allocations that is gone through.
trait Swept: Allocate + Sized {
    fn gfp<'a>(cx: &'a mut Cx<'_, Process>) -> Gfp<'a, Self>;
}

impl Swept for Kernel {
    fn gfp<'a>(cx: &'a mut Cx<'_, Process>) -> Gfp<'a, Self> {
        gfp::kernel(cx)
    }
}

impl Swept for NoWait {
    fn gfp<'a>(cx: &'a mut Cx<'_, Process>) -> Gfp<'a, Self> {
        gfp::nowait(cx)
    }
}

/// What an operation says that has other things to say too.
fn cause(error: Error) -> Cause {
    if error == ENOMEM {
        Cause::NoMemory
    } else {
        Cause::NotThere
    }
}

/// Tries `operation` until none of its allocations fails. `unchanged` looks after each failure.
fn tried<T, S>(
    counts: &Counts,
    state: &mut S,
    mut operation: impl FnMut(&mut S) -> Result<T, Cause>,
    mut unchanged: impl FnMut(&mut S) -> Result,
) -> Result<T> {
    for number in 1..MOST {
        match inject::with_nth(number, || operation(state)) {
            (Ok(result), failed) => {
                add(&counts.tolerated, failed.into());
                return Ok(result);
            }
            (Err(Cause::NoMemory), true) => add(&counts.failed, 1),
            (Err(cause), failed) => {
                ensure!(false, "{cause:?}, and an allocation failed: {failed}\n");
            }
        }
        unchanged(state)?;
    }
    pr_err!("it goes on failing\n");
    Err(EINVAL)
}

struct Sweep<V: Boxed, M: Keeps<V>> {
    tree: Pin<KBox<MapleTree<V, Exclusive, M>>>,
    model: Model,
    ledger: Arc<Ledger>,
    random: Random,
    spares: Spares<V>,
    tag: usize,
}

/// One store, that is tried several times.
struct Attempt<'s, V: Boxed, M: Keeps<V>> {
    tree: Pin<&'s mut MapleTree<V, Exclusive, M>>,
    model: &'s Model,
    spares: &'s mut Spares<V>,
    kind: Kind,
    first: usize,
    last: usize,
    value: Option<V>,
    tag: usize,
}

impl<V: Boxed, M: Keeps<V>> Attempt<'_, V, M> {
    /// Its nodes are allocated when it is done.
    fn with_memory<C: Swept>(mut self, cx: &mut Cx<'_, Process>, counts: &Counts) -> Result {
        let store =
            |(cx, attempt): &mut (&mut Cx<'_, Process>, &mut Self)| attempt.store(&mut C::gfp(cx));
        tried(counts, &mut (cx, &mut self), store, |(_, attempt)| {
            attempt.unchanged()
        })
    }

    /// Its nodes are reserved before: that may fail, it may not.
    fn with_reservation<C: Swept>(mut self, cx: &mut Cx<'_, Process>, counts: &Counts) -> Result {
        let entries = self.model.values(0, CELLS - 1).count();
        let reserve = |(cx, _): &mut (&mut Cx<'_, Process>, &mut Self)| {
            Reservation::new(&mut C::gfp(cx), entries, 1).map_err(cause)
        };
        let nodes = tried(counts, &mut (cx, &mut self), reserve, |(_, attempt)| {
            attempt.unchanged()
        })?;
        let (done, _) = inject::with_nth(1, || self.store(nodes));
        ensure!(
            done.is_ok(),
            "{:?} fails with nodes that were reserved\n",
            self.kind
        );
        Ok(())
    }

    /// Does it, if there are nodes.
    fn store(&mut self, nodes: impl Nodes) -> Result<(), Cause> {
        let range = self.model.range(self.first, self.last);
        let mut tree = MapleTree::exclusive(self.tree.as_mut());
        let done = match (self.kind, self.value.take()) {
            (Kind::Insert, Some(value)) => tree
                .insert(nodes, range, value)
                .map_err(|error| (Some(error.value), error.cause)),
            (Kind::Erase, value) => tree
                .erase(nodes, range.first())
                .map(drop)
                .map_err(|error| (value, error.into())),
            (_, value) => tree
                .store(nodes, range, value, self.spares, |_, _| ())
                .map_err(|error| (error.value, error.cause)),
        };
        done.map_err(|(value, cause)| {
            self.value = value;
            cause
        })
    }

    fn unchanged(&mut self) -> Result {
        let back = self.value.as_ref().map_or(0, |value| value.own().tag);
        ensure!(back == self.tag, "the value did not come back\n");
        let tree = MapleTree::exclusive(self.tree.as_mut());
        tree.validate();
        let same = self.model.agrees(tree.iter(Range::ALL).map(tagged::<V>));
        ensure!(same, "{:?} failed and changed something\n", self.kind);
        Ok(())
    }
}

impl<V: Boxed, M: Keeps<V>> Sweep<V, M> {
    fn new(cx: &mut Cx<'_, Process>, counts: &Counts, seed: u32) -> Result<Self> {
        let new_tree = |cx: &mut Cx<'_, Process>| {
            let tree = MapleTree::<V, Exclusive, M>::new();
            gfp::kernel(cx).boxed_init(tree).map_err(cause)
        };
        let new_spares =
            |cx: &mut Cx<'_, Process>| Spares::new(&mut gfp::kernel(cx)).map_err(Cause::from);
        Ok(Self {
            tree: tried(counts, cx, new_tree, |_| Ok(()))?,
            model: Model::new(cx, CELLS, Place::Pages)?,
            ledger: Ledger::new(cx)?,
            random: Random::new(seed),
            spares: tried(counts, cx, new_spares, |_| Ok(()))?,
            tag: 0,
        })
    }

    fn value<C: Swept>(&mut self, cx: &mut Cx<'_, Process>, counts: &Counts) -> Result<V> {
        self.tag += 1;
        let Self { ledger, tag, .. } = self;
        let alive = ledger.alive();
        let make = |cx: &mut Cx<'_, Process>| V::make(&mut C::gfp(cx), ledger, *tag).map_err(cause);
        let value = tried(counts, cx, make, |_| Ok(()))?;
        ensure!(
            ledger.alive() == alive + 1,
            "a value is neither in a box nor gone\n"
        );
        Ok(value)
    }

    /// What is done next, and where.
    fn pick(&mut self, growing: bool) -> (Kind, usize, usize) {
        let first = self.random.below(CELLS);
        let longest = if self.random.percent(5) { CELLS } else { 6 };
        let last = (first + self.random.below(longest)).min(CELLS - 1);
        let free = self.model.values(first, last).next().is_none();
        let kind = match (self.random.below(10), growing) {
            (0..=4, true) | (0..=1, false) if free => Kind::Insert,
            (0..=8, true) | (0..=3, false) => Kind::Store,
            (4..=6, false) => Kind::Erase,
            (_, _) => Kind::EraseRange,
        };
        (kind, first, if kind == Kind::Erase { first } else { last })
    }

    fn step<C: Swept>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        counts: &Counts,
        growing: bool,
    ) -> Result {
        let (kind, first, last) = self.pick(growing);
        let value = match kind {
            Kind::Insert | Kind::Store => Some(self.value::<C>(cx, counts)?),
            Kind::Erase | Kind::EraseRange => None,
        };
        let tag = value.as_ref().map_or(0, |value| value.own().tag);
        let refill = |(cx, spares): &mut (&mut Cx<'_, Process>, &mut Spares<V>)| {
            spares.refill(&mut C::gfp(cx)).map_err(Cause::from)
        };
        tried(
            counts,
            &mut (&mut *cx, &mut self.spares),
            refill,
            |_| Ok(()),
        )?;
        let reserved = self.random.percent(30);
        let attempt = Attempt {
            tree: self.tree.as_mut(),
            model: &self.model,
            spares: &mut self.spares,
            kind,
            first,
            last,
            value,
            tag,
        };
        if reserved {
            attempt.with_reservation::<C>(cx, counts)?;
        } else {
            attempt.with_memory::<C>(cx, counts)?;
        }
        let (from, to, _) = self.model.run(first);
        match kind {
            Kind::Erase => self.model.fill(from, to, 0),
            _ => self.model.fill(first, last, tag),
        }
        let tree = MapleTree::exclusive(self.tree.as_mut());
        let same = self.model.agrees(tree.iter(Range::ALL).map(tagged::<V>));
        ensure!(same, "{kind:?} at {first} to {last} did something else\n");
        Ok(())
    }
}

/// Goes through so many operations.
pub(crate) fn run<V: Boxed, M: Keeps<V>>(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    count: usize,
    seed: u32,
) -> Result {
    let mut sweep = Sweep::<V, M>::new(cx, counts, seed)?;
    for number in 0..count {
        let growing = number * 4 / count % 2 == 0;
        if number % 2 == 0 {
            sweep.step::<Kernel>(cx, counts, growing)?;
        } else {
            sweep.step::<NoWait>(cx, counts, growing)?;
        }
        inject::breathe();
    }
    let ledger = sweep.ledger.clone();
    drop(sweep);
    ensure!(ledger.sound(), "a dead value was touched\n");
    ensure!(ledger.alive() == 0, "{} values leaked\n", ledger.alive());
    Ok(())
}
