// SPDX-License-Identifier: GPL-2.0

//! How much there is of everything: of one open file, and of the whole device.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use strata::prelude::*;

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Figure {
    Vms,
    Buffers,
    Queues,
    /// Jobs that have not ended.
    Jobs,
    Mappings,
    /// Bytes that buffers have.
    Bytes,
    /// Bytes that are held in memory.
    Held,
    /// Buffers that were let go for want of memory.
    Evictions,
    Submitted,
    Completed,
    Failed,
    /// Queues that were reset.
    Resets,
    /// Buffers of ours that there is a dma-buf of.
    Exported,
    /// Buffers of other drivers.
    Imported,
    /// Of those: the ones that jobs have pinned.
    Pinned,
    /// How often one of them moved.
    Told,
}

/// All of them, with the names that debugfs has for them.
pub(crate) const NAMES: [(&CStr, Figure); 16] = [
    (c"vms", Figure::Vms),
    (c"buffers", Figure::Buffers),
    (c"queues", Figure::Queues),
    (c"jobs", Figure::Jobs),
    (c"mappings", Figure::Mappings),
    (c"bytes", Figure::Bytes),
    (c"held", Figure::Held),
    (c"evictions", Figure::Evictions),
    (c"submitted", Figure::Submitted),
    (c"completed", Figure::Completed),
    (c"failed", Figure::Failed),
    (c"resets", Figure::Resets),
    (c"exported", Figure::Exported),
    (c"imported", Figure::Imported),
    (c"pinned", Figure::Pinned),
    (c"told", Figure::Told),
];

/// Counters. Each is exact; together they are of about the same moment.
pub(crate) struct Figures([Atomic<i64>; NAMES.len()]);

impl Figures {
    pub(crate) fn new() -> Self {
        Self([const { Atomic::new(0) }; NAMES.len()])
    }

    /// What somebody may be changing never looks negative.
    pub(crate) fn get(&self, figure: Figure) -> u64 {
        u64::try_from(self.0[figure as usize].load(Relaxed)).unwrap_or(0)
    }

    fn add(&self, figure: Figure, count: i64) {
        self.0[figure as usize].add(count, Relaxed);
    }
}

/// Where one open file counts what it does: for itself, and for the device.
#[derive(Clone)]
pub(crate) struct Account {
    file: Arc<Figures>,
    device: Arc<Figures>,
}

impl Account {
    pub(crate) fn new(cx: &mut Cx<'_, Process>, device: Arc<Figures>) -> Result<Self> {
        let file = gfp::kernel(cx).arc(Figures::new())?;
        Ok(Self { file, device })
    }

    /// Those of the file.
    pub(crate) fn file(&self) -> &Figures {
        &self.file
    }

    /// So many more, or fewer.
    pub(crate) fn add(&self, figure: Figure, count: i64) {
        self.file.add(figure, count);
        self.device.add(figure, count);
    }

    /// One more of it, for as long as what is returned lives.
    pub(crate) fn one(&self, figure: Figure) -> Counted {
        self.many(figure, 1)
    }

    /// So many more of it, for as long as what is returned lives.
    pub(crate) fn many(&self, figure: Figure, count: i64) -> Counted {
        self.add(figure, count);
        Counted {
            account: self.clone(),
            figure,
            count,
        }
    }
}

/// What is counted while it lives.
pub(crate) struct Counted {
    account: Account,
    figure: Figure,
    count: i64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.account.add(self.figure, -self.count);
    }
}
