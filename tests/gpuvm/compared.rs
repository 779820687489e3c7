// SPDX-License-Identifier: GPL-2.0

//! Ours, each with its answers, and what is the same as an answer of `drm_gpuvm`.

use crate::{
    ours::Ours,
    reference::Reference,
    regime::Regime,
    space::{
        Answer,
        Buffer,
        Op,
        Piece,
        Space, //
    },
};
use kernel::prelude::*;
use strata::prelude::*;

/// How many of ours there are.
pub(crate) const COUNT: usize = 2;

/// One of ours, and its answers.
pub(crate) struct Compared {
    pub(crate) name: &'static str,
    pub(crate) space: KBox<dyn Space>,
    pub(crate) answer: Answer,
    pub(crate) pieces: Buffer<Piece>,
}

impl Compared {
    /// All there are, without a mapping.
    pub(crate) fn all(cx: &mut Cx<'_, Process>, regime: &'static Regime) -> Result<[Self; COUNT]> {
        let plan = KBox::new(Reference::new(regime)?, GFP_KERNEL)?;
        let space = KBox::new(Ours::new(cx, regime)?, GFP_KERNEL)?;
        Ok([
            Self::new(regime, "plan::va", plan)?,
            Self::new(regime, "va", space)?,
        ])
    }

    fn new(regime: &Regime, name: &'static str, space: KBox<dyn Space>) -> Result<Self> {
        Ok(Self {
            name,
            space,
            answer: Answer::new(regime.capacity)?,
            pieces: Buffer::new(regime.capacity)?,
        })
    }
}

/// The first operation that is not the same. If all are, and other requests were refused: how many
/// there are.
pub(crate) fn other_op(regime: &Regime, theirs: &Answer, ours: &Answer) -> Option<usize> {
    let same = |theirs: &Op, ours: &Op| {
        let [theirs, ours] = [theirs, ours].map(|op| Op {
            va: regime.comparable(&op.va),
            prev: regime.comparable(&op.prev),
            next: regime.comparable(&op.next),
            ..*op
        });
        theirs == ours
    };
    let ops = theirs.ops.as_slice();
    match other(ops, ours.ops.as_slice(), same) {
        None if theirs.refused != ours.refused => Some(ops.len()),
        first => first,
    }
}

/// The first mapping that is not the same.
pub(crate) fn other_piece(regime: &Regime, theirs: &[Piece], ours: &[Piece]) -> Option<usize> {
    other(theirs, ours, |theirs, ours| {
        regime.comparable(theirs) == regime.comparable(ours)
    })
}

/// Where two lists are not the same, or one of them ends.
fn other<T>(theirs: &[T], ours: &[T], same: impl Fn(&T, &T) -> bool) -> Option<usize> {
    let mut pairs = theirs.iter().zip(ours);
    match pairs.position(|(theirs, ours)| !same(theirs, ours)) {
        Some(at) => Some(at),
        None if theirs.len() == ours.len() => None,
        None => Some(theirs.len().min(ours.len())),
    }
}
