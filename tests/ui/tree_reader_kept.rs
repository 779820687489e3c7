// SPDX-License-Identifier: GPL-2.0

//! What a reader under RCU found is used when it reads no more, or when the tree is gone; or is changed,
//! though others look at it.

use kernel::{
    prelude::*,
    sync::rcu::{
        self,
        Guard, //
    },
};
use strata::{
    maple::{
        IterRcu,
        MapleTree,
        Range,
        Rcu,
        RcuBox,
        Spin, //
    },
    prelude::*, //
};

type Routes = MapleTree<RcuBox<u64>, Spin, Rcu>;

fn returned(tree: &Routes) -> Option<&u64> {
    let reader = rcu::read_lock();
    tree.load(&reader, 1)
    //~^ ERROR E0515: cannot return value referencing local variable `reader`
}

fn dropped(tree: &Routes) -> Option<u64> {
    let reader = rcu::read_lock();
    let value = tree.load(&reader, 1);
    drop(reader);
    //~^ ERROR E0505: cannot move out of `reader` because it is borrowed
    value.copied()
}

fn iterated(tree: &Routes) -> IterRcu<'_, RcuBox<u64>> {
    tree.iter(&rcu::read_lock(), Range::ALL)
    //~^ ERROR E0515: cannot return value referencing temporary value
}

fn tree_is_gone(tree: KBox<Routes>, reader: &Guard) -> Option<&u64> {
    tree.load(reader, 1)
    //~^ ERROR E0515: cannot return value referencing function parameter `tree`
}

fn without_a_guard(tree: &Routes) -> Option<&u64> {
    tree.load(1)
    //~^ ERROR E0061: this method takes 2 arguments but 1 argument was supplied
    //~| NOTE argument #1 of type `&Guard` is missing
}

fn changed(tree: &Routes) {
    if let Some(value) = tree.load(&rcu::read_lock(), 1) {
        *value = 2;
        //~^ ERROR E0594: cannot assign to `*value`, which is behind a `&` reference
    }
}

fn changed_under_the_lock(cx: &mut Cx<'_, Process>, tree: &Routes) {
    tree.lock(cx, |tree, _| {
        if let Some(value) = tree.load_mut(1) {
            *value = 2;
            //~^ ERROR E0594: cannot assign to `*value`, which is behind a `&` reference
        }
    });
}
