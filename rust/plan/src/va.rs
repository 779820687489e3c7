// SPDX-License-Identifier: GPL-2.0

//! What a request does to the mappings of a GPU's virtual address space, one old mapping at a
//! time.
//!
//! The operations are those of `drm_gpuvm_sm_map()`, `drm_gpuvm_sm_unmap()` and
//! `drm_gpuvm_madvise_ops_create()` (`drivers/gpu/drm/drm_gpuvm.c`), in the same order: one
//! [`Step`] for each [`Piece`] that the [`Request`] meets, ascending, then the new mapping. It is
//! not the address space: that is a tree of pieces, which the caller walks.
//!
//! It differs from them where they take what no driver means: a range without length is no
//! [`Span`], and the part of the object that is mapped must not end above [`u64::MAX`] either.
//!
//! # Examples
//!
//! Four pages that are mapped into the middle of eight:
//!
//! ```
//! use strata_plan::va::{Limits, Piece, Request, Span, Step};
//!
//! let limits = Limits::from(Span::new(0, 1 << 48).unwrap());
//! let old = Piece::new(Span::new(0x8000, 0x8000).unwrap(), Some("old"), 0).unwrap();
//!
//! let span = Span::new(0xa000, 0x4000).unwrap();
//! limits.check(&span).unwrap();
//! let request = Request::Map(Piece::new(span, Some("new"), 0x1000).unwrap());
//!
//! // Objects for as many pieces are made before anything changes.
//! assert_eq!(request.pieces(), 3);
//! let Some(Step::Remap { prev: Some(prev), next: Some(next), keep: false }) = request.step(&old)
//! else {
//!     panic!("it is strictly inside");
//! };
//! assert_eq!((prev.span().addr(), prev.span().end(), prev.offset()), (0x8000, 0xa000, 0));
//! assert_eq!((next.span().addr(), next.span().end(), next.offset()), (0xe000, 0x10000, 0x6000));
//! ```

mod limits;
mod piece;
mod request;
mod span;

pub use limits::{
    KernelOutside,
    Limits,
    Outside, //
};
pub use piece::{
    OffsetOverflow,
    Piece, //
};
pub use request::{
    Request,
    Step, //
};
pub use span::{
    BadSpan,
    Span, //
};
