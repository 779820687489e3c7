// SPDX-License-Identifier: GPL-2.0

//! One open file and the buffers that it owns.

use crate::{
    buffer::{
        self,
        Buffer,
        BufferRef,
        Pinner,
        Table as TableRank, //
    },
    copy,
    export,
    figures::Figures,
    shared::Shared,
    uapi, //
};
use kernel::{
    page::PAGE_SIZE,
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
    dma_buf::DmaBuf,
    lock_class,
    prelude::*,
    sync::Mutex, //
};

/// The buffers of one file, by id.
struct Table {
    buffers: RBTree<u32, BufferRef>,
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
}

/// One open file.
#[pin_data]
pub(crate) struct Client {
    #[pin]
    table: Mutex<Table, TableRank>,
    figures: Arc<Figures>,
    pool: Arc<Shared>,
}

impl Client {
    pub(crate) fn new(
        cx: &mut Cx<'_, Process>,
        pool: Arc<Shared>,
    ) -> Result<impl PinInit<Self, Error>> {
        let figures = gfp::kernel(cx).arc(Figures::new())?;
        let table = Table {
            buffers: RBTree::new(),
            last_id: 0,
        };
        let table = Mutex::new(cx, lock_class!(TableRank, "table"), table);
        Ok(try_pin_init!(Self {
            table <- table,
            figures,
            pool,
        }))
    }

    /// The file is released: nobody can name its buffers any more, and its pins end.
    pub(crate) fn close(&self, cx: &mut Cx<'_, Process>) {
        let buffers = self.table.lock(cx, |table, _| {
            core::mem::replace(&mut table.buffers, RBTree::new())
        });
        for (_, buffer) in &buffers {
            buffer::destroy(buffer, cx, self.pool.exports());
        }
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
        let figures = [self.figures.clone(), self.pool.figures().clone()];
        let buffer = Buffer::new(cx, self.pool.cache(), request.size, figures)?;

        request.id = self.table.lock(cx, |table, _| table.next_id())?;
        request.map_offset = map_offset(request.id);
        arg.write(cx, &request)?;

        self.table.lock(cx, |table, _| {
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
        // The node is freed here, without the lock.
        let node = self
            .table
            .lock(cx, |table, _| table.buffers.remove_node(&request.id))
            .ok_or(ENOENT)?;
        let (_, buffer) = node.to_key_value();
        buffer::destroy(&buffer, cx, self.pool.exports());
        Ok(())
    }

    /// `STRATA_POOL_CHECKSUM`.
    pub(crate) fn checksum(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::Checksum = arg.read(cx)?;
        if request.flags != 0 || request.reserved != 0 {
            return Err(EINVAL);
        }
        let buffer = self.buffer(cx, request.id)?;
        request.crc32c = copy::checksum(&buffer, cx, request.offset, request.length)?;
        arg.write(cx, &request)
    }

    /// `STRATA_POOL_STAT`.
    pub(crate) fn stat(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let request: uapi::Stat = arg.read(cx)?;
        if request.flags != 0 || request.reserved != 0 {
            return Err(EINVAL);
        }
        let answer = uapi::Stat {
            buffers: self.figures.buffers(),
            bytes: self.figures.bytes(),
            pinned: self.figures.pinned(),
            idle: self.figures.idle(),
            purgeable: self.figures.purgeable(),
            ..request
        };
        arg.write(cx, &answer)
    }

    /// `STRATA_POOL_PIN`.
    pub(crate) fn pin(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let buffer = self.pin_target(cx, arg)?;
        buffer::pin(&buffer, cx, self.pool.budget(), &*self.pool, Pinner::User)
    }

    /// `STRATA_POOL_UNPIN`.
    pub(crate) fn unpin(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let buffer = self.pin_target(cx, arg)?;
        buffer::unpin(&buffer, cx)
    }

    fn pin_target(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result<BufferRef> {
        let request: uapi::Pin = arg.read(cx)?;
        if request.flags != 0 {
            return Err(EINVAL);
        }
        self.buffer(cx, request.id)
    }

    /// `STRATA_POOL_MADVISE`: the advice is taken even if the answer cannot be written.
    pub(crate) fn madvise(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::Madvise = arg.read(cx)?;
        if request.flags != 0 {
            return Err(EINVAL);
        }
        let advise = match request.advice {
            uapi::STRATA_POOL_WILLNEED => buffer::need,
            uapi::STRATA_POOL_DONTNEED => buffer::give_up,
            _ => return Err(EINVAL),
        };
        let buffer = self.buffer(cx, request.id)?;
        // Before anything changes: a purge is told once, and must not be told to nobody.
        request.retained = 1;
        arg.write(cx, &request)?;
        request.retained = advise(&buffer, cx)?.into();
        arg.write(cx, &request)
    }

    /// Maps the buffer whose `map_offset` the mapping begins at.
    pub(crate) fn map(&self, cx: &mut Cx<'_, MmapHeld>, mapping: &Mapping<'_>) -> Result {
        let id = id_at(mapping.page_offset()).ok_or(EINVAL)?;
        let buffer = self.buffer(cx, id)?;
        buffer::map(&buffer, cx, mapping)
    }

    /// `STRATA_POOL_EXPORT`.
    pub(crate) fn export(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::Export = arg.read(cx)?;
        if request.flags != 0 || request.fd != 0 || request.reserved != 0 {
            return Err(EINVAL);
        }
        let buffer = self.buffer(cx, request.id)?;
        export::give(cx, &self.pool, &buffer, |cx, fd| {
            request.fd = i32::try_from(fd).map_err(|_| EINVAL)?;
            arg.write(cx, &request)
        })
    }

    /// `STRATA_POOL_COPY`.
    pub(crate) fn copy(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let request: uapi::Copy = arg.read(cx)?;
        if request.flags & !uapi::STRATA_POOL_COPY_OUT != 0 || request.reserved != 0 {
            return Err(EINVAL);
        }
        let buffer = self.buffer(cx, request.id)?;
        let foreign = DmaBuf::from_fd(cx, request.fd)?;
        copy::copy(&buffer, cx, &foreign, &request)
    }

    fn buffer<L: Before<TableRank>>(&self, cx: &mut Cx<'_, L>, id: u32) -> Result<BufferRef> {
        self.table
            .lock(cx, |table, _| table.buffers.get(&id).cloned())
            .ok_or(ENOENT)
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
