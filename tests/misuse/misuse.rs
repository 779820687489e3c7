// SPDX-License-Identifier: GPL-2.0

//! Code that goes behind the back of the types, and what lockdep says of it on our locks and scopes.
//!
//! The corpus in `tests/lockdep` shows what the kernel says of raw C. Here the contexts and locks
//! are Strata's own: that they are primed and annotated is what each case depends on. A case either
//! calls what takes no token, or forges one; what must be reported stands in `cases.toml`.
//!
//! `/sys/kernel/debug/strata_misuse/run` takes the name of a case, `cases` lists them. `calls` says
//! how often the shrinker of a case was called; `drop_caches` is its trigger.

mod buffers;
mod buffers_late;
mod callbacks;
mod cases;
mod fences;
mod files;
mod interrupt;
mod live;
mod locks;
mod objects;
mod reservations;
mod shrinkers;
mod spaces;
mod trees;

use self::{
    cases::Case,
    fences::Fences,
    live::Live,
    locks::Locks,
    objects::Objects,
    reservations::Reservations,
    spaces::Spaces,
    trees::Trees, //
};
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
    shrinker::{
        Prepared,
        Trigger, //
    },
};

module! {
    type: Misuse,
    name: "strata_misuse",
    authors: ["The Strata developers"],
    description: "Test: what lockdep says when the types are bypassed",
    license: "GPL",
}

/// The module: its files, and what they use after them.
struct Misuse {
    _run: debugfs::Entry<Runner>,
    _cases: debugfs::Entry<Listing>,
    _calls: debugfs::Entry<Live>,
    _trigger: Trigger<Live>,
    _end: live::End,
}

/// What the cases work with.
struct Tools {
    locks: Arc<Locks>,
    live: Arc<Live>,
    objects: Arc<Objects>,
    trees: Arc<Trees>,
    spaces: Arc<Spaces>,
    fences: Arc<Fences>,
    reservations: Arc<Reservations>,
}

impl Tools {
    fn new(cx: &mut Cx<'_, Process>) -> Result<Self> {
        // Priming needs an mm for some ranks: the task that loads us has one.
        let locks = Locks::new(cx)?;
        let prepared = Prepared::new(cx, c"strata_misuse")?;
        let objects = Objects::new(cx, &prepared)?;
        let live = Live::new(cx, prepared)?;
        let trees = Trees::new(cx)?;
        let spaces = Spaces::new(cx)?;
        let fences = Fences::new(cx)?;
        let reservations = Reservations::new(cx)?;
        Ok(Self {
            locks,
            live,
            objects,
            trees,
            spaces,
            fences,
            reservations,
        })
    }
}

/// All cases there are.
fn all() -> impl Iterator<Item = &'static Case> {
    [
        cases::ALL,
        shrinkers::ALL,
        objects::ALL,
        trees::ALL,
        spaces::ALL,
        fences::ALL,
        callbacks::ALL,
        reservations::ALL,
        files::ALL,
        buffers::ALL,
        buffers_late::ALL,
    ]
    .into_iter()
    .flatten()
}

strata::module_entry!(Misuse);

impl strata::dev::Module for Misuse {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let tools = Tools::new(cx)?;
        let live = tools.live.clone();
        let dir = debugfs::Dir::new(cx, c"strata_misuse");
        let dir = gfp::kernel(cx).arc(dir)?;
        let trigger = Trigger::new(cx, &dir, &live)?;
        let runner = gfp::kernel(cx).arc(Runner { tools })?;
        let listing = gfp::kernel(cx).arc(Listing)?;
        Ok(Ok::<_, Error>(Self {
            _run: debugfs::Entry::new(cx, dir.clone(), c"run", runner),
            _cases: debugfs::Entry::new(cx, dir.clone(), c"cases", listing),
            _calls: debugfs::Entry::new(cx, dir, c"calls", live.clone()),
            _trigger: trigger,
            _end: live::End(live),
        }))
    }
}

/// The file `run`.
struct Runner {
    tools: Tools,
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
        let case = all()
            .find(|case| case.name.as_bytes() == name)
            .ok_or(ENOENT)?;
        (case.run)(cx, &self.tools)
    }
}

/// The file `cases`.
struct Listing;

#[vtable]
impl debugfs::File for Listing {
    type Owner = Misuse;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        for case in all() {
            seq_print!(out, "{}\n", case.name);
        }
        Ok(())
    }
}
