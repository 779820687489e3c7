// SPDX-License-Identifier: GPL-2.0

//! How long jobs wait and run, as debugfs shows it.

use kernel::{
    seq_file::SeqFile,
    seq_print,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// The last class is for all that took longer.
const CLASSES: usize = 24;

/// How many took how long: class `n` is for less than 2^n microseconds.
struct Histogram([Atomic<i64>; CLASSES]);

impl Histogram {
    const fn new() -> Self {
        Self([const { Atomic::new(0) }; CLASSES])
    }

    fn add(&self, nanoseconds: u64) {
        let microseconds = nanoseconds / 1000;
        let class = (u64::BITS - microseconds.leading_zeros()) as usize;
        self.0[class.min(CLASSES - 1)].add(1, Relaxed);
    }
}

/// Of all jobs that have ended.
pub(crate) struct Timings {
    waited: Histogram,
    ran: Histogram,
}

impl Timings {
    pub(crate) const fn new() -> Self {
        Self {
            waited: Histogram::new(),
            ran: Histogram::new(),
        }
    }

    /// A job began so long after it was submitted, and ended so long after it began.
    pub(crate) fn add(&self, waited_ns: u64, ran_ns: u64) {
        self.waited.add(waited_ns);
        self.ran.add(ran_ns);
    }

    /// Prints a line for each class that has anything in it.
    pub(crate) fn show(&self, out: &SeqFile) {
        seq_print!(out, "below_us waited ran\n");
        for class in 0..CLASSES {
            let waited = self.waited.0[class].load(Relaxed);
            let ran = self.ran.0[class].load(Relaxed);
            if waited != 0 || ran != 0 {
                if class == CLASSES - 1 {
                    seq_print!(out, "more {waited} {ran}\n");
                } else {
                    seq_print!(out, "{} {waited} {ran}\n", 1u64 << class);
                }
            }
        }
    }
}
