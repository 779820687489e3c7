// SPDX-License-Identifier: GPL-2.0

//! The least that `strata::plan::va` needs to be an address space: its steps over a red-black tree.
//!
//! That it agrees with `drm_gpuvm` says that the steps do. What a tree, locks and reservations make
//! of them is another question, which this one's answer makes easier.

use crate::{
    regime::Regime,
    space::{
        Answer,
        Area,
        Batch,
        Buffer,
        Op,
        Piece,
        Request,
        Space, //
    },
};
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
};
use strata::{
    plan::va,
    prelude::*, //
};

/// What objects are told apart by.
type Object = u64;

/// The address space: its mappings, by their addresses.
pub(crate) struct Reference {
    limits: va::Limits,
    pieces: RBTree<u64, va::Piece<Object>>,
    /// The addresses of those that a request meets.
    met: Buffer<u64>,
    /// What is no longer used: a checking kernel takes long to free it.
    spares: KVec<RBTreeNodeReservation<u64, va::Piece<Object>>>,
}

impl Reference {
    /// An empty space.
    pub(crate) fn new(regime: &Regime) -> Result<Self> {
        Ok(Self {
            limits: limits(regime)?,
            pieces: RBTree::new(),
            met: Buffer::new(regime.capacity)?,
            spares: KVec::new(),
        })
    }

    /// Finds those that a span meets, ascending.
    fn meet(&mut self, span: &va::Span) -> Result {
        self.met.clear();
        let before = match self.pieces.cursor_lower_bound(&span.addr()) {
            Some(cursor) => cursor.peek_prev().map(|(addr, _)| *addr),
            None => self.pieces.cursor_back().map(|cursor| *cursor.current().0),
        };
        // It may reach into the span.
        let first = before.unwrap_or(span.addr());
        let mut cursor = self.pieces.cursor_lower_bound_mut(&first);
        while let Some(at) = cursor {
            let (addr, piece) = at.current();
            if *addr >= span.end() {
                break;
            }
            if piece.span().intersects(span) {
                self.met.push(*addr)?;
            }
            cursor = at.move_next();
        }
        Ok(())
    }

    fn insert(&mut self, piece: va::Piece<Object>) -> Result {
        let spare = match self.spares.pop() {
            Some(spare) => spare,
            None => RBTreeNodeReservation::new(GFP_KERNEL)?,
        };
        let node = spare.into_node(piece.span().addr(), piece);
        match self.pieces.insert(node) {
            None => Ok(()),
            Some(_) => Err(EEXIST),
        }
    }

    fn change(&mut self, request: &va::Request<Object>, ops: &mut Buffer<Op>) -> Result {
        self.meet(&request.span())?;
        for index in 0..self.met.as_slice().len() {
            let addr = self.met.as_slice()[index];
            let old = *self.pieces.get(&addr).ok_or(ENOENT)?;
            let Some(step) = request.step(&old) else {
                continue;
            };
            tell(&old, &step, ops)?;
            let node = self.pieces.remove_node(&addr).ok_or(ENOENT)?;
            self.spares.push(node.into_reservation(), GFP_KERNEL)?;
            for part in parts(&step).into_iter().flatten() {
                self.insert(part)?;
            }
        }
        if let Some(added) = request.added() {
            ops.push(Op::map(numbers(&added)))?;
            self.insert(added)?;
        }
        Ok(())
    }

    fn request(&mut self, request: &Request, ops: &mut Buffer<Op>) -> Result {
        let span = span(request.area())?;
        self.limits.check(&span).map_err(|_| EINVAL)?;
        let request = match request {
            Request::Map(piece) => va::Request::Map(of_numbers(piece)?),
            Request::Unmap(_) => va::Request::Unmap(span),
            Request::Split(_) => va::Request::Split(span),
            Request::Madvise(_) => va::Request::SplitSparse(span),
            Request::Prefetch(_) => return self.prefetch(&span, ops),
        };
        self.change(&request, ops)
    }

    fn prefetch(&mut self, span: &va::Span, ops: &mut Buffer<Op>) -> Result {
        self.meet(span)?;
        for addr in self.met.as_slice() {
            let piece = self.pieces.get(addr).ok_or(ENOENT)?;
            ops.push(Op::prefetch(numbers(piece)))?;
        }
        Ok(())
    }
}

impl Space for Reference {
    fn commit(&mut self, _cx: &mut Cx<'_, Process>, batch: &Batch, answer: &mut Answer) -> Result {
        answer.clear();
        for (index, request) in batch.iter() {
            let result = self.request(request, &mut answer.ops);
            answer.note(index, result)?;
        }
        Ok(())
    }

    fn list(&mut self, _cx: &mut Cx<'_, Process>, pieces: &mut Buffer<Piece>) -> Result {
        pieces.clear();
        for piece in self.pieces.values() {
            pieces.push(numbers(piece))?;
        }
        Ok(())
    }
}

/// What a driver is told of a step.
///
/// A cut is a remap and a map there. The middle of an object is the same as before, which is what
/// `keep` means.
fn tell(old: &va::Piece<Object>, step: &va::Step<Object>, ops: &mut Buffer<Op>) -> Result {
    let remap = |prev: &Option<_>, next: &Option<_>, keep| {
        let [prev, next] = [prev, next].map(|part| part.as_ref().map(numbers));
        Op::remap(numbers(old), prev, next, keep)
    };
    match step {
        va::Step::Unmap { keep } => ops.push(Op::unmap(numbers(old), *keep)),
        va::Step::Remap { prev, next, keep } => ops.push(remap(prev, next, *keep)),
        va::Step::Cut { prev, middle, next } => {
            ops.push(remap(prev, next, old.object().is_some()))?;
            ops.push(Op::map(numbers(middle)))
        }
    }
}

/// What a step leaves of the mapping.
fn parts(step: &va::Step<Object>) -> [Option<va::Piece<Object>>; 3] {
    match step {
        va::Step::Unmap { .. } => [None; 3],
        va::Step::Remap { prev, next, .. } => [*prev, None, *next],
        va::Step::Cut { prev, middle, next } => [*prev, Some(*middle), *next],
    }
}

/// Addresses, if there are such.
pub(crate) fn span(area: Area) -> Result<va::Span> {
    va::Span::new(area.addr, area.range).map_err(|_| EINVAL)
}

/// What may be mapped in a regime.
pub(crate) fn limits(regime: &Regime) -> Result<va::Limits> {
    let kernel = match regime.kernel.range {
        0 => None,
        _ => Some(span(regime.kernel)?),
    };
    va::Limits::new(span(regime.space)?, kernel).map_err(|_| EINVAL)
}

/// A mapping that is asked for.
fn of_numbers(piece: &Piece) -> Result<va::Piece<Object>> {
    let object = (piece.object != 0).then_some(piece.object);
    va::Piece::new(span(piece.area())?, object, piece.offset).map_err(|_| EINVAL)
}

fn numbers(piece: &va::Piece<Object>) -> Piece {
    Piece {
        addr: piece.span().addr(),
        range: piece.span().length(),
        object: piece.object().unwrap_or(0),
        offset: piece.offset(),
    }
}
