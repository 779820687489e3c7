// SPDX-License-Identifier: GPL-2.0

//! A GPU without the silicon, which binds and executes in the background: `/dev/strata-vbind`.
//!
//! It is a driver as its author would write it on Strata: safe Rust, with every step under a token.
//!
//! | file | has |
//! |---|---|
//! | `client.rs`, `table.rs` | one open file, and the VMs, buffers and queues that it has |
//! | `vm.rs` | an address space |
//! | `buffer.rs` | a buffer's memory: brought in for jobs, let go by the shrinker |
//! | `share.rs`, `foreign.rs` | buffers as dma-bufs: given away, and taken from others |
//! | `submit.rs`, `named.rs` | what the ioctls that submit a job do: all that may fail |
//! | `job.rs`, `exec.rs` | a job, in its signalling section, where nothing fails for want of memory |
//! | `queue.rs` | the order of jobs, and what is done about one that hangs |
//! | `shared.rs` | what all files share; the shrinker |
//! | `debug.rs`, `trace.rs` | what can be seen of it all |
//!
//! Lock order, as `ranks.rs` has it: the list of open files; who submits to a queue; whether a foreign
//! buffer is at hand, under which nothing else is taken; the reservations of buffers; whether a buffer is resident, which the shrinker takes, and it trylocks reservations
//! under it; the tables of a file. In signalling sections only spinlocks are taken: that of a space, and
//! those that say what an engine does.
//!
//! User space: `include/uapi/strata/vbind.h`. Docs: `Documentation/samples/vbind.rst`.

#![forbid(unsafe_op_in_unsafe_fn)]

use core::borrow::Borrow;
use kernel::{
    ioctl::{
        _IOW,
        _IOWR, //
    },
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};
use strata::{
    cx::MmapHeld,
    dev::{
        debugfs,
        faux,
        misc::{
            self,
            Mapping, //
        },
        user::UserRange, //
    },
    limit::{
        self,
        LimitFile, //
    },
    prelude::*,
    shrinker::{
        Prepared,
        Registration,
        Trigger, //
    },
};

mod buffer;
mod client;
mod debug;
mod exec;
mod figures;
mod foreign;
mod job;
mod named;
mod queue;
mod quota;
mod ranks;
mod share;
mod shared;
mod submit;
mod table;
mod timings;
mod trace;
mod uapi;
mod vm;

use self::{
    client::Client,
    debug::Debug,
    shared::Shared, //
};

module! {
    type: Vbind,
    name: "strata_vbind",
    authors: ["The Strata developers"],
    description: "Sample: a GPU without the silicon, with asynchronous VM_BIND, on Strata",
    license: "GPL",
    params: {
        limit: usize {
            default: 0,
            description: "Pages that are held before the oldest are let go (0: half of memory)",
        },
        hard_limit: usize {
            default: 0,
            description: "Pages that are never held more of (0: no such limit)",
        },
    },
}

/// The module. Fields are dropped in their order: what user space reaches goes first, then what
/// reclaim reaches.
#[pin_data]
struct Vbind {
    #[pin]
    device: misc::Registration<VbindDevice>,
    debug: Debug,
    limit: debugfs::Entry<LimitFile<Shared, Vbind>>,
    trigger: Trigger<Shared>,
    shrinker: Registration<Shared>,
    // An attachment keeps the module, so there is none any more.
    faux: faux::Registration,
}

strata::module_entry!(Vbind);

/// A parameter's value: 7.3 gives it, 7.2 lends it.
fn number(value: impl Borrow<usize>) -> usize {
    *value.borrow()
}

impl strata::dev::Module for Vbind {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let soft = number(module_parameters::limit.value());
        let hard = number(module_parameters::hard_limit.value());
        let limits = limit::of_parameters(soft, hard)?;
        let prepared = Prepared::new(cx, c"strata-vbind")?;
        let faux = faux::Registration::new(cx, c"strata-vbind")?;
        let shared = Shared::new(cx, &prepared, limits, faux.device())?;
        let shrinker = prepared.register(cx, shared.clone());

