// SPDX-License-Identifier: GPL-2.0

//! A tree is to be read under RCU, and its values have no room for what freeing them later needs.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::SignalLock,
    maple::{
        MapleTree,
        Rcu,
        Spin, //
    },
    prelude::*, //
};

struct Routes {
    tree: KBox<MapleTree<KBox<u64>, Spin, Rcu>>,
    //~^ ERROR E0277: a tree of mode `Rcu` cannot hold `Box<u64, Kmalloc>`
    //~| NOTE readers under RCU may look at a value that has left the tree
    //~| NOTE hold `RcuBox<_>`, or use mode `Plain` or `Gaps`
}

fn make(cx: &mut Cx<'_, Process>) {
    let class = strata::lock_class!(SignalLock, "routes");
    drop(MapleTree::<Arc<u64>, Spin, Rcu>::new(cx, class));
    //~^ ERROR E0277: a tree of mode `Rcu` cannot hold `Arc<u64>`
    //~| ERROR E0599: its trait bounds were not satisfied
}
