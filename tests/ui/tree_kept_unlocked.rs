// SPDX-License-Identifier: GPL-2.0

//! A locked tree, or what was found in it, is kept after the lock was released: the tree's own, that of
//! what it stands in, and one that it shares.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    maple::{
        Exclusive,
        External,
        Iter,
        Locked,
        MapleTree,
        Plain,
        Range, //
    },
    prelude::*,
    sync::Mutex, //
};

strata::ranks! {
    after Process:
    /// What the table and its tree are guarded by.
    Table
}

type Names = MapleTree<KBox<u64>>;
type Shared = MapleTree<KBox<u64>, External<Arc<Mutex<u64, Table>>>>;
type Own = Pin<KBox<MapleTree<KBox<u64>, Exclusive>>>;

fn keep(cx: &mut Cx<'_, Process>, tree: &Names) {
    let mut kept = None;
    tree.lock(cx, |tree, _| kept = Some(tree));
    //~^ ERROR E0521: borrowed data escapes outside of closure
    drop(kept);
}

fn value<'a>(cx: &mut Cx<'_, Process>, tree: &'a Names) -> Option<&'a u64> {
    tree.lock(cx, |tree, _| tree.load(0))
    //~^ ERROR lifetime may not live long enough
}

fn value_mut<'a>(cx: &mut Cx<'_, Process>, tree: &'a Names) -> Option<&'a mut u64> {
    tree.lock(cx, |tree, _| tree.load_mut(0))
    //~^ ERROR lifetime may not live long enough
}

fn values<'a>(cx: &mut Cx<'_, Process>, tree: &'a Names) -> Iter<'a, KBox<u64>> {
    tree.lock(cx, |tree, _| tree.iter(Range::ALL))
    //~^ ERROR lifetime may not live long enough
}

fn shared<'a>(
    cx: &mut Cx<'_, Process>,
    lock: &Mutex<u64, Table>,
    tree: &'a Shared,
) -> Option<Locked<'a, 'a, KBox<u64>, Plain>> {
    lock.lock(cx, |owner, _| tree.locked(owner).ok())
    //~^ ERROR lifetime may not live long enough
}

fn guarded(owner: &mut u64, tree: &Shared) -> Result {
    let locked = tree.locked(owner)?;
    *owner += 1;
    //~^ ERROR E0503: cannot use `*owner` because it was mutably borrowed
    drop(locked);
    Ok(())
}

fn own<'a>(
    cx: &mut Cx<'_, Process>,
    tree: &'a Mutex<Own, Table>,
) -> Locked<'a, 'a, KBox<u64>, Plain> {
    tree.lock(cx, |tree, _| tree.as_mut().exclusive())
    //~^ ERROR lifetime may not live long enough
}
