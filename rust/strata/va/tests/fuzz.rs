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
    random::Random,
    seed, //
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

/// Steps from one look of the kernel at the tree to the next.
const VALIDATE: usize = 100;

struct Fuzz {
    random: Random,
    addresses: usize,
    longest: usize,
    /// The number of the next request.
    number: u64,
}

impl Fuzz {
    fn ask(&mut self) -> Ask {
        let (first, last) = self.random.range(self.addresses, self.longest);
        let (addr, length) = (first as u64, (last - first + 1) as u64);
        match self.random.below(32) {
            0..=7 => Ask::Unmap { addr, length },
            8..=10 => Ask::Split { addr, length },
            11..=13 => Ask::SplitSparse { addr, length },
            14..=17 => Ask::Map {
                addr,
                length,
                object: 0,
                offset: addr,
            },
            // Offsets that fit together with those of neighbours, most often.
            kind => Ask::Map {
                addr,
                length,
                object: 1 + self.random.below(2),
                offset: match self.random.percent(12) {
                    true => addr + kind as u64,
                    false => addr,
                },
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
fn fuzz(addresses: usize, longest: usize, steps: usize, often: usize) -> Result {
    // With its debugging, a tree takes about 200 times as long for a store.
    let steps = if cfg!(CONFIG_DEBUG_MAPLE_TREE) {
        steps
    } else {
        40 * steps
    };
    let seed = seed();
    process(|cx| {
        let space = space(cx)?;
        let mut model = Model::new(&mut gfp::kernel(cx), addresses)?;
        let mut fuzz = Fuzz {
            random: Random::new(seed),
            addresses,
            longest,
            number: 0,
        };
        let mut pending: [Option<Pending>; 16] = [const { None }; 16];
        for step in 0..steps {
            let mut slot = || fuzz.random.below(16);
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
                pr_err!("strata_va: seed {seed:#x}: wrong after step {step}\n");
                return Err(EINVAL);
            }
            if step % VALIDATE == 0 {
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

/// Prepares requests for 1 to 10, 10 to 20 and 5 to 15 before any is committed, in whichever order,
/// and compares after each. The third maps, unmaps or splits; all may be mapped before.
fn overlapping(order: [usize; 3], third: usize, all: bool) -> Result {
    const END: u64 = 24;
    let map = |addr, end, object| Ask::Map {
        addr,
        length: end - addr,
        object,
        offset: addr,
    };
    let (addr, length) = (5, 10);
    let third = match third {
        0 => map(5, 15, 3),
        1 => Ask::Unmap { addr, length },
        2 => Ask::Split { addr, length },
        _ => Ask::SplitSparse { addr, length },
    };
    let asks = [map(1, 10, 1), map(10, 20, 2), third];
    process(|cx| {
        let space = space(cx)?;
        let mut model = Model::new(&mut gfp::kernel(cx), END as usize)?;
        if all {
            // Sparse, so that each kind of split finds something.
            let ask = map(0, END, 0);
            let before = prepare(&space, &mut gfp::kernel(cx), ask, 9)?;
            let right = commit(cx, &space, &mut model, (before, ask, 9))?;
            ensure!(right && model.is(&space), "it begins wrong\n");
        }
        let mut pending: [Option<Pending>; 3] = [const { None }; 3];
        for ((slot, ask), number) in pending.iter_mut().zip(asks).zip(0..) {
            let prepared = prepare(&space, &mut gfp::kernel(cx), ask, number)?;
            *slot = Some((prepared, ask, number));
        }
        ensure!(model.is(&space), "what is prepared is seen\n");
        for number in order {
            let request = pending.get_mut(number).and_then(Option::take);
            let request = request.ok_or(EINVAL)?;
            let right = commit(cx, &space, &mut model, request)?;
            ensure!(
                right && model.is_programmed() && model.is(&space),
                "it is wrong after {number}\n"
            );
            space.tree.lock(cx, |tree, _| tree.validate());
        }
        drop(space);
        ensure!(settled(), "something is left\n");
        Ok(())
    })
}

#[kunit_tests(strata_va_fuzz)]
mod cases {
    use super::*;

    #[test]
    fn few_addresses_and_many_collisions() -> Result {
        fuzz(24, 12, 1500, 4)
    }

    #[test]
    fn a_tree_of_some_height() -> Result {
        fuzz(600, 6, 1000, 64)
    }

    #[test]
    fn requests_that_displace_many() -> Result {
        fuzz(300, 150, 250, 8)?;
        fuzz(600, 600, 200, 16)
    }

    /// What the tree was given up for: it was not known what a request needs before those that it
    /// overlaps with were done.
    #[test]
    fn three_that_overlap_are_exact_in_all_six_orders() -> Result {
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            for third in 0..4 {
                for all in [false, true] {
                    overlapping(order, third, all).inspect_err(|_| {
                        pr_err!("... in the order {order:?}, the third {third}, on {all}\n")
                    })?;
                }
            }
        }
        Ok(())
    }
}
