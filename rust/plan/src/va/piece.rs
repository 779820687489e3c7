// SPDX-License-Identifier: GPL-2.0

//! Mappings.

use super::Span;
use core::fmt;

/// Three values are no [`Piece`]: the part of the object that is mapped ends above [`u64::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetOverflow;

impl fmt::Display for OffsetOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the end of what is mapped overflows")
    }
}

/// A mapping: a span, and what is mapped there. `O` tells objects apart.
///
/// Without an object it is sparse; its offset is counted all the same, as `drm_gpuvm` does.
///
/// # Invariants
///
/// `offset` and the length of `span` add up without overflow.
///
/// # Examples
///
/// ```
/// use strata_plan::va::{OffsetOverflow, Piece, Span};
///
/// let span = Span::new(0x1000, 0x4000).unwrap();
/// let piece = Piece::new(span, Some('a'), 0x200).unwrap();
/// assert_eq!(piece.offset_at(0x1010), Some(0x210));
/// assert_eq!(piece.offset_at(0x5000), None);
///
/// let after = piece.after(0x3000).unwrap();
/// assert_eq!((after.span(), after.offset()), (span.after(0x3000).unwrap(), 0x2200));
/// assert_eq!(Piece::new(span, Some('a'), u64::MAX - 0x3fff), Err(OffsetOverflow));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<O> {
    span: Span,
    object: Option<O>,
    offset: u64,
}

impl<O: Copy + Eq> Piece<O> {
    /// The mapping of `object` from `offset` on.
    pub const fn new(span: Span, object: Option<O>, offset: u64) -> Result<Self, OffsetOverflow> {
        match offset.checked_add(span.length()) {
            // INVARIANT: just checked.
            Some(_) => Ok(Self {
                span,
                object,
                offset,
            }),
            None => Err(OffsetOverflow),
        }
    }

    /// Where it is mapped.
    pub const fn span(&self) -> Span {
        self.span
    }

    /// What is mapped there. `None` if it is sparse.
    pub const fn object(&self) -> Option<O> {
        self.object
    }

    /// From where in the object on.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Where in the object an address of its span is.
    pub const fn offset_at(&self, addr: u64) -> Option<u64> {
        if self.span.contains(addr) {
            // By the type invariant it does not overflow: the sum is below that of the length.
            Some(self.offset + (addr - self.span.addr()))
        } else {
            None
        }
    }

    /// What of it is in a span.
    pub const fn within(&self, span: &Span) -> Option<Self> {
        let Some(span) = self.span.intersection(span) else {
            return None;
        };
        let Some(offset) = self.offset_at(span.addr()) else {
            return None;
        };
        // INVARIANT: what the offset grew by, the length lost at least.
        Some(Self {
            span,
            object: self.object,
            offset,
        })
    }

    /// Its part below an address: all of it, or nothing, if the address is not inside.
    pub const fn before(&self, at: u64) -> Option<Self> {
        match self.span.before(at) {
            Some(span) => self.within(&span),
            None => None,
        }
    }

    /// Its part from an address on: all of it, or nothing, if the address is not inside.
    pub const fn after(&self, at: u64) -> Option<Self> {
        match self.span.after(at) {
            Some(span) => self.within(&span),
            None => None,
        }
    }

    /// Whether both map the same of the same object where they meet: `keep` of
    /// `struct drm_gpuva_op_unmap`. Never so for what is sparse.
    ///
    /// # Examples
    ///
    /// ```
    /// use strata_plan::va::{Piece, Span};
    ///
    /// let piece = |addr, object, offset| {
    ///     Piece::new(Span::new(addr, 8).unwrap(), object, offset).unwrap()
    /// };
    /// let old = piece(4, Some('a'), 20);
    /// assert!(old.agrees(&piece(6, Some('a'), 22)));
    /// assert!(!old.agrees(&piece(6, Some('a'), 20)));
    /// assert!(!old.agrees(&piece(6, Some('b'), 22)));
    /// assert!(!old.agrees(&piece(12, Some('a'), 28)), "they do not meet");
    /// assert!(!piece(4, None, 0).agrees(&piece(4, None, 0)));
    /// ```
    pub fn agrees(&self, other: &Self) -> bool {
        let Some(shared) = self.span.intersection(&other.span) else {
            return false;
        };
        let same_object = self.object.is_some() && self.object == other.object;
        same_object && self.offset_at(shared.addr()) == other.offset_at(shared.addr())
    }
}
