// SPDX-License-Identifier: GPL-2.0

//! Answers that are made wrong, so that a comparison which finds nothing is found out itself.

use crate::space::{
    Answer,
    Op,
    Piece, //
};

/// What is made wrong of what `drm_gpuvm` says.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// Whether page tables may be kept.
    Keep,
    /// What is left of a mapping.
    Rest,
    /// The order of two operations.
    Order,
    /// That there is an operation.
    Missing,
    /// That a request was refused.
    Taken,
    /// A mapping in the list of all.
    State,
}

/// All there are, and their names.
pub(crate) const ALL: [(&str, Fault); 6] = [
    ("keep", Fault::Keep),
    ("rest", Fault::Rest),
    ("order", Fault::Order),
    ("missing", Fault::Missing),
    ("taken", Fault::Taken),
    ("state", Fault::State),
];

impl Fault {
    /// The one of this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        ALL.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, fault)| *fault)
    }

    /// Makes an answer wrong, if it is one of its kind.
    pub(crate) fn inject(self, answer: &mut Answer) {
        let ops = &mut answer.ops;
        match self {
            Fault::Keep => {
                let mut gone = ops.as_mut_slice().iter_mut();
                if let Some(op) = gone.find(|op| [Op::UNMAP, Op::REMAP].contains(&op.kind)) {
                    op.flags ^= Op::KEEP;
                }
            }
            Fault::Rest => {
                let mut left = ops.as_mut_slice().iter_mut();
                if let Some(op) = left.find(|op| op.flags & Op::NEXT != 0) {
                    op.next.offset ^= 1;
                }
            }
            Fault::Order => {
                if let [.., before, last] = ops.as_mut_slice() {
                    core::mem::swap(before, last);
                }
            }
            Fault::Missing => {
                ops.pop();
            }
            Fault::Taken => answer.refused = 0,
            Fault::State => (),
        }
    }

    /// Makes the list of all mappings wrong.
    pub(crate) fn inject_state(self, pieces: &mut [Piece]) {
        if let (Fault::State, [.., last]) = (self, pieces) {
            last.range += 1;
        }
    }
}
