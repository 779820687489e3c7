// SPDX-License-Identifier: GPL-2.0

//! Trees: memory for their nodes where it may not be taken, their locks out of their turn, and their
//! ends where nobody may wait. Memory is plenty here, and most stores need none: what is reported is
//! what Strata says beforehand.

use crate::cases::{
    cases,
    forged,
    Case, //
};
use core::ffi::c_void;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::{
        ReclaimLock,
        SignalLock,
        Sleep, //
    },
    lock_class,
    maple::{
        Exclusive,
        External,
        ExternalLock,
        MapleTree,
        Number,
        Range,
        Rcu,
        RcuBox,
        Reservation,
        Spin, //
    },
    prelude::*,
    sync::Mutex, //
};

strata::ranks! {
    after Process:
    /// What a lock guards beside its tree.
    Table,
}

/// The trees.
#[pin_data]
pub(crate) struct Trees {
    #[pin]
    jobs: MapleTree<Number>,
    #[pin]
    more_jobs: MapleTree<Number>,
    #[pin]
    buffers: MapleTree<Number, Spin<ReclaimLock>>,
    #[pin]
    routes: MapleTree<RcuBox<u64>, Spin, Rcu>,
    /// What sleeps when it is freed.
    #[pin]
    tables: MapleTree<KBox<VVec<u64>>>,
    table: Arc<Mutex<u64, Table>>,
}

impl Trees {
    pub(crate) fn new(cx: &mut Cx<'_, Process>) -> Result<Arc<Self>> {
        let class = lock_class!(SignalLock, "jobs");
        let jobs = MapleTree::<_, Spin>::new(cx, class);
        let more_jobs = MapleTree::<_, Spin>::new(cx, class);
        let buffers = MapleTree::<_, Spin<_>>::new(cx, lock_class!(ReclaimLock, "buffers"));
        let routes = MapleTree::<_, Spin, Rcu>::new(cx, lock_class!(SignalLock, "routes"));
        let tables = MapleTree::<_, Spin>::new(cx, lock_class!(SignalLock, "tables"));
        let table = Mutex::new(cx, lock_class!(Table, "table"), 0);
        let table = gfp::kernel(cx).arc_init(table)?;
        gfp::kernel(cx).arc_init(try_pin_init!(Self {
            jobs <- jobs,
            more_jobs <- more_jobs,
            buffers <- buffers,
            routes <- routes,
            tables <- tables,
            table,
        }? Error))
    }
}

cases![
    trees:
    tree_nodes_reserved_in_signalling,
    tree_nodes_reserved_in_reclaim,
    tree_nodes_reserved_under_its_lock,
    tree_stored_in_signalling,
    tree_stored_in_signalling_nowait,
    tree_stored_under_its_lock,
    tree_committed_in_signalling,
    tree_locked_twice,
    tree_locked_after_later_one,
    trees_locked_in_order,
    tree_used_without_its_lock,
    tree_value_freed_under_its_lock,
    tree_value_let_go_in_signalling,
    tree_value_taken_back_in_signalling,
    tree_dropped_in_signalling,
    tree_dropped_under_lock,
];

fn number() -> Result<Number> {
    Number::new(7).ok_or(EINVAL)
}

/// Reserves nodes, wherever it is.
fn reserve<L: Level, S: Sleep>(cx: &mut Cx<'_, L, S>) -> Result {
    forged(cx, |cx| {
        Reservation::new(&mut gfp::kernel(cx), 1000, 1).map(drop)
    })
}

fn tree_nodes_reserved_in_signalling(cx: &mut Cx<'_, Process>, _: &Arc<Trees>) -> Result {
    cx.signalling(reserve)
}

fn tree_nodes_reserved_in_reclaim(cx: &mut Cx<'_, Process>, _: &Arc<Trees>) -> Result {
    cx.reclaim(reserve)
}

fn tree_nodes_reserved_under_its_lock(cx: &mut Cx<'_, Process>, trees: &Arc<Trees>) -> Result {
    trees.jobs.lock(cx, |_, cx| reserve(cx))
}

/// A tree of one value at index 0 has no node.
fn first_value(cx: &mut Cx<'_, Process>) -> Result<Pin<KBox<MapleTree<Number, Exclusive>>>> {
    let tree = MapleTree::<_, Exclusive>::new();
    gfp::kernel(cx).boxed_init(tree)
}

fn tree_stored_in_signalling(cx: &mut Cx<'_, Process>, _: &Arc<Trees>) -> Result {
    let mut tree = first_value(cx)?;
    let mut tree = tree.as_mut().exclusive();
    cx.signalling(|cx| {
        forged(cx, |cx| {
            tree.insert(&mut gfp::kernel(cx), Range::at(0), number()?)?;
            Ok(())
        })
    })
}

fn tree_stored_in_signalling_nowait(cx: &mut Cx<'_, Process>, _: &Arc<Trees>) -> Result {
    let mut tree = first_value(cx)?;
    let mut tree = tree.as_mut().exclusive();
    cx.signalling(|cx| {
        tree.insert(&mut gfp::nowait(cx), Range::at(0), number()?)?;
        Ok(())
    })
}

fn tree_stored_under_its_lock(cx: &mut Cx<'_, Process>, trees: &Arc<Trees>) -> Result {
    trees.jobs.lock(cx, |jobs, cx| {
        forged(cx, |cx| {
            jobs.insert(&mut gfp::kernel(cx), Range::at(0), number()?)?;
            Ok(())
        })
    })
}

