// SPDX-License-Identifier: GPL-2.0

//! Two locked trees change places: each would then be used after its lock was released, or without.

use core::mem;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::ReclaimLock,
    maple::{
        External,
        Locked,
        MapleTree,
        Number,
        Plain,
        Spin, //
    },
    prelude::*,
    sync::Mutex, //
};

strata::ranks! {
    after Process:
    /// The first of two tables.
    First,
    /// The second of two tables.
    Second,
}

type Outer = MapleTree<Number, Spin<ReclaimLock>>;
type Inner = MapleTree<Number>;
type Guarded<R> = MapleTree<Number, External<Arc<Mutex<u64, R>>>>;

fn swapped(cx: &mut Cx<'_, Process>, outer: &Outer, inner: &Inner) {
    outer.lock(cx, |outer, cx| {
        inner.lock(cx, |inner, _| mem::swap(inner, outer));
        //~^ ERROR E0521: borrowed data escapes outside of closure
    });
}

fn assigned(
    cx: &mut Cx<'_, Process>,
    (lock, tree): (&Mutex<u64, First>, &Guarded<First>),
    (inner_lock, inner_tree): (&Mutex<u64, Second>, &Guarded<Second>),
) -> Result {
    lock.lock(cx, |owner, cx| {
        let mut outer: Locked<'_, '_, Number, Plain> = tree.locked(owner)?;
        inner_lock.lock(cx, |owner, _| {
            outer = inner_tree.locked(owner)?;
            //~^ ERROR E0521: borrowed data escapes outside of closure
            Ok::<_, Error>(())
        })?;
        drop(outer.load(0));
        Ok(())
    })
}

fn lent(first: &mut u64, second: &mut u64, trees: (&Guarded<First>, &Guarded<First>)) -> Result {
    let one = trees.0.locked(first)?;
    let other = trees.1.locked(first)?;
    //~^ ERROR E0499: cannot borrow `*first` as mutable more than once at a time
    drop((one, other, second));
    Ok(())
}
