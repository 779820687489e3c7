// SPDX-License-Identifier: GPL-2.0

//! Not seen by the types: what leaves a tree is handed out under its lock, and may be dropped there, as
//! may the value of an error on its way through `?`, and a whole tree. Return such values from the
//! closure.

use kernel::{
    alloc::KVVec,
    prelude::*, //
};
use strata::{
    maple::{
        Divide,
        MapleTree,
        Range,
        Rcu,
        RcuBox,
        Reservation,
        Spares,
        Spin, //
    },
    prelude::*, //
};

/// Memory that sleeps when it is freed.
struct Table {
    rows: KVVec<u64>,
}

impl Divide for Table {
    fn divide(&self, _whole: Range, _part: Range) -> Self {
        Self { rows: KVVec::new() }
    }
}

type Tables = MapleTree<KBox<Table>>;

fn clear(
    cx: &mut Cx<'_, Process>,
    tables: &Tables,
    nodes: Reservation,
    spares: &mut Spares<KBox<Table>>,
) -> Result {
    let dropped = |_, table: KBox<Table>| drop(table);
    Ok(tables.lock(cx, |tables, _| {
        tables.erase_range(nodes, Range::ALL, spares, dropped)
    })?)
}

fn put(
    cx: &mut Cx<'_, Process>,
    tables: &Tables,
    nodes: Reservation,
    table: KBox<Table>,
) -> Result {
    tables.lock(cx, |tables, _| {
        tables.insert(nodes, Range::at(0), table)?;
        Ok(())
    })
}

/// One that is read under RCU waits for its readers when it is dropped.
fn end(cx: &mut Cx<'_, Process>, routes: KBox<MapleTree<RcuBox<u64>, Spin, Rcu>>) {
    cx.signalling(|_| drop(routes));
}
