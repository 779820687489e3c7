// SPDX-License-Identifier: GPL-2.0

//! Bench: a maple tree on Strata, as a driver would use it; `twin.c` does the same in C.
//!
//! `/sys/kernel/debug/strata-bench-maple-ours/work` takes what `work.c` says of the contenders in C, and
//! shows the sum of what the last verb saw.
//!
//! Lock order: [`Working`], then the spinlock of a tree.

#![forbid(unsafe_code)]

mod verbs;
#[path = "../work.rs"]
mod work;

use kernel::prelude::*;
use strata::{
    dev::debugfs,
    maple::{
        Gaps,
        Plain, //
    },
    prelude::*,
};
use verbs::{
    Boxed,
    Order,
    Shared,
    Verbs, //
};
use work::{
    Words,
    Work, //
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
    Plain(Verbs<Boxed<Plain>>),
    Gaps(Verbs<Boxed<Gaps>>),
    Rcu(Verbs<Shared>),
}

impl Side {
    /// `MODE SIZE SEED`
    fn prepare(cx: &mut Cx<'_, Working>, words: &mut Words<'_>) -> Result<Self> {
        let mode = words.word()?;
        let (size, seed) = (words.number()?, words.number()?);
        let order = Order::new(cx, size, seed as u64)?;
        Ok(match mode {
            "plain" => Self::Plain(Verbs::new(cx, order)?),
            "gaps" => Self::Gaps(Verbs::new(cx, order)?),
            "rcu" => Self::Rcu(Verbs::new(cx, order)?),
            _ => return Err(EINVAL),
        })
    }

    /// `spare COUNT`, or `VERB FROM COUNT`
    fn run(&mut self, cx: &mut Cx<'_, Working>, verb: &str, words: &mut Words<'_>) -> Result<u64> {
        let from = words.number()?;
        if verb == "spare" {
            return self.spare(cx, from).map(|()| 0);
        }
        let count = words.number()?;
        match self {
            Self::Plain(verbs) => match verb {
                "hit" => verbs.hit_locked(cx, from, count),
                _ => verbs.run(cx, verb, from, count),
            },
            Self::Gaps(verbs) => match verb {
                "hit" => verbs.hit_locked(cx, from, count),
                "up" => verbs.gap_up(cx, from, count),
                "down" => verbs.gap_down(cx, from, count),
                _ => verbs.run(cx, verb, from, count),
            },
            Self::Rcu(verbs) => match verb {
                "hit" => verbs.hit_rcu(from, count),
                _ => verbs.run(cx, verb, from, count),
            },
        }
    }

    fn spare(&mut self, cx: &mut Cx<'_, Working>, count: usize) -> Result {
        match self {
            Self::Plain(verbs) => verbs.spare(cx, count),
            Self::Gaps(verbs) => verbs.spare(cx, count),
            Self::Rcu(verbs) => verbs.spare(cx, count),
        }
    }
}

/// The module.
struct Bench {
    _work: debugfs::Entry<Work>,
}

strata::module_entry!(Bench);

impl strata::dev::Module for Bench {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let work = Work::file(cx, c"strata-bench-maple-ours")?;
        Ok(Ok::<_, Error>(Self { _work: work }))
    }
}
