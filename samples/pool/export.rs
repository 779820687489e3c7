// SPDX-License-Identifier: GPL-2.0

//! Buffers as dma-bufs: `STRATA_POOL_EXPORT`.
//!
//! A buffer that has a name keeps its dma-buf, so that each call finds the same one; a dma-buf keeps its
//! buffer. The circle ends with the name: from then on the dma-buf lives for as long as others have it.

use crate::{
    buffer::{
        self,
        Buffer,
        BufferRef,
        Exporting,
        Pinner, //
    },
    shared::Shared,
    Pool, //
};
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode,
        RBTreeNodeReservation, //
    },
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
    dma_buf::{
        BufferFile,
        Exported,
        Exporter,
        Storage, //
    },
    lock_class,
    lru::Object,
    prelude::*,
    sync::Mutex, //
};

/// What is behind a dma-buf: the buffer, with a pin.
pub(crate) struct Export {
    buffer: BufferRef,
    all: Arc<Exports>,
}

impl Exporter for Export {
    type Owner = Pool;

    const NAME: &'static CStr = c"strata-pool";

    fn release(self, cx: &mut Cx<'_, Process>, storage: Option<Arc<Storage>>) {
        drop(storage);
        self.end(cx);
    }
}

impl Export {
    /// Pins the buffer and makes a dma-buf of it, which nobody can find yet.
    fn new(
        cx: &mut Cx<'_, Process>,
        pool: &Shared,
        buffer: &BufferRef,
    ) -> Result<ARef<Exported<Self>>> {
        buffer::pin(buffer, cx, pool.budget(), pool, Pinner::Export)?;
        pool.exports().exported.add(1, Relaxed);
        let export = Self {
            buffer: buffer.clone(),
            all: pool.exports().clone(),
        };
        let storage = match home(cx, buffer) {
            Ok(storage) => storage,
            Err(cause) => {
                export.end(cx);
                return Err(cause);
            }
        };
        match Exported::new(cx, export, storage) {
            Ok(exported) => Ok(exported),
            Err(refused) => {
                refused.exporter.end(cx);
                Err(refused.cause)
            }
        }
    }

    /// The dma-buf is gone, or was never there.
    fn end(self, cx: &mut Cx<'_, Process>) {
        buffer::end_export(&self.buffer, cx, &self.all);
        self.all.exported.add(-1, Relaxed);
    }
}

/// The buffer's own pages.
///
/// A device that has not unmapped them since the contents left them does not use them any more: its
/// fences were waited for.
pub(crate) fn home(
    cx: &mut Cx<'_, Process>,
    buffer: &Object<Buffer>,
) -> Result<UniqueArc<Storage>> {
    let pages = buffer.item().memory().pages(cx)?;
    Storage::of_shmem(cx, pages)
}

/// `STRATA_POOL_EXPORT`. `tell` is called with the descriptor before there is anything behind it; from
/// then on all that can go wrong is that somebody else was faster.
pub(crate) fn give(
    cx: &mut Cx<'_, Process>,
    pool: &Shared,
    buffer: &BufferRef,
    mut tell: impl FnMut(&mut Cx<'_, Process>, u32) -> Result,
) -> Result {
    loop {
        if let Some(exported) = buffer::shared(buffer, cx)? {
            let file = BufferFile::new(cx, exported.buffer())?;
            tell(cx, file.fd())?;
            file.install(cx);
            return Ok(());
        }
        let room = gfp::kernel(cx).with(RBTreeNodeReservation::new)?;
        let exported = Export::new(cx, pool, buffer)?;
        let file = BufferFile::new(cx, exported.buffer())?;
        tell(cx, file.fd())?;
        if buffer::commit(buffer, cx, pool.exports(), room, &exported)? {
            file.install(cx);
            return Ok(());
        }
    }
}

/// Room in the list for one buffer.
pub(crate) type Room = RBTreeNodeReservation<u64, BufferRef>;

/// What takes that room.
pub(crate) type Member = RBTreeNode<u64, BufferRef>;

struct List {
    buffers: RBTree<u64, BufferRef>,
    last: u64,
}

/// The buffers of all files that have a dma-buf, oldest first, and what became of them.
#[pin_data]
pub(crate) struct Exports {
    #[pin]
    list: Mutex<List, Exporting>,
    exported: Atomic<i64>,
    local: Atomic<i64>,
}

impl Exports {
    pub(crate) fn new(cx: &mut Cx<'_, Process>) -> Result<Arc<Self>> {
        let list = List {
            buffers: RBTree::new(),
            last: 0,
        };
        let list = Mutex::new(cx, lock_class!(Exporting, "exports"), list);
        gfp::kernel(cx).arc_init(try_pin_init!(Self {
            list <- list,
            exported: Atomic::new(0),
            local: Atomic::new(0),
        }))
    }

    /// Adds a buffer, and says by which number it is found.
    pub(crate) fn add<L>(&self, cx: &mut Cx<'_, L>, room: Room, buffer: BufferRef) -> u64
    where
        L: Before<Exporting>,
    {
        self.list.lock(cx, |list, _| {
            list.last += 1;
            list.buffers.insert(room.into_node(list.last, buffer));
            list.last
        })
    }

    /// Takes a buffer out. What is returned is to be dropped without a lock.
    pub(crate) fn remove<L>(&self, cx: &mut Cx<'_, L>, place: u64) -> Option<Member>
    where
        L: Before<Exporting>,
    {
        self.list
            .lock(cx, |list, _| list.buffers.remove_node(&place))
    }

    /// Where the newest one is.
    pub(crate) fn last(&self, cx: &mut Cx<'_, Process>) -> u64 {
        self.list.lock(cx, |list, _| list.last)
    }

    /// The first one behind `place`.
    pub(crate) fn after(&self, cx: &mut Cx<'_, Process>, place: u64) -> Option<(u64, BufferRef)> {
        self.list.lock(cx, |list, _| {
            let next = place.checked_add(1)?;
            let cursor = list.buffers.cursor_lower_bound(&next)?;
            let (place, buffer) = cursor.current();
            Some((*place, buffer.clone()))
        })
    }

    /// How many dma-bufs there are.
    pub(crate) fn exported(&self) -> i64 {
        self.exported.load(Relaxed)
    }

    /// How many of them are local.
    pub(crate) fn local(&self) -> i64 {
        self.local.load(Relaxed)
    }

    pub(crate) fn count_local(&self, more: i64) {
        self.local.add(more, Relaxed);
    }
}
