// SPDX-License-Identifier: GPL-2.0

//! One open file and what it has: VMs, buffers, queues.

use crate::{
    buffer::{
        Buffer,
        BufferRef, //
    },
    figures::{
        Account,
        Figure, //
    },
    queue::{
        wait,
        Queue, //
    },
    quota::Quota,
    ranks::{
        Last,
        Tables as TablesRank, //
    },
    share,
    shared::Shared,
    table::Table,
    uapi,
    vm::Vm, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    rbtree::RBTreeNodeReservation,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use strata::{
    cx::MmapHeld,
    dev::{
        misc::Mapping,
        user::UserRange, //
    },
    dma_buf::DmaBuf,
    fence::Fence,
    lock_class,
    prelude::*,
    sync::Mutex, //
};

/// What a file has.
pub(crate) struct Tables {
    pub(crate) vms: Table<Arc<Vm>>,
    pub(crate) buffers: Table<BufferRef>,
    pub(crate) queues: Table<Arc<Queue>>,
}

/// One open file.
#[pin_data]
pub(crate) struct Client {
    number: u64,
    #[pin]
    tables: Mutex<Tables, TablesRank>,
    quota: Arc<Quota>,
    account: Account,
    shared: Arc<Shared>,
}

impl Client {
    /// A file that has nothing.
    pub(crate) fn open(cx: &mut Cx<'_, Process>, shared: Arc<Shared>) -> Result<Arc<Self>> {
        let tables = Tables {
            vms: Table::new(),
            buffers: Table::new(),
            queues: Table::new(),
        };
        let tables = Mutex::new(cx, lock_class!(TablesRank, "tables"), tables);
        let quota = Quota::new(uapi::STRATA_VBIND_JOBS_MAX, uapi::STRATA_VBIND_BINDS_MAX);
        let quota = gfp::kernel(cx).arc(quota)?;
        let account = Account::new(cx, shared.figures().clone())?;
        let number = shared.number(cx);
        let node = gfp::kernel(cx).with(RBTreeNodeReservation::new)?;
        let client = gfp::kernel(cx).arc_init(try_pin_init!(Self {
            number,
            tables <- tables,
            quota,
            account,
            shared,
        }))?;
        client.shared.add(cx, node, client.clone());
        Ok(client)
    }

    /// The file is released: its jobs are cancelled, and what it has goes.
    pub(crate) fn close(&self, cx: &mut Cx<'_, Process>) {
        self.shared.remove(cx, self);
        let (queues, buffers, vms) = self.tables.lock(cx, |tables, _| {
            (
                core::mem::replace(&mut tables.queues, Table::new()),
                core::mem::replace(&mut tables.buffers, Table::new()),
                core::mem::replace(&mut tables.vms, Table::new()),
            )
        });
        for queue in queues.iter() {
            queue.close(cx);
        }
        for buffer in buffers.iter() {
            share::unname(cx, buffer);
        }
        drop((queues, buffers, vms));
    }

    /// What debugfs calls it.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn quota(&self) -> &Arc<Quota> {
        &self.quota
    }

    /// `STRATA_VBIND_VM_CREATE`
    pub(crate) fn create_vm(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::VmCreate = arg.read(cx)?;
        if request.flags != 0 {
            return Err(EINVAL);
        }
        let node = gfp::kernel(cx).with(RBTreeNodeReservation::new)?;
        request.id = self.tables.lock(cx, |tables, _| tables.vms.next_id())?;
        let vm = Vm::new(cx, request.id, &request, &self.account)?;
        // The answer first: what comes after it cannot fail.
        arg.write(cx, &request)?;
        self.tables.lock(cx, |tables, _| {
            tables.vms.items.insert(node.into_node(request.id, vm));
        });
        Ok(())
    }

    /// `STRATA_VBIND_VM_DESTROY`
    pub(crate) fn destroy_vm(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let id = to_destroy(cx, arg)?;
        // Freed here, without the lock.
        let vm = self.tables.lock(cx, |tables, _| {
            let vm = tables.vms.get(id)?;
            if tables
                .queues
                .iter()
                .any(|queue| Arc::ptr_eq(queue.vm(), vm))
            {
                return Err(EBUSY);
            }
            Ok(tables.vms.items.remove_node(&id))
        })?;
        drop(vm);
        Ok(())
    }

    /// `STRATA_VBIND_BUFFER_CREATE`
    pub(crate) fn create_buffer(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::BufferCreate = arg.read(cx)?;
        let aligned = request.size % PAGE_SIZE as u64 == 0;
        if request.flags != 0
            || request.size == 0
            || request.size > uapi::STRATA_VBIND_BUFFER_MAX
            || !aligned
        {
            return Err(EINVAL);
        }
        let room = self.room(cx)?;
        request.id = room.id();
        request.map_offset = u64::from(request.id) * ROOM;
        let buffer = Buffer::new(cx, self, request.id, request.size)?;
        arg.write(cx, &request)?;
        share::name(cx, &buffer, None);
        self.insert(cx, room, buffer);
        Ok(())
    }

    /// Room for one more buffer, with the id that it will have.
    pub(crate) fn room(&self, cx: &mut Cx<'_, Process>) -> Result<Room> {
        let node = gfp::kernel(cx).with(RBTreeNodeReservation::new)?;
        let id = self.tables.lock(cx, |tables, _| tables.buffers.next_id())?;
        Ok(Room { node, id })
    }

    /// The file has one more buffer, which has been [named](share::name) for that.
    pub(crate) fn insert(&self, cx: &mut Cx<'_, Process>, room: Room, buffer: BufferRef) {
        self.tables.lock(cx, |tables, _| {
            let node = room.node.into_node(room.id, buffer);
            tables.buffers.items.insert(node);
        });
    }

    /// What this file has imported of another driver's buffer.
    pub(crate) fn imported(&self, cx: &mut Cx<'_, Process>, buf: &DmaBuf) -> Option<BufferRef> {
        let is_it = |buffer: &&BufferRef| {
            let foreign = buffer.item().foreign();
            foreign.is_some_and(|foreign| foreign.is(buf))
        };
        self.tables
            .lock(cx, |tables, _| tables.buffers.iter().find(is_it).cloned())
    }

    /// Whether a fence is that of a job of this file's.
    pub(crate) fn has_job<L: Before<TablesRank>>(&self, cx: &mut Cx<'_, L>, fence: &Fence) -> bool {
        self.tables.lock(cx, |tables, _| {
            let mut queues = tables.queues.iter();
            queues.any(|queue| queue.timeline().context() == fence.context())
        })
    }

    /// `STRATA_VBIND_BUFFER_DESTROY`
    pub(crate) fn destroy_buffer(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let id = to_destroy(cx, arg)?;
        // Freed here, without the lock.
        let node = self
            .tables
            .lock(cx, |tables, _| tables.buffers.items.remove_node(&id))
            .ok_or(ENOENT)?;
        let (_, buffer) = node.to_key_value();
        share::unname(cx, &buffer);
        Ok(())
    }

    /// `STRATA_VBIND_QUEUE_CREATE`
    pub(crate) fn create_queue(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::QueueCreate = arg.read(cx)?;
        if request.flags != 0 {
            return Err(EINVAL);
        }
        let node = gfp::kernel(cx).with(RBTreeNodeReservation::new)?;
        let (vm, id) = self.tables.lock(cx, |tables, _| {
            let vm = tables.vms.get(request.vm)?.clone();
            Ok::<_, Error>((vm, tables.queues.next_id()?))
        })?;
        request.id = id;
        let queue = Queue::new(cx, id, vm, request.timeout_ms, &self.account)?;
        let added = arg.write(cx, &request).and_then(|()| {
            self.tables.lock(cx, |tables, _| {
                // It may have been destroyed meanwhile.
                tables.vms.get(request.vm)?;
                let node = node.into_node(id, queue.clone());
                tables.queues.items.insert(node);
                Ok(())
            })
        });
        if added.is_err() {
            queue.close(cx);
        }
        added
    }

    /// `STRATA_VBIND_QUEUE_DESTROY`
    pub(crate) fn destroy_queue(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let id = to_destroy(cx, arg)?;
        let node = self
            .tables
            .lock(cx, |tables, _| tables.queues.items.remove_node(&id))
            .ok_or(ENOENT)?;
        let (_, queue) = node.to_key_value();
        queue.close(cx);
        Ok(())
    }

    /// `STRATA_VBIND_WAIT`
    pub(crate) fn wait(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let request: uapi::Wait = arg.read(cx)?;
        if request.flags != 0 {
            return Err(EINVAL);
        }
        // The queue may be destroyed meanwhile, which ends the wait.
        let last = self.queue(cx, request.queue)?.last_fence(cx);
        wait(cx, last, request.timeout_ns)
    }

    /// `STRATA_VBIND_STAT`
    pub(crate) fn stat(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let request: uapi::Stat = arg.read(cx)?;
        if request.flags != 0 || request.reserved != 0 {
            return Err(EINVAL);
        }
        let figures = self.account.file();
        let answer = uapi::Stat {
            vms: figures.get(Figure::Vms),
            buffers: figures.get(Figure::Buffers),
            queues: figures.get(Figure::Queues),
            jobs: figures.get(Figure::Jobs),
            mappings: figures.get(Figure::Mappings),
            bytes: figures.get(Figure::Bytes),
            held: figures.get(Figure::Held),
            evictions: figures.get(Figure::Evictions),
            ..request
        };
        arg.write(cx, &answer)
    }

    /// Maps the buffer whose `map_offset` the mapping begins at.
    pub(crate) fn map(&self, cx: &mut Cx<'_, MmapHeld>, mapping: &Mapping<'_>) -> Result {
        let offset = (mapping.page_offset() as u64).checked_mul(PAGE_SIZE as u64);
        let offset = offset.ok_or(EINVAL)?;
        if offset % ROOM != 0 {
            return Err(EINVAL);
        }
        let id = u32::try_from(offset / ROOM).map_err(|_| ENOENT)?;
        self.buffer(cx, id)?.item().map(cx, mapping)
    }

    pub(crate) fn buffer<L: Before<TablesRank>>(
        &self,
        cx: &mut Cx<'_, L>,
        id: u32,
    ) -> Result<BufferRef> {
        self.tables
            .lock(cx, |tables, _| tables.buffers.get(id).cloned())
    }

    pub(crate) fn queue<L: Before<TablesRank>>(
        &self,
        cx: &mut Cx<'_, L>,
        id: u32,
    ) -> Result<Arc<Queue>> {
        self.tables
            .lock(cx, |tables, _| tables.queues.get(id).cloned())
    }

    /// The one of a table that has the first id after `id`. Who goes through a table so holds its lock
    /// for a moment at a time.
    pub(crate) fn next<T: Clone, L: Before<TablesRank>>(
        &self,
        cx: &mut Cx<'_, L>,
        table: fn(&Tables) -> &Table<T>,
        id: u32,
    ) -> Option<(u32, T)> {
        let from = id.checked_add(1)?;
        self.tables.lock(cx, |tables, _| {
            let cursor = table(tables).items.cursor_lower_bound(&from)?;
            let (id, item) = cursor.current();
            Some((*id, item.clone()))
        })
    }

    /// The first queue after the one of this id that has a job which has not ended, and its fence.
    pub(crate) fn pending<L>(&self, cx: &mut Cx<'_, L>, mut id: u32) -> Option<(u32, ARef<Fence>)>
    where
        L: Before<TablesRank> + Before<Last>,
    {
        while let Some((next, queue)) = self.next(cx, |tables| &tables.queues, id) {
            id = next;
            let last = queue.last_fence(cx);
            if let Some(fence) = last.filter(|fence| fence.status().is_none()) {
                return Some((id, fence));
            }
        }
        None
    }
}

/// Room for a buffer in a file.
pub(crate) struct Room {
    node: RBTreeNodeReservation<u32, BufferRef>,
    id: u32,
}

impl Room {
    pub(crate) fn id(&self) -> u32 {
        self.id
    }
}

/// Each buffer has as much room among the offsets as the largest one needs.
const ROOM: u64 = uapi::STRATA_VBIND_BUFFER_MAX;

fn to_destroy(cx: &mut Cx<'_, Process>, arg: UserRange) -> Result<u32> {
    let request: uapi::Destroy = arg.read(cx)?;
    match request.flags {
        0 => Ok(request.id),
        _ => Err(EINVAL),
    }
}
