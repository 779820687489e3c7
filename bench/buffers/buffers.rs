// SPDX-License-Identifier: GPL-2.0

//! Bench: buffers that drivers share, on Strata: who exports them, and who imports them.
//!
//! `/sys/kernel/debug/strata-bench-buffers-ours/work` takes what `work.c` says, and shows the sum of
//! what the last one saw.
//!
//! Lock order: [`Working`] guards the place of the side, which is taken out of it to work: files are
//! opened and devices attached by who holds nothing.

#![forbid(unsafe_code)]

use core::str::SplitAsciiWhitespace;
use kernel::{
    dma::DataDirection,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use strata::{
    cx::ReclaimLock,
    dev::{
        debugfs,
        faux,
        user::UserRange, //
    },
    dma_buf::{
        Attachment,
        BufferFile,
        DmaBuf,
        Dynamic,
        Exported,
        Exporter,
        Importer,
        Read,
        Storage, //
    },
    lock_class,
    prelude::*,
    sync::Mutex, //
};

module! {
    type: Bench,
    name: "strata_bench_buffers",
    authors: ["The Strata developers"],
    description: "Bench: buffers that drivers share, on Strata",
    license: "GPL",
}

strata::ranks! {
    after Process:
    /// Of the side.
    Working,
}

/// How many buffers there may be at once.
const MOST: usize = 512;

/// An exporter that decides nothing.
struct Frame;

impl Exporter for Frame {
    type Owner = Bench;

    const NAME: &'static CStr = c"strata-bench";
}

/// An importer whose mappings are new each time: there is nothing to be made void.
struct Screen;

impl Importer for Screen {
    type Owner = Bench;

    fn invalidate(&self, _cx: &mut Cx<'_, ReclaimLock>) {}
}

/// A buffer of whomever, and the device that has it.
struct Taken {
    buf: ARef<DmaBuf>,
    attachment: Attachment<Dynamic<Screen>>,
}

/// What the verbs work on.
#[derive(Default)]
struct Side {
    pages: usize,
    own: Option<ARef<Exported<Frame>>>,
    taken: Option<Taken>,
    made: KVVec<ARef<Exported<Frame>>>,
    sum: u64,
}

fn export(cx: &mut Cx<'_, Process>, pages: usize) -> Result<ARef<Exported<Frame>>> {
    let storage = Storage::new(cx, pages)?;
    Ok(Exported::new(cx, Frame, storage)?)
}

fn vmap(cx: &mut Cx<'_, Process>, buf: &DmaBuf) -> Result {
    buf.lock(cx, |held, cx| buf.vmap(cx, held).map(drop))
}

/// With its own device.
struct Work<'a> {
    side: &'a mut Side,
    faux: &'a faux::Registration,
    screen: &'a Arc<Screen>,
}

impl Work<'_> {
    fn command(&mut self, cx: &mut Cx<'_, Process>, text: &str) -> Result {
        let mut words = text.split_ascii_whitespace();
        let verb = words.next().ok_or(EINVAL)?;
        let number = number(&mut words)?;
        self.side.sum = 0;
        match verb {
            "prepare" => self.prepare(cx, number),
            "share" => self.share(cx),
            "take" => self.take(cx, number),
            "attach" => self.attach(cx, number),
            "map" => self.map(cx, number),
            "vmap" => self.vmap(cx, number),
            "access" => self.access(cx, number),
            "create" => self.create(cx, number),
            "cold" => self.cold(cx, number),
            "release" => self.release(number),
            "drop" => self.drop(),
            "nothing" => Ok(()),
            "empty" => self.empty(),
            _ => Err(EINVAL),
        }
    }

    fn empty(&mut self) -> Result {
        *self.side = Side::default();
        Ok(())
    }

    fn prepare(&mut self, cx: &mut Cx<'_, Process>, pages: usize) -> Result {
        *self.side = Side {
            pages,
            own: Some(export(cx, pages)?),
            made: gfp::kernel(cx).large_vec(MOST)?,
            ..Side::default()
        };
        Ok(())
    }

    fn share(&mut self, cx: &mut Cx<'_, Process>) -> Result {
        let own = self.side.own.as_ref().ok_or(EINVAL)?;
        let file = BufferFile::new(cx, own.buffer())?;
        self.side.sum = file.fd().into();
        file.install(cx);
        Ok(())
    }

    fn attached(
        &self,
        cx: &mut Cx<'_, Process>,
        buf: &ARef<DmaBuf>,
    ) -> Result<Attachment<Dynamic<Screen>>> {
        Attachment::dynamic(cx, buf.clone(), self.faux.device(), self.screen.clone())
    }

    fn take(&mut self, cx: &mut Cx<'_, Process>, fd: usize) -> Result {
        let buf = DmaBuf::from_fd(cx, fd.try_into()?)?;
        let attachment = self.attached(cx, &buf)?;
        self.side.taken = Some(Taken { buf, attachment });
        Ok(())
    }

    fn attach(&mut self, cx: &mut Cx<'_, Process>, count: usize) -> Result {
        let taken = self.side.taken.as_ref().ok_or(EINVAL)?;
        for _ in 0..count {
            self.attached(cx, &taken.buf)?.close(cx);
        }
        self.side.sum = count as u64;
        Ok(())
    }

    fn map(&mut self, cx: &mut Cx<'_, Process>, count: usize) -> Result {
        let (taken, device) = (&mut self.side.taken, self.faux.device());
        let Taken { buf, attachment } = taken.as_mut().ok_or(EINVAL)?;
        for _ in 0..count {
            let seen = buf.lock(cx, |held, cx| {
                let mapped = attachment.map(cx, held, device, DataDirection::Bidirectional)?;
                Ok::<usize, Error>(mapped.ranges().map(|range| range.length).sum())
            })?;
            self.side.sum += seen as u64;
        }
        Ok(())
    }

    fn vmap(&mut self, cx: &mut Cx<'_, Process>, count: usize) -> Result {
        let taken = self.side.taken.as_ref().ok_or(EINVAL)?;
        for _ in 0..count {
            vmap(cx, &taken.buf)?;
        }
        self.side.sum = count as u64;
        Ok(())
    }

    fn access(&mut self, cx: &mut Cx<'_, Process>, count: usize) -> Result {
        let taken = self.side.taken.as_ref().ok_or(EINVAL)?;
        for _ in 0..count {
            taken.buf.access(cx, Read, |_, _| ())?;
        }
        self.side.sum = count as u64;
        Ok(())
    }

    fn create(&mut self, cx: &mut Cx<'_, Process>, count: usize) -> Result {
        for _ in 0..count {
            let buf = export(cx, self.side.pages)?;
            self.side
                .made
                .push_within_capacity(buf)
                .map_err(|_| ENOSPC)?;
        }
        self.side.sum = count as u64;
        Ok(())
    }

    fn cold(&mut self, cx: &mut Cx<'_, Process>, count: usize) -> Result {
        for buf in self.side.made.iter().take(count) {
            vmap(cx, buf)?;
            self.side.sum += 1;
        }
        Ok(())
    }

    fn drop(&mut self) -> Result {
        self.side.taken = None;
        Ok(())
    }

    fn release(&mut self, count: usize) -> Result {
        let left = self.side.made.len().saturating_sub(count);
        self.side.made.truncate(left);
        Ok(())
    }
}

