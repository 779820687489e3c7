// SPDX-License-Identifier: GPL-2.0

//! /dev/atlas keeps which page of a file stands at which address, and is told so in the background: the
//! driver of Documentation/maple.rst. Then the same with a VA space.

use kernel::{
    ioctl::{
        _IOR,
        _IOW, //
    },
    prelude::*,
    sync::{
        rcu,
        Arc,
        ArcBorrow, //
    },
};
use strata::{
    cx::{
        SignalLock,
        Signalling, //
    },
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
    maple::{
        Divide,
        MapleTree,
        Range,
        Rcu,
        RcuBox,
        Reservation,
        Spares,
        Spin, //
    },
    prelude::*,
    va::{
        self,
        Mapping,
        Op,
        Prepared,
        Space,
        Span, //
    },
};

module! {
    type: Module,
    name: "atlas",
    authors: ["You"],
    description: "Keeps what stands where",
    license: "GPL",
}

strata::module_entry!(Module);

/// What stands at a range that begins at `at`: pages of a file, from `first` on.
struct Pages {
    at: usize,
    first: u64,
}

impl Pages {
    /// The page that stands at an index of the range.
    fn page(&self, index: usize) -> u64 {
        self.first + (index - self.at) as u64
    }
}

impl Divide for Pages {
    fn divide(&self, _whole: Range, part: Range) -> Self {
        let at = part.first();
        Self {
            at,
            first: self.page(at),
        }
    }
}

/// Most entries that an atlas has: what its jobs reserve for.
const ENTRIES: usize = 1_000_000;

/// The index of a tree is a page of the address space.
#[pin_data]
struct Atlas {
    #[pin]
    tree: MapleTree<RcuBox<Pages>, Spin, Rcu>,
}

impl Atlas {
    fn new(cx: &mut Cx<'_, Process>) -> Result<Arc<Self>> {
        let tree = MapleTree::<_, Spin, Rcu>::new(cx, lock_class!(SignalLock, "atlas"));
        gfp::kernel(cx).arc_init(try_pin_init!(Self { tree <- tree }? Error))
    }
}

/// A job, with all that it needs: running it cannot fail.
struct Bind {
    atlas: Arc<Atlas>,
    range: Range,
    pages: RcuBox<Pages>,
    spares: Spares<RcuBox<Pages>>,
    nodes: Reservation,
}

impl Bind {
    /// One may sleep, and fail.
    fn submit(cx: &mut Cx<'_, Process>, atlas: &Arc<Atlas>, range: Range, first: u64) -> Result {
        let gfp = &mut gfp::kernel(cx);
        let at = range.first();
        let job = Self {
            atlas: atlas.clone(),
            range,
            pages: RcuBox::new(gfp, Pages { at, first })?,
            spares: Spares::new(gfp)?,
            nodes: Reservation::new(gfp, ENTRIES, 1)?,
        };
        work::Prepared::new(cx, job)?.queue(cx);
        Ok(())
    }

    /// Others wait for it.
    fn commit(mut self, cx: &mut Cx<'_, Signalling>) -> Result {
        let (nodes, spares) = (self.nodes, &mut self.spares);
        let stored = self.atlas.tree.lock(cx, |tree, _| {
            let displaced = |range: Range, old| {
                unmap(range);
                drop(old);
            };
            tree.store(nodes, self.range, Some(self.pages), spares, displaced)
        });
        // Not in the closure: an error has the value, and that is not dropped under the lock.
        Ok(stored?)
    }
}

impl work::Item for Bind {
    type Owner = Module;

    fn run(self, cx: &mut Cx<'_, Process>) {
        if cx.signalling(|cx| self.commit(cx)).is_err() {
            pr_err!("more than {ENTRIES} entries\n");
        }
    }
}

/// Where page tables would be programmed.
fn unmap(_range: Range) {}

/// The operations of /dev/atlas.
struct Device;

#[vtable]
impl misc::Device for Device {
    type Owner = Module;
    type Shared = Atlas;
    type File = Arc<Atlas>;

    fn open(_cx: &mut Cx<'_, Process>, atlas: ArcBorrow<'_, Atlas>) -> Result<Self::File> {
        Ok(atlas.into())
    }

    fn ioctl(
        cx: &mut Cx<'_, Process>,
        atlas: ArcBorrow<'_, Atlas>,
        command: u32,
        arg: UserRange,
    ) -> Result {
        const BIND: u32 = _IOW::<[u64; 3]>(b'a' as u32, 0);
        const FIND: u32 = _IOR::<u64>(b'a' as u32, 1);

        match command {
            BIND => {
                let [start, end, first]: [u64; 3] = arg.read(cx)?;
                // Empty and reversed ones are refused.
                let range = Range::of(start as usize..end as usize)?;
                Bind::submit(cx, &atlas.into(), range, first)
            }
            FIND => {
                let index: u64 = arg.read(cx)?;
                let found = atlas
                    .tree
                    .load(&rcu::read_lock(), index as usize)
                    .map(|pages| pages.page(index as usize));
                arg.write(cx, &found.ok_or(ENOENT)?)
            }
            _ => Err(ENOTTY),
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
        let atlas = Atlas::new(cx)?;
        let device = misc::Registration::new(cx, c"atlas", atlas);
        Ok(try_pin_init!(Self { device <- device }))
    }
}

/// A buffer, as a GPU's driver has it.
struct Buffer;

/// A driver that keeps nothing of its own with a mapping.
struct Gpu;

impl va::Driver for Gpu {
    type Object = Arc<Buffer>;
    type Data = ();
    type Spare = ();

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result {
        Ok(())
    }

    fn split(_old: &Mapping<Self>, _piece: Span, _spare: ()) {}
}

/// As the job is submitted.
fn prepare(
    cx: &mut Cx<'_, Process>,
    space: &Space<Gpu>,
    span: Span,
    buffer: Arc<Buffer>,
) -> Result<Prepared<Gpu>> {
    let gfp = &mut gfp::kernel(cx);
    let map = space.prepare_map(gfp, span, Some(buffer), 0, ())?;
    Ok(map)
}

/// As the job is run.
fn run(cx: &mut Cx<'_, Signalling>, space: &Space<Gpu>, request: Prepared<Gpu>) -> Result {
    let done = space.commit(cx, request)?;
    for op in done.ops() {
        match op {
            Op::Unmap { keep: true, .. } | Op::Cut { .. } => {}
            Op::Unmap { old, .. } => flush(old.span()),
            Op::Remap { .. } => op.unmapped().map_or((), flush),
            Op::Map { piece, .. } => program(piece.span(), piece.offset()),
        }
    }
    Ok(())
}

fn flush(_span: Span) {}

fn program(_span: Span, _offset: u64) {}
