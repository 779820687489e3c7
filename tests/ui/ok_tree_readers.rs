// SPDX-License-Identifier: GPL-2.0

//! Legal: readers under RCU, in every context, while a writer replaces and erases. What left the tree is
//! looked at, dropped anywhere, or waited for.

use kernel::{
    prelude::*,
    sync::rcu, //
};
use strata::{
    cx::Signalling,
    maple::{
        MapleTree,
        Range,
        Rcu,
        RcuBox,
        Reservation,
        Spin, //
    },
    prelude::*, //
};

type Routes = MapleTree<RcuBox<u64>, Spin, Rcu>;

fn find(cx: &mut Cx<'_, Process>, routes: &Routes, index: usize) -> Option<u64> {
    cx.atomic(|_| routes.load(&rcu::read_lock(), index).copied())
}

fn sum(cx: &mut Cx<'_, Signalling>, routes: &Routes, range: Range) -> u64 {
    cx.atomic(|_| {
        let reader = rcu::read_lock();
        routes.iter(&reader, range).map(|(_, route)| route).sum()
    })
}

fn replace(
    cx: &mut Cx<'_, Signalling>,
    routes: &Routes,
    range: Range,
    route: RcuBox<u64>,
) -> Option<u64> {
    let old = routes
        .lock(cx, |routes, _| routes.replace(range, route))
        .ok()?;
    Some(*old)
}

fn erase(cx: &mut Cx<'_, Process>, routes: &Routes, index: usize) -> Result<Option<RcuBox<u64>>> {
    let nodes = Reservation::new(&mut gfp::kernel(cx), 1000, 1)?;
    let erased = routes.lock(cx, |routes, _| routes.erase(nodes, index))?;
    Ok(erased.map(|(_, route)| route.into_inner(cx)))
}

fn share<T: Send + Sync>(_: &T) {}

fn shared(routes: &Routes, nodes: Reservation) {
    share(routes);
    fn send<T: Send>(_: T) {}
    send(nodes);
}
