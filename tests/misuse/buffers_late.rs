// SPDX-License-Identifier: GPL-2.0

//! Buffers that drivers share, where nothing of them may be had, or dropped: a destructor takes no
//! token.

use crate::{
    buffers::{
        Rig,
        Shown, //
    },
    cases::{
        cases,
        forged,
        Case, //
    },
    live::Live, //
};
use core::mem;
use kernel::{
    dma::DataDirection,
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::{
        Reclaim,
        ReclaimLock, //
    },
    dma_buf::{
        Attachment,
        ForCpu,
        Read, //
    },
    prelude::*,
};

cases![
    live:
    pin_dropped_under_its_lock,
    pin_dropped_under_another_lock,
    attachment_dropped_under_another_lock,
    mapping_dropped_under_another_lock,
    vmap_dropped_under_another_lock,
    for_cpu_dropped_under_another_lock,
    for_cpu_dropped_by_its_job,
    attachment_dropped_in_reclaim,
    buffer_attached_in_signalling,
    buffer_mapped_in_signalling,
    buffer_vmapped_in_signalling,
    buffer_vmapped_again_in_signalling,
    buffer_accessed_in_signalling,
    buffer_accessed_under_another_lock,
    buffer_moved_in_reclaim,
    buffer_moved_in_notifier,
    importer_allocates_in_process,
    importer_allocates_in_reclaim,
];

/// Drops something while the other buffer is locked: what drops it takes a lock itself.
fn dropped_under_another_lock<T>(cx: &mut Cx<'_, Process>, rig: &Rig, it: T) {
    rig.two.lock(cx, |_, _| drop(it));
}

fn job(cx: &mut Cx<'_, Process>, shown: Shown) -> Result<ForCpu<crate::buffers::Screen, Read>> {
    let shown = gfp::kernel(cx).arc(shown)?;
    ForCpu::new(cx, shown, Read)
}

fn pin_dropped_under_its_lock(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    let pinned = shown.pin(cx)?;
    rig.one.lock(cx, |_, _| drop(pinned));
    Ok(())
}

fn pin_dropped_under_another_lock(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    let pinned = shown.pin(cx)?;
    dropped_under_another_lock(cx, &rig, pinned);
    Ok(())
}

fn attachment_dropped_under_another_lock(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let shown = rig.attach(cx)?;
    dropped_under_another_lock(cx, &rig, shown);
    Ok(())
}

fn mapping_dropped_under_another_lock(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut fixed = Attachment::new(cx, rig.buf(), rig.device())?;
    let mapped = fixed.map_pinned(cx, rig.device(), DataDirection::ToDevice)?;
    dropped_under_another_lock(cx, &rig, mapped);
    Ok(())
}

fn vmap_dropped_under_another_lock(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    let pinned = shown.pin(cx)?;
    let seen = pinned.vmap(cx)?;
    dropped_under_another_lock(cx, &rig, seen);
    Ok(())
}

fn for_cpu_dropped_under_another_lock(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let shown = rig.attach(cx)?;
    let job = job(cx, shown)?;
    dropped_under_another_lock(cx, &rig, job);
    Ok(())
}

/// It is to be given back when the fence is signalled, not before.
fn for_cpu_dropped_by_its_job(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let shown = rig.attach(cx)?;
    let job = job(cx, shown)?;
    cx.signalling(|_| drop(job));
    Ok(())
}

fn attachment_dropped_in_reclaim(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let shown = rig.attach(cx)?;
    cx.reclaim(|_| drop(shown));
    Ok(())
}

fn buffer_attached_in_signalling(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    cx.signalling(|cx| forged(cx, |cx| rig.attach(cx).map(mem::forget)))
}

/// Under a reservation that could be locked at once.
fn buffer_mapped_in_signalling(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    let (resv, direction) = (rig.one.resv(), DataDirection::ToDevice);
    let tried = cx.signalling(|cx| {
        resv.try_lock(cx, |held, (), cx| {
            forged(cx, |cx| {
                shown.map(cx, held, rig.device(), direction).map(drop)
            })
        })
    });
    tried.unwrap_or(Err(EBUSY))
}

fn vmapped_in_signalling(cx: &mut Cx<'_, Process>, rig: &Rig) -> Result {
    let tried = cx.signalling(|cx| {
        rig.one.resv().try_lock(cx, |held, (), cx| {
            forged(cx, |cx| rig.one.vmap(cx, held).map(drop))
        })
    });
    tried.unwrap_or(Err(EBUSY))
}

fn buffer_vmapped_in_signalling(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    vmapped_in_signalling(cx, &rig)
}

/// What it was mapped to before is kept, and found.
fn buffer_vmapped_again_in_signalling(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    rig.one
        .lock(cx, |held, cx| rig.one.vmap(cx, held).map(drop))?;
    vmapped_in_signalling(cx, &rig)
}

fn buffer_accessed_in_signalling(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    cx.signalling(|cx| forged(cx, |cx| rig.one.access(cx, Read, |_, _| ())))?;
    Ok(())
}

fn buffer_accessed_under_another_lock(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    rig.two.lock(cx, |_, cx| {
        forged(cx, |cx| rig.one.access(cx, Read, |_, _| ()))
    })?;
    Ok(())
}

/// Moves the buffer, under a reservation that could be locked at once, in reclaim.
fn moved_in_reclaim(cx: &mut Cx<'_, Process>, rig: &Rig) -> Result {
    let to = rig.storage(cx)?;
    let moved = cx.reclaim(|cx: &mut Cx<'_, Reclaim>| {
        rig.one
            .resv()
            .try_lock(cx, |held, (), cx| rig.one.move_idle(cx, held, to))
    });
    moved.ok_or(EBUSY)??;
    Ok(())
}

fn buffer_moved_in_reclaim(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let _shown = rig.attach(cx)?;
    moved_in_reclaim(cx, &rig)
}

/// Mappings of user space are taken apart, and notifiers are told; there are none here.
fn buffer_moved_in_notifier(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let to = rig.storage(cx)?;
    let moved = cx.notifier(|cx| {
        rig.one.resv().try_lock(cx, |held, (), cx| {
            forged(cx, |cx| rig.one.move_idle(cx, held, to))
        })
    })?;
    moved.ok_or(EBUSY)??;
    Ok(())
}

/// With a token that says that it may.
fn allocate(cx: &mut Cx<'_, ReclaimLock>) {
    forged(cx, |cx| {
        drop(cx.alloc(0_u64));
    });
}

fn importer_allocates_in_process(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::with(cx, allocate)?;
    let _shown = rig.attach(cx)?;
    let to = rig.storage(cx)?;
    rig.one
        .lock(cx, |held, cx| rig.one.move_to(cx, held, to, 1))?;
    Ok(())
}

fn importer_allocates_in_reclaim(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::with(cx, allocate)?;
    let _shown = rig.attach(cx)?;
    moved_in_reclaim(cx, &rig)
}
