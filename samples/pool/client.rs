// SPDX-License-Identifier: GPL-2.0

//! One open file and the buffers that it owns.

use crate::{
    totals::Totals,
    uapi, //
};
use kernel::{
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::Arc, //
};
use strata::{
    cx::MmapHeld,
    dev::{
        misc::Mapping,
        user::UserRange, //
    },
    lock_class,
    page::Pages,
    prelude::*,
    sync::Mutex, //
};

strata::ranks! {
    after ReclaimLock:
    /// The table of a file's buffers.
    pub(crate) Buffers,
}

/// Memory that user space knows by an id. Counted while it exists.
struct Buffer {
    pages: Pages,
    totals: Arc<Totals>,
}

impl Buffer {
    fn new(cx: &mut Cx<'_, Process>, size: u64, totals: Arc<Totals>) -> Result<Self> {
        let pages = Pages::new(cx, (size >> PAGE_SHIFT) as usize)?;
        totals.add(size);
        Ok(Self { pages, totals })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.totals.remove(self.pages.size() as u64);
    }
}

/// The buffers of one file, by id.
struct Table {
    buffers: RBTree<u32, Arc<Buffer>>,
    count: u64,
    bytes: u64,
    last_id: u32,
}

impl Table {
    /// An id that was never given out.
    fn next_id(&mut self) -> Result<u32> {
        if self.last_id == LAST_ID {
            return Err(ENOSPC);
        }
        self.last_id += 1;
        Ok(self.last_id)
    }

    fn get(&self, id: u32) -> Result<Arc<Buffer>> {
        self.buffers.get(&id).cloned().ok_or(ENOENT)
    }
}

/// One open file.
#[pin_data]
pub(crate) struct Client {
    #[pin]
    table: Mutex<Table, Buffers>,
    totals: Arc<Totals>,
}

impl Client {
    pub(crate) fn new(cx: &mut Cx<'_, Process>, totals: Arc<Totals>) -> impl PinInit<Self, Error> {
        let table = Table {
            buffers: RBTree::new(),
            count: 0,
            bytes: 0,
            last_id: 0,
        };
        let table = Mutex::new(cx, lock_class!(Buffers, "table"), table);
        try_pin_init!(Self {
            table <- table,
            totals,
        })
    }

    /// `STRATA_POOL_CREATE`: memory first, then the answer, and last the commit, which cannot fail.
    pub(crate) fn create(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::Create = arg.read(cx)?;
        let aligned = request.size % PAGE_SIZE as u64 == 0;
        if request.flags != 0
            || request.size == 0
            || request.size > uapi::STRATA_POOL_MAX_SIZE
            || !aligned
        {
            return Err(EINVAL);
        }

        let node = gfp::kernel(cx).with(RBTreeNodeReservation::new)?;
        let buffer = Buffer::new(cx, request.size, self.totals.clone())?;
        let buffer = gfp::kernel(cx).arc(buffer)?;

        request.id = self.table.lock(cx, |table, _| table.next_id())?;
        request.map_offset = map_offset(request.id);
        arg.write(cx, &request)?;

        self.table.lock(cx, |table, _| {
            table.count += 1;
            table.bytes += request.size;
            table.buffers.insert(node.into_node(request.id, buffer));
        });
        Ok(())
    }

    /// `STRATA_POOL_DESTROY`.
    pub(crate) fn destroy(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let request: uapi::Destroy = arg.read(cx)?;
        if request.flags != 0 {
            return Err(EINVAL);
        }
        let removed = self.table.lock(cx, |table, _| {
            let node = table.buffers.remove_node(&request.id).ok_or(ENOENT)?;
            let (_, buffer) = node.to_key_value();
            table.count -= 1;
            table.bytes -= buffer.pages.size() as u64;
            Ok::<_, Error>(buffer)
        })?;
        // Freed here, without the lock.
        drop(removed);
        Ok(())
    }

    /// `STRATA_POOL_CHECKSUM`.
    pub(crate) fn checksum(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::Checksum = arg.read(cx)?;
        if request.flags != 0 || request.reserved != 0 {
            return Err(EINVAL);
        }
        let buffer = self.table.lock(cx, |table, _| table.get(request.id))?;
        request.crc32c = buffer.pages.crc32c(cx, request.offset, request.length)?;
        arg.write(cx, &request)
    }

    /// `STRATA_POOL_STAT`.
    pub(crate) fn stat(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::Stat = arg.read(cx)?;
        if request.flags != 0 || request.reserved != 0 {
            return Err(EINVAL);
        }
        (request.buffers, request.bytes) =
            self.table.lock(cx, |table, _| (table.count, table.bytes));
        arg.write(cx, &request)
    }

    /// Maps the buffer whose `map_offset` the mapping begins at.
    pub(crate) fn map(&self, cx: &mut Cx<'_, MmapHeld>, mapping: &Mapping<'_>) -> Result {
        let id = id_at(mapping.page_offset()).ok_or(EINVAL)?;
        let buffer = self.table.lock(cx, |table, _| table.get(id))?;
        buffer.pages.map(cx, mapping)
    }
}

/// Each buffer has as much room among the offsets as the largest one needs.
const ROOM: u64 = uapi::STRATA_POOL_MAX_SIZE;

/// The offset of the last one is still positive as an `off_t`.
const LAST_ID: u32 = (i64::MAX as u64 / ROOM) as u32;

fn map_offset(id: u32) -> u64 {
    u64::from(id) * ROOM
}

fn id_at(page_offset: usize) -> Option<u32> {
    let offset = (page_offset as u64).checked_mul(PAGE_SIZE as u64)?;
    (offset % ROOM == 0).then(|| u32::try_from(offset / ROOM).ok())?
}
