// SPDX-License-Identifier: GPL-2.0

//! Legal: trees under each kind of lock, with nodes from what its rank allows.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::{
        Notifier,
        Reclaim,
        ReclaimLock,
        SignalLock, //
    },
    maple::{
        Exclusive,
        External,
        Gaps,
        MapleTree,
        Number,
        Range,
        Reservation,
        Spin, //
    },
    prelude::*,
    sync::Mutex, //
};

strata::ranks! {
    after Process:
    /// The table: held over allocations.
    Table,
}

type Names = MapleTree<KBox<u64>, Exclusive>;
type Ids = MapleTree<Number, External<Arc<Mutex<u64, Table>>>, Gaps>;
type Buffers = MapleTree<Arc<u64>, Spin<ReclaimLock>>;

struct State {
    names: Pin<KBox<Names>>,
    used: u64,
}

/// In a mutex whose rank comes before reclaim: nodes and values are allocated when they are needed.
fn name(cx: &mut Cx<'_, Process>, state: &Mutex<State, Table>, range: Range, name: u64) -> Result {
    state.lock(cx, |state, cx| {
        let name = cx.alloc(name)?;
        let mut names = state.names.as_mut().exclusive();
        names.insert(&mut gfp::kernel(cx), range, name)?;
        if let Some(name) = names.load_mut(range.first()) {
            *name += 1;
        }
        state.used += 1;
        Ok(())
    })
}

/// Beside what the same mutex guards. What it guards is shown, and then the tree is used.
fn id(cx: &mut Cx<'_, Process>, lock: &Mutex<u64, Table>, ids: &Ids, id: usize) -> Result<usize> {
    lock.lock(cx, |next, cx| {
        *next += 1;
        let number = Number::new(*next as usize).ok_or(EOVERFLOW)?;
        let mut ids = ids.locked(next)?;
        ids.insert(&mut gfp::kernel(cx), Range::at(id), number)?;
        Ok(ids.load(id).map_or(0, Number::get))
    })
}

/// Under a spinlock: nodes are there already, or tried for.
fn add(cx: &mut Cx<'_, Process>, buffers: &Buffers, at: usize, value: Arc<u64>) -> Result {
    let mut nodes = Reservation::new(&mut gfp::kernel(cx), 1000, 2)?;
    let old = buffers.lock(cx, |buffers, cx| {
        let old = buffers.erase(&mut gfp::nowait(cx), at);
        let old = old.or_else(|_| buffers.erase(&mut nodes, at))?;
        buffers.insert(&mut nodes, Range::at(at), value)?;
        Ok::<_, Error>(old)
    })?;
    // Not under the lock.
    drop(old);
    Ok(())
}

/// In reclaim, as the rank allows. What is taken out is dropped when the lock is free.
fn scan(cx: &mut Cx<'_, Reclaim>, buffers: &Buffers) -> usize {
    let mut freed = 0;
    for at in 0..10 {
        let erased = buffers.lock(cx, |buffers, cx| {
            buffers.erase(&mut gfp::nowait(cx), at).ok().flatten()
        });
        freed += erased.map_or(0, |(range, _)| range.last() - range.first() + 1);
    }
    freed
}

/// Where the lock comes too late it is tried.
fn peek(cx: &mut Cx<'_, Notifier>, buffers: &Buffers) -> Option<bool> {
    buffers.try_lock(cx, |buffers, _| buffers.is_empty())
}

fn make(cx: &mut Cx<'_, Process>) -> Result<Pin<KBox<MapleTree<Number>>>> {
    let class = strata::lock_class!(SignalLock, "numbers");
    let tree = MapleTree::<_, Spin>::new(cx, class);
    gfp::kernel(cx).boxed_init(tree)
}
