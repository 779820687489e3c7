// SPDX-License-Identifier: GPL-2.0

//! Copies of trees: neither the nodes nor the values can be had, one after the other.

use super::{
    cause,
    hold::Copies,
    ledger::Boxed,
    rooms::Rooms,
    tried,
    Counts,
    Range,
    TryClone, //
};
use crate::{
    grown::tagged,
    ledger::Ledger, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use strata::{
    maple::Locked,
    prelude::*, //
};

/// Values, and the index of the first one: one at 0 is the root itself, and there is no node.
const SIZES: [(usize, usize); 6] = [(0, 0), (1, 0), (1, 7), (5, 0), (20, 1), (60, 3)];

struct Copy<H> {
    source: H,
    copy: H,
    /// How often nothing at all was copied.
    nothing: usize,
}

fn place(first: usize, number: usize) -> Range {
    Range::at(first + 2 * number)
}

/// Whether a tree has the first `count` values, and no others.
fn has<V: Boxed, M: Rooms<V>>(tree: &Locked<'_, '_, V, M>, first: usize, count: usize) -> bool {
    tree.validate();
    let values = tree.iter(Range::ALL).map(tagged::<V>);
    values.eq((0..count).map(|number| (place(first, number), number)))
}

fn sweep<H, V, M>(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    (size, first): (usize, usize),
) -> Result
where
    H: Copies<V, M>,
    V: Boxed + TryClone,
    M: Rooms<V>,
{
    let ledger = Ledger::new(cx)?;
    let mut state = Copy {
        source: H::new(cx)?,
        copy: H::new(cx)?,
        nothing: 0,
    };
    for number in 0..size {
        let value = V::make(&mut gfp::kernel(cx), &ledger, number)?;
        let source = &mut state.source;
        source.with(cx, |tree, gfp| {
            tree.insert(gfp, place(first, number), value)
        })?;
    }
    let tolerated = counts.tolerated.load(Relaxed);
    tried(
        counts,
        &mut (&mut *cx, &mut state),
        |(cx, state)| state.copy.copy(&mut state.source, cx).map_err(cause),
        |(cx, state)| {
            // Each of the two owns what it has.
            let copied = (ledger.alive() - size as i64) as usize;
            state.nothing += usize::from(copied == 0);
            let right = state.copy.with(cx, |tree, _| has(tree, first, copied));
            ensure!(right, "a part of {copied} values has others\n");
            // There might not be one.
            let nodes = state.copy.with(cx, |tree, _| tree.height() != 0);
            ensure!(!nodes || first != 0 || size > 1, "it took a node\n");
            state.copy = H::new(cx)?;
            let right = state.source.with(cx, |tree, _| has(tree, first, size));
            ensure!(right, "a copy that failed changed what it is of\n");
            let alive = ledger.alive();
            ensure!(alive == size as i64, "{alive} values are left of {size}\n");
            Ok(())
        },
    )?;
    for tree in [&mut state.source, &mut state.copy] {
        let right = tree.with(cx, |tree, _| has(tree, first, size));
        ensure!(right, "a copy and what it is of differ\n");
    }
    ensure!(
        ledger.alive() == 2 * size as i64,
        "two trees share a value\n"
    );
    // Without a node there is a value alone that may fail, and without a value nothing. With both the
    // nodes did, and the first value did; unless the slab could do without an allocation of its own,
    // which ended the attempts before they came to the values.
    let nothing = state.nothing;
    let tolerated = counts.tolerated.load(Relaxed) != tolerated;
    let right = match (size, first) {
        (0, _) => nothing == 0,
        (1, 0) => nothing == 1,
        (_, _) => nothing >= 2,
    };
    ensure!(
        right || tolerated,
        "of {size} values, {nothing} attempts copied nothing\n"
    );
    drop(state);
    ensure!(ledger.sound(), "a dead value was touched\n");
    ensure!(ledger.alive() == 0, "{} values leaked\n", ledger.alive());
    Ok(())
}

/// Goes through the copies of trees of each size.
pub(super) fn run<H, V, M>(cx: &mut Cx<'_, Process>, counts: &Counts) -> Result
where
    H: Copies<V, M>,
    V: Boxed + TryClone,
    M: Rooms<V>,
{
    for size in SIZES {
        sweep::<H, V, M>(cx, counts, size)
            .inspect_err(|_| pr_err!("... as {size:?} is copied\n"))?;
    }
    Ok(())
}
