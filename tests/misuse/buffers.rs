// SPDX-License-Identifier: GPL-2.0

//! Buffers that drivers share: the wrong one is shown, and what is made of one is forgotten.
//!
//! Types know neither which of two buffers a lock is of, nor that a value is never dropped. What is
//! done where it may not be is in `buffers_late.rs`.

use crate::{
    cases::{
        cases,
        Case, //
    },
    live::Live,
    Misuse, //
};
use core::mem;
use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        UniqueArc, //
    },
};
use strata::{
    cx::ReclaimLock,
    dev::faux,
    dma_buf::{
        Attachment,
        DmaBuf,
        Dynamic,
        Exported,
        Exporter,
        ForCpu,
        Importer,
        NotMoved,
        Read,
        ReadWrite,
        Storage, //
    },
    page::Pages,
    prelude::*,
    resv::Held, //
};

cases![
    live:
    buffer_shown_the_lock_of_another,
    buffer_shown_the_access_to_another,
    buffer_shown_another_device,
    buffer_moved_to_another_size,
    buffer_moved_while_vmapped,
    buffer_moved_while_pinned,
    buffer_moved_while_mapped,
    buffer_moved_while_for_cpu,
    buffer_moved_and_mapped_again,
    buffer_mapping_forgotten,
    buffer_pin_forgotten,
    buffer_vmap_forgotten,
    buffer_pinned_vmap_forgotten,
    buffer_for_cpu_forgotten,
    buffer_attachment_forgotten,
    buffer_let_go,
    buffer_is_kept,
    buffer_is_released,
    buffer_vmapped_after_revoke,
];

/// How many of the buffers of a case were released.
static RELEASED: Atomic<u32> = Atomic::new(0);

/// An exporter, and the one who imports it.
pub(crate) struct Frame;

impl Exporter for Frame {
    type Owner = Misuse;

    const NAME: &'static CStr = c"strata-misuse";

    fn release(self, _cx: &mut Cx<'_, Process>, _storage: Option<Arc<Storage>>) {
        RELEASED.fetch_add(1, Relaxed);
    }
}

/// An importer: what it does when it is told is a case's.
pub(crate) struct Screen {
    told: Atomic<u32>,
    run: fn(&mut Cx<'_, ReclaimLock>),
}

impl Importer for Screen {
    type Owner = Misuse;

    fn invalidate(&self, cx: &mut Cx<'_, ReclaimLock>) {
        self.told.fetch_add(1, Relaxed);
        (self.run)(cx);
    }
}

/// Two buffers, with a reservation each, and two devices. The first has one of the buffers.
pub(crate) struct Rig {
    pub(crate) one: ARef<Exported<Frame>>,
    pub(crate) two: ARef<Exported<Frame>>,
    pub(crate) screen: Arc<Screen>,
    faux: faux::Registration,
    stranger: faux::Registration,
}

pub(crate) type Shown = Attachment<Dynamic<Screen>>;

fn storage(cx: &mut Cx<'_, Process>, pages: usize) -> Result<UniqueArc<Storage>> {
    let pages = Pages::new(cx, pages)?;
    Storage::of_pages(cx, pages)
}

fn frame(cx: &mut Cx<'_, Process>) -> Result<ARef<Exported<Frame>>> {
    let storage = storage(cx, 1)?;
    Ok(Exported::new(cx, Frame, storage)?)
}

impl Rig {
    pub(crate) fn new(cx: &mut Cx<'_, Process>) -> Result<Self> {
        Self::with(cx, |_| ())
    }

