// SPDX-License-Identifier: GPL-2.0

//! How much there is of everything: of one open file, and of the whole pool.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// What a buffer counts as, beside the buffers and bytes that all count as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing more.
    Plain,
    /// Its pages are held, and pinned.
    Pinned,
    /// Its pages are held, and not pinned.
    Idle,
    /// Its contents may be thrown away.
    Purgeable,
}

/// Counters. Each is exact; together they are of about the same moment.
pub(crate) struct Figures {
    buffers: Atomic<i64>,
    bytes: Atomic<i64>,
    pinned: Atomic<i64>,
    idle: Atomic<i64>,
    purgeable: Atomic<i64>,
    purged: Atomic<i64>,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            buffers: Atomic::new(0),
            bytes: Atomic::new(0),
            pinned: Atomic::new(0),
            idle: Atomic::new(0),
            purgeable: Atomic::new(0),
            purged: Atomic::new(0),
        }
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.buffers.add(1, Relaxed);
        self.bytes.add(bytes as i64, Relaxed);
    }

    pub(crate) fn remove(&self, bytes: u64) {
        self.buffers.add(-1, Relaxed);
        self.bytes.add(-(bytes as i64), Relaxed);
    }

    /// So many bytes become another kind.
    pub(crate) fn change(&self, bytes: u64, from: Kind, to: Kind) {
        if from != to {
            self.count(from, -(bytes as i64));
            self.count(to, bytes as i64);
        }
    }

    /// A buffer was purged.
    pub(crate) fn purge(&self) {
        self.purged.add(1, Relaxed);
    }

    pub(crate) fn buffers(&self) -> u64 {
        read(&self.buffers)
    }

    pub(crate) fn bytes(&self) -> u64 {
        read(&self.bytes)
    }

    pub(crate) fn pinned(&self) -> u64 {
        read(&self.pinned)
    }

    pub(crate) fn idle(&self) -> u64 {
        read(&self.idle)
    }

    pub(crate) fn purgeable(&self) -> u64 {
        read(&self.purgeable)
    }

    /// How many buffers were ever purged.
    pub(crate) fn purged(&self) -> u64 {
        read(&self.purged)
    }

    fn count(&self, kind: Kind, bytes: i64) {
        match kind {
            Kind::Plain => (),
            Kind::Pinned => self.pinned.add(bytes, Relaxed),
            Kind::Idle => self.idle.add(bytes, Relaxed),
            Kind::Purgeable => self.purgeable.add(bytes, Relaxed),
        }
    }
}

/// A counter that somebody may be changing never looks negative.
fn read(counter: &Atomic<i64>) -> u64 {
    u64::try_from(counter.load(Relaxed)).unwrap_or(0)
}
