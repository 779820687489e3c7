// SPDX-License-Identifier: GPL-2.0

//! A tree and the model that it should be like: each call is compared, with what it gives back.

use super::{
    super::{
        Cause,
        Cycle,
        Locked,
        Range,
        Reservation,
        Slot,
        Spares, //
    },
    gfp,
    hold::Hold,
    ledger::{
        Boxed,
        Keeps,
        Ledger, //
    },
    model::{
        Model,
        Place, //
    },
    Cx,
    Process, //
};
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Stores for which the reservation is made that is used for more than one.
const STORES: usize = 3;

/// Where the nodes of a store come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Memory of now.
    Now,
    /// A reservation of its own.
    Once,
    /// One that is used for some stores.
    Kept,
}

/// The nodes of one store.
pub(super) enum Supply {
    Now,
    Once(Reservation),
    Kept,
}

/// Runs a store with its nodes.
macro_rules! nodes {
    ($supply:expr, $gfp:expr, $kept:expr, |$nodes:ident| $store:expr) => {
        match $supply {
            Supply::Now => {
                let $nodes = $gfp;
                $store
            }
            Supply::Once(reservation) => {
                let $nodes = reservation;
                $store
            }
            Supply::Kept => {
                let $nodes = &mut $kept;
                $store
            }
        }
    };
}

mod places;
mod walk;

/// A tree and its model.
pub(super) struct Checked<H, V: Boxed, M: Keeps<V>> {
    pub(super) tree: H,
    pub(super) model: Model,
    pub(super) ledger: Arc<Ledger>,
    /// Slots that are reserved, with their first and last cells.
    slots: KVec<(Slot, usize, usize)>,
    cycle: Cycle,
    /// The cell behind the last one that the cycle came to.
    next: usize,
    spares: Spares<V>,
    kept: Reservation,
    /// Stores that `kept` is still good for.
    left: usize,
    /// The tag that was used last.
    tag: usize,
    _mode: PhantomData<M>,
}

impl<H: Hold<V, M>, V: Boxed, M: Keeps<V>> Checked<H, V, M> {
    /// An empty tree, for as many entries as there are cells.
    pub(super) fn new(cx: &mut Cx<'_, Process>, cells: usize, place: Place) -> Result<Self> {
        Ok(Self {
            tree: H::new(cx)?,
            model: Model::new(cx, cells, place)?,
            ledger: Ledger::new(cx)?,
            slots: gfp::kernel(cx).vec(places::SLOTS)?,
            cycle: Cycle::default(),
            next: 0,
            spares: Spares::new(&mut gfp::kernel(cx))?,
            kept: Reservation::new(&mut gfp::kernel(cx), cells, STORES)?,
            left: STORES,
            tag: 0,
            _mode: PhantomData,
        })
    }

    /// Drops it, and says if that was not the end of all values.
    pub(super) fn end(self) -> Result {
        let ledger = self.ledger.clone();
        drop(self);
        ensure!(ledger.sound(), "a dead value was touched\n");
        ensure!(ledger.alive() == 0, "{} values leaked\n", ledger.alive());
        Ok(())
    }

    fn supply(&mut self, cx: &mut Cx<'_, Process>, source: Source) -> Result<Supply> {
        let entries = self.model.len();
        Ok(match source {
            Source::Now => Supply::Now,
            Source::Once => Supply::Once(Reservation::new(&mut gfp::kernel(cx), entries, 1)?),
            Source::Kept => {
                if self.left == 0 {
                    self.kept = Reservation::new(&mut gfp::kernel(cx), entries, STORES)?;
                    self.left = STORES;
                }
                self.left -= 1;
                Supply::Kept
            }
        })
    }

    fn value(&mut self, cx: &mut Cx<'_, Process>) -> Result<V> {
        self.tag += 1;
        V::make(&mut gfp::kernel(cx), &self.ledger, self.tag)
    }

