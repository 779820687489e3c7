// SPDX-License-Identifier: GPL-2.0

//! The address space of Strata, as a driver with asynchronous VM_BIND uses it.
//!
//! Batches are prepared long before they are committed, and committed in a signalling section. With
//! each mapping its own span is kept, which is right only if each split says what it splits.

use crate::{
    reference,
    regime::Regime,
    space::{
        Answer,
        Batch,
        Buffer,
        Op,
        Piece,
        Request,
        Space,
        BATCH, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        rcu,
        Arc, //
    },
};
use strata::{
    cx::SignalLock,
    gfp::{
        Allocate,
        Gfp, //
    },
    lock_class,
    prelude::*,
    va::{
        self,
        Driver,
        Mapping,
        Prepared,
        Span, //
    },
};

/// A driver whose objects are numbers.
struct Gpu;

impl Driver for Gpu {
    type Object = u64;
    type Data = Span;
    type Spare = ();

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result {
        Ok(())
    }

    fn split(_old: &Mapping<Self>, piece: Span, _spare: ()) -> Span {
        piece
    }
}

/// A batch that is not committed yet.
struct Waiting {
    /// What of it was not refused.
    prepared: Option<Prepared<Gpu>>,
    refused: u32,
}

/// The address space, and the batches that it was told of.
pub(crate) struct Ours {
    space: Arc<va::Space<Gpu>>,
    waiting: KVec<Waiting>,
}

impl Ours {
    pub(crate) fn new(cx: &mut Cx<'_, Process>, regime: &Regime) -> Result<Self> {
        let class = lock_class!(SignalLock, "gpuvm:space");
        let space = va::Space::new(cx, class, reference::limits(regime)?);
        Ok(Self {
            space: gfp::kernel(cx).arc_init(space)?,
            waiting: KVec::new(),
        })
    }

    fn prepare_one(&self, cx: &mut Cx<'_, Process>, request: &Request) -> Result<Prepared<Gpu>> {
        let gfp = &mut gfp::kernel(cx);
        let span = reference::span(request.area())?;
        match request {
            Request::Map(piece) => {
                let object = (piece.object != 0).then_some(piece.object);
                let prepared = self
                    .space
                    .prepare_map(gfp, span, object, piece.offset, span);
                Ok(prepared?)
            }
            Request::Unmap(_) => self.space.prepare_unmap(gfp, span),
            Request::Split(_) => self.space.prepare_split(gfp, span),
            Request::Madvise(_) => self.space.prepare_split_sparse(gfp, span),
            // It is not prepared: see `prefetch`.
            Request::Prefetch(_) => Err(EINVAL),
        }
    }

    fn prefetch(&self, request: &Request, ops: &mut Buffer<Op>) -> Result {
        let span = reference::span(request.area())?;
        let guard = rcu::read_lock();
        for fetch in self.space.prefetch(&guard, span) {
            if Some(fetch.part) != fetch.mapping.span().intersection(&span) {
                return Err(EFAULT);
            }
            ops.push(Op::prefetch(seen(fetch.mapping)?))?;
        }
        Ok(())
    }
}

impl Space for Ours {
    fn prepare(&mut self, cx: &mut Cx<'_, Process>, batch: &Batch) -> Result {
        let mut each = [const { None }; BATCH];
        let mut refused = 0;
        for (index, request) in batch.iter() {
            match self.prepare_one(cx, request) {
                Ok(prepared) => each[index] = Some(prepared),
                Err(error) if error == EINVAL => refused |= 1 << index,
                Err(error) => return Err(error),
            }
        }
        let all = each.into_iter().flatten();
        let prepared = all.rev().reduce(|rest, first| first.then(rest));
        gfp::kernel(cx).push(&mut self.waiting, Waiting { prepared, refused })?;
        Ok(())
    }

    fn commit(&mut self, cx: &mut Cx<'_, Process>, batch: &Batch, answer: &mut Answer) -> Result {
        answer.clear();
        if self.waiting.is_empty() {
            self.prepare(cx, batch)?;
        }
        let waiting = self.waiting.remove(0).map_err(|_| EFAULT)?;
        answer.refused = waiting.refused;
        if let Some((index, request @ Request::Prefetch(_))) = batch.iter().next() {
            answer.refused = 0;
            let result = self.prefetch(request, &mut answer.ops);
            return answer.note(index, result);
        }
        let Some(prepared) = waiting.prepared else {
            return Ok(());
        };
        cx.signalling(|cx| {
            let done = self.space.commit(cx, prepared)?;
            let mut ops = done.ops();
            ops.try_for_each(|op| tell(&op, &mut answer.ops))
        })
    }

    fn list(&mut self, _cx: &mut Cx<'_, Process>, pieces: &mut Buffer<Piece>) -> Result {
        let all = self.space.limits().space();
        let guard = rcu::read_lock();
        self.space.read(&guard, |view| {
            pieces.clear();
            for mapping in view.iter(all) {
                let ends =
                    [mapping.span().addr(), mapping.span().last()].map(|addr| view.find(addr));
                if !ends
                    .iter()
                    .flatten()
                    .all(|end| core::ptr::eq(*end, mapping))
                {
                    return Err(EFAULT);
                }
                pieces.push(seen(mapping)?)?;
            }
            Ok(())
        })
    }
}

/// What a driver is told.
fn tell(op: &va::Op<'_, Gpu>, ops: &mut Buffer<Op>) -> Result {
    let remap = |old: &Mapping<Gpu>, prev: &Option<_>, next: &Option<_>, keep| {
        let [prev, next] = [prev, next].map(|part| part.as_ref().map(numbers));
        Ok::<_, Error>(Op::remap(seen(old)?, prev, next, keep))
    };
    match op {
        va::Op::Unmap { old, keep } => ops.push(Op::unmap(seen(old)?, *keep)),
        va::Op::Remap {
            old,
            prev,
            next,
            keep,
        } => ops.push(remap(old, prev, next, *keep)?),
        va::Op::Cut {
            old,
            prev,
            middle,
            next,
        } => {
            ops.push(remap(old, prev, next, old.object().is_some())?)?;
            ops.push(Op::map(numbers(middle)))
        }
        va::Op::Map { piece, object } => {
            if object.copied() != piece.object().map(|id| id as u64) {
                return Err(EFAULT);
            }
            ops.push(Op::map(numbers(piece)))
        }
    }
}

/// A mapping, whose data is what it should be.
fn seen(mapping: &Mapping<Gpu>) -> Result<Piece> {
    if *mapping.data() != mapping.span() {
        return Err(EFAULT);
    }
    Ok(numbers(&mapping.piece()))
}

fn numbers(piece: &va::Piece<usize>) -> Piece {
    Piece {
        addr: piece.span().addr(),
        range: piece.span().length(),
        object: piece.object().unwrap_or(0) as u64,
        offset: piece.offset(),
    }
}
