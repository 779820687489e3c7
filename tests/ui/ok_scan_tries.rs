// SPDX-License-Identifier: GPL-2.0

//! Legal: a shrinker that tries for the lock of an earlier rank, allocates what needs no reclaim, and
//! uses in each round what that round has.

use kernel::sync::Arc;
use strata::{
    cx::{
        Reclaim,
        ReclaimLock, //
    },
    dev::work,
    lru::{
        Cache,
        Item,
        Verdict, //
    },
    prelude::*,
    shmem::Shmem,
    shrinker::{
        Count,
        CountControl,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
    sync::{
        Mutex,
        ReclaimMutex, //
    },
};

strata::ranks! {
    after Process:
    /// What an ioctl holds while it allocates.
    Client,
}

strata::lru_lists! {
    enum List {
        Purgeable,
        Idle,
        Unheld,
    }
}

struct Buffer {
    memory: Shmem,
}

impl Item for Buffer {
    type Rank = ReclaimLock;
    type List = List;
    type State = bool;
}

struct Pool<I: work::Item> {
    buffers: Arc<Cache<Buffer>>,
    client: Mutex<usize, Client>,
    cleanup: ReclaimMutex<Option<work::Prepared<I>>>,
}

impl<I: work::Item> Shrinker for Pool<I> {
    type Owner = I::Owner;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, control: &CountControl<'_>) -> Count {
        self.buffers.count(control, &[List::Purgeable, List::Idle])
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        let buffers = &self.buffers;
        match round {
            Round::Purge(reach) => {
                Scan::Freed(
                    buffers.walk(cx, control, List::Purgeable, None, |buffer, cx| {
                        if !buffer.item().memory.purge_in_reclaim(cx, *reach) {
                            return Verdict::Kept;
                        }
                        **buffer = false;
                        Verdict::Evicted
                    }),
                )
            }
            Round::Idle => {
                let freed = self.client.try_lock(cx, |idle, cx| {
                    drop(gfp::nowait(cx).boxed(*idle));
                    core::mem::take(idle)
                });
                freed.map_or(Scan::Stop, |freed| {
                    control.scanned(freed);
                    Scan::Freed(freed)
                })
            }
            Round::Active(wait) => {
                Scan::Freed(
                    buffers.walk(cx, control, List::Idle, Some(wait), |buffer, _| {
                        let pages = buffer.pages();
                        buffer.put_on(List::Unheld, pages);
                        Verdict::Evicted
                    }),
                )
            }
            Round::WriteBack(reach) => {
                let mut written = 0;
                buffers.walk(cx, control, List::Unheld, None, |buffer, cx| {
                    written += buffer.item().memory.write_back(cx, *reach);
                    Verdict::Kept
                });
                if let Some(cleanup) = self.cleanup.lock(cx, |cleanup, _| cleanup.take()) {
                    cleanup.queue(cx);
                }
                Scan::Freed(written)
            }
        }
    }
}
