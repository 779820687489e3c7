// SPDX-License-Identifier: GPL-2.0

//! A tree that is not in `Rcu` mode is read without its lock: a store of the moment changes its nodes,
//! and frees its values, under the reader. And one without a lock is shared.

use kernel::{
    prelude::*,
    sync::{
        rcu,
        Arc, //
    },
};
use strata::{
    maple::{
        Exclusive,
        Gaps,
        MapleTree,
        Range,
        RcuBox,
        Spin, //
    },
    prelude::*, //
};

fn plain(tree: &MapleTree<KBox<u64>>) -> Option<u64> {
    tree.load(&rcu::read_lock(), 1).copied()
    //~^ ERROR E0277: a tree of mode `Plain` is not read without its lock
    //~| NOTE a store may change what this walks, and free what it finds
    //~| NOTE WARNING: suspicious RCU usage
    //~| NOTE read under the lock, or make it a `MapleTree<RcuBox<_>, _, Rcu>`
}

fn gaps(tree: &MapleTree<RcuBox<u64>, Spin, Gaps>) -> usize {
    tree.iter(&rcu::read_lock(), Range::ALL).count()
    //~^ ERROR E0277: a tree of mode `Gaps` is not read without its lock
}

fn without_lock(cx: &mut Cx<'_, Process>, tree: &MapleTree<KBox<u64>, Exclusive>) {
    tree.lock(cx, |_, _| ());
    //~^ ERROR E0599: no method named `lock` found
}

fn shared(tree: &Pin<KBox<MapleTree<KBox<u64>, Exclusive>>>) {
    tree.as_mut().exclusive();
    //~^ ERROR E0596: cannot borrow `*tree` as mutable, as it is behind a `&` reference
}

fn counted(tree: &Arc<MapleTree<KBox<u64>, Exclusive>>) {
    tree.exclusive();
    //~^ ERROR E0599: no method named `exclusive` found
}

fn twice(mut tree: Pin<&mut MapleTree<KBox<u64>, Exclusive>>) {
    let one = tree.as_mut().exclusive();
    let other = tree.as_mut().exclusive();
    //~^ ERROR E0499: cannot borrow `tree` as mutable more than once at a time
    drop((one, other));
}
