// SPDX-License-Identifier: GPL-2.0

//! What a space should hold, as a flat array: a cell for a page, with the mapping that is there.
//!
//! Cells side by side with the same mapping are that mapping. It knows of no tree and of no plan:
//! what a request does is written into the cells, and what became of which mapping is read from them.

use super::gpu::Gpu;
use kernel::{
    alloc::KVVec,
    prelude::*, //
};
use strata::{
    gfp,
    prelude::{
        Cx,
        Process, //
    },
    va::{
        Backing,
        Mapping,
        Op,
        Piece,
        Span, //
    },
};

/// The address of the first cell.
const FIRST: u64 = 0x7f00_0000_0000;
/// Addresses of a cell.
const PAGE: u64 = 1 << 12;
/// Mappings that one request makes, at most: those of a split whose borders cross two.
pub(crate) const MADE: usize = 2;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// Object 0 is none.
    Map {
        object: usize,
        offset: u64,
    },
    Unmap,
    Split,
    SplitSparse,
}

/// One request, at some cells. What it maps has the number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) what: What,
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) number: usize,
}

impl Ask {
    pub(crate) fn span(&self) -> Result<Span> {
        span(self.first, self.last)
    }
}

/// The addresses of some cells, of which `last` is one.
fn span(first: usize, last: usize) -> Result<Span> {
    Span::new(address(first), (last - first + 1) as u64 * PAGE).map_err(|_| EINVAL)
}

fn address(cell: usize) -> u64 {
    FIRST + cell as u64 * PAGE
}

/// A mapping, or a part of one, as anybody sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    addr: u64,
    end: u64,
    object: usize,
    offset: u64,
}

impl Part {
    fn of(piece: Piece<usize>) -> Self {
        Self {
            addr: piece.span().addr(),
            end: piece.span().end(),
            object: piece.object().unwrap_or(0),
            offset: piece.offset(),
        }
    }
}

/// A part of a mapping with the number of that.
pub(crate) type Numbered = (Part, usize);

/// What is seen of a mapping.
pub(crate) fn numbered(mapping: &Mapping<Gpu>) -> Numbered {
    (Part::of(mapping.piece()), mapping.data().number())
}

/// An operation of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Unmap(Numbered, bool),
    Remap(Numbered, Option<Part>, Option<Part>, bool),
    Cut(Numbered, Option<Part>, Part, Option<Part>),
    Map(Part),
}

/// What is seen of an operation. Of a mapping the object is asked too: it must be alive.
pub(crate) fn seen(op: Op<'_, Gpu>) -> Seen {
    match op {
        Op::Unmap { old, keep } => Seen::Unmap(numbered(old), keep),
        Op::Remap {
            old,
            prev,
            next,
            keep,
        } => Seen::Remap(numbered(old), prev.map(Part::of), next.map(Part::of), keep),
        Op::Cut {
            old,
            prev,
            middle,
            next,
        } => Seen::Cut(
            numbered(old),
            prev.map(Part::of),
            Part::of(middle),
            next.map(Part::of),
        ),
        Op::Map { piece, object } => Seen::Map(Part {
            object: object.map_or(0, Backing::id),
            ..Part::of(piece)
        }),
    }
}

/// What all cells of a mapping share.
#[derive(Clone, Copy)]
struct Kept {
    number: usize,
    object: usize,
    /// Where in the object the address 0 would be.
    base: u64,
}

/// A mapping that is there, by its cells.
#[derive(Clone, Copy)]
struct Run {
    first: usize,
    last: usize,
    kept: Kept,
}

impl Run {
    fn part(&self, first: usize, last: usize) -> Part {
        Part {
            addr: address(first),
            end: address(last + 1),
            object: self.kept.object,
            offset: self.kept.base.wrapping_add(address(first)),
        }
    }

    fn numbered(&self) -> Numbered {
        (self.part(self.first, self.last), self.kept.number)
    }
}

/// What a space should hold.
pub(crate) struct Flat {
    /// Which mapping is there, counted from 1 on.
    cells: KVVec<u32>,
    kept: KVVec<Kept>,
    /// How many mappings there are.
    pub(crate) mappings: usize,
}

