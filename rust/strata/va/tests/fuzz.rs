// SPDX-License-Identifier: GPL-2.0

//! Random requests, prepared in one order and committed in another, against an array.

use super::{
    gpu::{
        prepare,
        settled,
        space,
        Ask,
        Gpu, //
    },
    model::Model,
    random::Random, //
};
use crate::{
    cx::{
        Cx,
        Process, //
    },
    gfp,
    kunit::process,
    va::{
        Prepared,
        Space, //
    }, //
};
use kernel::prelude::*;

/// What was asked for and is still to be committed.
type Pending = (Prepared<Gpu>, Ask, u64);

struct Fuzz {
    random: Random,
    addresses: u64,
    longest: u64,
    /// The number of the next request.
    number: u64,
}

impl Fuzz {
    fn ask(&mut self) -> Ask {
        let length = 1 + self.random.below(self.longest);
        let addr = self.random.below(self.addresses - length + 1);
        match self.random.below(16) {
            0..=3 => Ask::Unmap { addr, length },
            4..=5 => Ask::Split { addr, length },
            6 => Ask::Map {
                addr,
                length,
                object: 0,
                offset: addr,
            },
            // Offsets that fit together with those of neighbours, most often.
            kind => Ask::Map {
                addr,
                length,
                object: 1 + self.random.below(2) as usize,
                offset: addr + self.random.below(8) / 7 * kind,
            },
        }
    }

    fn prepare(&mut self, cx: &mut Cx<'_, Process>, space: &Space<Gpu>) -> Result<Pending> {
        let ask = self.ask();
        self.number += 1;
        let prepared = prepare(space, &mut gfp::kernel(cx), ask, self.number)?;
        Ok((prepared, ask, self.number))
    }
}

/// Commits one request, and follows it in the model.
fn commit(
    cx: &mut Cx<'_, Process>,
    space: &Space<Gpu>,
    model: &mut Model,
    (prepared, ask, number): Pending,
) -> Result<bool> {
    let done = space.commit(cx, prepared)?;
    model.ask(ask, number);
    Ok(model.keeps_what_stays(&done) && model.program(&done))
}

/// Commits two requests at once.
fn commit_both(
    cx: &mut Cx<'_, Process>,
    space: &Space<Gpu>,
    model: &mut Model,
    (first, first_ask, first_number): Pending,
    (second, second_ask, second_number): Pending,
) -> Result<bool> {
    let done = space.commit(cx, first.then(second))?;
    model.ask(first_ask, first_number);
    model.ask(second_ask, second_number);
    Ok(model.program(&done))
}

/// Runs `steps` steps with up to sixteen requests in flight, and compares all after each `often`.
fn fuzz(seed: u64, addresses: u64, longest: u64, steps: usize, often: usize) -> Result {
    process(|cx| {
        let space = space(cx)?;
        let mut model = Model::new(&mut gfp::kernel(cx), addresses as usize)?;
        let mut fuzz = Fuzz {
            random: Random::new(seed),
            addresses,
            longest,
            number: 0,
        };
        let mut pending: [Option<Pending>; 16] = [const { None }; 16];
        for step in 0..steps {
            let mut slot = || fuzz.random.below(16) as usize;
            let (one, other) = (slot(), slot());
            let first = pending.get_mut(one).and_then(Option::take);
            let second = pending.get_mut(other).and_then(Option::take);
            let right = match (first, second, fuzz.random.below(16)) {
                // Never committed.
                (Some(first), _, 0) => {
                    drop(first);
                    true
                }
                (Some(first), Some(second), 1..=4) => {
                    commit_both(cx, &space, &mut model, first, second)?
                }
                (first, second, _) => {
                    let mut right = true;
                    for request in [first, second].into_iter().flatten() {
                        right &= commit(cx, &space, &mut model, request)?;
                    }
                    right
                }
            };
            for slot in [one, other] {
                if let Some(slot) = pending.get_mut(slot) {
                    *slot = Some(fuzz.prepare(cx, &space)?);
                }
            }
            if !right || !model.is_programmed() || step % often == 0 && !model.is(&space) {
                pr_err!("strata_va: seed {seed}: wrong after step {step}\n");
                return Err(EINVAL);
            }
            if step % (8 * often) == 0 {
                space.tree.lock(cx, |tree, _| tree.validate());
            }
            cx.give_way()?;
        }
        drop(pending);
        let right = model.is(&space);
        drop(space);
        match right && settled() {
            true => Ok(()),
            false => Err(EINVAL),
        }
    })
}

#[kunit_tests(strata_va_fuzz)]
mod cases {
    use super::*;

    #[test]
    fn few_addresses_and_many_collisions() -> Result {
        fuzz(1, 24, 12, 800, 4)
    }

    #[test]
    fn a_tree_of_some_height() -> Result {
        fuzz(2, 600, 6, 600, 64)
    }

    #[test]
    fn requests_that_displace_many() -> Result {
        fuzz(3, 300, 150, 120, 8)?;
        fuzz(4, 600, 600, 80, 16)
    }
}
