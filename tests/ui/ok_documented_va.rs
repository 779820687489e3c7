// SPDX-License-Identifier: GPL-2.0

//! /dev/chart maps buffers in the background: the driver of Documentation/va.rst.

use kernel::{
    ioctl::_IOW,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Arc,
        ArcBorrow, //
    },
};
use strata::{
    cx::SignalLock,
    dev::{
        misc,
        user::UserRange,
        work, //
    },
    gfp::{
        Allocate,
        Gfp, //
    },
    lock_class,
    prelude::*,
    va::{
        Done,
        Driver,
        Limits,
        Mapping,
        Op,
        Prepared,
        Room,
        Space,
        Span, //
    },
};

module! {
    type: Module,
    name: "chart",
    authors: ["You"],
    description: "Maps buffers in the background",
    license: "GPL",
}

strata::module_entry!(Module);

/// Memory that can be mapped.
struct Buffer {
    address: u64,
}

/// What a mapping may be used for.
#[derive(Clone, Copy)]
struct Access {
    writable: bool,
}

/// What there is to know of our address spaces.
struct Chart;

impl Driver for Chart {
    type Object = Arc<Buffer>;
    type Data = Access;
    type Spare = ();

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result {
        Ok(())
    }

    fn split(old: &Mapping<Self>, _piece: Span, _spare: ()) -> Access {
        *old.data()
    }
}

/// An open file: an address space, and the page table of it.
#[pin_data]
struct File {
    #[pin]
    space: Space<Chart>,
    buffer: Arc<Buffer>,
    table: Table,
}

/// A page table, were there a device.
struct Table {
    cleared: Atomic<u64>,
    written: Atomic<u64>,
}

impl Table {
    fn clear(&self, span: Span) {
        self.cleared.add(span.length(), Relaxed);
    }

    fn write(&self, span: Span, address: u64) {
        let _ = address;
        self.written.add(span.length(), Relaxed);
    }
}

impl File {
    fn new(cx: &mut Cx<'_, Process>) -> Result<Arc<Self>> {
        let span = |addr, length| Span::new(addr, length).map_err(|_| EINVAL);
        let limits = Limits::new(span(0x1000, 1 << 47)?, Some(span(1 << 46, 1 << 30)?));
        let limits = limits.map_err(|_| EINVAL)?;
        let space = Space::new(cx, lock_class!(SignalLock, "chart"), limits);
        let buffer = gfp::kernel(cx).arc(Buffer { address: 0x8000 })?;
        gfp::kernel(cx).arc_init(try_pin_init!(Self {
            space <- space,
            buffer,
            table: Table {
                cleared: Atomic::new(0),
                written: Atomic::new(0),
            },
        }))
    }

    /// Submits a job: all that may fail is done here.
    fn map(self: ArcBorrow<'_, Self>, cx: &mut Cx<'_, Process>, map: [u64; 4]) -> Result {
        let [addr, length, offset, writable] = map;
        let span = Span::new(addr, length).map_err(|_| EINVAL)?;
        let access = Access {
            writable: writable != 0,
        };
        let buffer = Some(self.buffer.clone());
        let prepared =
            self.space
                .prepare_map(&mut gfp::kernel(cx), span, buffer, offset, access)?;
        self.submit(cx, prepared)
    }

    /// Moves what is mapped: nobody sees it at both places, or at none.
    fn move_to(
        self: ArcBorrow<'_, Self>,
        cx: &mut Cx<'_, Process>,
        [from, to]: [u64; 2],
    ) -> Result {
        let (old, offset, access) = {
            let guard = rcu::read_lock();
            let mapping = self.space.find(&guard, from).ok_or(ENOENT)?;
            (mapping.span(), mapping.offset(), *mapping.data())
        };
        let new = Span::new(to, old.length()).map_err(|_| EINVAL)?;
        let buffer = Some(self.buffer.clone());
        let gfp = &mut gfp::kernel(cx);
        let unmap = self.space.prepare_unmap(gfp, old)?;
        let map = self.space.prepare_map(gfp, new, buffer, offset, access)?;
        self.submit(cx, unmap.then(map))
    }

