// SPDX-License-Identifier: GPL-2.0

//! Reservations: where they are locked, what is done under them, and how their slots are filled.

use crate::cases::{
    cases,
    forged,
    Case, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::{
        ReclaimLock,
        SignalLock, //
    },
    dev::user::UserRange,
    fence::{
        Timeline,
        Wake, //
    },
    lock_class,
    prelude::*,
    resv::{
        self,
        Resv,
        Usage, //
    },
    sync::{
        Mutex,
        ReclaimMutex,
        SignalSpinLock,
        SpinLock, //
    },
};

/// Two buffers.
#[pin_data]
pub(crate) struct Reservations {
    timeline: Timeline,
    #[pin]
    one: Resv<u32>,
    #[pin]
    two: Resv<u32>,
    #[pin]
    table: ReclaimMutex<()>,
    #[pin]
    ring: SignalSpinLock<()>,
}

impl Reservations {
    pub(crate) fn new(cx: &mut Cx<'_, Process>) -> Result<Arc<Self>> {
        let timeline = Timeline::new(cx, c"strata_misuse", c"copies")?;
        let table = Mutex::new(cx, lock_class!(ReclaimLock, "table of buffers"), ());
        let ring = SpinLock::new(cx, lock_class!(SignalLock, "ring of copies"), ());
        gfp::kernel(cx).arc_init(try_pin_init!(Self {
            timeline,
            one <- Resv::new(0),
            two <- Resv::new(0),
            table <- table,
            ring <- ring,
        }? Error))
    }
}

cases![
    reservations:
    reservation_locked_in_signalling,
    reservation_locked_in_reclaim,
    reservation_locked_in_notifier,
    reservation_locked_under_reclaim_mutex,
    reservation_locked_under_spinlock,
    reservations_locked_in_signalling,
    reservations_locked_in_reclaim,
    reservation_locked_under_another,
    reservation_locked_under_tried,
    reservation_held_over_user_memory,
    reservation_tried_then_kernel,
    slot_reserved_in_signalling,
    reservations_without_mistake,
];

/// Locks one with a token that says that it may.
fn locked<L: Level, S: strata::cx::Sleep>(cx: &mut Cx<'_, L, S>, resv: &Resv<u32>) -> Result {
    forged(cx, |cx| resv.lock(cx, |_, count, _| *count += 1));
    Ok(())
}

/// Locks both.
fn both<L: Level, S: strata::cx::Sleep>(cx: &mut Cx<'_, L, S>, it: &Reservations) -> Result {
    forged(cx, |cx| resv::all(cx, &[&it.one, &it.two], |_, _| ()))
}

fn reservation_locked_in_signalling(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    cx.signalling(|cx| locked(cx, &it.one))
}

fn reservation_locked_in_reclaim(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    cx.reclaim(|cx| locked(cx, &it.one))
}

fn reservation_locked_in_notifier(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    cx.notifier(|cx| locked(cx, &it.one))?
}

fn reservation_locked_under_reclaim_mutex(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    it.table.lock(cx, |(), cx| locked(cx, &it.one))
}

fn reservation_locked_under_spinlock(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    it.ring.lock(cx, |(), cx| locked(cx, &it.one))
}

fn reservations_locked_in_signalling(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    cx.signalling(|cx| both(cx, it))
}

fn reservations_locked_in_reclaim(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    cx.reclaim(|cx| both(cx, it))
}

fn reservation_locked_under_another(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    it.one.lock(cx, |_, _, cx| locked(cx, &it.two))
}

fn reservation_locked_under_tried(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    it.one
        .try_lock(cx, |_, _, cx| locked(cx, &it.two))
        .unwrap_or(Err(EBUSY))
}

fn reservation_held_over_user_memory(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    it.one.lock(cx, |_, _, cx| {
        forged(cx, |cx| {
            // Nothing is mapped at 0: it is the attempt that counts.
            let read = UserRange::new(0, 8).read::<u64, _, _>(cx);
            read.err().map_or(Err(EINVAL), |_| Ok(()))
        })
    })
}

/// Tried in reclaim, which its holder is then still in.
fn reservation_tried_then_kernel(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    cx.reclaim(|cx| {
        it.one
            .try_lock(cx, |held, _, cx| {
                forged(cx, |cx| {
                    drop(held.reserve_one(&mut gfp::kernel(cx))?);
                    Ok(())
                })
            })
            .unwrap_or(Err(EBUSY))
    })
}

/// The first one of a reservation takes memory.
fn slot_reserved_in_signalling(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    it.one.lock(cx, |held, _, cx| {
        cx.signalling(|cx| {
            forged(cx, |cx| {
                drop(held.reserve_one(&mut gfp::kernel(cx))?);
                Ok(())
            })
        })
    })
}

/// Both are locked, in both orders, and a fence is added to each, which is then waited for; in
/// reclaim they are tried.
fn reservations_without_mistake(cx: &mut Cx<'_, Process>, it: &Reservations) -> Result {
    both(cx, it)?;
    let signaller = resv::many(cx, |many, cx| {
        let write = many.lock(cx, &it.two)?;
        let read = many.lock(cx, &it.one)?;
        let write = write.reserve_one(&mut gfp::kernel(cx))?;
        let read = read.reserve_one(&mut gfp::kernel(cx))?;
        let prepared = it.timeline.prepare(&mut gfp::kernel(cx))?;
        Ok(cx.signalling(|cx| {
            let (fence, signaller) = prepared.publish(cx);
            write.add(cx, &fence, Usage::Write).ok();
            read.add(cx, &fence, Usage::Read).ok();
            signaller
        }))
    })?;
    let tried = |cx: &mut Cx<'_, strata::cx::Reclaim>| {
        it.one
            .try_lock(cx, |_, _, cx| it.one.is_signalled(cx, Usage::Read))
    };
    if cx.reclaim(tried) != Some(false) {
        return Err(EIO);
    }
    cx.signalling(|cx| signaller.signal(cx, Ok(())));
    it.two.lock(cx, |_, _, cx| {
        it.two
            .wait_timeout(cx, Usage::Bookkeep, Wake::Done, 1000)
            .map(drop)
    })?;
    (cx.reclaim(tried) == Some(true)).then_some(()).ok_or(EIO)
}
