// SPDX-License-Identifier: GPL-2.0

//! A tree of some size with the model that it should be like, and what may be done to it next.

use super::{
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
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::SignalLock,
    maple::{
        Locked,
        MapleTree,
        Range,
        Spin, //
    },
    prelude::*,
};

/// Cells to a value, at first: most of them stand in gaps.
const APART: usize = 4;
/// Cells that the smallest model has.
const LEAST: usize = 12;

/// What one store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Insert,
    Store,
    Erase,
    EraseRange,
}

/// One store, at some cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// A tree that has grown to some size.
pub(crate) struct Grown<V: Boxed, M: Keeps<V>> {
    pub(crate) tree: Pin<KBox<MapleTree<V, Spin, M>>>,
    pub(crate) books: Books,
    pub(crate) random: Random,
    ledger: Arc<Ledger>,
    tag: usize,
}

/// What should be in it.
pub(crate) struct Books {
    pub(crate) model: Model,
    /// How many values that are.
    pub(crate) entries: usize,
    /// How many there should be, about.
    wanted: usize,
}

impl Books {
    /// Enters what a store did.
    pub(crate) fn enter(&mut self, plan: &Plan, tag: usize) {
        let around = (
            plan.first.saturating_sub(1),
            (plan.last + 1).min(self.model.len() - 1),
        );
        let count = |model: &Model| model.values(around.0, around.1).count();
        let before = count(&self.model);
        let (first, last) = match plan.kind {
            Kind::Erase => {
                let (first, last, _) = self.model.run(plan.first);
                (first, last)
            }
            _ => (plan.first, plan.last),
        };
        let gone = matches!(plan.kind, Kind::Erase | Kind::EraseRange);
        self.model.fill(first, last, if gone { 0 } else { tag });
        self.entries = self.entries + count(&self.model) - before;
    }

    /// Whether an insert may be done.
    pub(crate) fn free(&self, plan: &Plan) -> bool {
        self.model.values(plan.first, plan.last).next().is_none()
    }

    /// What is displaced by a store.
    pub(crate) fn met(&self, plan: &Plan) -> impl Iterator<Item = (Range, usize)> + '_ {
        let last = match plan.kind {
            Kind::Erase => plan.first,
            _ => plan.last,
        };
        self.model.values(plan.first, last)
    }

    pub(crate) fn range(&self, plan: &Plan) -> Range {
        self.model.range(plan.first, plan.last)
    }
}

impl<V: Boxed, M: Keeps<V>> Grown<V, M> {
    /// A tree of so many values.
    pub(crate) fn new(cx: &mut Cx<'_, Process>, entries: usize, seed: u32) -> Result<Self> {
        let cells = (APART * entries).max(LEAST);
        let tree = MapleTree::<V, Spin, M>::new(cx, strata::lock_class!(SignalLock, "fire"));
        let mut grown = Self {
            tree: gfp::kernel(cx).boxed_init(tree)?,
            books: Books {
                model: Model::new(cx, cells, Place::Pages)?,
                entries: 0,
                wanted: entries,
            },
            random: Random::new(seed),
            ledger: Ledger::new(cx)?,
            tag: 0,
        };
        grown.refill(cx, 0, APART * entries)?;
        Ok(grown)
    }

    /// Inserts the values of the cells from `first` to before `end` that a tree has at first, where
    /// nothing else is.
    pub(crate) fn refill(&mut self, cx: &mut Cx<'_, Process>, first: usize, end: usize) -> Result {
        for number in first.div_ceil(APART)..end / APART {
            let plan = insert(number);
            let model = &self.books.model;
            // Not `free()`, which looks for the ends of a gap.
            if (plan.first..=plan.last).any(|cell| model.tag(cell) != 0) {
                continue;
            }
            let value = self.value(cx)?;
            let range = self.books.range(&plan);
            self.tree.lock(cx, |tree, cx| {
                tree.insert(&mut gfp::nowait(cx), range, value)
            })?;
            self.books.model.fill(plan.first, plan.last, self.tag);
            self.books.entries += 1;
            inject::breathe();
        }
        Ok(())
    }

    /// A value with a tag of its own.
    pub(crate) fn value(&mut self, cx: &mut Cx<'_, Process>) -> Result<V> {
        self.tag += 1;
        V::make(&mut gfp::kernel(cx), &self.ledger, self.tag)
    }

    /// What may be done next: so that there are about as many values as there should be.
    pub(crate) fn plan(&mut self) -> Plan {
        let model = &self.books.model;
        let cells = model.len();
        let first = self.random.below(cells);
        let kind = match self.random.below(100) {
            0..=34 => Kind::Store,
            35..=91 if self.books.entries < self.books.wanted => Kind::Insert,
            35..=44 => Kind::Insert,
            45..=89 => Kind::Erase,
            _ => Kind::EraseRange,
        };
        let longest = match self.random.below(100) {
            0..=79 => 3,
            80..=96 => 40,
            97..=98 => 200,
            _ => 1000,
        };
        let last = (first + self.random.below(longest)).min(cells - 1);
        let (from, to, tag) = model.run(first);
        match kind {
            // Where there is a gap, mostly.
            Kind::Insert if tag == 0 => Plan {
                kind,
                first,
                last: last.min(to),
            },
            Kind::Insert if to + 1 < cells && model.tag(to + 1) == 0 => Plan {
                kind,
                first: to + 1,
                last: to + 1,
            },
            // Where there is something.
            Kind::Erase | Kind::EraseRange if tag == 0 && from > 0 => Plan {
                kind,
                first: from - 1,
                last,
            },
            _ => Plan { kind, first, last },
        }
    }

    /// Compares all of it, and has the kernel look too.
    pub(crate) fn compare(&self, cx: &mut Cx<'_, Process>) -> Result {
        let agrees = self.tree.lock(cx, |tree, _| {
            tree.validate();
            self.books
                .model
                .agrees(tree.iter(Range::ALL).map(tagged::<V>))
        });
        ensure!(agrees, "the tree holds something else\n");
        ensure!(self.ledger.sound(), "a dead value was touched\n");
        Ok(())
    }

    /// Drops the tree, and says if that was not the end of all values.
    pub(crate) fn end(self) -> Result {
        let ledger = self.ledger.clone();
        drop(self);
        ensure!(ledger.sound(), "a dead value was touched\n");
        ensure!(ledger.alive() == 0, "{} values leaked\n", ledger.alive());
        Ok(())
    }
}

/// The insert of one of the values that a tree has at first.
pub(crate) fn insert(number: usize) -> Plan {
    let first = number * APART;
    Plan {
        kind: Kind::Insert,
        first,
        last: first + number % (APART - 1),
    }
}

/// Whether the tree holds around some cells what it should.
pub(crate) fn same_around<V: Boxed, M: Keeps<V>>(
    tree: &Locked<'_, '_, V, M>,
    model: &Model,
    plan: &Plan,
) -> bool {
    let first = plan.first.saturating_sub(40);
    let last = (plan.last + 40).min(model.len() - 1);
    let found = tree.iter(model.range(first, last)).map(tagged::<V>);
    found.eq(model.values(first, last))
}

/// What a walk came to, with a look at whether it is alive.
pub(crate) fn tagged<V: Boxed>((range, value): (Range, V::Ref<'_>)) -> (Range, usize) {
    let token = V::token(&value);
    token.id();
    (range, token.tag)
}