        let dir = debugfs::Dir::new(cx, c"strata-vbind");
        let dir = gfp::kernel(cx).arc(dir)?;
        let trigger = Trigger::new(cx, &dir, &shared)?;
        let limit = LimitFile::new(shared.budget().clone(), shared.clone());
        let limit: Arc<LimitFile<Shared, Vbind>> = gfp::kernel(cx).arc(limit)?;
        let limit = debugfs::Entry::new(cx, dir.clone(), c"limit", limit);
        let debug = Debug::new(cx, &dir, &shared)?;

        let device = misc::Registration::new(cx, c"strata-vbind", shared);
        Ok(try_pin_init!(Self {
            device <- device,
            debug,
            limit,
            trigger,
            shrinker,
            faux,
        }))
    }
}

/// The operations of `/dev/strata-vbind`.
struct VbindDevice;

#[vtable]
impl misc::Device for VbindDevice {
    type Owner = Vbind;
    type Shared = Shared;
    type File = Arc<Client>;

    fn open(cx: &mut Cx<'_, Process>, shared: ArcBorrow<'_, Shared>) -> Result<Self::File> {
        Client::open(cx, shared.into())
    }

    fn release(cx: &mut Cx<'_, Process>, client: Self::File) {
        client.close(cx);
    }

    fn ioctl(
        cx: &mut Cx<'_, Process>,
        client: ArcBorrow<'_, Client>,
        command: u32,
        arg: UserRange,
    ) -> Result {
        const TYPE: u32 = uapi::STRATA_VBIND_IOC_TYPE;
        const VM_CREATE: u32 = _IOWR::<uapi::VmCreate>(TYPE, 0);
        const VM_DESTROY: u32 = _IOW::<uapi::Destroy>(TYPE, 1);
        const BUFFER_CREATE: u32 = _IOWR::<uapi::BufferCreate>(TYPE, 2);
        const BUFFER_DESTROY: u32 = _IOW::<uapi::Destroy>(TYPE, 3);
        const QUEUE_CREATE: u32 = _IOWR::<uapi::QueueCreate>(TYPE, 4);
        const QUEUE_DESTROY: u32 = _IOW::<uapi::Destroy>(TYPE, 5);
        const BIND: u32 = _IOWR::<uapi::Bind>(TYPE, 6);
        const EXEC: u32 = _IOWR::<uapi::Exec>(TYPE, 7);
        const WAIT: u32 = _IOW::<uapi::Wait>(TYPE, 8);
        const STAT: u32 = _IOWR::<uapi::Stat>(TYPE, 9);
        const BUFFER_EXPORT: u32 = _IOWR::<uapi::BufferExport>(TYPE, 10);
        const BUFFER_IMPORT: u32 = _IOWR::<uapi::BufferImport>(TYPE, 11);

        match command {
            VM_CREATE => client.create_vm(cx, arg),
            VM_DESTROY => client.destroy_vm(cx, arg),
            BUFFER_CREATE => client.create_buffer(cx, arg),
            BUFFER_DESTROY => client.destroy_buffer(cx, arg),
            QUEUE_CREATE => client.create_queue(cx, arg),
            QUEUE_DESTROY => client.destroy_queue(cx, arg),
            BIND => client.bind(cx, arg),
            EXEC => client.exec(cx, arg),
            WAIT => client.wait(cx, arg),
            STAT => client.stat(cx, arg),
            BUFFER_EXPORT => client.export_buffer(cx, arg),
            BUFFER_IMPORT => client.import_buffer(cx, arg),
            _ => Err(ENOTTY),
        }
    }

    fn mmap(
        cx: &mut Cx<'_, MmapHeld>,
        client: ArcBorrow<'_, Client>,
        mapping: &Mapping<'_>,
    ) -> Result {
        client.map(cx, mapping)
    }
}
