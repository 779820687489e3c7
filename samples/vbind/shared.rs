// SPDX-License-Identifier: GPL-2.0

//! What all open files share: the lists of buffers, the limit, and what is done when memory is short.

use crate::{
    buffer::{
        self,
        Buffer,
        List, //
    },
    client::Client,
    figures::Figures,
    queue::timed_out,
    ranks::{
        Contents,
        Files, //
    },
    timings::Timings,
    Vbind, //
};
use kernel::{
    device::Device,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::{
        aref::ARef,
        Arc, //
    },
    time::msecs_to_jiffies, //
};
use strata::{
    cx::Reclaim,
    dev::work,
    fence::{
        Waited,
        Wake, //
    },
    limit::Budget,
    lock_class,
    lru::Cache,
    plan::budget::Limits,
    prelude::*,
    resv::Usage,
    shrinker::{
        Count,
        CountControl,
        Phases,
        Prepared,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
    sync::Mutex, //
};

/// The open files, by number.
pub(crate) struct Open {
    pub(crate) files: RBTree<u64, Arc<Client>>,
    last: u64,
}

/// The device.
#[pin_data]
pub(crate) struct Shared {
    #[pin]
    open: Mutex<Open, Files>,
    cache: Arc<Cache<Buffer>>,
    budget: Arc<Budget>,
    figures: Arc<Figures>,
    timings: Timings,
    /// What is attached to the buffers of others.
    device: ARef<Device>,
}

impl Shared {
    /// A device whose buffers `shrinker` is to be called for.
    pub(crate) fn new(
        cx: &mut Cx<'_, Process>,
        shrinker: &Prepared,
        limits: Limits,
        device: &Device,
    ) -> Result<Arc<Self>> {
        let class = lock_class!(Contents, "buffer");
        let cache = Cache::new(cx, shrinker, c"strata_vbind_buffer", class)?;
        let cache = gfp::kernel(cx).arc(cache)?;
        let budget = Budget::new(cx, limits)?;
        let figures = gfp::kernel(cx).arc(Figures::new())?;
        let open = Open {
            files: RBTree::new(),
            last: 0,
        };
        let open = Mutex::new(cx, lock_class!(Files, "files"), open);
        gfp::kernel(cx).arc_init(try_pin_init!(Self {
            open <- open,
            cache,
            budget,
            figures,
            timings: Timings::new(),
            device: device.into(),
        }))
    }

    /// The file is there for all to look at, under a number that is its own.
    pub(crate) fn add(
        &self,
        cx: &mut Cx<'_, Process>,
        node: RBTreeNodeReservation<u64, Arc<Client>>,
        client: Arc<Client>,
    ) {
        self.open.lock(cx, |open, _| {
            open.files.insert(node.into_node(client.number(), client));
        });
    }

    /// A number that no file had.
    pub(crate) fn number(&self, cx: &mut Cx<'_, Process>) -> u64 {
        self.open.lock(cx, |open, _| {
            open.last += 1;
            open.last
        })
    }

    /// The file is being released.
    pub(crate) fn remove(&self, cx: &mut Cx<'_, Process>, client: &Client) {
        let node = self
            .open
            .lock(cx, |open, _| open.files.remove_node(&client.number()));
        drop(node);
    }

    /// Shows all open files to `f`.
    pub(crate) fn for_each(
        &self,
        cx: &mut Cx<'_, Process>,
        mut f: impl for<'b> FnMut(&Client, &mut Cx<'b, Files>) -> Result,
    ) -> Result {
        self.open.lock(cx, |open, cx| {
            open.files.values().try_for_each(|client| f(client, cx))
        })
    }

    pub(crate) fn cache(&self) -> &Arc<Cache<Buffer>> {
        &self.cache
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    pub(crate) fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn timings(&self) -> &Timings {
        &self.timings
    }
}

impl Shrinker for Shared {
    type Owner = Vbind;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, control: &CountControl<'_>) -> Count {
        self.cache.count(control, &[List::Resident])
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        let cache = &self.cache;
        let freed = match round {
            // The contents of a buffer are never given up.
            Round::Purge(_) => 0,
            Round::Idle => cache.walk(cx, control, List::Resident, None, buffer::let_go),
            Round::Active(wait) => cache.walk(cx, control, List::Resident, None, |buffer, cx| {
                let resv = buffer.item().resv();
                // Jobs end in finite time, and none of them needs what we hold here.
                let _ = resv.wait_in_reclaim(cx, Usage::Bookkeep, wait);
                buffer::let_go(buffer, cx)
            }),
            Round::WriteBack(reach) => {
                let mut written = 0;
                cache.walk(cx, control, List::Unheld, None, |buffer, cx| {
                    buffer::write_back(buffer, cx, *reach, &mut written)
                });
                written
            }
        };
        Scan::Freed(freed)
    }
}

/// For how long a fence is waited for before a write to `drop_caches` gives up.
const PATIENCE_MS: u32 = 10_000;

#[vtable]
impl Phases for Shared {
    /// What jobs kept is dropped.
    fn retire(&self, cx: &mut Cx<'_, Process>) -> Result {
        work::flush(cx);
        Ok(())
    }

    /// Of each queue, the job has ended that was its last when it was come to.
    fn wait_idle(&self, cx: &mut Cx<'_, Process>) -> Result {
        let (mut number, mut queue) = (0, 0);
        loop {
            let mut pending = None;
            self.for_each(cx, |client, cx| {
                let from = match client.number() {
                    other if other < number => return Ok(()),
                    same if same == number => queue,
                    _ => 0,
                };
                if pending.is_none() {
                    pending = client
                        .pending(cx, from)
                        .map(|(queue, fence)| (client.number(), queue, fence));
                }
                Ok(())
            })?;
            let Some((file, id, fence)) = pending else {
                return Ok(());
            };
            (number, queue) = (file, id);
            match fence.wait_timeout(cx, Wake::Signal, msecs_to_jiffies(PATIENCE_MS))? {
                Waited::Signalled => cx.give_way()?,
                Waited::TimedOut => return Err(timed_out()),
            }
        }
    }
}
