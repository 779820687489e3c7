// SPDX-License-Identifier: GPL-2.0

//! What a tree should hold, as a flat array: a cell for so many indices, with the tag of the value.
//!
//! Cells side by side with the same tag are one value: a test uses a tag once, and the rests of a
//! value, which have its tag, have something else between them.

use super::{
    gfp,
    Cx,
    Process,
    Range, //
};
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// The first of the tags that say of a cell that it is reserved: nothing is there, and nothing may go
/// there.
pub(super) const RESERVED: usize = 1 << 31;

/// Whether a tag is a value's.
fn is_value(tag: usize) -> bool {
    tag != 0 && tag < RESERVED
}

/// Where the cells of a model stand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// A cell is an index, from the first one.
    Low,
    /// A cell is 4096 indices, from somewhere.
    Pages,
    /// A cell is an index, up to the last one.
    High,
}

/// What a tree should hold. A tag of 0 is nothing.
pub(super) struct Model {
    cells: KVVec<u32>,
    first: usize,
    shift: u32,
}

impl Model {
    /// `count` empty cells.
    pub(super) fn new(cx: &mut Cx<'_, Process>, count: usize, place: Place) -> Result<Self> {
        let mut cells = gfp::kernel(cx).large_vec(count)?;
        for _ in 0..count {
            cells.push_within_capacity(0).map_err(|_| ENOMEM)?;
        }
        let (first, shift) = match place {
            Place::Low => (0, 0),
            Place::Pages => (0x7f00_0000_0000, 12),
            Place::High => (usize::MAX - (count - 1), 0),
        };
        Ok(Self {
            cells,
            first,
            shift,
        })
    }

    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The indices of some cells, of which `last` is one.
    pub(super) fn range(&self, first: usize, last: usize) -> Range {
        let start = self.first + (first << self.shift);
        let end = self.first + (last << self.shift) + ((1 << self.shift) - 1);
        // A test asks for cells that there are.
        Range::new(start, end).unwrap_or(Range::ALL)
    }

    /// The cell of an index, which has one.
    pub(super) fn cell(&self, index: usize) -> usize {
        (index - self.first) >> self.shift
    }

    /// The tag in a cell.
    pub(super) fn tag(&self, cell: usize) -> usize {
        self.cells.get(cell).map_or(0, |tag| *tag as usize)
    }

    /// The cells around `cell` that have what it has: first, last, tag.
    pub(super) fn run(&self, cell: usize) -> (usize, usize, usize) {
        let tag = self.tag(cell);
        let differs = |other: &u32| *other as usize != tag;
        let before = self.cells.get(..cell).unwrap_or(&[]);
        let first = before.iter().rposition(differs).map_or(0, |at| at + 1);
        let after = self.cells.get(cell..).unwrap_or(&[]);
        let length = after.iter().position(differs).unwrap_or(after.len());
        (first, cell + length - 1, tag)
    }

    /// The value in a cell, with all that it stands at.
    pub(super) fn value(&self, cell: usize) -> Option<(Range, usize)> {
        let (first, last, tag) = self.run(cell);
        is_value(tag).then(|| (self.range(first, last), tag))
    }

    /// Whether some cells have nothing, and none of them is reserved.
    pub(super) fn is_free(&self, first: usize, last: usize) -> bool {
        (first..=last).all(|cell| self.tag(cell) == 0)
    }

    /// Whether one of some cells is reserved.
    pub(super) fn is_reserved(&self, first: usize, last: usize) -> bool {
        (first..=last).any(|cell| self.tag(cell) >= RESERVED)
    }

    /// What stands in some cells, upwards: values and reserved slots with all that they stand at, and
    /// gaps of which those at the ends are cut off there. Slots have the tag of gaps.
    pub(super) fn runs(&self, first: usize, last: usize) -> Runs<'_> {
        Runs {
            model: self,
            next: Some(first),
            first,
            last,
        }
    }

    /// Values that some cells meet, upwards.
    pub(super) fn values(
        &self,
        first: usize,
        last: usize,
    ) -> impl Iterator<Item = (Range, usize)> + '_ {
        self.runs(first, last).filter(|(_, tag)| *tag != 0)
    }

    /// The same downwards.
    pub(super) fn values_rev(
        &self,
        first: usize,
        last: usize,
    ) -> impl Iterator<Item = (Range, usize)> + '_ {
        let mut next = Some(last);
        let runs = core::iter::from_fn(move || {
            let cell = next.filter(|cell| *cell >= first)?;
            let (first, last, tag) = self.run(cell);
            next = first.checked_sub(1);
            Some((self.range(first, last), tag))
        });
        runs.filter(|(_, tag)| is_value(*tag))
    }

    /// Says what stands in some cells from now on.
    pub(super) fn fill(&mut self, first: usize, last: usize, tag: usize) {
        if let Some(cells) = self.cells.get_mut(first..=last) {
            cells.fill(tag as u32);
        }
    }

    /// Whether `found`, what a tree says that it holds, is what it should hold.
    pub(super) fn agrees(&self, found: impl Iterator<Item = (Range, usize)>) -> bool {
        found.eq(self.values(0, self.len() - 1))
    }
}

/// See [`Model::runs`].
pub(super) struct Runs<'a> {
    model: &'a Model,
    next: Option<usize>,
    first: usize,
    last: usize,
}

impl Iterator for Runs<'_> {
    type Item = (Range, usize);

    fn next(&mut self) -> Option<(Range, usize)> {
        let cell = self.next.filter(|cell| *cell <= self.last)?;
        let (mut first, mut last, tag) = self.model.run(cell);
        self.next = Some(last + 1);
        if tag == 0 {
            first = first.max(self.first);
            last = last.min(self.last);
        }
        let tag = if is_value(tag) { tag } else { 0 };
        Some((self.model.range(first, last), tag))
    }
}
