// SPDX-License-Identifier: GPL-2.0

//! Nodes are reserved where they are to be used: in the signalling section, under a spinlock, in
//! reclaim and under a lock that it takes.

use kernel::prelude::*;
use strata::{
    cx::{
        Reclaim,
        Signalling, //
    },
    maple::{
        MapleTree,
        Number,
        Range,
        Reservation, //
    },
    prelude::*,
    sync::ReclaimMutex, //
};

type Jobs = MapleTree<Number>;

fn run(cx: &mut Cx<'_, Signalling>, tree: &Jobs, job: Number) -> Result {
    let nodes = Reservation::new(&mut gfp::kernel(cx), 1_000_000, 1)?;
    //~^ ERROR E0277: a `Signalling` context may not allocate with class `Kernel`
    //~| NOTE allocate before this context is entered
    tree.lock(cx, |tree, _| tree.insert(nodes, Range::at(0), job))?;
    Ok(())
}

fn submit(cx: &mut Cx<'_, Process>, tree: &Jobs, job: Number) -> Result {
    tree.lock(cx, |tree, cx| {
        let nodes = Reservation::new(&mut gfp::noio(cx), 1_000_000, 1)?;
        //~^ ERROR E0277: a `SignalLock` context may not allocate with class `NoIo`
        //~| ERROR E0277: this operation may sleep, but the context is `Atomic`
        tree.insert(nodes, Range::at(0), job)?;
        Ok(())
    })
}

fn scan(cx: &mut Cx<'_, Reclaim>) -> Result<Reservation> {
    Reservation::new(&mut gfp::kernel(cx), 1_000_000, 1)
    //~^ ERROR E0277: a `Reclaim` context may not allocate with class `Kernel`
}

fn queue(cx: &mut Cx<'_, Process>, queue: &ReclaimMutex<KVec<Reservation>>) -> Result {
    queue.lock(cx, |queue, cx| {
        let nodes = Reservation::new(&mut gfp::nofs(cx), 1_000_000, 1)?;
        //~^ ERROR E0277: a `ReclaimLock` context may not allocate with class `NoFs`
        Ok(gfp::nowait(cx).push(queue, nodes)?)
    })
}
