// SPDX-License-Identifier: GPL-2.0

//! A cursor that walks about in a tree and changes it, each step compared with the model.

use super::{
    super::{
        super::{
            Cause,
            Cursor,
            Mode,
            Range, //
        },
        hold::Hold,
        ledger::{
            Boxed,
            Keeps, //
        },
        model::Model,
        random::Random,
        Cx,
        Gfp,
        Process, //
    },
    Checked,
    Ledger, //
};
use crate::gfp::Allocate;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Steps of one cursor.
const STEPS: usize = 12;

/// Where a cursor should be: at cells.
#[derive(Clone, Copy, Debug)]
enum Place {
    Before,
    At(usize, usize),
    After,
}

/// What a cursor came to, or a model says.
type Found = Option<(Range, usize)>;

/// What one walk needs, beside the cursor.
struct Walk<'a> {
    model: &'a mut Model,
    random: &'a mut Random,
    ledger: &'a Arc<Ledger>,
    tag: &'a mut usize,
    /// The cells that the cursor walks among.
    first: usize,
    last: usize,
    place: Place,
}

fn shown<V: Boxed>(found: Option<(Range, V::Ref<'_>)>) -> Found {
    found.map(|(range, value)| (range, V::token(&value).tag))
}

impl<H: Hold<V, M>, V: Boxed, M: Keeps<V>> Checked<H, V, M> {
    /// Lets a cursor walk about among some cells.
    pub(in super::super) fn walk(
        &mut self,
        cx: &mut Cx<'_, Process>,
        random: &mut Random,
        first: usize,
        last: usize,
    ) -> Result {
        let Self {
            tree,
            model,
            ledger,
            tag,
            ..
        } = self;
        tree.with(cx, |tree, gfp| {
            let mut walk = Walk {
                random,
                ledger,
                tag,
                first,
                last,
                place: Place::Before,
                model,
            };
            let mut cursor = tree.cursor(walk.model.range(first, last));
            for _ in 0..STEPS {
                walk.step(&mut cursor, gfp)?;
                walk.look(&cursor)?;
            }
            Ok(())
        })
    }
}

impl Walk<'_> {
    fn step<V: Boxed, M: Mode<V>, C: Allocate>(
        &mut self,
        cursor: &mut Cursor<'_, '_, V, M>,
        gfp: &mut Gfp<'_, C>,
    ) -> Result {
        match self.random.below(10) {
            0..=2 => self.go(cursor, true),
            3 => self.go(cursor, false),
            4 => {
                let cell = self.random.below(self.model.len());
                self.seek(cursor, cell)
            }
            5..=6 => self.replace(cursor, gfp),
            7 => self.remove(cursor, gfp),
            _ => self.insert(cursor, gfp),
        }
    }

    /// The value that it should stand at.
    fn value(&self) -> Found {
        match self.place {
            Place::At(cell, _) => self.model.value(cell),
            Place::Before | Place::After => None,
        }
    }

    /// To the next one, or the one before.
    fn go<V: Boxed, M: Mode<V>>(&mut self, cursor: &mut Cursor<'_, '_, V, M>, up: bool) -> Result {
        let beyond = match (self.place, up) {
            (Place::Before, true) | (Place::After, false) => Some((self.first, self.last)),
            (Place::Before, false) | (Place::After, true) => None,
            (Place::At(_, last), true) => Some((last + 1, self.last)),
            (Place::At(first, _), false) => first.checked_sub(1).map(|before| (self.first, before)),
        };
        let beyond = beyond.filter(|(first, last)| first <= last);
        let wanted = beyond.and_then(|(first, last)| match up {
            true => self.model.values(first, last).next(),
            false => self.model.values_rev(first, last).next(),
        });
        let found = match up {
            true => shown::<V>(cursor.next()),
            false => shown::<V>(cursor.prev()),
        };
        ensure!(
            found == wanted,
            "from {:?} it goes to {found:?}, not {wanted:?}\n",
            self.place
        );
        self.place = match wanted {
            Some((range, _)) => self.at(range),
            None if up => Place::After,
            None => Place::Before,
        };
        Ok(())
    }

    fn seek<V: Boxed, M: Mode<V>>(
        &mut self,
        cursor: &mut Cursor<'_, '_, V, M>,
        cell: usize,
    ) -> Result {
        self.place = if cell < self.first {
            Place::Before
        } else if cell > self.last {
            Place::After
        } else {
            let (first, last, _) = self.model.run(cell);
            Place::At(first, last)
        };
        let found = shown::<V>(cursor.seek(self.model.range(cell, cell).first()));
        let wanted = self.value();
        ensure!(found == wanted, "{found:?} is at cell {cell}\n");
        Ok(())
    }

    fn replace<V: Boxed, M: Mode<V>, C: Allocate>(
        &mut self,
        cursor: &mut Cursor<'_, '_, V, M>,
        gfp: &mut Gfp<'_, C>,
    ) -> Result {
        *self.tag += 1;
        let value = V::make(gfp, self.ledger, *self.tag)?;
        let done = cursor.replace(value).map(drop);
        let done = done.map_err(|error| (error.value.own().tag, error.cause));
        let wanted = match (self.value(), self.place) {
            (Some(_), Place::At(first, last)) => {
                self.model.fill(first, last, *self.tag);
                Ok(())
            }
            (_, _) => Err((*self.tag, Cause::NotThere)),
        };
        ensure!(done == wanted, "{done:?} at {:?}\n", self.place);
        Ok(())
    }

    fn remove<V: Boxed, M: Mode<V>, C: Allocate>(
        &mut self,
        cursor: &mut Cursor<'_, '_, V, M>,
        gfp: &mut Gfp<'_, C>,
    ) -> Result {
        let removed = cursor.remove(gfp)?.map(|(range, _)| range);
        let wanted = self.value();
        ensure!(
            removed == wanted.map(|(range, _)| range),
            "{removed:?} is removed, not {wanted:?}\n"
        );
        if let (Some(_), Place::At(first, last)) = (wanted, self.place) {
            self.model.fill(first, last, 0);
        }
        Ok(())
    }

    /// Beside where it is, mostly.
    fn insert<V: Boxed, M: Mode<V>, C: Allocate>(
        &mut self,
        cursor: &mut Cursor<'_, '_, V, M>,
        gfp: &mut Gfp<'_, C>,
    ) -> Result {
        let end = self.model.len() - 1;
        let first = match (self.random.below(3), self.place) {
            (0, Place::At(_, last)) => (last + 1).min(end),
            (1, Place::At(first, _)) => first.saturating_sub(1),
            (_, _) => self.random.below(end + 1),
        };
        let last = (first + self.random.below(4)).min(end);
        *self.tag += 1;
        let value = V::make(&mut *gfp, self.ledger, *self.tag)?;
        let done = cursor.insert(gfp, self.model.range(first, last), value);
        let done = done.map_err(|error| (error.value.own().tag, error.cause));
        if !self.model.is_free(first, last) {
            let wanted = Err((*self.tag, Cause::Occupied));
            ensure!(done == wanted, "{done:?} where something is\n");
            return Ok(());
        }
        ensure!(done == Ok(()), "{done:?} where nothing is\n");
        self.model.fill(first, last, *self.tag);
        self.place = if last < self.first {
            Place::Before
        } else if first > self.last {
            Place::After
        } else {
            Place::At(first, last)
        };
        Ok(())
    }

    /// The cells of a value.
    fn at(&self, range: Range) -> Place {
        let cell = self.model.cell(range.first());
        let (first, last, _) = self.model.run(cell);
        Place::At(first, last)
    }

    /// Looks where the cursor is.
    fn look<V: Boxed, M: Mode<V>>(&self, cursor: &Cursor<'_, '_, V, M>) -> Result {
        let (here, wanted) = (shown::<V>(cursor.current()), self.value());
        ensure!(here == wanted, "it is at {here:?}, not {wanted:?}\n");
        let gap = match self.place {
            Place::At(cell, _) if self.model.tag(cell) == 0 => Some(self.gap(cell)),
            Place::At(..) | Place::Before | Place::After => None,
        };
        let found = cursor.gap();
        ensure!(found == gap, "the gap is {gap:?}, not {found:?}\n");
        Ok(())
    }

    /// The gap around a cell, as much of it as the cursor walks in.
    fn gap(&self, cell: usize) -> Range {
        let (first, last, _) = self.model.run(cell);
        self.model.range(first.max(self.first), last.min(self.last))
    }
}
