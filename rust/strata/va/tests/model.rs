// SPDX-License-Identifier: GPL-2.0

//! A space as an array: what is at each address. It knows of no mappings, of no trees and of no
//! plan; whatever it is asked it does one address at a time.

use super::gpu::{
    faults,
    Ask,
    Gpu, //
};
use crate::{
    gfp::{
        Allocate,
        Gfp, //
    },
    va::{
        Backing,
        Done,
        Mapping,
        Op,
        Space,
        Span,
        View, //
    },
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    /// The mapping: its neighbours have the same if they are of the same.
    mapping: u64,
    number: u64,
    object: usize,
    /// Where in the object.
    at: u64,
}

/// What a page table has for an address: the object, and where in it.
type Entry = Option<(usize, u64)>;

pub(super) struct Model {
    cells: KVec<Option<Cell>>,
    /// A page table that is programmed with the operations of commits, and nothing else.
    table: KVec<Entry>,
    mappings: u64,
}

fn filled<C: Allocate, T: Copy>(gfp: &mut Gfp<'_, C>, count: usize, value: T) -> Result<KVec<T>> {
    let mut values = gfp.vec(count)?;
    for _ in 0..count {
        gfp.push(&mut values, value)?;
    }
    Ok(values)
}

fn indices(span: Span) -> core::ops::Range<usize> {
    span.addr() as usize..span.end() as usize
}

impl Model {
    /// Of the addresses below `count`.
    pub(super) fn new<C: Allocate>(gfp: &mut Gfp<'_, C>, count: usize) -> Result<Self> {
        Ok(Self {
            cells: filled(gfp, count, None)?,
            table: filled(gfp, count, None)?,
            mappings: 0,
        })
    }

    fn fresh(&mut self) -> u64 {
        self.mappings += 1;
        self.mappings
    }

    fn mapping_at(&self, index: usize) -> Option<u64> {
        Some((*self.cells.get(index)?)?.mapping)
    }

    /// Does what is asked.
    pub(super) fn ask(&mut self, ask: Ask, number: u64) {
        match ask {
            Ask::Map {
                addr,
                length,
                object,
                offset,
            } => {
                let mapping = self.fresh();
                for index in addr..addr + length {
                    self.set(
                        index as usize,
                        Some(Cell {
                            mapping,
                            number,
                            object,
                            at: offset + (index - addr),
                        }),
                    );
                }
            }
            Ask::Unmap { addr, length } => {
                for index in addr..addr + length {
                    self.set(index as usize, None);
                }
            }
            Ask::Split { addr, length } => {
                self.cut(addr as usize);
                self.cut((addr + length) as usize);
            }
            Ask::SplitSparse { addr, length } => {
                for border in [addr as usize, (addr + length) as usize] {
                    // Object 0 is none.
                    let cell = self.cells.get(border).copied().flatten();
                    if cell.is_some_and(|cell| cell.object == 0) {
                        self.cut(border);
                    }
                }
            }
        }
    }

    fn set(&mut self, index: usize, cell: Option<Cell>) {
        if let Some(slot) = self.cells.get_mut(index) {
            *slot = cell;
        }
    }

    /// What is from `border` on is another mapping than what is before.
    fn cut(&mut self, border: usize) {
        let Some(old) = border
            .checked_sub(1)
            .and_then(|before| self.mapping_at(before))
        else {
            return;
        };
        let new = self.fresh();
        for cell in self.cells.iter_mut().skip(border) {
            match cell {
                Some(cell) if cell.mapping == old => cell.mapping = new,
                _ => break,
            }
        }
    }

    /// Programs the page table with what was done, and says whether it had what was displaced.
    pub(super) fn program(&mut self, done: &Done<'_, Gpu>) -> bool {
        let mut had = true;
        for op in done.ops() {
            match op {
                Op::Unmap { old, .. } | Op::Remap { old, .. } | Op::Cut { old, .. } => {
                    had &= indices(old.span())
                        .all(|index| self.table.get(index) == Some(&entry(old, index)));
                }
                Op::Map { piece, object } => {
                    let id = object.map_or(0, Backing::id);
                    self.program_span(piece.span(), |index| {
                        Some((id, piece.offset_at(index as u64)?))
                    });
                }
            }
            if let Some(span) = op.unmapped() {
                self.program_span(span, |_| None);
            }
        }
        had
    }

    fn program_span(&mut self, span: Span, entry: impl Fn(usize) -> Entry) {
        for index in indices(span) {
            if let Some(slot) = self.table.get_mut(index) {
                *slot = entry(index);
            }
        }
    }

    /// Whether `keep` is said where the page table stays as it is, and there alone.
    pub(super) fn keeps_what_stays(&self, done: &Done<'_, Gpu>) -> bool {
        done.ops().all(|op| {
            let keep = match op {
                Op::Unmap { keep, .. } | Op::Remap { keep, .. } => keep,
                Op::Cut { .. } | Op::Map { .. } => return true,
            };
            let Some(span) = op.unmapped() else {
                return false;
            };
            // Sparse mappings, of object 0, never keep.
            let mut stays = indices(span).map(|index| {
                let cell = self.cells.get(index).copied().flatten();
                let new = cell.map(|cell| (cell.object, cell.at));
                new.is_some_and(|(object, _)| object != 0) && Some(&new) == self.table.get(index)
            });
            keep == stays.all(|stays| stays)
        })
    }

    /// Whether the space is as the model is.
    pub(super) fn is(&self, space: &Space<Gpu>) -> bool {
        let guard = rcu::read_lock();
        let found = |index: usize| space.find(&guard, index as u64);
        let agrees = (0..self.cells.len()).all(|index| self.agrees(index, found(index)));
        faults() == 0 && agrees && space.read(&guard, |view| self.is_seen(view, space))
    }

    /// Whether the page table is as the model is.
    pub(super) fn is_programmed(&self) -> bool {
        let cells = self
            .cells
            .iter()
            .map(|cell| cell.map(|cell| (cell.object, cell.at)));
        cells.eq(self.table.iter().copied())
    }

    fn agrees(&self, index: usize, found: Option<&Mapping<Gpu>>) -> bool {
        match (self.cells.get(index), found) {
            (Some(Some(cell)), Some(mapping)) => {
                let entry = entry(mapping, index);
                entry == Some((cell.object, cell.at)) && mapping.data().number() == cell.number
            }
            (Some(None), None) => true,
            (Some(_) | None, _) => false,
        }
    }

    /// Whether a walk finds each mapping once, at all of its addresses and at no other.
    fn is_seen<R: crate::cx::Rank>(&self, view: &View<'_, Gpu, R>, space: &Space<Gpu>) -> bool {
        let mut passed = 0;
        for mapping in view.iter(space.limits().space()) {
            let own = indices(mapping.span());
            let gap = passed..own.start;
            let id = self.mapping_at(own.start);
            let whole = own.clone().all(|index| self.mapping_at(index) == id);
            let before = own
                .start
                .checked_sub(1)
                .and_then(|index| self.mapping_at(index));
            let borders = before != id && self.mapping_at(own.end) != id;
            if !gap.clone().all(|index| self.agrees(index, None)) || !whole || !borders {
                return false;
            }
            passed = own.end;
        }
        (passed..self.cells.len()).all(|index| self.agrees(index, None))
    }
}

fn entry(mapping: &Mapping<Gpu>, index: usize) -> Entry {
    let at = mapping.piece().offset_at(index as u64)?;
    Some((mapping.object().map_or(0, Backing::id), at))
}