fn tree_committed_in_signalling(cx: &mut Cx<'_, Process>, trees: &Arc<Trees>) -> Result {
    let mut nodes = Reservation::new(&mut gfp::kernel(cx), 1000, 2)?;
    let number = number()?;
    cx.signalling(|cx| {
        trees.jobs.lock(cx, |jobs, _| {
            jobs.insert(&mut nodes, Range::of(10..20)?, number)?;
            jobs.erase(nodes, 10)?.ok_or(ENOENT)?;
            Ok(())
        })
    })
}

fn tree_locked_twice(cx: &mut Cx<'_, Process>, trees: &Arc<Trees>) -> Result {
    trees.jobs.lock(cx, |_, cx| {
        forged(cx, |cx| trees.more_jobs.lock(cx, |_, _| Ok(())))
    })
}

fn tree_locked_after_later_one(cx: &mut Cx<'_, Process>, trees: &Arc<Trees>) -> Result {
    trees.jobs.lock(cx, |_, cx| {
        forged(cx, |cx| trees.buffers.lock(cx, |_, _| Ok(())))
    })
}

fn trees_locked_in_order(cx: &mut Cx<'_, Process>, trees: &Arc<Trees>) -> Result {
    trees
        .buffers
        .lock(cx, |_, cx| trees.jobs.lock(cx, |_, _| Ok(())))
}

/// Claims that whoever has `shown` holds `mutex`.
struct Liar {
    mutex: Arc<Mutex<u64, Table>>,
    shown: *const u64,
}

// SAFETY: It is a lie, and its consequence is what lockdep is to report.
unsafe impl ExternalLock for Liar {
    type Owner = u64;
    type Level = Table;

    fn owner<L, S>(&self, _cx: &mut Cx<'_, L, S>) -> *const u64
    where
        L: Before<Table>,
        S: MaySleep,
    {
        self.shown
    }

    fn mutex(&self) -> *mut c_void {
        self.mutex.mutex()
    }
}

fn tree_used_without_its_lock(cx: &mut Cx<'_, Process>, trees: &Arc<Trees>) -> Result {
    let mut shown = cx.alloc(0)?;
    let liar = Liar {
        mutex: trees.table.clone(),
        shown: &raw const *shown,
    };
    let tree = MapleTree::<Number, External<Liar>>::new(cx, liar);
    let tree = gfp::kernel(cx).boxed_init(tree)?;
    let mut locked = tree.locked(&mut shown)?;
    locked.insert(&mut gfp::kernel(cx), Range::at(0), number()?)?;
    Ok(())
}

fn tree_value_freed_under_its_lock(cx: &mut Cx<'_, Process>, trees: &Arc<Trees>) -> Result {
    let table = cx.alloc(VVec::with_capacity(1, GFP_KERNEL)?)?;
    let mut nodes = Reservation::new(&mut gfp::kernel(cx), 1000, 2)?;
    trees.tables.lock(cx, |tables, _| {
        tables.insert(&mut nodes, Range::at(0), table)?;
        drop(tables.erase(nodes, 0)?);
        Ok(())
    })
}

/// Puts a value into a tree and takes it out, and does `f` with what it then is.
fn retire<L: Before<SignalLock>, S: Sleep>(
    cx: &mut Cx<'_, L, S>,
    trees: &Trees,
    nodes: &mut Reservation,
    route: RcuBox<u64>,
) -> Result {
    trees.routes.lock(cx, |routes, _| {
        routes.insert(&mut *nodes, Range::at(0), route)?;
        drop(routes.erase(nodes, 0)?);
        Ok(())
    })
}

fn tree_value_let_go_in_signalling(cx: &mut Cx<'_, Process>, trees: &Arc<Trees>) -> Result {
    let mut nodes = Reservation::new(&mut gfp::kernel(cx), 1000, 2)?;
    let route = RcuBox::new(&mut gfp::kernel(cx), 7)?;
    cx.signalling(|cx| retire(cx, trees, &mut nodes, route))
}

fn tree_value_taken_back_in_signalling(cx: &mut Cx<'_, Process>, trees: &Arc<Trees>) -> Result {
    let mut nodes = Reservation::new(&mut gfp::kernel(cx), 1000, 2)?;
    let route = RcuBox::new(&mut gfp::kernel(cx), 7)?;
    let erased = trees.routes.lock(cx, |routes, _| {
        routes.insert(&mut nodes, Range::at(0), route)?;
        Ok::<_, Error>(routes.erase(nodes, 0)?)
    })?;
    let (_, route) = erased.ok_or(ENOENT)?;
    cx.signalling(|cx| forged(cx, |cx| drop(route.into_inner(cx))));
    Ok(())
}

/// A tree that waits for its readers when it is dropped.
type Read = MapleTree<RcuBox<u64>, Exclusive, Rcu>;

fn empty(cx: &mut Cx<'_, Process>) -> Result<Pin<KBox<Read>>> {
    let tree = Read::new();
    gfp::kernel(cx).boxed_init(tree)
}

fn tree_dropped_in_signalling(cx: &mut Cx<'_, Process>, _: &Arc<Trees>) -> Result {
    let tree = empty(cx)?;
    cx.signalling(|_| drop(tree));
    Ok(())
}

fn tree_dropped_under_lock(cx: &mut Cx<'_, Process>, trees: &Arc<Trees>) -> Result {
    let tree = empty(cx)?;
    trees.jobs.lock(cx, |_, _| drop(tree));
    Ok(())
}