    /// Inserts, if that may be.
    pub(super) fn insert(
        &mut self,
        cx: &mut Cx<'_, Process>,
        source: Source,
        first: usize,
        last: usize,
    ) -> Result {
        let value = self.value(cx)?;
        let supply = self.supply(cx, source)?;
        let range = self.model.range(first, last);
        let done = self.tree.with(cx, |tree, gfp| {
            nodes!(supply, gfp, self.kept, |nodes| tree
                .insert(nodes, range, value))
        });
        let free = self.model.is_free(first, last);
        match done {
            Ok(()) => {
                ensure!(free, "what was there is lost\n");
                self.model.fill(first, last, self.tag);
            }
            Err(error) => {
                ensure!(!free, "a gap was not taken: {:?}\n", error.cause);
                ensure!(
                    error.cause == Cause::Occupied,
                    "it says {:?}\n",
                    error.cause
                );
                ensure!(
                    error.value.own().tag == self.tag,
                    "another value came back\n"
                );
            }
        }
        Ok(())
    }

    /// Stores a value, or nothing.
    pub(super) fn store(
        &mut self,
        cx: &mut Cx<'_, Process>,
        source: Source,
        first: usize,
        last: usize,
        something: bool,
    ) -> Result {
        let supply = self.supply(cx, source)?;
        self.store_from(cx, supply, first, last, something)
    }

    /// The same, with nodes that are there.
    pub(super) fn store_from(
        &mut self,
        cx: &mut Cx<'_, Process>,
        supply: Supply,
        first: usize,
        last: usize,
        something: bool,
    ) -> Result {
        let value = something.then(|| self.value(cx)).transpose()?;
        self.spares.refill(&mut gfp::kernel(cx))?;
        let Self {
            tree,
            model,
            spares,
            kept,
            ..
        } = self;
        let range = model.range(first, last);
        let mut wanted = model.values(first, last);
        let mut right = true;
        let done = tree.with(cx, |tree, gfp| {
            let out = |range, value: M::Out<'_>| {
                let token = M::token(&value);
                right &= token.id() >= 0 && wanted.next() == Some((range, token.tag));
            };
            nodes!(supply, gfp, *kept, |nodes| tree
                .store(nodes, range, value, spares, out))
        });
        let reserved = model.is_reserved(first, last);
        if let Err(error) = done {
            let cause = error.cause;
            ensure!(
                reserved && cause == Cause::Reserved,
                "not stored: {cause:?}\n"
            );
            let back = error.value.map_or(0, |value| value.own().tag);
            let tag = if something { self.tag } else { 0 };
            ensure!(back == tag, "another value came back\n");
            return Ok(());
        }
        ensure!(!reserved, "a slot that is reserved was stored to\n");
        ensure!(
            right && wanted.next().is_none(),
            "something else came out\n"
        );
        drop(wanted);
        self.model
            .fill(first, last, if something { self.tag } else { 0 });
        Ok(())
    }

    /// Takes out what is in a cell.
    pub(super) fn erase(
        &mut self,
        cx: &mut Cx<'_, Process>,
        source: Source,
        cell: usize,
    ) -> Result {
        let supply = self.supply(cx, source)?;
        let index = self.model.range(cell, cell).last();
        let erased = self.tree.with(cx, |tree, gfp| {
            let erased = nodes!(supply, gfp, self.kept, |nodes| tree.erase(nodes, index))?;
            let look = |(range, value)| (range, M::token(&value).tag, M::token(&value).id());
            Ok::<_, Error>(erased.map(look))
        })?;
        let wanted = self.model.value(cell);
        let found = erased.map(|(range, tag, _)| (range, tag));
        ensure!(found == wanted, "{found:?} came out, not {wanted:?}\n");
        if wanted.is_some() {
            let (first, last, _) = self.model.run(cell);
            self.model.fill(first, last, 0);
        }
        Ok(())
    }

    /// Replaces what stands at just these cells, if that is there.
    pub(super) fn replace(
        &mut self,
        cx: &mut Cx<'_, Process>,
        first: usize,
        last: usize,
    ) -> Result {
        let value = self.value(cx)?;
        let range = self.model.range(first, last);
        let old = self.model.value(first).filter(|(whole, _)| *whole == range);
        let done = self.tree.with(cx, |tree, _| {
            tree.replace(range, value)
                .map(|old| M::token(&old).tag)
                .map_err(|error| (error.value.own().tag, error.cause))
        });
        let wanted = match old {
            Some((_, tag)) => Ok(tag),
            None => Err((self.tag, Cause::NotThere)),
        };
        ensure!(done == wanted, "{done:?}, not {wanted:?}\n");
        if old.is_some() {
            self.model.fill(first, last, self.tag);
        }
        Ok(())
    }

    /// Compares what is around some cells.
    pub(super) fn look_at(
        &mut self,
        cx: &mut Cx<'_, Process>,
        first: usize,
        last: usize,
    ) -> Result {
        let Self { tree, model, .. } = self;
        let around = (first.saturating_sub(2), (last + 2).min(model.len() - 1));
        tree.with(cx, |tree, _| {
            for cell in [around.0, first, last, around.1] {
                look_at_cell(tree, model, cell)?;
            }
            let (first, last) = around;
            let range = model.range(first, last);
            let right = tree
                .iter(range)
                .map(tagged::<V>)
                .eq(model.values(first, last));
            ensure!(right, "a walk upwards comes to something else\n");
            let right = tree
                .iter_rev(range)
                .map(tagged::<V>)
                .eq(model.values_rev(first, last));
            ensure!(right, "a walk downwards comes to something else\n");
            let slots = tree
                .slots(range)
                .map(|(range, value)| (range, value.map_or(0, |value| V::token(&value).tag)));
            ensure!(slots.eq(model.runs(first, last)), "gaps are elsewhere\n");
            Ok(())
        })
    }

    /// Compares all, and has the kernel look too.
    pub(super) fn look_at_all(&mut self, cx: &mut Cx<'_, Process>) -> Result {
        let Self { tree, model, .. } = self;
        tree.with(cx, |tree, _| {
            tree.validate();
            ensure!(
                model.agrees(tree.iter(Range::ALL).map(tagged::<V>)),
                "it holds something else\n"
            );
            let empty = model.is_free(0, model.len() - 1);
            ensure!(tree.is_empty() == empty, "it is not as empty as it says\n");
            Ok(())
        })?;
        ensure!(self.ledger.sound(), "a dead value was touched\n");
        let values = self.model.values(0, self.model.len() - 1).map(|_| 1).sum();
        // Those that were retired may still wait.
        ensure!(self.ledger.alive() >= values, "a value died in the tree\n");
        Ok(())
    }
}

