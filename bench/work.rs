// SPDX-License-Identifier: GPL-2.0

//! The file `work` of a side in Rust, as the twins in C have one: a line that is written is a verb, and
//! what is read is the sum of what the last one saw.
//!
//! A module includes this file. It has the types `Bench`, which is itself, `Working`, the rank of the
//! lock of the file, and `Side`, what the verbs work on.

use crate::{
    Bench,
    Side,
    Working, //
};
use core::str::SplitAsciiWhitespace;
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::Arc, //
};
use strata::{
    dev::{
        debugfs,
        user::UserRange, //
    },
    lock_class,
    prelude::*,
    sync::Mutex, //
};

/// The rest of a line.
pub(crate) struct Words<'a>(SplitAsciiWhitespace<'a>);

impl<'a> Words<'a> {
    pub(crate) fn word(&mut self) -> Result<&'a str> {
        self.0.next().ok_or(EINVAL)
    }

    pub(crate) fn number(&mut self) -> Result<usize> {
        self.word()?.parse().map_err(|_| EINVAL)
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
        let mut words = Words(text.split_ascii_whitespace());
        self.sum = 0;
        match words.word()? {
            "prepare" => {
                self.side = None;
                self.side = Some(Side::prepare(cx, &mut words)?);
            }
            "empty" => self.side = None,
            verb => {
                let side = self.side.as_mut().ok_or(EINVAL)?;
                self.sum = side.run(cx, verb, &mut words)?;
            }
        }
        Ok(())
    }
}

/// The file.
#[pin_data]
pub(crate) struct Work {
    #[pin]
    state: Mutex<State, Working>,
}

impl Work {
    /// The file, in a directory of this name.
    pub(crate) fn file(
        cx: &mut Cx<'_, Process>,
        dir: &'static CStr,
    ) -> Result<debugfs::Entry<Self>> {
        let state = Mutex::new(cx, lock_class!(Working, "bench work"), State::default());
        let file: Arc<Self> = gfp::kernel(cx).arc_init(pin_init!(Self { state <- state }))?;
        let dir = debugfs::Dir::new(cx, dir);
        let dir = gfp::kernel(cx).arc(dir)?;
        Ok(debugfs::Entry::new(cx, dir, c"work", file))
    }
}

#[vtable]
impl debugfs::File for Work {
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
