// SPDX-License-Identifier: GPL-2.0

//! `STRATA_VBIND_BIND` and `STRATA_VBIND_EXEC`: all that may fail.
//!
//! In this order, none of which can be another: user memory is read (it may fault); the file's tables
//! are looked at; foreign buffers are waited for, and opened; the queue's submission lock is taken; the
//! reservations of the buffers are locked, as a set; their memory is brought in, and room for the fence
//! made in each; and then, in a signalling section in which nothing fails any more, the fence is
//! published, added, and the job queued.

use crate::{
    buffer::BufferRef,
    client::Client,
    exec::{
        Exec,
        Op, //
    },
    figures::Figure,
    job::{
        Job,
        Kept,
        Work, //
    },
    named::{
        self,
        Named, //
    },
    queue::Queue,
    quota::Room,
    ranks::Last,
    trace, uapi,
    vm::{
        span,
        Access,
        Gpu, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use strata::{
    cx::{
        SignalLock,
        Signalling, //
    },
    dev::user::UserRange,
    fence::{
        self,
        Fence,
        PreparedFile,
        PreparedJob,
        SyncFile, //
    },
    prelude::*,
    resv, va,
};

/// An array that user space named.
fn array<T>(address: u64, count: u32) -> Result<UserRange> {
    let address = usize::try_from(address).map_err(|_| EFAULT)?;
    let length = core::mem::size_of::<T>() * count as usize;
    Ok(UserRange::new(address, length))
}

/// What is the same for all jobs: what user space said, and what was prepared for it.
struct Common {
    queue: Arc<Queue>,
    room: Room,
    waits: KVec<ARef<Fence>>,
    fence: fence::Prepared,
    file: Option<PreparedFile>,
    kind: u32,
    ops: u32,
}

impl Client {
    /// `STRATA_VBIND_BIND`
    pub(crate) fn bind(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::Bind = arg.read(cx)?;
        if request.reserved != 0 || request.fence != 0 {
            return Err(EINVAL);
        }
        let queue = self.submit_to(cx, request.queue, request.flags)?;
        let ops = array::<uapi::BindOp>(request.ops, request.op_count)?;
        let ops: KVVec<uapi::BindOp> = ops.read_array(cx, uapi::STRATA_VBIND_OPS_MAX as usize)?;
        let room = Room::new(self.quota(), queue.vm(), request.op_count)?;
        let mut all: Option<va::Prepared<Gpu>> = None;
        for op in &ops {
            cx.give_way()?;
            let prepared = self.bind_op(cx, &queue, op)?;
            all = Some(match all {
                Some(all) => all.then(prepared),
                None => prepared,
            });
        }
        let prepared = all.ok_or(EINVAL)?;

        let waits = waits(cx, request.waits, request.wait_count)?;
        let common = Common::new(
            cx,
            queue,
            room,
            waits,
            request.flags,
            trace::BIND,
            request.op_count,
        )?;
        if let Some(file) = &common.file {
            request.fence = file.fd() as i32;
            arg.write(cx, &request)?;
        }
        let queue = common.queue.clone();
        let submitted = queue.submission().lock(cx, |(), cx| {
            let submission = common.job(cx, self, Work::Bind(prepared), KVVec::new(), &[])?;
            cx.signalling(|cx| submission.go(cx, self, |_, _| {}));
            Ok(())
        });
        if submitted.is_err() && request.fence != 0 {
            // A call that fails can be repeated as it is.
            request.fence = 0;
            let _ = arg.write(cx, &request);
        }
        submitted
    }

    /// One operation of a bind, as a request to the space of the queue.
    fn bind_op(
        &self,
        cx: &mut Cx<'_, Process>,
        queue: &Queue,
        op: &uapi::BindOp,
    ) -> Result<va::Prepared<Gpu>> {
        let range = span(op.address, op.length)?;
        let space = queue.vm().space();
        let known = uapi::STRATA_VBIND_READ_ONLY | uapi::STRATA_VBIND_SPARSE;
        let sparse = op.flags & uapi::STRATA_VBIND_SPARSE != 0;
        if op.reserved != 0 {
            return Err(EINVAL);
        }
        match op.op {
            uapi::STRATA_VBIND_UNMAP if op.flags == 0 && op.buffer == 0 && op.offset == 0 => {
                space.prepare_unmap(&mut gfp::kernel(cx), range)
            }
            uapi::STRATA_VBIND_MAP if op.flags & !known == 0 => {
                let buffer = match sparse {
                    true if op.buffer == 0 && op.offset == 0 => None,
                    true => return Err(EINVAL),
                    false => {
                        let buffer = self.buffer(cx, op.buffer)?;
                        let part = span(op.offset, op.length)?;
                        if part.end() > buffer.item().size() {
                            return Err(EINVAL);
                        }
                        Some(buffer)
                    }
                };
                let access = Access {
                    writable: op.flags & uapi::STRATA_VBIND_READ_ONLY == 0,
                };
                let gfp = &mut gfp::kernel(cx);
                Ok(space.prepare_map(gfp, range, buffer, op.offset, access)?)
            }
            _ => Err(EINVAL),
        }
    }

    /// `STRATA_VBIND_EXEC`
    pub(crate) fn exec(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::Exec = arg.read(cx)?;
        if request.fence != 0 {
            return Err(EINVAL);
        }
        let queue = self.submit_to(cx, request.queue, request.flags)?;
        let asked = array::<uapi::ExecOp>(request.ops, request.op_count)?;
        let asked: KVVec<uapi::ExecOp> =
            asked.read_array(cx, uapi::STRATA_VBIND_OPS_MAX as usize)?;
        if asked.is_empty() {
            return Err(EINVAL);
        }
        let mut ops = gfp::kernel(cx).large_vec(asked.len())?;
        let mut work: u64 = 0;
        for op in &asked {
            let op = Op::new(op, queue.vm())?;
            // A fence is signalled in finite time, as users count it.
            work = work.saturating_add(op.length());
            if work > uapi::STRATA_VBIND_WORK_MAX {
                return Err(E2BIG);
            }
            // There is room.
            ops.push_within_capacity(op).map_err(|_| ENOMEM)?;
        }
        let ids = array::<u32>(request.buffers, request.buffer_count)?;
        let ids: KVVec<u32> = ids.read_array(cx, uapi::STRATA_VBIND_BUFFERS_MAX as usize)?;
        let named = Named::open(cx, self, &ids)?;
        let submitted = self.exec_named(cx, arg, &mut request, queue, ops, &named);
        named.close(cx);
        submitted
    }

    /// The same, with its buffers at hand.
    fn exec_named(
        &self,
        cx: &mut Cx<'_, Process>,
        arg: UserRange,
        request: &mut uapi::Exec,
        queue: Arc<Queue>,
        ops: KVVec<Op>,
        named: &Named,
    ) -> Result {
        let room = Room::new(self.quota(), queue.vm(), 0)?;
        let waits = waits(cx, request.waits, request.wait_count)?;
        let common = Common::new(
            cx,
            queue,
            room,
            waits,
            request.flags,
            trace::EXEC,
            request.op_count,
        )?;
        if let Some(file) = &common.file {
            request.fence = file.fd() as i32;
            arg.write(cx, request)?;
        }
        let queue = common.queue.clone();
        let mut given = Some((common, ops));
        let submitted = queue.submission().lock(cx, |(), cx| {
            resv::many_interruptible(cx, |many, cx| {
                // First all locks, for which it may have to go back; then what may fail.
                let held = named.lock(cx, many)?;
                let taken = named.take(cx, self, &held)?;
                let (common, ops) = given.take().ok_or(EINVAL)?;
                let work = Work::Exec(Exec::new(ops, taken.memory));
                let submission = common.job(cx, self, work, taken.kept, &taken.after)?;
                // And then nothing does.
                let slots = taken.slots;
                cx.signalling(|cx| {
                    submission.go(cx, self, |cx, fence| named::add(cx, slots, fence));
                });
                Ok(())
            })
        });
        if submitted.is_err() && request.fence != 0 {
            // As for a bind.
            request.fence = 0;
            let _ = arg.write(cx, request);
        }
        submitted
    }

    fn submit_to(&self, cx: &mut Cx<'_, Process>, queue: u32, flags: u32) -> Result<Arc<Queue>> {
        if flags & !uapi::STRATA_VBIND_FENCE_OUT != 0 {
            return Err(EINVAL);
        }
        self.queue(cx, queue)
    }
}

/// The fences that user space wants a job to wait for.
fn waits(cx: &mut Cx<'_, Process>, address: u64, count: u32) -> Result<KVec<ARef<Fence>>> {
    let fds = array::<i32>(address, count)?;
    let fds: KVVec<i32> = fds.read_array(cx, uapi::STRATA_VBIND_WAITS_MAX as usize)?;
    let mut waits = gfp::kernel(cx).vec(fds.len())?;
    for fd in &fds {
        let fence = Fence::from_fd(cx, *fd)?;
        waits.push_within_capacity(fence).map_err(|_| ENOMEM)?;
    }
    Ok(waits)
}

impl Common {
    fn new(
        cx: &mut Cx<'_, Process>,
        queue: Arc<Queue>,
        room: Room,
        waits: KVec<ARef<Fence>>,
        flags: u32,
        kind: u32,
        ops: u32,
    ) -> Result<Self> {
        let fence = queue.timeline().prepare(&mut gfp::kernel(cx))?;
        let wanted = flags & uapi::STRATA_VBIND_FENCE_OUT != 0;
        let file = match wanted {
            true => Some(SyncFile::of_prepared(cx, &fence)?),
            false => None,
        };
        Ok(Self {
            queue,
            room,
            waits,
            fence,
            file,
            kind,
            ops,
        })
    }

    /// The job, which waits for the last one of its queue too, and for `others`.
    fn job<L>(
        self,
        cx: &mut Cx<'_, L>,
        client: &Client,
        work: Work,
        buffers: KVVec<BufferRef>,
        others: &[ARef<Fence>],
    ) -> Result<Submitted>
    where
        L: MayAlloc<gfp::Kernel> + Before<SignalLock> + Before<Last>,
    {
        let last = self.queue.last_fence(cx);
        let mut after = gfp::kernel(cx).large_vec(self.waits.len() + 1 + others.len())?;
        let mine = Iterator::chain(self.waits.iter(), &last);
        for fence in Iterator::chain(mine, others) {
            after
                .push_within_capacity(fence.clone())
                .map_err(|_| ENOMEM)?;
        }
        let engine = self.queue.engine();
        let shared = client.shared().clone();
        let kept = Kept::new(shared, engine, self.queue.vm(), buffers);
        let epoch = engine.epoch(cx);
        let job = Job::new(cx, work, self.waits, epoch, self.room, kept)?;
        let job = PreparedJob::new(cx, job, self.fence, &after)?;
        Ok(Submitted {
            job,
            queue: self.queue,
            file: self.file,
            kind: self.kind,
            ops: self.ops,
        })
    }
}

/// A job that is to be queued: nothing can fail any more.
struct Submitted {
    job: PreparedJob<Job>,
    queue: Arc<Queue>,
    file: Option<PreparedFile>,
    kind: u32,
    ops: u32,
}

impl Submitted {
    /// Publishes the fence, shows it to `add`, gives it to user space, and queues the job.
    fn go(
        self,
        cx: &mut Cx<'_, Signalling>,
        client: &Client,
        add: impl FnOnce(&mut Cx<'_, Signalling>, &Fence),
    ) {
        let job = self.job.publish(cx);
        let fence = job.fence().clone();
        let (context, seqno) = (fence.context(), fence.seqno());
        trace::submit(
            client.number(),
            self.queue.id(),
            context,
            seqno,
            self.kind,
            self.ops,
        );
        client.account().add(Figure::Submitted, 1);
        add(cx, &fence);
        if let Some(file) = self.file {
            // It was made for this fence.
            let _ = file.install(cx, &fence);
        }
        self.queue.submitted(cx, fence);
        job.queue(cx);
    }
}
