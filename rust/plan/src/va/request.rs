// SPDX-License-Identifier: GPL-2.0

//! Requests, and what they do to a mapping that is there.

use super::Piece;
use super::Span;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<O> {
    /// This mapping, in place of what is there: `drm_gpuvm_sm_map()`.
    Map(Piece<O>),
    /// Nothing, in place of what is there: `drm_gpuvm_sm_unmap()`.
    Unmap(Span),
    /// That no mapping crosses the borders of a span, and all stays mapped as it is.
    Split(Span),
    /// The same, but for sparse mappings alone: `drm_gpuvm_madvise_ops_create()`. Its middles
    /// keep their offset, which is 0 there.
    SplitSparse(Span),
}

/// What becomes of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<O> {
    /// It goes.
    Unmap {
        /// The request maps the same there: its page table entries may stay.
        keep: bool,
    },
    /// It goes, and what of it is outside of the request comes back. One of the two there is.
    Remap {
        /// What is below the request.
        prev: Option<Piece<O>>,
        /// What is above the request.
        next: Option<Piece<O>>,
        /// The request maps the same between them: its page table entries may stay.
        keep: bool,
    },
    /// It goes, and all of it comes back, in parts. One of `prev` and `next` there is.
    Cut {
        /// What is below the request.
        prev: Option<Piece<O>>,
        /// What is inside of the request.
        middle: Piece<O>,
        /// What is above the request.
        next: Option<Piece<O>>,
    },
}

impl<O: Copy + Eq> Request<O> {
    /// The addresses that it is about.
    pub const fn span(&self) -> Span {
        match self {
            Request::Map(piece) => piece.span(),
            Request::Unmap(span) | Request::Split(span) | Request::SplitSparse(span) => *span,
        }
    }

    /// The mapping that is added when all steps are done.
    pub const fn added(&self) -> Option<Piece<O>> {
        match self {
            Request::Map(piece) => Some(*piece),
            Request::Unmap(_) | Request::Split(_) | Request::SplitSparse(_) => None,
        }
    }

    /// How many mappings it makes at most, the one that it adds included.
    ///
    /// Mappings do not overlap, so one at most crosses each border of the request: an unmap makes
    /// a `prev` of the one and a `next` of the other, a map adds its own, and a split a middle of
    /// both. If one mapping crosses both borders they share its middle, which is one less.
    pub const fn pieces(&self) -> usize {
        match self {
            Request::Map(_) => 3,
            Request::Unmap(_) => 2,
            Request::Split(_) | Request::SplitSparse(_) => 4,
        }
    }

    /// What becomes of a mapping that is there. `None` if it stays: the two do not meet, or a
    /// split has nothing to cut.
    ///
    /// # Examples
    ///
    /// A mapping that grows. What was there may keep its page table entries:
    ///
    /// ```
    /// use strata_plan::va::{Piece, Request, Span, Step};
    ///
    /// let piece = |addr, length, offset| {
    ///     Piece::new(Span::new(addr, length).unwrap(), Some('a'), offset).unwrap()
    /// };
    /// let request = Request::Map(piece(0x1000, 0x3000, 0));
    /// assert_eq!(request.step(&piece(0x2000, 0x1000, 0x1000)), Some(Step::Unmap { keep: true }));
    /// assert_eq!(request.step(&piece(0x2000, 0x1000, 0)), Some(Step::Unmap { keep: false }));
    /// assert_eq!(request.step(&piece(0x4000, 0x1000, 0x3000)), None);
    ///
    /// let step = Request::Split(Span::new(0x1000, 0x3000).unwrap()).step(&piece(0, 0x2000, 0));
    /// assert_eq!(step, Some(Step::Cut {
    ///     prev: Some(piece(0, 0x1000, 0)),
    ///     middle: piece(0x1000, 0x1000, 0x1000),
    ///     next: None,
    /// }));
    /// ```
    pub fn step(&self, old: &Piece<O>) -> Option<Step<O>> {
        let span = self.span();
        let middle = old.within(&span)?;
        let prev = old.before(span.addr());
        let next = old.after(span.end());
        let whole = prev.is_none() && next.is_none();

        let cut = || (!whole).then_some(Step::Cut { prev, middle, next });
        let replaced = |keep| match whole {
            true => Step::Unmap { keep },
            false => Step::Remap { prev, next, keep },
        };
        match self {
            Request::Map(piece) => Some(replaced(old.agrees(piece))),
            Request::Unmap(_) => Some(replaced(false)),
            Request::Split(_) => cut(),
            Request::SplitSparse(_) if old.object().is_some() => None,
            Request::SplitSparse(_) => cut(),
        }
    }
}
