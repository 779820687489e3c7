// SPDX-License-Identifier: GPL-2.0

//! The driver of Documentation/dma_buf.rst: it gives frames away, and shows those of others.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    page::PAGE_SHIFT,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::Jiffies, //
};
use strata::{
    cx::{
        MmapHeld,
        ReclaimLock,
        Signalling, //
    },
    dev::{
        self,
        user::UserRange, //
    },
    dma_buf::{
        Attaching,
        Attachment,
        BufferFile,
        DmaBuf,
        Dynamic,
        Exported,
        Exporter,
        ForCpu,
        Importer,
        NotMoved,
        Range,
        Read,
        Storage, //
    },
    prelude::*,
    shmem::Shmem, //
};

module! {
    type: Module,
    name: "frames",
    authors: ["You"],
    description: "Frames that are passed on",
    license: "GPL",
}

strata::module_entry!(Module);

/// What is known of a frame that is given away.
struct Frame {
    /// It is taken back when its session ends.
    of_session: bool,
}

impl Exporter for Frame {
    type Owner = Module;

    const NAME: &'static CStr = c"frames";

    fn attach(&self, _cx: &mut Cx<'_, MmapHeld>, attaching: &Attaching<'_>) -> Result {
        if self.of_session && !attaching.is_revocable() {
            return Err(EBUSY);
        }
        Ok(())
    }
}

/// An ioctl: user space gets a frame of its own.
fn create(cx: &mut Cx<'_, Process>, size: u64, fd: UserRange) -> Result<ARef<Exported<Frame>>> {
    let pages = Shmem::new(cx, c"frame", size)?.pages(cx)?;
    let storage = Storage::of_shmem(cx, pages)?;
    let frame = Exported::new(cx, Frame { of_session: false }, storage)?;

    let file = BufferFile::new(cx, frame.buffer())?;
    fd.write(cx, &file.fd())?;
    // From here on nothing may fail, and nothing does.
    file.install(cx);
    Ok(frame)
}

/// Moves a frame to memory that is not swapped, unless somebody needs it where it is.
fn settle(cx: &mut Cx<'_, Process>, frame: &Exported<Frame>, most: Jiffies) -> Result {
    let to = Storage::new(cx, frame.size() >> PAGE_SHIFT)?;
    let moved = frame.lock(cx, |held, cx| frame.move_to(cx, held, to, most));
    match moved {
        Ok(_from) => Ok(()),
        Err(NotMoved { cause: EBUSY, .. }) => Ok(()),
        Err(NotMoved { cause, .. }) => Err(cause),
    }
}

/// An ioctl: what colour is the corner of this buffer?
fn corner(cx: &mut Cx<'_, Process>, fd: i32) -> Result<u32> {
    let buf = DmaBuf::from_fd(cx, fd)?;
    buf.access(cx, Read, |access, cx| {
        buf.lock(cx, |held, cx| {
            let map = buf.vmap(cx, held)?;
            map.contents(access)?.load(0)
        })
    })?
}

/// The hardware.
struct Screen {
    is_stale: Atomic<bool>,
}

impl Screen {
    fn copy(&self, _from: Range) -> Result {
        Ok(())
    }

    fn scan_out(&self, _from: Range) {}
}

impl Importer for Screen {
    type Owner = Module;

    fn invalidate(&self, _cx: &mut Cx<'_, ReclaimLock>) {
        self.is_stale.store(true, Relaxed);
    }
}

type Shown = Attachment<Dynamic<Screen>>;

fn attach(
    cx: &mut Cx<'_, Process>,
    device: &Device,
    screen: &Arc<Screen>,
    fd: i32,
) -> Result<Shown> {
    let buf = DmaBuf::from_fd(cx, fd)?;
    Attachment::dynamic(cx, buf, device, screen.clone())
}

/// Copies a buffer to the screen, once.
fn blit(
    cx: &mut Cx<'_, Process>,
    device: &Device<Bound>,
    screen: &Screen,
    buf: &DmaBuf,
    shown: &mut Shown,
) -> Result {
    buf.lock(cx, |held, cx| {
        let mapped = shown.map(cx, held, device, DataDirection::ToDevice)?;
        mapped.ranges().try_for_each(|range| screen.copy(range))
    })
}

/// Shows a buffer for as long as `until` takes.
fn show(
    cx: &mut Cx<'_, Process>,
    device: &Device<Bound>,
    screen: &Screen,
    shown: &mut Shown,
    until: fn(&mut Cx<'_, Process>),
) -> Result {
    let mut pinned = shown.pin(cx)?;
    let mapped = pinned.map(cx, device, DataDirection::ToDevice)?;
    mapped.ranges().for_each(|range| screen.scan_out(range));
    until(cx);
    mapped.close(cx);
    pinned.close(cx);
    Ok(())
}

/// A part of a screen that the CPU draws, in a job of its own.
struct Drawing {
    frame: ForCpu<Screen, Read>,
}

impl Drawing {
    /// Before the job is published: it cannot wait for others.
    fn new(cx: &mut Cx<'_, Process>, shown: &Arc<Shown>) -> Result<Self> {
        let frame = ForCpu::new(cx, shown.clone(), Read)?;
        Ok(Self { frame })
    }

    /// The job.
    fn draw(&self, _cx: &mut Cx<'_, Signalling>) -> Result<u32> {
        self.frame.contents().load(0)
    }

    /// After it, by a worker.
    fn done(self, cx: &mut Cx<'_, Process>) -> Result {
        self.frame.end(cx)
    }
}

/// The session of a frame ends: nobody sees its contents any more.
fn end_session(cx: &mut Cx<'_, Process>, frame: &Exported<Frame>, most: Jiffies) -> Result {
    let contents = frame.revoke(cx, most)?;
    drop(contents);
    Ok(())
}

#[pin_data]
struct Module {
    _screen: Arc<Screen>,
}

impl dev::Module for Module {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let screen = Screen {
            is_stale: Atomic::new(false),
        };
        let screen = gfp::kernel(cx).arc(screen)?;
        let _ = (create, settle, corner, attach, blit, show, end_session);
        let _ = (Drawing::new, Drawing::draw, Drawing::done);
        Ok(try_pin_init!(Self { _screen: screen }))
    }
}
