// SPDX-License-Identifier: GPL-2.0

//! Bench: a maple tree on Strata, as a driver would use it; `twin.c` does the same in C.
//!
//! `/sys/kernel/debug/strata-bench-maple-ours/work` takes what `work.c` says of the contenders in C, and
//! shows the sum of what the last verb saw.
//!
//! Lock order: [`Working`], then the spinlock of a tree.

#![forbid(unsafe_code)]

mod side;

use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::Arc, //
};
use side::{
    Boxed,
    Order,
    Shared,
    Work, //
};
use strata::{
    dev::{
        debugfs,
        user::UserRange, //
    },
    lock_class,
    maple::{
        Gaps,
        Plain, //
    },
    prelude::*,
    sync::Mutex,
};

module! {
    type: Bench,
    name: "strata_bench_maple",
    authors: ["The Strata developers"],
    description: "Bench: maple trees on Strata",
    license: "GPL",
}

strata::ranks! {
    after Process:
    /// Of the tree that is at work.
    Working,
}

/// A tree, of the mode that was asked for.
enum Side {
    Plain(Work<Boxed<Plain>>),
    Gaps(Work<Boxed<Gaps>>),
    Rcu(Work<Shared>),
}

impl Side {
    fn new(cx: &mut Cx<'_, Working>, mode: &str, order: Order) -> Result<Self> {
        Ok(match mode {
            "plain" => Self::Plain(Work::new(cx, order)?),
            "gaps" => Self::Gaps(Work::new(cx, order)?),
            "rcu" => Self::Rcu(Work::new(cx, order)?),
            _ => return Err(EINVAL),
        })
    }

    fn spare(&mut self, cx: &mut Cx<'_, Working>, count: usize) -> Result {
        match self {
            Self::Plain(work) => work.spare(cx, count),
            Self::Gaps(work) => work.spare(cx, count),
            Self::Rcu(work) => work.spare(cx, count),
        }
    }

    fn run(
        &mut self,
        cx: &mut Cx<'_, Working>,
        verb: &str,
        from: usize,
        count: usize,
    ) -> Result<u64> {
        match self {
            Self::Plain(work) => match verb {
                "hit" => work.hit_locked(cx, from, count),
                _ => work.run(cx, verb, from, count),
            },
            Self::Gaps(work) => match verb {
                "hit" => work.hit_locked(cx, from, count),
                "up" => work.gap_up(cx, from, count),
                "down" => work.gap_down(cx, from, count),
                _ => work.run(cx, verb, from, count),
            },
            Self::Rcu(work) => match verb {
                "hit" => work.hit_rcu(from, count),
                _ => work.run(cx, verb, from, count),
            },
        }
    }
}

/// What the file works on, and the sum of what the last verb saw.
#[derive(Default)]
struct State {
    side: Option<Side>,
    sum: u64,
}

impl State {
    fn command(&mut self, cx: &mut Cx<'_, Working>, text: &str) -> Result {
        let mut words = text.split_ascii_whitespace();
        let verb = words.next().ok_or(EINVAL)?;
        if verb == "prepare" {
            let mode = words.next().ok_or(EINVAL)?;
            let (size, seed) = (number(words.next())?, number(words.next())?);
            self.side = None;
            let order = Order::new(cx, size, seed as u64)?;
            self.side = Some(Side::new(cx, mode, order)?);
            return Ok(());
        }
        if verb == "empty" {
            self.side = None;
            return Ok(());
        }
        let side = self.side.as_mut().ok_or(EINVAL)?;
        let first = number(words.next())?;
        if verb == "spare" {
            return side.spare(cx, first);
        }
        self.sum = side.run(cx, verb, first, number(words.next())?)?;
        Ok(())
    }
}

fn number(word: Option<&str>) -> Result<usize> {
    word.and_then(|word| word.parse().ok()).ok_or(EINVAL)
}

/// The file `work`.
#[pin_data]
struct File {
    #[pin]
    state: Mutex<State, Working>,
}

#[vtable]
impl debugfs::File for File {
    type Owner = Bench;

    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        let sum = self.state.lock(cx, |state, _| state.sum);
        seq_print!(out, "{sum}\n");
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        let mut buffer = [0; 64];
        let text = core::str::from_utf8(input.read_text(cx, &mut buffer)?).map_err(|_| EINVAL)?;
        self.state.lock(cx, |state, cx| state.command(cx, text))
    }
}

/// The module.
struct Bench {
    _work: debugfs::Entry<File>,
}

strata::module_entry!(Bench);

impl strata::dev::Module for Bench {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let state = Mutex::new(cx, lock_class!(Working, "bench work"), State::default());
        let file: Arc<File> = gfp::kernel(cx).arc_init(pin_init!(File { state <- state }))?;
        let dir = debugfs::Dir::new(cx, c"strata-bench-maple-ours");
        let dir = gfp::kernel(cx).arc(dir)?;
        let work = debugfs::Entry::new(cx, dir, c"work", file);
        Ok(Ok::<_, Error>(Self { _work: work }))
    }
}
