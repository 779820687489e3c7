// SPDX-License-Identifier: GPL-2.0

//! What all open files share: the lists of buffers, the limit, and what is done when memory is short.

use crate::{
    buffer::{
        self,
        Buffer,
        Contents,
        List, //
    },
    export::Exports,
    figures::Figures,
    Pool, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::Arc, //
};
use strata::{
    cx::Reclaim,
    dev::debugfs,
    limit::Budget,
    lock_class,
    lru::Cache,
    plan::budget::Limits,
    prelude::*,
    shrinker::{
        Count,
        CountControl,
        Phases,
        Prepared,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    }, //
};

/// The pool.
pub(crate) struct Shared {
    cache: Arc<Cache<Buffer>>,
    budget: Arc<Budget>,
    figures: Arc<Figures>,
    exports: Arc<Exports>,
}

impl Shared {
    /// A pool whose buffers `shrinker` is to be called for.
    pub(crate) fn new(
        cx: &mut Cx<'_, Process>,
        shrinker: &Prepared,
        limits: Limits,
    ) -> Result<Arc<Self>> {
        let class = lock_class!(Contents, "buffer");
        let cache = Cache::new(cx, shrinker, c"strata_pool_buffer", class)?;
        let shared = Self {
            cache: gfp::kernel(cx).arc(cache)?,
            budget: Budget::new(cx, limits)?,
            figures: gfp::kernel(cx).arc(Figures::new())?,
            exports: Exports::new(cx)?,
        };
        Ok(gfp::kernel(cx).arc(shared)?)
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

    pub(crate) fn exports(&self) -> &Arc<Exports> {
        &self.exports
    }
}

impl Shrinker for Shared {
    type Owner = Pool;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, control: &CountControl<'_>) -> Count {
        self.cache.count(control, &[List::Purgeable, List::Idle])
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        let cache = &self.cache;
        let freed = match round {
            Round::Purge(reach) => cache.walk(cx, control, List::Purgeable, None, |buffer, cx| {
                buffer::purge(buffer, cx, *reach)
            }),
            Round::Idle => cache.walk(cx, control, List::Idle, None, |buffer, _| {
                buffer::let_go(buffer)
            }),
            Round::Active(wait) => cache.walk(cx, control, List::Idle, Some(wait), |buffer, _| {
                buffer::let_go(buffer)
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

#[vtable]
impl Phases for Shared {}

#[vtable]
impl debugfs::File for Figures {
    type Owner = Pool;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        seq_print!(out, "buffers {}\nbytes {}\n", self.buffers(), self.bytes());
        seq_print!(out, "pinned {}\nidle {}\n", self.pinned(), self.idle());
        seq_print!(
            out,
            "purgeable {}\npurged {}\n",
            self.purgeable(),
            self.purged()
        );
        Ok(())
    }
}
