// SPDX-License-Identifier: GPL-2.0

//! Places for values that are to come: slots that are reserved, and room that is looked for. And an
//! end to all of it.

use super::{
    super::{
        super::{
            Cause,
            Cycle,
            Locked,
            Range,
            Room, //
        },
        hold::Hold,
        ledger::Boxed,
        model::RESERVED,
        rooms::{
            Ask,
            Rooms,
            Way, //
        },
        Cx,
        Process, //
    },
    Checked,
    Source,
    Supply, //
};
use kernel::prelude::*;

/// Slots that are reserved at one time, at most.
pub(super) const SLOTS: usize = 6;

impl<H: Hold<V, M>, V: Boxed, M: Rooms<V>> Checked<H, V, M> {
    /// Puts a value where there is room for so many cells that begin at a multiple of `align` cells.
    pub(in super::super) fn alloc(
        &mut self,
        cx: &mut Cx<'_, Process>,
        source: Source,
        way: Way,
        (size, align): (usize, usize),
        (first, last): (usize, usize),
    ) -> Result {
        let cell = self.model.range(0, 0);
        let cell = cell.last() - cell.first() + 1;
        let room = Room::new(size * cell)?.aligned(align * cell)?;
        let wanted = self.fit(way, (size, align * cell), (first, last));
        let (value, supply) = (self.value(cx)?, self.supply(cx, source)?);
        let ask = Ask {
            way,
            room,
            within: self.model.range(first, last),
        };
        let Self {
            tree, cycle, kept, ..
        } = self;
        let before = *cycle;
        let done = tree.with(cx, |tree, gfp| {
            nodes!(supply, gfp, *kept, |nodes| M::alloc(
                tree, nodes, &ask, cycle, value
            ))
        });
        let Some(found) = wanted else {
            let refused = done.map_err(|error| (error.value.own().tag, error.cause));
            let wanted = Err((self.tag, Cause::Full));
            ensure!(refused == wanted, "{refused:?}, and there is no room\n");
            ensure!(self.cycle == before, "the cycle goes on without a value\n");
            return Ok(());
        };
        let wanted = self.model.range(found, found + size - 1);
        let done = done.map_err(|error| error.cause);
        ensure!(done == Ok(wanted), "{done:?}, and {wanted:?} is it\n");
        self.model.fill(found, found + size - 1, self.tag);
        if way == Way::Next {
            self.next = found + size;
        }
        Ok(())
    }

    /// The first of so many cells where there is room.
    fn fit(
        &self,
        way: Way,
        (size, align): (usize, usize),
        (first, last): (usize, usize),
    ) -> Option<usize> {
        let end = (last + 1).checked_sub(size)?;
        let fits = |cell: &usize| {
            self.model.range(*cell, *cell).first() % align == 0
                && self.model.is_free(*cell, cell + size - 1)
        };
        match way {
            Way::Lowest => (first..=end).find(fits),
            Way::Highest => (first..=end).rfind(fits),
            Way::Next => (first.max(self.next)..=end)
                .find(fits)
                .or_else(|| (first..=end).find(fits)),
        }
    }

    /// Begins another cycle, at a cell.
    pub(in super::super) fn begin_cycle(&mut self, cell: usize) {
        self.cycle = Cycle::new(self.model.range(cell, cell).first());
        self.next = cell;
    }

    /// Reserves some cells, if that may be; fills or gives back others if there are many.
    pub(in super::super) fn reserve(
        &mut self,
        cx: &mut Cx<'_, Process>,
        source: Source,
        first: usize,
        last: usize,
    ) -> Result {
        if self.slots.len() == SLOTS {
            return self.settle(cx, source, first, first % 2 == 0);
        }
        let supply = self.supply(cx, source)?;
        let range = self.model.range(first, last);
        let done = self.tree.with(cx, |tree, gfp| {
            nodes!(supply, gfp, self.kept, |nodes| tree
                .reserve_slot(nodes, range))
        });
        match done {
            Ok(slot) => {
                ensure!(
                    self.model.is_free(first, last),
                    "what was there is reserved\n"
                );
                ensure!(slot.range() == range, "the slot is another one\n");
                self.tag += 1;
                self.model.fill(first, last, RESERVED + self.tag);
                let slot = (slot, first, last);
                self.slots.push_within_capacity(slot).map_err(|_| ENOMEM)?;
            }
            Err(cause) => {
                ensure!(
                    !self.model.is_free(first, last) && cause == Cause::Occupied,
                    "a gap is not reserved: {cause:?}\n"
                );
            }
        }
        Ok(())
    }

    /// Fills a slot or gives it back, if there is one.
    pub(in super::super) fn settle(
        &mut self,
        cx: &mut Cx<'_, Process>,
        source: Source,
        number: usize,
        fill: bool,
    ) -> Result {
        if self.slots.is_empty() {
            return Ok(());
        }
        let number = number % self.slots.len();
        let (slot, first, last) = self.slots.remove(number).map_err(|_| EINVAL)?;
        if fill {
            let value = self.value(cx)?;
            let done = self.tree.with(cx, |tree, _| tree.fill(slot, value).is_ok());
            ensure!(done, "a slot is not filled\n");
            self.model.fill(first, last, self.tag);
            return Ok(());
        }
        let supply = self.supply(cx, source)?;
        let done = self.tree.with(cx, |tree, gfp| {
            nodes!(supply, gfp, self.kept, |nodes| tree.release(slot, nodes))
        });
        let cause = done.err().map(|error| error.cause);
        ensure!(cause.is_none(), "a slot is not given back: {cause:?}\n");
        self.model.fill(first, last, 0);
        Ok(())
    }

    /// Takes all out, if no slot is reserved.
    pub(in super::super) fn drain(&mut self, cx: &mut Cx<'_, Process>) -> Result {
        let Self {
            tree, model, slots, ..
        } = self;
        let end = model.len() - 1;
        let mut wanted = model.values(0, end);
        let mut right = true;
        let done = tree.with(cx, |tree, _| {
            let done = tree.drain(|range, value| {
                let token = M::token(&value);
                right &= token.id() >= 0 && wanted.next() == Some((range, token.tag));
            });
            done.map(|()| is_bare(tree))
        });
        if !slots.is_empty() {
            ensure!(
                done == Err(Cause::Reserved),
                "{done:?}, and slots are reserved\n"
            );
            return Ok(());
        }
        ensure!(done == Ok(true), "something is left, or {done:?}\n");
        ensure!(
            right && wanted.next().is_none(),
            "something else came out\n"
        );
        drop(wanted);
        self.model.fill(0, end, 0);
        Ok(())
    }
}

/// Whether a tree has neither values nor nodes.
fn is_bare<V: Boxed, M: Rooms<V>>(tree: &Locked<'_, '_, V, M>) -> bool {
    tree.is_empty() && tree.height() == 0 && tree.iter(Range::ALL).next().is_none()
}