    /// With an importer that does so when it is told.
    pub(crate) fn with(
        cx: &mut Cx<'_, Process>,
        run: fn(&mut Cx<'_, ReclaimLock>),
    ) -> Result<Self> {
        let told = Atomic::new(0);
        Ok(Self {
            one: frame(cx)?,
            two: frame(cx)?,
            screen: gfp::kernel(cx).arc(Screen { told, run })?,
            faux: faux::Registration::new(cx, c"strata-misuse-1")?,
            stranger: faux::Registration::new(cx, c"strata-misuse-2")?,
        })
    }

    pub(crate) fn device(&self) -> &Device<Bound> {
        self.faux.device()
    }

    pub(crate) fn buf(&self) -> ARef<DmaBuf> {
        self.one.buffer()
    }

    pub(crate) fn attach(&self, cx: &mut Cx<'_, Process>) -> Result<Shown> {
        Attachment::dynamic(cx, self.buf(), self.device(), self.screen.clone())
    }

    pub(crate) fn storage(&self, cx: &mut Cx<'_, Process>) -> Result<UniqueArc<Storage>> {
        storage(cx, self.one.size() / PAGE_SIZE)
    }

    fn moves(&self, cx: &mut Cx<'_, Process>) -> Result {
        let to = self.storage(cx)?;
        self.one
            .lock(cx, |held, cx| self.one.move_to(cx, held, to, 1))?;
        Ok(())
    }

    /// The buffer does not move, and nobody is told that it would.
    fn stays(&self, cx: &mut Cx<'_, Process>) -> Result {
        refused(self.moves(cx), EBUSY)?;
        true_or(self.screen.told.load(Relaxed) == 0)
    }
}

fn true_or(right: bool) -> Result {
    right.then_some(()).ok_or(EIO)
}

/// Whether it was refused, for that reason.
fn refused<T>(result: Result<T>, cause: Error) -> Result {
    true_or(result.err() == Some(cause))
}

/// What is done under a lock is done under that of the other buffer.
fn buffer_shown_the_lock_of_another(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    let mut fixed = Attachment::new(cx, rig.buf(), rig.device())?;
    let to = rig.storage(cx)?;
    rig.two.lock(cx, |held: &Held<'_>, cx| {
        let direction = DataDirection::ToDevice;
        refused(rig.one.vmap(cx, held), EINVAL)?;
        refused(shown.map(cx, held, rig.device(), direction), EINVAL)?;
        refused(fixed.map(cx, held, rig.device(), direction), EINVAL)?;
        refused(rig.one.storage(held), EINVAL)?;
        refused(rig.one.must_stay(held), EINVAL)?;
        let NotMoved { to, cause } = match rig.one.move_to(cx, held, to, 1) {
            Ok(_) => return Err(EIO),
            Err(error) => error,
        };
        refused(Err::<(), _>(cause), EINVAL)?;
        let moved = rig.one.move_idle(cx, held, to);
        refused(moved.map_err(Error::from), EINVAL)
    })?;
    true_or(rig.screen.told.load(Relaxed) == 0)
}

fn buffer_shown_the_access_to_another(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    let pinned = shown.pin(cx)?;
    let seen = pinned.vmap(cx)?;
    rig.two.access(cx, ReadWrite, |access, cx| {
        refused(seen.contents(access), EINVAL)?;
        rig.one.lock(cx, |held, cx| {
            refused(rig.one.vmap(cx, held)?.contents(access), EINVAL)
        })
    })?
}

/// A device that is not attached, or that is with another buffer.
fn buffer_shown_another_device(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    let mut fixed = Attachment::new(cx, rig.buf(), rig.device())?;
    let _other = Attachment::new(cx, rig.two.buffer(), rig.stranger.device())?;
    let (stranger, direction) = (rig.stranger.device(), DataDirection::Bidirectional);
    rig.one.lock(cx, |held, cx| {
        refused(shown.map(cx, held, stranger, direction), EINVAL)?;
        refused(fixed.map(cx, held, stranger, direction), EINVAL)
    })?;
    refused(fixed.map_pinned(cx, stranger, direction), EINVAL)?;
    let mut pinned = shown.pin(cx)?;
    refused(pinned.map(cx, stranger, direction), EINVAL)
}

fn buffer_moved_to_another_size(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let to = storage(cx, 2)?;
    let moved = rig
        .one
        .lock(cx, |held, cx| rig.one.move_to(cx, held, to, 1));
    refused(moved.map_err(Error::from), EINVAL)
}

fn buffer_moved_while_vmapped(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let _shown = rig.attach(cx)?;
    let to = rig.storage(cx)?;
    let moved = rig.one.lock(cx, |held, cx| {
        let _seen = rig.one.vmap(cx, held)?;
        rig.one.move_to(cx, held, to, 1).map_err(Error::from)
    });
    refused(moved, EBUSY)?;
    rig.moves(cx)
}

fn buffer_moved_while_pinned(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    let pinned = shown.pin(cx)?;
    rig.stays(cx)?;
    pinned.close(cx);
    rig.moves(cx)
}

/// By a device that is told nothing.
fn buffer_moved_while_mapped(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut fixed = Attachment::new(cx, rig.buf(), rig.device())?;
    let mapped = fixed.map_pinned(cx, rig.device(), DataDirection::ToDevice)?;
    rig.stays(cx)?;
    mapped.close(cx);
    rig.moves(cx)
}

fn buffer_moved_while_for_cpu(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let shown = rig.attach(cx)?;
    let shown = gfp::kernel(cx).arc(shown)?;
    let job = ForCpu::new(cx, shown, ReadWrite)?;
    rig.stays(cx)?;
    cx.signalling(|_| job.contents().store(0, 0x17))?;
    job.end(cx)?;
    rig.moves(cx)
}

/// Who is told maps it where it is now.
fn buffer_moved_and_mapped_again(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    let mut place = |cx: &mut Cx<'_, Process>| {
        rig.one.lock(cx, |held, cx| {
            let mapped = shown.map(cx, held, rig.device(), DataDirection::ToDevice)?;
            let range = mapped.ranges().next();
            Ok::<_, Error>(range.ok_or(EIO)?.address)
        })
    };
    let before = place(cx)?;
    // Kept, or the pages would be taken again.
    let to = rig.storage(cx)?;
    let from = rig
        .one
        .lock(cx, |held, cx| rig.one.move_to(cx, held, to, 1))?;
    let after = place(cx)?;
    true_or(rig.screen.told.load(Relaxed) == 1 && before != after)?;
    true_or(Arc::into_unique_or_drop(from).is_some())
}

