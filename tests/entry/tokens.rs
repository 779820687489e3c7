// SPDX-License-Identifier: GPL-2.0

//! Which entry points ran and how each step went, for user space to compare.

use crate::{
    exercise::{
        Exercise,
        STEPS, //
    },
    Entries, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use strata::{
    dev::debugfs,
    prelude::*, //
};

/// An entry point.
#[derive(Clone, Copy)]
pub(crate) enum At {
    Init,
    Open,
    Release,
    Ioctl,
    Mmap,
    Show,
    Write,
    Work,
}

/// The names that are printed, in the order of [`At`].
const ENTRIES: [&str; 8] = [
    "init", "open", "release", "ioctl", "mmap", "show", "write", "work",
];

/// How a step went, each time.
struct Verdicts {
    passed: Atomic<i64>,
    skipped: Atomic<i64>,
    failed: Atomic<i64>,
}

impl Verdicts {
    fn new() -> Self {
        Self {
            passed: Atomic::new(0),
            skipped: Atomic::new(0),
            failed: Atomic::new(0),
        }
    }
}

/// Counters.
pub(crate) struct Counts {
    entries: [Atomic<i64>; ENTRIES.len()],
    steps: [Verdicts; STEPS.len()],
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self {
            entries: core::array::from_fn(|_| Atomic::new(0)),
            steps: core::array::from_fn(|_| Verdicts::new()),
        }
    }

    pub(crate) fn entered(&self, at: At) {
        self.entries[at as usize].fetch_add(1, Relaxed);
    }

    /// A step that wants an mm, in a task that has none, is not a failure.
    pub(crate) fn step(&self, index: usize, result: Result) {
        let verdicts = &self.steps[index];
        let counter = match result {
            Ok(()) => &verdicts.passed,
            Err(error) if error == ESRCH => &verdicts.skipped,
            Err(_) => &verdicts.failed,
        };
        counter.fetch_add(1, Relaxed);
    }

    fn print(&self, out: &SeqFile) {
        for (name, count) in ENTRIES.iter().zip(&self.entries) {
            seq_print!(out, "entry {name} {}\n", count.load(Relaxed));
        }
        for ((name, _), verdicts) in STEPS.iter().zip(&self.steps) {
            seq_print!(
                out,
                "step {name} {} {} {}\n",
                verdicts.passed.load(Relaxed),
                verdicts.skipped.load(Relaxed),
                verdicts.failed.load(Relaxed)
            );
        }
    }
}

/// The file `tokens`. Reading it is an entry point too, and counts itself.
pub(crate) struct Tokens(Arc<Exercise>);

impl Tokens {
    pub(crate) fn new(exercise: Arc<Exercise>) -> Self {
        Self(exercise)
    }
}

#[vtable]
impl debugfs::File for Tokens {
    type Owner = Entries;

    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        self.0.run(cx, At::Show);
        self.0.counts.print(out);
        Ok(())
    }
}
