// SPDX-License-Identifier: GPL-2.0

//! Legal: helpers that are generic over their context and say what they need of it.

use kernel::{
    alloc::AllocError,
    prelude::*, //
};
use strata::{
    cx::{
        Join,
        Notifier,
        Reclaim,
        ReclaimLock,
        ResvHeld, //
    },
    prelude::*,
    sync::ReclaimMutex, //
};

fn node<L: MayAlloc<gfp::Kernel>>(cx: &mut Cx<'_, L>) -> Result<KBox<u32>> {
    Ok(cx.alloc(1)?)
}

fn table<L, S>(cx: &mut Cx<'_, L, S>) -> Result<KVec<u32>, AllocError>
where
    L: MayAlloc<gfp::NoIo>,
    S: MaySleep,
{
    gfp::noio(cx).vec(4)
}

fn anywhere<L: Level, S: Sleep>(cx: &mut Cx<'_, L, S>) -> Result<KBox<u32>> {
    Ok(gfp::nowait(cx).boxed(1)?)
}

fn count<L: Before<ReclaimLock>>(cx: &mut Cx<'_, L>, lock: &ReclaimMutex<u32>) -> u32 {
    lock.lock(cx, |count, _| *count)
}

fn try_count<L: Join<ReclaimLock>>(cx: &mut Cx<'_, L>, lock: &ReclaimMutex<u32>) -> Option<u32> {
    lock.try_lock(cx, |count, _| *count)
}

fn strongest<L: gfp::Strongest>(cx: &mut Cx<'_, L>) -> bool
where
    L::Class: gfp::Allocate,
{
    gfp::strongest(cx).boxed(1).is_ok()
}

fn use_all(
    process: &mut Cx<'_, Process>,
    resv: &mut Cx<'_, ResvHeld>,
    reclaim: &mut Cx<'_, Reclaim>,
    notifier: &mut Cx<'_, Notifier>,
    lock: &ReclaimMutex<u32>,
) -> Result<u32> {
    drop(node(process)?);
    drop(node(resv)?);
    drop(table(reclaim)?);
    drop(anywhere(notifier)?);
    let known = strongest(process) && strongest(reclaim) && strongest(notifier);
    let tried = try_count(notifier, lock).unwrap_or(u32::from(known));
    Ok(count(process, lock) + count(reclaim, lock) + tried)
}
