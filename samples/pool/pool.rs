// SPDX-License-Identifier: GPL-2.0

//! A pool of buffers that shrinks when memory is short: `/dev/strata-pool`.
//!
//! It is a driver as its author would write it on Strata: safe Rust, but for what says that the
//! structures of user space have no holes, and every step under a token.
//!
//! Lock order: the reservation of a buffer that is exported; the state of a buffer
//! ([`buffer::Contents`]), which the shrinker takes; and one of two: the table of a file's buffers
//! ([`buffer::Table`]), or the list of those that are exported ([`buffer::Exporting`]), which is
//! changed along with the state of what it lists. Nothing is allocated and nothing of size is freed
//! under the last three, but what the shrinker itself frees.
//!
//! User space: `include/uapi/strata/pool.h`. Docs: `Documentation/samples/pool.rst`.

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
    }, //
};

mod buffer;
mod client;
mod copy;
mod export;
mod figures;
mod moves;
mod shared;
mod uapi;

use self::{
    client::Client,
    figures::Figures,
    moves::Moves,
    shared::Shared, //
};

module! {
    type: Pool,
    name: "strata_pool",
    authors: ["The Strata developers"],
    description: "Sample: a pool of buffers that shrinks, on Strata",
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
struct Pool {
    #[pin]
    device: misc::Registration<PoolDevice>,
    stat: debugfs::Entry<Figures>,
    limit: debugfs::Entry<LimitFile<Shared, Pool>>,
    moves: debugfs::Entry<Moves>,
    trigger: Trigger<Shared>,
    shrinker: Registration<Shared>,
}

strata::module_entry!(Pool);

/// A parameter's value: 7.3 gives it, 7.2 lends it.
fn number(value: impl Borrow<usize>) -> usize {
    *value.borrow()
}

impl strata::dev::Module for Pool {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let soft = number(module_parameters::limit.value());
        let hard = number(module_parameters::hard_limit.value());
        let limits = limit::of_parameters(soft, hard)?;
        let prepared = Prepared::new(cx, c"strata-pool")?;
        let shared = Shared::new(cx, &prepared, limits)?;
        let shrinker = prepared.register(cx, shared.clone());

        let dir = debugfs::Dir::new(cx, c"strata-pool");
        let dir = gfp::kernel(cx).arc(dir)?;
        let trigger = Trigger::new(cx, &dir, &shared)?;
        let limit = LimitFile::new(shared.budget().clone(), shared.clone());
        let limit: Arc<LimitFile<Shared, Pool>> = gfp::kernel(cx).arc(limit)?;
        let limit = debugfs::Entry::new(cx, dir.clone(), c"limit", limit);
        let moves = gfp::kernel(cx).arc(Moves::new(shared.clone()))?;
        let moves = debugfs::Entry::new(cx, dir.clone(), c"move", moves);
        let stat = debugfs::Entry::new(cx, dir, c"stat", shared.figures().clone());

        let device = misc::Registration::new(cx, c"strata-pool", shared);
        Ok(try_pin_init!(Self {
            device <- device,
            stat,
            limit,
            moves,
            trigger,
            shrinker,
        }))
    }
}

/// The operations of `/dev/strata-pool`.
struct PoolDevice;

#[vtable]
impl misc::Device for PoolDevice {
    type Owner = Pool;
    type Shared = Shared;
    type File = Pin<KBox<Client>>;

    fn open(cx: &mut Cx<'_, Process>, shared: ArcBorrow<'_, Shared>) -> Result<Self::File> {
        let client = Client::new(cx, shared.into())?;
        gfp::kernel(cx).boxed_init(client)
    }

    fn release(cx: &mut Cx<'_, Process>, client: Self::File) {
        client.close(cx);
    }

    fn ioctl(
        cx: &mut Cx<'_, Process>,
        client: Pin<&Client>,
        command: u32,
        arg: UserRange,
    ) -> Result {
        const TYPE: u32 = uapi::STRATA_POOL_IOC_TYPE;
        const CREATE: u32 = _IOWR::<uapi::Create>(TYPE, 0);
        const DESTROY: u32 = _IOW::<uapi::Destroy>(TYPE, 1);
        const CHECKSUM: u32 = _IOWR::<uapi::Checksum>(TYPE, 2);
        const STAT: u32 = _IOWR::<uapi::Stat>(TYPE, 3);
        const PIN: u32 = _IOW::<uapi::Pin>(TYPE, 4);
        const UNPIN: u32 = _IOW::<uapi::Pin>(TYPE, 5);
        const MADVISE: u32 = _IOWR::<uapi::Madvise>(TYPE, 6);
        const EXPORT: u32 = _IOWR::<uapi::Export>(TYPE, 7);
        const COPY: u32 = _IOW::<uapi::Copy>(TYPE, 8);

        match command {
            CREATE => client.create(cx, arg),
            DESTROY => client.destroy(cx, arg),
            CHECKSUM => client.checksum(cx, arg),
            STAT => client.stat(cx, arg),
            PIN => client.pin(cx, arg),
            UNPIN => client.unpin(cx, arg),
            MADVISE => client.madvise(cx, arg),
            EXPORT => client.export(cx, arg),
            COPY => client.copy(cx, arg),
            _ => Err(ENOTTY),
        }
    }

    fn mmap(cx: &mut Cx<'_, MmapHeld>, client: Pin<&Client>, mapping: &Mapping<'_>) -> Result {
        client.map(cx, mapping)
    }
}
