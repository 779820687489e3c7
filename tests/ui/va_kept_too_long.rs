// SPDX-License-Identifier: GPL-2.0

//! What was found in a VA space is used when the reader is gone, or changed; what a commit displaced is
//! used when that is forgotten, or when the space is gone.

use kernel::{
    prelude::*,
    sync::rcu, //
};
use strata::{
    prelude::*,
    va::{
        Done,
        Driver,
        Mapping,
        Op,
        Prepared,
        Space,
        View, //
    },
};

fn found<D: Driver>(space: &Space<D>) -> Option<&Mapping<D>> {
    let reader = rcu::read_lock();
    space.find(&reader, 0)
    //~^ ERROR E0515: cannot return value referencing local variable `reader`
}

fn view<'r, D: Driver>(space: &'r Space<D>, reader: &'r rcu::Guard) {
    let mut kept: Option<&View<'_, D, _>> = None;
    space.read(reader, |view| kept = Some(view));
    //~^ ERROR E0521: borrowed data escapes outside of closure
    drop(kept.and_then(|view| view.find(0)));
}

fn seen_under_the_lock<D: Driver>(cx: &mut Cx<'_, Process>, space: &Space<D>) -> Option<u64> {
    let mapping = space.read_locked(cx, |view| view.find(0));
    //~^ ERROR lifetime may not live long enough
    mapping.map(|mapping| mapping.offset())
}

fn changed<D: Driver<Data = u64>>(mapping: &mut Mapping<D>) {
    *mapping.data() = 2;
    //~^ ERROR E0594: cannot assign to data in a `&` reference
}

fn forgotten<D: Driver>(done: Done<'_, D>) -> Option<u64> {
    let op = done.ops().next()?;
    drop(done);
    //~^ ERROR E0505: cannot move out of `done` because it is borrowed
    match op {
        Op::Unmap { old, .. } => Some(old.offset()),
        Op::Remap { .. } | Op::Cut { .. } | Op::Map { .. } => None,
    }
}

fn beyond_the_space<D: Driver>(
    cx: &mut Cx<'_, Process>,
    space: KBox<Space<D>>,
    request: Prepared<D>,
) -> usize {
    let done = space.commit(cx, request).ok();
    drop(space);
    //~^ ERROR E0505: cannot move out of `space` because it is borrowed
    done.map_or(0, |done| done.ops().count())
}
