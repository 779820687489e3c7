// SPDX-License-Identifier: GPL-2.0

//! Test module: trees, VA spaces, reserves and shared buffers while there is no memory.
//!
//! What a tree promises of a [`Reservation`](strata::maple::Reservation) is that a commit cannot fail
//! where nobody may allocate, and a space of a [`Prepared`](strata::va::Prepared) request. Here
//! commits are done where every allocation fails: inside of a dma-fence signalling section, under the
//! spinlock. `scripts/strata/fire.py` says what fails (debugfs' `failslab`), writes commands to
//! `/sys/kernel/debug/strata-fire/run`, one in each call, and reads counts from there:
//!
//! | command | does |
//! |---|---|
//! | `commits MODE ENTRIES COUNT SECONDS SEED` | as many commits, or for as long, with reservations that are just enough |
//! | `short MODE ENTRIES COUNT SEED` | stores with reservations that are too small, or with none |
//! | `sweep MODE COUNT SEED` | each allocation of each operation fails once |
//! | `bound MODE ENTRIES COUNT SEED` | stores that need many nodes, with the smallest reservation that is enough |
//! | `commits va MAPPINGS COUNT SECONDS SEED` | as many requests to a space, or for as long |
//! | `held reservations` | counts the nodes of reservations |
//! | `short reserves COUNT` | values in the elements of so many reserves, while every class fails |
//!
//! Modes are `plain`, `gaps` and `rcu`. All is compared with a flat array: a command that finds a
//! difference fails, and the kernel's log says what it is, and the command. What a command does
//! follows from its seed.

use core::str::SplitAsciiWhitespace;
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};
use strata::{
    dev::{
        debugfs,
        user::UserRange, //
    },
    gfp::{
        self,
        Allocate,
        Gfp, //
    },
    maple::{
        Divide,
        Gaps,
        Mode,
        Plain,
        Range,
        Rcu,
        RcuBox,
        Retired,
        Split,
        Value, //
    },
    prelude::{
        Cx,
        Process, //
    },
};

/// Says what is wrong, and that the test failed.
macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            pr_err!($($what)+);
            return Err(EINVAL);
        }
    };
}

mod bound;
mod commits;
mod flat;
mod gpu;
mod grown;
mod inject;
#[expect(dead_code, reason = "the library's tests use more of it")]
#[path = "../../rust/strata/maple/tests/ledger.rs"]
mod ledger;
#[expect(dead_code, reason = "the library's tests use more of it")]
#[path = "../../rust/strata/maple/tests/model.rs"]
mod model;
#[path = "../../rust/strata/maple/tests/random.rs"]
mod random;
mod reserves;
mod short;
mod spaces;
mod sweep;

use self::ledger::Token;

module! {
    type: Fire,
    name: "strata_fire",
    authors: ["The Strata developers"],
    description: "Test: trees, VA spaces, reserves and shared buffers while there is no memory",
    license: "GPL",
}

/// The module.
struct Fire {
    _run: debugfs::Entry<Run>,
}

strata::module_entry!(Fire);

impl strata::dev::Module for Fire {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let dir = debugfs::Dir::new(cx, c"strata-fire");
        let dir = gfp::kernel(cx).arc(dir)?;
        let run = gfp::kernel(cx).arc(Run(Counts::new()))?;
        let run = debugfs::Entry::new(cx, dir, c"run", run);
        Ok(Ok::<_, Error>(Self { _run: run }))
    }
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What was done since the module was loaded.
        struct Counts {
            $($(#[$doc])* $name: Atomic<i64>,)*
        }

        impl Counts {
            fn new() -> Self {
                Self { $($name: Atomic::new(0),)* }
            }

            fn show(&self, out: &SeqFile) {
                $(seq_print!(out, "{} {}\n", stringify!($name), self.$name.load(Relaxed));)*
            }
        }
    };
}

