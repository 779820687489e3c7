// SPDX-License-Identifier: GPL-2.0

//! What the trigger did, for who reads `drop_stats`.

use super::rounds::Outcome;
use crate::bindings;
use kernel::{
    seq_file::SeqFile,
    seq_print, //
};

macro_rules! figures {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// The figures of one run, or of all together.
        #[derive(Clone, Copy, Default)]
        pub(super) struct Run {
            $($(#[$doc])* pub(super) $field: u64,)*
        }

        impl Run {
            fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)*
            }

            fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field)),*].into_iter()
            }
        }
    };
}

figures! {
    /// How often all rounds were run.
    passes,
    /// Pages that could be freed before.
    count_before,
    /// The same afterwards.
    count_after,
    /// Pages that scans were asked for.
    nr_to_scan,
    /// Pages that were looked at.
    scanned,
    /// Pages that were freed: the sum of the next three.
    freed,
    /// Those that were thrown away.
    purged,
    /// Those that were let go without waiting.
    idle,
    /// Those that were let go after waiting.
    active,
    /// Pages that were written to swap, of those that were let go.
    written_back,
    /// Scans that could make no progress.
    stop,
    /// Objects that were passed over because somebody had them locked.
    trylock_failed,
    /// Objects that were waited for.
    waited,
    /// Those for which it took too long.
    wait_timeout,
    /// Whether something was left that could not be freed, where all was asked for.
    stuck,
    /// How long it took.
    ns,
}

impl Run {
    /// Adds what one scan did that was asked for so many pages.
    pub(super) fn scan(&mut self, wanted: usize, outcome: &Outcome) {
        for (sum, more) in [
            (&mut self.nr_to_scan, wanted),
            (&mut self.scanned, outcome.scanned),
            (&mut self.freed, outcome.freed()),
            (&mut self.purged, outcome.purged),
            (&mut self.idle, outcome.idle),
            (&mut self.active, outcome.active),
            (&mut self.written_back, outcome.written_back),
            (&mut self.stop, outcome.stops),
            (&mut self.trylock_failed, outcome.trylock_failed),
            (&mut self.waited, outcome.waited),
            (&mut self.wait_timeout, outcome.wait_timeout),
        ] {
            *sum = sum.saturating_add(more as u64);
        }
    }
}

/// The last run, and all of them.
#[derive(Clone, Copy, Default)]
pub(super) struct Stats {
    last: Run,
    total: Run,
}

impl Stats {
    pub(super) fn add(&mut self, run: &Run) {
        self.last = *run;
        self.total.add(run);
    }

    /// `key last total`, a line each.
    pub(super) fn show(&self, out: &SeqFile) {
        for ((key, last), (_, total)) in self.last.rows().zip(self.total.rows()) {
            seq_print!(out, "{key} {last} {total}\n");
        }
        // SAFETY: It only reads an integer that lockdep sets once.
        let debug_locks = unsafe { bindings::lockdep_is_on() };
        seq_print!(out, "debug_locks {debug_locks}\n");
    }
}
