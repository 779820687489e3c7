// SPDX-License-Identifier: GPL-2.0

//! A tree that another lock guards: one that is not kept alive, and one that the order does not know.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    maple::{
        External,
        MapleTree,
        Number, //
    },
    sync::Mutex, //
};

strata::ranks! {
    after Process:
    /// A table, and its tree.
    Table
}

type Guarded<H> = MapleTree<Number, External<H>>;

fn not_kept_alive(tree: &Guarded<&'static Mutex<u64, Table>>) {
    //~^ ERROR E0277: `&'static Mutex<u64, Table>` does not keep a lock that can guard a tree
    //~| NOTE not a lock that stays where it is for as long as the tree lives
    //~| NOTE what does: an `Arc` of a `strata::sync::Mutex`, or of a `strata::resv::Resv`
    let _ = tree;
}

fn without_a_rank(tree: &Guarded<Arc<kernel::sync::Mutex<u64>>>) {
    //~^ ERROR E0277: `Arc<Lock<u64, MutexBackend>>` does not keep a lock that can guard a tree
    let _ = tree;
}
