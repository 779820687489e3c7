// SPDX-License-Identifier: GPL-2.0

//! What the whole pool holds, over all files.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Counters. Each is exact; the two together are of about the same moment.
pub(crate) struct Totals {
    buffers: Atomic<i64>,
    bytes: Atomic<i64>,
}

impl Totals {
    pub(crate) fn new() -> Self {
        Self {
            buffers: Atomic::new(0),
            bytes: Atomic::new(0),
        }
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.buffers.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as i64, Relaxed);
    }

    pub(crate) fn remove(&self, bytes: u64) {
        self.buffers.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(bytes as i64, Relaxed);
    }

    pub(crate) fn buffers(&self) -> i64 {
        self.buffers.load(Relaxed)
    }

    pub(crate) fn bytes(&self) -> i64 {
        self.bytes.load(Relaxed)
    }
}
