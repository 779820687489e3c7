// SPDX-License-Identifier: GPL-2.0

//! Test module: every entry point of `strata::dev`, each using its token for all that it allows.
//!
//! It is loaded by `tools/testing/selftests/strata` alone, and is not an example: see
//! `samples/pool` for one. On a kernel with lockdep, an entry point whose token claims too much is
//! reported as soon as it runs.
//!
//! | file | does |
//! |---|---|
//! | `/dev/strata-entry` | [`ECHO`](device::ECHO) and [`EXERCISE`](device::EXERCISE); one page to map |
//! | debugfs `strata-entry/tokens` | how often each entry point ran, and how each step went |
//! | debugfs `strata-entry/control` | commands, see [`control`] |
//! | debugfs `strata-entry/victim` | takes a while to read; is removed and made by commands |
//!
//! Lock order: see [`locks`].

#![forbid(unsafe_op_in_unsafe_fn)]

use kernel::prelude::*;
use strata::{
    dev::{
        debugfs,
        misc, //
    },
    prelude::*,
};

mod control;
mod device;
mod exercise;
mod locks;
mod tokens;

use self::{
    control::Control,
    device::EntryDevice,
    exercise::Exercise,
    tokens::{
        At,
        Tokens, //
    },
};

module! {
    type: Entries,
    name: "strata_entry",
    authors: ["The Strata developers"],
    description: "Test: all entry points of Strata",
    license: "GPL",
}

/// The module. Fields are dropped in their order: what user space reaches goes first.
#[pin_data]
struct Entries {
    #[pin]
    device: misc::Registration<EntryDevice>,
    control: debugfs::Entry<Control>,
    tokens: debugfs::Entry<Tokens>,
}

strata::module_entry!(Entries);

impl strata::dev::Module for Entries {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let exercise = Exercise::new(cx);
        let exercise = gfp::kernel(cx).arc_init(exercise)?;
        exercise.run(cx, At::Init);

        let dir = debugfs::Dir::new(cx, c"strata-entry");
        let dir = gfp::kernel(cx).arc(dir)?;
        let tokens = gfp::kernel(cx).arc(Tokens::new(exercise.clone()))?;
        let tokens = debugfs::Entry::new(cx, dir.clone(), c"tokens", tokens);
        let control = Control::new(cx, exercise.clone(), dir.clone())?;
        let control = gfp::kernel(cx).arc_init(control)?;
        let control = debugfs::Entry::new(cx, dir, c"control", control);
        let device = misc::Registration::new(cx, c"strata-entry", exercise);
        Ok(try_pin_init!(Self {
            device <- device,
            control,
            tokens,
        }))
    }
}