fn number(words: &mut SplitAsciiWhitespace<'_>) -> Result<usize> {
    words.next().ok_or(EINVAL)?.parse().map_err(|_| EINVAL)
}

/// The file.
#[pin_data]
struct File {
    #[pin]
    place: Mutex<Option<Side>, Working>,
    faux: faux::Registration,
    screen: Arc<Screen>,
}

impl File {
    fn work(&self, cx: &mut Cx<'_, Process>, side: &mut Side, text: &str) -> Result {
        let mut work = Work {
            side,
            faux: &self.faux,
            screen: &self.screen,
        };
        work.command(cx, text)
    }
}

#[vtable]
impl debugfs::File for File {
    type Owner = Bench;

    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        let sum = self
            .place
            .lock(cx, |place, _| place.as_ref().map(|side| side.sum));
        seq_print!(out, "{}\n", sum.ok_or(EBUSY)?);
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        let mut buffer = [0; 64];
        let text = core::str::from_utf8(input.read_text(cx, &mut buffer)?).map_err(|_| EINVAL)?;
        let mut side = self.place.lock(cx, |place, _| place.take()).ok_or(EBUSY)?;
        let done = self.work(cx, &mut side, text);
        self.place.lock(cx, |place, _| *place = Some(side));
        done
    }
}

/// The module.
struct Bench {
    _work: debugfs::Entry<File>,
}

strata::module_entry!(Bench);

impl strata::dev::Module for Bench {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let class = lock_class!(Working, "bench buffers");
        let place = Mutex::new(cx, class, Some(Side::default()));
        let faux = faux::Registration::new(cx, c"strata-bench-buffers-ours")?;
        let screen = gfp::kernel(cx).arc(Screen)?;
        let file: Arc<File> = gfp::kernel(cx).arc_init(pin_init!(File {
            place <- place,
            faux,
            screen,
        }))?;
        let dir = debugfs::Dir::new(cx, c"strata-bench-buffers-ours");
        let dir = gfp::kernel(cx).arc(dir)?;
        Ok(Ok::<_, Error>(Self {
            _work: debugfs::Entry::new(cx, dir, c"work", file),
        }))
    }
}