impl Flat {
    /// `count` empty cells, for so many mappings at first.
    pub(crate) fn new(cx: &mut Cx<'_, Process>, count: usize, mappings: usize) -> Result<Self> {
        let mut cells = gfp::kernel(cx).large_vec(count)?;
        for _ in 0..count {
            cells.push_within_capacity(0).map_err(|_| ENOMEM)?;
        }
        Ok(Self {
            cells,
            kept: gfp::kernel(cx).large_vec(mappings)?,
            mappings: 0,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// All addresses.
    pub(crate) fn span(&self) -> Result<Span> {
        span(0, self.len() - 1)
    }

    /// Room for what so many requests make: entering them allocates nothing.
    pub(crate) fn make_room(&mut self, cx: &mut Cx<'_, Process>, requests: usize) -> Result {
        gfp::kernel(cx).with(|flags| self.kept.reserve(requests * MADE, flags))?;
        Ok(())
    }

    fn at(&self, cell: usize) -> u32 {
        self.cells.get(cell).copied().unwrap_or(0)
    }

    /// The mapping at a cell.
    fn run(&self, cell: usize) -> Option<Run> {
        let id = self.at(cell);
        let kept = *self.kept.get((id as usize).checked_sub(1)?)?;
        let differs = |other: &u32| *other != id;
        let before = self.cells.get(..cell)?;
        let after = self.cells.get(cell..)?;
        Some(Run {
            first: before.iter().rposition(differs).map_or(0, |at| at + 1),
            last: cell + after.iter().position(differs).unwrap_or(after.len()) - 1,
            kept,
        })
    }

    /// The mappings that some cells meet, upwards.
    fn runs(&self, first: usize, last: usize) -> impl Iterator<Item = Run> + '_ {
        let mut next = first;
        core::iter::from_fn(move || {
            let gap = self
                .cells
                .get(next..=last)?
                .iter()
                .position(|id| *id != 0)?;
            let run = self.run(next + gap)?;
            next = run.last + 1;
            Some(run)
        })
    }

    /// The same, as anybody sees them.
    pub(crate) fn parts(&self, first: usize, last: usize) -> impl Iterator<Item = Numbered> + '_ {
        self.runs(first, last).map(|run| run.numbered())
    }

    /// Whether `ask`, which finds the mappings as they are now, is to say this of them.
    ///
    /// `said` gives one operation after the other.
    pub(crate) fn is_done(&self, ask: &Ask, mut said: impl FnMut() -> Option<Seen>) -> bool {
        let agrees = self.runs(ask.first, ask.last).all(|run| {
            let Some(wanted) = becomes(&run, ask) else {
                return true;
            };
            said() == Some(wanted)
        });
        agrees
            && match ask.what {
                What::Map { object, offset } => {
                    let map = Part {
                        addr: address(ask.first),
                        end: address(ask.last + 1),
                        object,
                        offset,
                    };
                    said() == Some(Seen::Map(map))
                }
                What::Unmap | What::Split | What::SplitSparse => true,
            }
    }

    /// Enters what a request does.
    pub(crate) fn enter(&mut self, ask: &Ask) -> Result {
        let around = (
            ask.first.saturating_sub(1),
            (ask.last + 1).min(self.len() - 1),
        );
        let before = self.runs(around.0, around.1).count();
        match ask.what {
            What::Map { object, offset } => {
                let base = offset.wrapping_sub(address(ask.first));
                let id = self.fresh(Kept {
                    number: ask.number,
                    object,
                    base,
                })?;
                self.fill(ask.first, ask.last, id);
            }
            What::Unmap => self.fill(ask.first, ask.last, 0),
            What::Split | What::SplitSparse => {
                self.cut(ask.first, ask.what)?;
                self.cut(ask.last + 1, ask.what)?;
            }
        }
        self.mappings = self.mappings + self.runs(around.0, around.1).count() - before;
        Ok(())
    }

    fn fresh(&mut self, kept: Kept) -> Result<u32> {
        self.kept.push_within_capacity(kept).map_err(|_| ENOMEM)?;
        Ok(self.kept.len() as u32)
    }

    fn fill(&mut self, first: usize, last: usize, id: u32) {
        if let Some(cells) = self.cells.get_mut(first..=last) {
            cells.fill(id);
        }
    }

    /// What is from `border` on is another mapping than what is before.
    fn cut(&mut self, border: usize, what: What) -> Result {
        let crosses = border > 0 && border < self.len() && self.at(border - 1) == self.at(border);
        let Some(run) = self.run(border).filter(|_| crosses) else {
            return Ok(());
        };
        if matches!(what, What::SplitSparse) && run.kept.object != 0 {
            return Ok(());
        }
        let id = self.fresh(run.kept)?;
        self.fill(border, run.last, id);
        Ok(())
    }
}

/// What a request makes of a mapping; nothing, if it leaves it alone.
fn becomes(run: &Run, ask: &Ask) -> Option<Seen> {
    let prev = (run.first < ask.first).then(|| run.part(run.first, ask.first - 1));
    let next = (run.last > ask.last).then(|| run.part(ask.last + 1, run.last));
    let whole = prev.is_none() && next.is_none();
    let old = run.numbered();
    let replaced = |keep| match whole {
        true => Seen::Unmap(old, keep),
        false => Seen::Remap(old, prev, next, keep),
    };
    match ask.what {
        What::Map { object, offset } => {
            let base = offset.wrapping_sub(address(ask.first));
            let same = object == run.kept.object && base == run.kept.base;
            Some(replaced(object != 0 && same))
        }
        What::Unmap => Some(replaced(false)),
        What::SplitSparse if run.kept.object != 0 => None,
        What::Split | What::SplitSparse if whole => None,
        What::Split | What::SplitSparse => {
            let middle = run.part(run.first.max(ask.first), run.last.min(ask.last));
            Some(Seen::Cut(old, prev, middle, next))
        }
    }
}
