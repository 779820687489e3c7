// SPDX-License-Identifier: GPL-2.0

//! What was done, for who programs page tables.

use super::{
    list::{
        Body,
        List, //
    },
    mapping::{
        Driver,
        Mapping, //
    },
};
use crate::{
    maple::Displaced,
    plan::va::{
        Piece,
        Request,
        Span,
        Step, //
    }, //
};
use core::iter;

/// One operation of a request. The same, in the same order, as those of `drm_gpuvm`.
pub enum Op<'d, D: Driver> {
    /// A mapping is gone. C: `struct drm_gpuva_op_unmap`.
    Unmap {
        /// It.
        old: &'d Mapping<D>,
        /// The request maps the same there: its page table entries may stay.
        keep: bool,
    },
    /// A mapping is gone, but for a part or two. C: `struct drm_gpuva_op_remap`.
    Remap {
        /// It.
        old: &'d Mapping<D>,
        /// What is left below the request.
        prev: Option<Piece<usize>>,
        /// What is left above the request.
        next: Option<Piece<usize>>,
        /// The request maps the same between them: its page table entries may stay.
        keep: bool,
    },
    /// A mapping was split. All of it is still mapped.
    Cut {
        /// It.
        old: &'d Mapping<D>,
        /// The part below the request.
        prev: Option<Piece<usize>>,
        /// The part in the request.
        middle: Piece<usize>,
        /// The part above the request.
        next: Option<Piece<usize>>,
    },
    /// There is a new mapping. C: `struct drm_gpuva_op_map`.
    Map {
        /// It, as a value: others may have displaced it since.
        piece: Piece<usize>,
        /// What is mapped. `None` if it is sparse.
        object: Option<&'d D::Object>,
    },
}

impl<D: Driver> Op<'_, D> {
    /// Where something was mapped and is no more, or not as it was.
    /// C: `drm_gpuva_op_remap_to_unmap_range()`.
    pub fn unmapped(&self) -> Option<Span> {
        match self {
            Op::Unmap { old, .. } => Some(old.span()),
            Op::Remap {
                old, prev, next, ..
            } => {
                let addr = prev.map_or(old.span().addr(), |prev| prev.span().end());
                let end = next.map_or(old.span().end(), |next| next.span().addr());
                Span::between(addr, end)
            }
            Op::Cut { .. } | Op::Map { .. } => None,
        }
    }
}

/// What a commit did. What it displaced lives as long.
///
/// Dropping it may be done everywhere: mappings, and what was prepared and not needed, are destroyed
/// by a worker.
#[must_use = "page tables are to follow"]
pub struct Done<'t, D: Driver> {
    list: List<D>,
    /// The request after those, and how many mappings it displaced before it was refused.
    partly: Option<(Request<usize>, usize)>,
    displaced: Displaced<'t, Mapping<D>>,
}

impl<'t, D: Driver> Done<'t, D> {
    pub(super) fn new(
        list: List<D>,
        partly: Option<(Request<usize>, usize)>,
        displaced: Displaced<'t, Mapping<D>>,
    ) -> Self {
        Self {
            list,
            partly,
            displaced,
        }
    }

    /// What was done, in the order of the requests: for each of them first what became of the
    /// mappings that it met, upwards, and then what it maps.
    ///
    /// # Context
    ///
    /// Any. Takes no lock.
    pub fn ops(&self) -> impl Iterator<Item = Op<'_, D>> {
        let mut olds = self.displaced.iter();
        let whole = self.list.iter();
        let mut requests = whole
            .map(|body| (body.request, body.displaced, Some(body)))
            .chain(self.partly.map(|(request, count)| (request, count, None)));
        let mut now = None;
        iter::from_fn(move || loop {
            match &mut now {
                None => now = Some(requests.next()?),
                Some((_, 0, body)) => {
                    let op = body.and_then(added);
                    now = None;
                    if op.is_some() {
                        return op;
                    }
                }
                Some((request, left, _)) => {
                    *left -= 1;
                    if let Some(op) = op(request, olds.next()?) {
                        return Some(op);
                    }
                }
            }
        })
    }
}

/// What a request did to a mapping that it displaced.
fn op<'d, D: Driver>(request: &Request<usize>, old: &'d Mapping<D>) -> Option<Op<'d, D>> {
    Some(match request.step(&old.piece())? {
        Step::Unmap { keep } => Op::Unmap { old, keep },
        Step::Remap { prev, next, keep } => Op::Remap {
            old,
            prev,
            next,
            keep,
        },
        Step::Cut { prev, middle, next } => Op::Cut {
            old,
            prev,
            middle,
            next,
        },
    })
}

/// What a request mapped.
fn added<D: Driver>(body: &Body<D>) -> Option<Op<'_, D>> {
    Some(Op::Map {
        piece: body.request.added()?,
        object: body.object.as_ref(),
    })
}
