// SPDX-License-Identifier: GPL-2.0

//! Address spaces: memory for their requests where it may not be taken, commits where their lock may not
//! be, and their ends where nobody may wait. Then readers in an interrupt: no token is asked of them.

use crate::{
    cases::{
        cases,
        forged,
        Case, //
    },
    interrupt::interrupt, //
};
use kernel::{
    prelude::*,
    sync::{
        rcu,
        Arc, //
    },
};
use strata::{
    cx::{
        ReclaimLock,
        SignalLock, //
    },
    gfp::{
        Allocate,
        Gfp, //
    },
    lock_class,
    prelude::*,
    sync::SignalSpinLock,
    va::{
        Driver,
        Limits,
        Mapping,
        Prepared,
        Space,
        Span, //
    },
};

/// A driver that keeps nothing of its own, and knows objects by a number.
struct Gpu;

impl Driver for Gpu {
    type Object = u64;
    type Data = ();
    type Spare = ();

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result {
        Ok(())
    }

    fn split(_old: &Mapping<Self>, _piece: Span, _spare: ()) {}
}

/// The spaces.
#[pin_data]
pub(crate) struct Spaces {
    #[pin]
    space: Space<Gpu>,
    /// One that reclaim commits to.
    #[pin]
    cache: Space<Gpu, ReclaimLock>,
    /// What comes after the lock of that.
    #[pin]
    ring: SignalSpinLock<()>,
}

impl Spaces {
    pub(crate) fn new(cx: &mut Cx<'_, Process>) -> Result<Arc<Self>> {
        let limits = Limits::from(span(1 << 20)?);
        let space = Space::new(cx, lock_class!(SignalLock, "space"), limits);
        let cache = Space::new(cx, lock_class!(ReclaimLock, "space of a cache"), limits);
        let ring = SignalSpinLock::new(cx, lock_class!(SignalLock, "ring"), ());
        gfp::kernel(cx).arc_init(try_pin_init!(Self {
            space <- space,
            cache <- cache,
            ring <- ring,
        }? Error))
    }
}

cases![
    spaces:
    space_request_prepared_in_signalling,
    space_changed_in_signalling,
    space_committed_under_later_lock,
    space_found_in_interrupt,
    space_locked_in_interrupt,
    space_dropped_in_signalling,
    space_dropped_under_lock,
];

/// From address 0 on.
fn span(length: u64) -> Result<Span> {
    Span::new(0, length).map_err(|_| EINVAL)
}

fn mapped(cx: &mut Cx<'_, Process>, space: &Space<Gpu>) -> Result<Prepared<Gpu>> {
    let map = space.prepare_map(&mut gfp::kernel(cx), span(2)?, Some(1), 0, ())?;
    Ok(map)
}

fn space_request_prepared_in_signalling(cx: &mut Cx<'_, Process>, it: &Arc<Spaces>) -> Result {
    cx.signalling(|cx| forged(cx, |cx| mapped(cx, &it.space).map(drop)))
}

/// What is displaced is dropped there, too, and what is not needed after all.
fn space_changed_in_signalling(cx: &mut Cx<'_, Process>, it: &Arc<Spaces>) -> Result {
    let map = mapped(cx, &it.space)?;
    let unmap = it.space.prepare_unmap(&mut gfp::kernel(cx), span(1)?)?;
    let unneeded = mapped(cx, &it.space)?;
    cx.signalling(|cx| {
        drop(unneeded);
        drop(it.space.commit(cx, map)?);
        drop(it.space.commit(cx, unmap)?);
        Ok(())
    })
}

fn space_committed_under_later_lock(cx: &mut Cx<'_, Process>, it: &Arc<Spaces>) -> Result {
    let unmap = it.cache.prepare_unmap(&mut gfp::kernel(cx), span(1)?)?;
    it.ring.lock(cx, |(), cx| {
        forged(cx, |cx| {
            drop(it.cache.commit(cx, unmap)?);
            Ok(())
        })
    })
}

/// Interrupts somebody, after a commit, and does `run` there.
fn interrupted(cx: &mut Cx<'_, Process>, it: &Arc<Spaces>, run: fn(&Spaces) -> Result) -> Result {
    space_changed_in_signalling(cx, it)?;
    interrupt(cx, it, run)
}

fn space_found_in_interrupt(cx: &mut Cx<'_, Process>, it: &Arc<Spaces>) -> Result {
    interrupted(cx, it, |it| {
        let reader = rcu::read_lock();
        let found = it.space.find(&reader, 1).ok_or(ENOENT)?;
        let seen = it
            .space
            .read(&reader, |view| view.iter(found.span()).count());
        if seen == 1 {
            Ok(())
        } else {
            Err(EIO)
        }
    })
}

fn space_locked_in_interrupt(cx: &mut Cx<'_, Process>, it: &Arc<Spaces>) -> Result {
    interrupted(cx, it, |it| {
        // SAFETY: It is a lie, and its consequence is what lockdep is to report.
        let mut cx = unsafe { Cx::<'_, Process>::assume() };
        let found = it.space.read_locked(&mut cx, |view| view.find(1).is_some());
        if found {
            Ok(())
        } else {
            Err(ENOENT)
        }
    })
}

fn empty(cx: &mut Cx<'_, Process>) -> Result<Pin<KBox<Space<Gpu>>>> {
    let limits = Limits::from(span(1 << 20)?);
    let space = Space::new(cx, lock_class!(SignalLock, "space"), limits);
    gfp::kernel(cx).boxed_init(space)
}

fn space_dropped_in_signalling(cx: &mut Cx<'_, Process>, _: &Arc<Spaces>) -> Result {
    let space = empty(cx)?;
    cx.signalling(|_| drop(space));
    Ok(())
}

fn space_dropped_under_lock(cx: &mut Cx<'_, Process>, it: &Arc<Spaces>) -> Result {
    let space = empty(cx)?;
    it.ring.lock(cx, |(), _| drop(space));
    Ok(())
}
