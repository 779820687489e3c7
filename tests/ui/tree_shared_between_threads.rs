// SPDX-License-Identifier: GPL-2.0

//! What belongs to one thread is put into a tree that several use.

use core::{
    cell::Cell,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::maple::{
    Gaps,
    Iter,
    Locked,
    MapleTree,
    Number,
    Plain,
    Rcu,
    RcuBox,
    Retired,
    Spin, //
};

struct Mine {
    page: NonNull<u8>,
}

fn share<T: Sync>(_: &T) {}

fn send<T: Send>(_: T) {}

fn moved(tree: KBox<MapleTree<KBox<Mine>>>) {
    send(tree);
    //~^ ERROR E0277: `NonNull<u8>` cannot be sent between threads safely
}

fn pointers(tree: &MapleTree<KBox<Mine>>) {
    share(tree);
    //~^ ERROR E0277: `NonNull<u8>` cannot be sent between threads safely
}

fn shares(tree: &MapleTree<Arc<Cell<u64>>, Spin, Gaps>) {
    share(tree);
    //~^ ERROR E0277: `Cell<u64>` cannot be shared between threads safely
}

/// Readers under RCU look at one value from several CPUs.
fn cells(tree: &MapleTree<RcuBox<Cell<u64>>, Spin, Rcu>) {
    share(tree);
    //~^ ERROR E0277: `Cell<u64>` cannot be shared between threads safely
}

fn retired(value: Retired<'_, Cell<u64>>) {
    send(value);
    //~^ ERROR E0277: `Cell<u64>` cannot be shared between threads safely
}

/// A hold is the task's that has the lock: this compiles for what is not `Send`, and for nothing else.
fn hold(_tree: &Locked<'_, '_, Number, Plain>) {
    trait Moves<A> {
        fn stays() {}
    }
    impl<T> Moves<()> for T {}
    impl<T: Send> Moves<u8> for T {}
    <Locked<'_, '_, Number, Plain> as Moves<_>>::stays();
    <Iter<'_, Number> as Moves<_>>::stays();
}

/// A lock lets one thread at a time look at what is in its tree, so that this may be shared.
fn legal(tree: &MapleTree<KBox<Cell<u64>>>) {
    share(tree);
}
