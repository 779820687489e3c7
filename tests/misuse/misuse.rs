// SPDX-License-Identifier: GPL-2.0

//! Code that goes behind the back of the types, and what lockdep says of it on our locks and scopes.
//!
//! The corpus in `tests/lockdep` shows what the kernel says of raw C. Here the contexts and locks
//! are Strata's own: that they are primed and annotated is what each case depends on. A case either
//! calls what takes no token, or forges one; what must be reported stands in `cases.toml`.
//!
//! `/sys/kernel/debug/strata_misuse/run` takes the name of a case, `cases` lists them.

mod cases;
mod locks;

use self::locks::Locks;
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
    prelude::*,
};

module! {
    type: Misuse,
    name: "strata_misuse",
    authors: ["The Strata developers"],
    description: "Test: what lockdep says when the types are bypassed",
    license: "GPL",
}

/// The module: its two files, and what they use after them.
struct Misuse {
    _run: debugfs::Entry<Runner>,
    _cases: debugfs::Entry<Listing>,
}

strata::module_entry!(Misuse);

impl strata::dev::Module for Misuse {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        // Priming needs an mm for some ranks: the task that loads us has one.
        let locks = Locks::new(cx)?;
        let dir = debugfs::Dir::new(cx, c"strata_misuse");
        let dir = gfp::kernel(cx).arc(dir)?;
        let runner = gfp::kernel(cx).arc(Runner { locks })?;
        let listing = gfp::kernel(cx).arc(Listing)?;
        Ok(Ok::<_, Error>(Self {
            _run: debugfs::Entry::new(cx, dir.clone(), c"run", runner),
            _cases: debugfs::Entry::new(cx, dir, c"cases", listing),
        }))
    }
}

/// The file `run`.
struct Runner {
    locks: Arc<Locks>,
}

#[vtable]
impl debugfs::File for Runner {
    type Owner = Misuse;

    fn show(&self, _cx: &mut Cx<'_, Process>, _out: &SeqFile) -> Result {
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        let mut buffer = [0; 64];
        if input.len() >= buffer.len() {
            return Err(EINVAL);
        }
        let name = input.read_bytes(cx, &mut buffer)?.trim_ascii();
        let case = cases::ALL
            .iter()
            .find(|case| case.name.as_bytes() == name)
            .ok_or(ENOENT)?;
        (case.run)(cx, &self.locks)
    }
}

/// The file `cases`.
struct Listing;

#[vtable]
impl debugfs::File for Listing {
    type Owner = Misuse;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        for case in cases::ALL {
            seq_print!(out, "{}\n", case.name);
        }
        Ok(())
    }
}
