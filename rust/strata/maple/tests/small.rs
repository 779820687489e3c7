// SPDX-License-Identifier: GPL-2.0

//! Trees that are so small that what they hold can be written down.

use super::{
    gfp,
    hold::{
        Hold,
        Spun, //
    },
    ledger::{
        Boxed,
        Ledger,
        Token, //
    },
    Cx,
    Locked,
    Mode,
    Plain,
    Process,
    Range, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What a tree holds: first, last and tag of each value.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen([(usize, usize, usize); 8], usize);

impl Seen {
    pub(super) fn push(&mut self, range: Range, tag: usize) {
        if let Some(slot) = self.0.get_mut(self.1) {
            *slot = (range.first(), range.last(), tag);
            self.1 += 1;
        }
    }

    pub(super) fn get(&self) -> &[(usize, usize, usize)] {
        self.0.get(..self.1).unwrap_or(&[])
    }
}

pub(super) fn seen<V: Boxed, M: Mode<V>>(tree: &Locked<'_, '_, V, M>, range: Range) -> Seen {
    let mut seen = Seen::default();
    for (range, value) in tree.iter(range) {
        seen.push(range, V::token(&value).tag);
    }
    seen
}

pub(super) fn range(first: usize, last: usize) -> Range {
    Range::new(first, last).unwrap_or(Range::ALL)
}

/// A tree with 1 at 10 to 19, 2 at 20 to 29, 4 at 40 to 49.
pub(super) fn three<H: Hold<V, M>, V: Boxed, M: Mode<V>>(
    cx: &mut Cx<'_, Process>,
    ledger: &Arc<Ledger>,
) -> Result<H> {
    let mut tree = H::new(cx)?;
    for tag in [1, 2, 4] {
        let value = V::make(&mut gfp::kernel(cx), ledger, tag)?;
        let at = range(10 * tag, 10 * tag + 9);
        tree.with(cx, |tree, gfp| tree.insert(gfp, at, value))?;
    }
    Ok(tree)
}

pub(super) type Plainly = Spun<KBox<Token>, Plain>;