/// What a walk came to, with a look at whether it is alive.
fn tagged<V: Boxed>((range, value): (Range, V::Ref<'_>)) -> (Range, usize) {
    let token = V::token(&value);
    token.id();
    (range, token.tag)
}

/// Compares a cell and its neighbours.
fn look_at_cell<V: Boxed, M: Keeps<V>>(
    tree: &mut Locked<'_, '_, V, M>,
    model: &Model,
    cell: usize,
) -> Result {
    let (first, last, _) = model.run(cell);
    let here = model.range(cell, cell);
    let wanted = model.value(cell);
    let gap = wanted.is_none();
    for index in [here.first(), here.last()] {
        let entry = tree.entry(index);
        let found = entry.map(tagged::<V>);
        ensure!(
            found == wanted,
            "{found:?} stands at cell {cell}, not {wanted:?}\n"
        );
        let loaded = tree.load(index).map(|value| V::token(&value).tag);
        ensure!(
            loaded == wanted.map(|(_, tag)| tag),
            "{loaded:?} is at cell {cell}\n"
        );
    }
    // Where something stands, its neighbours are beyond it.
    let after = if gap { cell } else { last };
    let end = model.len() - 1;
    let wanted = (after < end)
        .then(|| model.values(after + 1, end).next())
        .flatten();
    let found = tree.next(here.last()).map(tagged::<V>);
    ensure!(
        found == wanted,
        "{found:?} comes after cell {cell}, not {wanted:?}\n"
    );
    let before = if gap { cell } else { first };
    let wanted = before
        .checked_sub(1)
        .and_then(|last| model.values_rev(0, last).next());
    let found = tree.prev(here.first()).map(tagged::<V>);
    ensure!(
        found == wanted,
        "{found:?} comes before cell {cell}, not {wanted:?}\n"
    );
    Ok(())
}