/// The device may go on with it, so that nothing of it goes: not by mapping it again, nor by detaching.
fn buffer_mapping_forgotten(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut fixed = Attachment::new(cx, rig.buf(), rig.device())?;
    let direction = DataDirection::Bidirectional;
    rig.one.lock(cx, |held, cx| {
        mem::forget(fixed.map(cx, held, rig.device(), direction)?);
        refused(fixed.map(cx, held, rig.device(), direction), EBUSY)
    })?;
    refused(fixed.map_pinned(cx, rig.device(), direction), EBUSY)?;
    fixed.close(cx);
    rig.stays(cx)
}

fn buffer_pin_forgotten(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    mem::forget(shown.pin(cx)?);
    rig.stays(cx)?;
    // The same pin, not one more.
    shown.pin(cx)?.close(cx);
    rig.moves(cx)?;
    mem::forget(shown.pin(cx)?);
    shown.close(cx);
    rig.moves(cx)
}

/// The lock ends, and the mapping does not.
fn buffer_vmap_forgotten(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    rig.one.lock(cx, |held, cx| {
        mem::forget(rig.one.vmap(cx, held)?);
        Ok::<_, Error>(())
    })?;
    rig.stays(cx)
}

fn buffer_pinned_vmap_forgotten(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    let pinned = shown.pin(cx)?;
    mem::forget(pinned.vmap(cx)?);
    pinned.close(cx);
    rig.stays(cx)
}

fn buffer_for_cpu_forgotten(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let shown = rig.attach(cx)?;
    let shown = gfp::kernel(cx).arc(shown)?;
    mem::forget(ForCpu::new(cx, shown, Read)?);
    rig.stays(cx)
}

/// It keeps who is told, which is why the buffer may still move.
fn buffer_attachment_forgotten(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    mem::forget(rig.attach(cx)?);
    rig.moves(cx)?;
    true_or(rig.screen.told.load(Relaxed) == 1)
}

/// The twin of those that forget.
fn buffer_let_go(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    let mut shown = rig.attach(cx)?;
    let pinned = shown.pin(cx)?;
    drop(pinned.vmap(cx)?);
    pinned.close(cx);
    shown.close(cx);
    rig.moves(cx)
}

/// After another case: of its two buffers, one was released. The task has been in user space since.
fn buffer_is_kept(_: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    true_or(RELEASED.load(Relaxed) == 1)
}

/// ... and both were.
fn buffer_is_released(_: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    true_or(RELEASED.load(Relaxed) == 2)
}

/// Whoever maps it into the kernel is refused, and the kernel warns of an exporter that refuses.
fn buffer_vmapped_after_revoke(cx: &mut Cx<'_, Process>, _: &Arc<Live>) -> Result {
    let rig = Rig::new(cx)?;
    rig.one.revoke(cx, 1)?;
    let seen = rig
        .one
        .lock(cx, |held, cx| rig.one.vmap(cx, held).map(drop));
    refused(seen, ENODEV)
}
