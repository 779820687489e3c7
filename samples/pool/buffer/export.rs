// SPDX-License-Identifier: GPL-2.0

//! What is decided of a buffer that is exported, under its lock: which dma-buf it has, and whether its
//! contents are in its own pages ("at home") or elsewhere ("local").
//!
//! They stay at home for good once user space has mapped these pages, of which nobody could take them
//! out; and for as long as somebody accesses them.

use super::{
    change,
    errno,
    unpinned,
    Buffer,
    BufferRef,
    Contents,
    Pinner,
    State, //
};
use crate::export::{
    Export,
    Exports,
    Member,
    Room, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::aref::ARef, //
};
use strata::{
    cx::MmapHeld,
    dev::misc::Mapping,
    dma_buf::Exported,
    limit::Reservation,
    lru::{
        Locked,
        Object, //
    },
    prelude::*, //
};

/// What of a buffer is given away.
#[derive(Default)]
pub(super) struct Given {
    /// The dma-buf that all get, and where the buffer stands in the list of those that have one.
    shared: Option<(ARef<Exported<Export>>, u64)>,
    /// How many dma-bufs have a pin. More than one while two are made at once.
    exports: u32,
    /// The contents are local, in pages that this is for.
    local: Option<Reservation>,
    is_mapped: bool,
    accesses: usize,
}

impl Given {
    /// A pin was taken.
    pub(super) fn count(&mut self, who: Pinner) {
        match who {
            Pinner::User => {}
            Pinner::Export => self.exports += 1,
        }
    }

    pub(super) fn exports(&self) -> u32 {
        self.exports
    }

    /// The buffer has no dma-buf that could be had any more. To be dropped without the lock.
    pub(super) fn take_shared(
        &mut self,
        cx: &mut Cx<'_, Contents>,
        all: &Exports,
    ) -> Option<(ARef<Exported<Export>>, Option<Member>)> {
        let (exported, place) = self.shared.take()?;
        Some((exported, all.remove(cx, place)))
    }
}

/// # Errors
///
/// For a buffer that has no contents: `ENODATA`, `ENOENT`.
fn check_contents(buffer: &Locked<'_, Buffer>) -> Result {
    match buffer.state {
        State::Plain | State::Idle(_) | State::Pinned(..) => Ok(()),
        State::GivenUp | State::Purged => Err(errno(bindings::ENODATA)),
        State::Orphan(_) | State::Destroyed => Err(ENOENT),
    }
}

fn shared_of(buffer: &Locked<'_, Buffer>) -> Option<ARef<Exported<Export>>> {
    let (exported, _) = buffer.given.shared.as_ref()?;
    Some(exported.clone())
}

/// The dma-buf of the buffer, if it has one.
pub(crate) fn shared(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, Process>,
) -> Result<Option<ARef<Exported<Export>>>> {
    buffer.lock(cx, |buffer, _| {
        check_contents(buffer)?;
        Ok(shared_of(buffer))
    })
}

/// Makes this the dma-buf of the buffer, and says so: not if it has one already.
pub(crate) fn commit(
    buffer: &BufferRef,
    cx: &mut Cx<'_, Process>,
    all: &Exports,
    room: Room,
    exported: &ARef<Exported<Export>>,
) -> Result<bool> {
    let mut room = Some(room);
    buffer.lock(cx, |locked, cx| {
        check_contents(locked)?;
        if locked.given.shared.is_some() {
            return Ok(false);
        }
        let room = room.take().ok_or(EINVAL)?;
        let place = all.add(cx, room, buffer.clone());
        locked.given.shared = Some((exported.clone(), place));
        Ok(true)
    })
}

/// A dma-buf is gone, and its pin with it.
pub(crate) fn end_export(buffer: &Object<Buffer>, cx: &mut Cx<'_, Process>, all: &Exports) {
    let held = buffer.lock(cx, |buffer, _| {
        buffer.given.exports -= 1;
        let is_last = buffer.given.exports == 0;
        let held = change(buffer, |state| match state {
            State::Pinned(resident, pins) => (unpinned(resident, pins), None),
            State::Orphan(resident) if is_last => (State::Destroyed, Some(resident)),
            State::Plain
            | State::Idle(_)
            | State::GivenUp
            | State::Purged
            | State::Orphan(_)
            | State::Destroyed => (state, None),
        });
        // None is left whose contents could be there.
        let local = is_last.then(|| buffer.given.local.take()).flatten();
        (held, local)
    });
    if held.1.is_some() {
        all.count_local(-1);
    }
    drop(held);
}

/// Maps the buffer's own pages.
pub(crate) fn map(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, MmapHeld>,
    mapping: &Mapping<'_>,
) -> Result {
    buffer.lock(cx, |buffer, _| {
        if buffer.given.local.is_some() {
            return Err(EBUSY);
        }
        buffer.given.is_mapped = true;
        Ok(())
    })?;
    buffer.item().memory.map(cx, mapping)
}

/// Begins to access the contents: by the dma-buf, if there is one. Otherwise they stay at home until
/// [`end_access`].
pub(crate) fn begin_access(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, Process>,
) -> Result<Option<ARef<Exported<Export>>>> {
    buffer.lock(cx, |buffer, _| {
        check_contents(buffer)?;
        let exported = shared_of(buffer);
        if exported.is_none() {
            buffer.given.accesses += 1;
        }
        Ok(exported)
    })
}

/// Ends an access at home.
pub(crate) fn end_access(buffer: &Object<Buffer>, cx: &mut Cx<'_, Process>) {
    buffer.lock(cx, |buffer, _| buffer.given.accesses -= 1);
}

/// From now on the buffer's own pages are not where its contents are. Says whether they were.
///
/// # Errors
///
/// `EBUSY` if they have to be.
pub(crate) fn leave_home<L: Before<Contents>>(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, L>,
    local: &mut Option<Reservation>,
) -> Result<bool> {
    buffer.lock(cx, |buffer, _| {
        let given = &mut buffer.given;
        if given.local.is_some() {
            return Ok(false);
        }
        if given.is_mapped || given.accesses != 0 {
            return Err(EBUSY);
        }
        given.local = local.take();
        Ok(true)
    })
}

/// The contents are in the buffer's own pages again. Returns what was reserved for others.
pub(crate) fn at_home<L: Before<Contents>>(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, L>,
) -> Option<Reservation> {
    buffer.lock(cx, |buffer, _| buffer.given.local.take())
}

/// Whether the contents are not in the buffer's own pages.
pub(crate) fn is_local(buffer: &Object<Buffer>, cx: &mut Cx<'_, Process>) -> bool {
    buffer.lock(cx, |buffer, _| buffer.given.local.is_some())
}