counts! {
    /// Stores that were done while all allocations failed.
    commits,
    /// Values that these displaced.
    displaced,
    /// Allocations that were tried in the section, and failed.
    refused,
    /// Requests to spaces that were committed while all allocations failed.
    requests,
    /// Operations that were done for these.
    operations,
    /// Those of them that cut a mapping, of which all stayed.
    cuts,
    /// Groups of several of these that were committed at once.
    together,
    /// Stores of which the smallest reservation was looked for that is enough.
    measured,
    /// Those that needed the one for as high a tree as theirs was.
    tight,
    /// Those that used two nodes for each level of their tree, or one less.
    deep,
    /// Stores that had too few nodes, and failed.
    starved,
    /// Stores for which a reservation that is too small was enough.
    sated,
    /// Values that a reserve had an element for while all allocations failed.
    kept,
    /// Those that waited for one to come back.
    returned,
    /// Operations that an allocation's failure made fail.
    failed,
    /// Operations that went on without an allocation that failed.
    tolerated,
}

fn add(count: &Atomic<i64>, what: usize) {
    count.add(what as i64, Relaxed);
}

/// The file `run`.
struct Run(Counts);

#[vtable]
impl debugfs::File for Run {
    type Owner = Fire;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        self.0.show(out);
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        let mut buffer = [0; 64];
        if input.len() > buffer.len() {
            return Err(EINVAL);
        }
        let bytes = input.read_bytes(cx, &mut buffer)?;
        let text = core::str::from_utf8(bytes).map_err(|_| EINVAL)?;
        let mut words = text.split_ascii_whitespace();
        let command = words.next().ok_or(EINVAL)?;
        let done = match words.next().ok_or(EINVAL)? {
            "reservations" => bound::held(cx),
            "reserves" => reserves::run(cx, &self.0, number(&mut words)?),
            "va" => self.spaces(cx, command, words),
            "plain" => self.command::<KBox<Token>, Plain>(cx, command, words),
            "gaps" => self.command::<KBox<Token>, Gaps>(cx, command, words),
            "rcu" => self.command::<RcuBox<Token>, Rcu>(cx, command, words),
            _ => Err(EINVAL),
        };
        inject::settle();
        done.inspect_err(|_| pr_err!("... in {}\n", text.trim_ascii()))
    }
}

/// The next word, which is a number.
fn number(words: &mut SplitAsciiWhitespace<'_>) -> Result<usize> {
    let word = words.next().ok_or(EINVAL)?;
    word.parse().map_err(|_| EINVAL)
}

impl Run {
    fn spaces(
        &self,
        cx: &mut Cx<'_, Process>,
        command: &str,
        mut words: SplitAsciiWhitespace<'_>,
    ) -> Result {
        let mut number = || number(&mut words);
        let (mappings, count, seconds) = (number()?, number()?, number()?);
        match command {
            "commits" => {
                let limits = commits::Limits { count, seconds };
                spaces::run(cx, &self.0, mappings, limits, number()? as u32)
            }
            _ => Err(EINVAL),
        }
    }

    fn command<V: ledger::Boxed, M: commits::Fire<V>>(
        &self,
        cx: &mut Cx<'_, Process>,
        command: &str,
        mut words: SplitAsciiWhitespace<'_>,
    ) -> Result {
        let mut number = || number(&mut words);
        match command {
            "commits" => {
                let (entries, count, seconds) = (number()?, number()?, number()?);
                let limits = commits::Limits { count, seconds };
                commits::run::<V, M>(cx, &self.0, entries, limits, number()? as u32)
            }
            "bound" => {
                let (entries, count) = (number()?, number()?);
                bound::run::<V, M>(cx, &self.0, entries, count, number()? as u32)
            }
            "short" => short::run::<V, M>(cx, &self.0, number()?, number()?, number()? as u32),
            "sweep" => sweep::run::<V, M>(cx, &self.0, number()?, number()? as u32),
            _ => Err(EINVAL),
        }
    }
}
