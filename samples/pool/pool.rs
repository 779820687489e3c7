// SPDX-License-Identifier: GPL-2.0

//! A pool of buffers that user space creates, maps, fills and checks: `/dev/strata-pool`.
//!
//! It is a driver as its author would write it on Strata: safe Rust, every step under a token.
//!
//! Lock order: [`client::Buffers`], which stands after the locks of this crate that a shrinker
//! takes; nothing is allocated and nothing is freed under it.
//!
//! User space: `include/uapi/strata/pool.h`. Docs: `Documentation/samples/pool.rst`.

#![forbid(unsafe_op_in_unsafe_fn)]

use kernel::{
    ioctl::{
        _IOW,
        _IOWR, //
    },
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::ArcBorrow, //
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
    prelude::*,
};

mod client;
mod totals;
mod uapi;

use self::{
    client::Client,
    totals::Totals, //
};

module! {
    type: Pool,
    name: "strata_pool",
    authors: ["The Strata developers"],
    description: "Sample: a pool of buffers, on Strata",
    license: "GPL",
}

/// The module. Fields are dropped in their order: what user space reaches goes first.
#[pin_data]
struct Pool {
    #[pin]
    device: misc::Registration<PoolDevice>,
    stat: debugfs::Entry<Totals>,
}

strata::module_entry!(Pool);

impl strata::dev::Module for Pool {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let totals = gfp::kernel(cx).arc(Totals::new())?;
        let dir = debugfs::Dir::new(cx, c"strata-pool");
        let dir = gfp::kernel(cx).arc(dir)?;
        let stat = debugfs::Entry::new(cx, dir, c"stat", totals.clone());
        let device = misc::Registration::new(cx, c"strata-pool", totals);
        Ok(try_pin_init!(Self {
            device <- device,
            stat,
        }))
    }
}

/// The operations of `/dev/strata-pool`.
struct PoolDevice;

#[vtable]
impl misc::Device for PoolDevice {
    type Owner = Pool;
    type Shared = Totals;
    type File = Pin<KBox<Client>>;

    fn open(cx: &mut Cx<'_, Process>, totals: ArcBorrow<'_, Totals>) -> Result<Self::File> {
        let client = Client::new(cx, totals.into());
        gfp::kernel(cx).boxed_init(client)
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

        match command {
            CREATE => client.create(cx, arg),
            DESTROY => client.destroy(cx, arg),
            CHECKSUM => client.checksum(cx, arg),
            STAT => client.stat(cx, arg),
            _ => Err(ENOTTY),
        }
    }

    fn mmap(cx: &mut Cx<'_, MmapHeld>, client: Pin<&Client>, mapping: &Mapping<'_>) -> Result {
        client.map(cx, mapping)
    }
}

#[vtable]
impl debugfs::File for Totals {
    type Owner = Pool;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        seq_print!(out, "buffers {}\nbytes {}\n", self.buffers(), self.bytes());
        Ok(())
    }
}
