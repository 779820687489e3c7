// SPDX-License-Identifier: GPL-2.0

//! A value that left a tree may still be looked at: it is kept beyond the tree, which waits for it, it is
//! changed, and it is waited for where nobody may wait.

use kernel::prelude::*;
use strata::{
    cx::Signalling,
    maple::{
        MapleTree,
        Rcu,
        RcuBox,
        Reservation,
        Retired,
        Spin, //
    },
    prelude::*, //
};

type Routes = MapleTree<RcuBox<u64>, Spin, Rcu>;

fn beyond_its_tree(
    cx: &mut Cx<'_, Process>,
    tree: KBox<Routes>,
    nodes: Reservation,
) -> Result<u64> {
    let erased = tree.lock(cx, |tree, _| tree.erase(nodes, 1))?;
    drop(tree);
    //~^ ERROR E0505: cannot move out of `tree` because it is borrowed
    Ok(erased.map_or(0, |(_, value)| *value))
}

fn for_ever(
    cx: &mut Cx<'_, Process>,
    tree: &Routes,
    nodes: Reservation,
) -> Option<Retired<'static, u64>> {
    let erased = tree.lock(cx, |tree, _| tree.erase(nodes, 1)).ok()?;
    erased.map(|(_, value)| value)
    //~^ ERROR lifetime may not live long enough
}

fn changed(retired: &mut Retired<'_, u64>) {
    **retired = 2;
    //~^ ERROR E0594: cannot assign to data in dereference of `Retired<'_, u64>`
}

fn taken(retired: Retired<'_, KBox<u64>>) -> KBox<u64> {
    *retired
    //~^ ERROR E0507: cannot move out of dereference of `Retired<'_, Box<u64, Kmalloc>>`
}

fn waited_for(cx: &mut Cx<'_, Signalling>, retired: Retired<'_, u64>) -> RcuBox<u64> {
    retired.into_inner(cx)
    //~^ ERROR E0277: a `Signalling` context may not acquire `Reclaim`
}

fn waited_for_under_the_lock(
    cx: &mut Cx<'_, Process>,
    tree: &Routes,
    nodes: Reservation,
) -> Result {
    tree.lock(cx, |tree, cx| {
        if let Some((_, value)) = tree.erase(nodes, 1)? {
            drop(value.into_inner(cx));
            //~^ ERROR E0277: a `SignalLock` context may not acquire `Reclaim`
            //~| ERROR E0277: this operation may sleep, but the context is `Atomic`
        }
        Ok(())
    })
}
