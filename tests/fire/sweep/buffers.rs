// SPDX-License-Identifier: GPL-2.0

//! Buffers that are shared: whichever allocation fails, nobody has one more pin, mapping or attachment
//! than before.
//!
//! Not for what maps them into the kernel: of an exporter that cannot, the kernel itself warns.

use super::{
    cause,
    inject,
    tried,
    Counts, //
};
use crate::Fire;
use kernel::{
    dma::DataDirection,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        UniqueArc, //
    },
};
use strata::{
    cx::ReclaimLock,
    dev::faux,
    dma_buf::{
        Attachment,
        BufferFile,
        DmaBuf,
        Exported,
        Exporter,
        Importer,
        Mode,
        NotExported,
        Storage, //
    },
    page::Pages,
    prelude::*,
    shmem::Shmem, //
};

const PAGES: usize = 5;
const SIZE: u64 = 5 << 12;

struct Frame;

impl Exporter for Frame {
    type Owner = Fire;

    const NAME: &'static CStr = c"strata-fire";
}

struct Screen;

impl Importer for Screen {
    type Owner = Fire;

    fn invalidate(&self, _cx: &mut Cx<'_, ReclaimLock>) {}
}

/// A buffer, a device, and the token of who uses them.
struct Scene<'a, 'c> {
    cx: &'a mut Cx<'c, Process>,
    buf: ARef<Exported<Frame>>,
    device: &'a faux::Registration,
    counts: &'a Counts,
}

impl Scene<'_, '_> {
    /// Tries `operation` until there was memory for all of it. Nobody keeps the buffer meanwhile.
    fn tried<T>(&mut self, mut operation: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        let counts = self.counts;
        let operation = |scene: &mut Self| operation(scene).map_err(cause);
        tried(counts, self, operation, Self::is_free)
    }

    /// Whether the buffer could be moved now.
    fn is_free(&mut self) -> Result {
        let buf = &self.buf;
        let stays = buf.lock(self.cx, |held, _| buf.must_stay(held))?;
        ensure!(!stays, "a buffer is pinned that nobody has pinned\n");
        Ok(())
    }

    fn buf(&self) -> ARef<DmaBuf> {
        self.buf.buffer()
    }

    /// Maps the buffer under its lock, and unmaps it.
    fn map<M: Mode>(&mut self, attachment: &mut Attachment<M>) -> Result {
        self.tried(|scene| {
            let device = scene.device.device();
            scene.buf.lock(scene.cx, |held, cx| {
                let mapped = attachment.map(cx, held, device, DataDirection::Bidirectional)?;
                ensure!(mapped.ranges().count() != 0, "a mapping has no range\n");
                Ok(())
            })
        })
    }

    fn static_user(&mut self) -> Result {
        let mut attachment =
            self.tried(|scene| Attachment::new(scene.cx, scene.buf(), scene.device.device()))?;
        self.map(&mut attachment)?;
        self.tried(|scene| {
            let (device, direction) = (scene.device.device(), DataDirection::ToDevice);
            attachment
                .map_pinned(scene.cx, device, direction)?
                .close(scene.cx);
            Ok(())
        })?;
        attachment.close(self.cx);
        Ok(())
    }

    fn dynamic_user(&mut self) -> Result {
        let screen = gfp::kernel(self.cx).arc(Screen)?;
        let mut attachment = self.tried(|scene| {
            let device = scene.device.device();
            Attachment::dynamic(scene.cx, scene.buf(), device, screen.clone())
        })?;
        self.map(&mut attachment)?;
        self.tried(|scene| {
            let mut pinned = attachment.pin(scene.cx)?;
            let (device, direction) = (scene.device.device(), DataDirection::FromDevice);
            pinned.map(scene.cx, device, direction)?.close(scene.cx);
            pinned.close(scene.cx);
            Ok(())
        })?;
        attachment.close(self.cx);
        Ok(())
    }

    /// Gives the buffer to user space, nearly, and takes it back.
    fn end(&mut self) -> Result {
        let file = self.tried(|scene| BufferFile::new(scene.cx, scene.buf()))?;
        drop(file);
        let storage = self.tried(|scene| scene.buf.revoke(scene.cx, 1))?;
        ensure!(
            Arc::into_unique_or_drop(storage).is_some(),
            "somebody still has what was taken back\n"
        );
        Ok(())
    }
}

/// Who has nothing yet.
struct Maker<'a, 'c>(&'a mut Cx<'c, Process>);

/// The pages of a buffer, of each kind in turn.
fn storage(cx: &mut Cx<'_, Process>, number: usize) -> Result<UniqueArc<Storage>> {
    match number % 3 {
        0 => Storage::new(cx, PAGES),
        1 => {
            let pages = Pages::new(cx, PAGES)?;
            Storage::of_pages(cx, pages)
        }
        _ => {
            let held = Shmem::new(cx, c"strata-fire", SIZE)?.pages(cx)?;
            Storage::of_shmem(cx, held)
        }
    }
}

pub(super) fn run(cx: &mut Cx<'_, Process>, counts: &Counts, count: usize) -> Result {
    let device = faux::Registration::new(cx, c"strata-fire")?;
    for number in 0..count {
        let mut maker = Maker(&mut *cx);
        let make = |maker: &mut Maker<'_, '_>| storage(maker.0, number).map_err(cause);
        let pages: Arc<Storage> = tried(counts, &mut maker, make, |_| Ok(()))?.into();
        let export = |maker: &mut Maker<'_, '_>| {
            let exported = Exported::new(maker.0, Frame, pages.clone());
            exported.map_err(|NotExported { cause: error, .. }| cause(error))
        };
        let buf = tried(counts, &mut maker, export, |_| Ok(()))?;
        drop(pages);
        let mut scene = Scene {
            cx,
            buf,
            device: &device,
            counts,
        };
        scene.static_user()?;
        scene.dynamic_user()?;
        scene.end()?;
        inject::breathe();
    }
    Ok(())
}