    fn submit(
        self: ArcBorrow<'_, Self>,
        cx: &mut Cx<'_, Process>,
        prepared: Prepared<Chart>,
    ) -> Result {
        let file = self.into();
        work::Prepared::new(cx, Job { file, prepared })?.queue(cx);
        Ok(())
    }

    /// Has the page table follow what was done.
    fn program(&self, done: &Done<'_, Chart>) {
        for op in done.ops() {
            match op {
                Op::Unmap { keep: true, .. } | Op::Remap { keep: true, .. } => {}
                Op::Unmap { .. } | Op::Remap { .. } => {
                    if let Some(span) = op.unmapped() {
                        self.table.clear(span);
                    }
                }
                Op::Cut { .. } => {}
                Op::Map { piece, object } => {
                    let address = object.map_or(0, |buffer| buffer.address);
                    self.table
                        .write(piece.span(), address.wrapping_add(piece.offset()));
                }
            }
        }
    }

    /// Whether all of a span may be written to.
    fn is_writable(&self, span: Span) -> bool {
        self.space.read(&rcu::read_lock(), |view| {
            let mut end = span.addr();
            for mapping in view.iter(span) {
                if mapping.span().addr() > end || !mapping.data().writable {
                    return false;
                }
                end = mapping.span().end();
            }
            end >= span.end()
        })
    }

    /// A free place for so many bytes.
    fn find(&self, cx: &mut Cx<'_, Process>, length: usize) -> Result<Span> {
        let room = Room::new(length)?.aligned(0x1000)?;
        let all = self.space.limits().space();
        self.space.find_gap(cx, room, all).ok_or(ENOSPC)
    }
}

/// A job that was submitted.
struct Job {
    file: Arc<File>,
    prepared: Prepared<Chart>,
}

impl work::Item for Job {
    type Owner = Module;

    fn run(self, cx: &mut Cx<'_, Process>) {
        let Self { file, prepared } = self;
        // Fences wait for it.
        let committed = cx.signalling(|cx| {
            let done = file.space.commit(cx, prepared)?;
            file.program(&done);
            Ok::<_, Error>(())
        });
        if let Err(error) = committed {
            pr_err!("a job was not done: {error:?}\n");
        }
    }
}

/// The module.
#[pin_data]
struct Module {
    #[pin]
    device: misc::Registration<Device>,
}

impl strata::dev::Module for Module {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let nothing = gfp::kernel(cx).arc(())?;
        let device = misc::Registration::new(cx, c"chart", nothing);
        Ok(try_pin_init!(Self { device <- device }))
    }
}

/// The operations of /dev/chart.
struct Device;

#[vtable]
impl misc::Device for Device {
    type Owner = Module;
    type Shared = ();
    type File = Arc<File>;

    fn open(cx: &mut Cx<'_, Process>, _nothing: ArcBorrow<'_, ()>) -> Result<Self::File> {
        File::new(cx)
    }

    fn ioctl(
        cx: &mut Cx<'_, Process>,
        file: ArcBorrow<'_, File>,
        command: u32,
        arg: UserRange,
    ) -> Result {
        const MAP: u32 = _IOW::<[u64; 4]>(b'c' as u32, 0);
        const MOVE: u32 = _IOW::<[u64; 2]>(b'c' as u32, 1);
        const PLACE: u32 = _IOW::<[u64; 2]>(b'c' as u32, 2);

        match command {
            MAP => {
                let map = arg.read(cx)?;
                file.map(cx, map)
            }
            MOVE => {
                let places = arg.read(cx)?;
                file.move_to(cx, places)
            }
            PLACE => {
                let [length, writable]: [u64; 2] = arg.read(cx)?;
                let span = file.find(cx, length as usize)?;
                if file.is_writable(span) != (writable != 0) {
                    return Err(EBUSY);
                }
                Ok(())
            }
            _ => Err(ENOTTY),
        }
    }
}
