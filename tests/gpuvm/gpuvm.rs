// SPDX-License-Identifier: GPL-2.0

//! Test: our address space and the kernel's own `drm_gpuvm`, asked the same.
//!
//! `drm_gpuvm` has no tests of its own, and drivers depend on what it does down to the order of the
//! callbacks. So it is the measure: `oracle.c` drives the real module, and every operation that it
//! tells a driver is compared, and all mappings now and then.
//!
//! In debugfs, below `strata_gpuvm`:
//!
//! | file | does |
//! |---|---|
//! | `run` | takes `REGIME SEED REQUESTS`, or these and the name of a fault; or `REGIME refusals` |
//! | `regimes`, `faults` | list their names |
//! | `coverage` | how often what happened in all runs that ended well |
//!
//! A run that finds a difference ends with `EIO`; seed, request and difference are in the kernel's
//! log. The same words run the same requests again, on any kernel.

mod compared;
mod coverage;
mod differ;
mod fault;
mod oracle;
mod ours;
mod random;
mod reference;
mod refusals;
mod regime;
mod space;

use self::{
    coverage::Coverage,
    differ::Run,
    fault::Fault,
    regime::Regime, //
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
};

module! {
    type: Gpuvm,
    name: "strata_gpuvm",
    authors: ["The Strata developers"],
    description: "Test: address spaces of ours and drm_gpuvm",
    license: "GPL",
}

/// The module: its files.
struct Gpuvm {
    _run: debugfs::Entry<Runner>,
    _regimes: debugfs::Entry<Names>,
    _faults: debugfs::Entry<Names>,
    _coverage: debugfs::Entry<Covered>,
}

strata::module_entry!(Gpuvm);

impl strata::dev::Module for Gpuvm {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let dir = debugfs::Dir::new(cx, c"strata_gpuvm");
        let dir = gfp::kernel(cx).arc(dir)?;
        let coverage = gfp::kernel(cx).arc(Coverage::new())?;
        let runner = gfp::kernel(cx).arc(Runner(coverage.clone()))?;
        let regimes = gfp::kernel(cx).arc(Names::Regimes)?;
        let faults = gfp::kernel(cx).arc(Names::Faults)?;
        let covered = gfp::kernel(cx).arc(Covered(coverage))?;
        Ok(Ok::<_, Error>(Self {
            _run: debugfs::Entry::new(cx, dir.clone(), c"run", runner),
            _regimes: debugfs::Entry::new(cx, dir.clone(), c"regimes", regimes),
            _faults: debugfs::Entry::new(cx, dir.clone(), c"faults", faults),
            _coverage: debugfs::Entry::new(cx, dir, c"coverage", covered),
        }))
    }
}

/// The file `run`.
struct Runner(Arc<Coverage>);

#[vtable]
impl debugfs::File for Runner {
    type Owner = Gpuvm;

    fn show(&self, _cx: &mut Cx<'_, Process>, _out: &SeqFile) -> Result {
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        let mut buffer = [0; 96];
        let text = input.read_text(cx, &mut buffer)?;
        let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
        match parse(text).ok_or(EINVAL)? {
            Asked::Run(run) => run.run(cx, &self.0),
            Asked::Refusals(regime) => refusals::run(cx, regime),
        }
    }
}

/// What is written to `run`.
enum Asked {
    Run(Run),
    Refusals(&'static Regime),
}

/// `REGIME SEED REQUESTS [FAULT]`, or `REGIME refusals`.
fn parse(text: &str) -> Option<Asked> {
    let mut words = text.split_ascii_whitespace();
    let regime = Regime::find(words.next()?)?;
    let asked = match words.next()? {
        "refusals" => Asked::Refusals(regime),
        seed => Asked::Run(Run {
            regime,
            seed: number(seed)?,
            requests: number(words.next()?)?,
            fault: match words.next() {
                Some(name) => Some(Fault::find(name)?),
                None => None,
            },
        }),
    };
    words.next().is_none().then_some(asked)
}

/// A number as a person would write it, or as this module does.
fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

/// The files `regimes` and `faults`.
enum Names {
    Regimes,
    Faults,
}

#[vtable]
impl debugfs::File for Names {
    type Owner = Gpuvm;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        match self {
            Names::Regimes => {
                for regime in &regime::ALL {
                    seq_print!(out, "{}\n", regime.name);
                }
            }
            Names::Faults => {
                for (name, _) in &fault::ALL {
                    seq_print!(out, "{}\n", name);
                }
            }
        }
        Ok(())
    }
}

/// The file `coverage`.
struct Covered(Arc<Coverage>);

#[vtable]
impl debugfs::File for Covered {
    type Owner = Gpuvm;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        self.0.show(out);
        Ok(())
    }
}
