// SPDX-License-Identifier: GPL-2.0

//! `short`: stores with fewer nodes than they need, while every allocation fails.
//!
//! A reservation that was made for a smaller tree, or none: whatever it is, the store is done or
//! fails, and then nothing has changed. With a reservation that is large enough it is done after all.

use super::{
    add,
    commits::{
        store,
        Done,
        Fire,
        Job, //
    },
    grown::{
        same_around,
        Grown, //
    },
    inject::{
        self,
        Failing, //
    },
    ledger::Boxed,
    Counts,
};
use kernel::prelude::*;
use strata::{
    maple::{
        Reservation,
        Spares, //
    },
    prelude::*,
};

/// Stores from one look at all of the tree to the next.
const LOOK: usize = 50;

/// What has too few nodes.
#[derive(Clone, Copy, Debug)]
enum Supply {
    Nothing,
    Once,
    Kept,
}

fn attempt<V: Boxed, M: Fire<V>>(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    grown: &mut Grown<V, M>,
    spares: &mut Spares<V>,
    supply: Supply,
) -> Result {
    spares.refill(&mut gfp::kernel(cx))?;
    let mut job = Job::new(cx, grown)?;
    let small = Reservation::new(&mut gfp::kernel(cx), 1, 1)?;
    let mut kept = Reservation::new(&mut gfp::kernel(cx), 1, 1)?;
    let mut enough = Reservation::new(&mut gfp::kernel(cx), grown.books.entries, 1)?;
    let room = grown.books.met(&job.plan).count();
    let mut out = gfp::kernel(cx).vec(room)?;
    let Grown { tree, books, .. } = grown;
    cx.signalling(|cx| {
        tree.lock(cx, |tree, cx| {
            let _failing = Failing::begin();
            let job = &mut job;
            let done = match supply {
                Supply::Nothing => {
                    let nodes = &mut gfp::nowait(cx);
                    store(tree, books, nodes, job, spares, &mut out)
                }
                Supply::Once => store(tree, books, small, job, spares, &mut out),
                Supply::Kept => store(tree, books, &mut kept, job, spares, &mut out),
            }?;
            ensure!(
                same_around(tree, &books.model, &job.plan),
                "it stored elsewhere\n"
            );
            match done {
                Done::Refused => return Ok(()),
                Done::Stored(_) => {
                    add(&counts.sated, 1);
                    return Ok(());
                }
                Done::Starved => add(&counts.starved, 1),
            }
            ensure!(
                out.is_empty(),
                "something came out though nothing was stored\n"
            );
            // What failed once fails again, and what it has left is of no harm.
            if matches!(supply, Supply::Kept) {
                match store(tree, books, &mut kept, job, spares, &mut out)? {
                    Done::Starved => {}
                    done => ensure!(false, "a second attempt is {done:?}\n"),
                }
            }
            let done = store(tree, books, &mut enough, job, spares, &mut out)?;
            ensure!(
                matches!(done, Done::Stored(_)),
                "with enough nodes it is {done:?}\n"
            );
            ensure!(
                same_around(tree, &books.model, &job.plan),
                "it stored elsewhere\n"
            );
            Ok(())
        })
    })
}

/// Tries so many stores.
pub(crate) fn run<V: Boxed, M: Fire<V>>(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    entries: usize,
    count: usize,
    seed: u32,
) -> Result {
    let mut grown = Grown::<V, M>::new(cx, entries, seed)?;
    let mut spares = Spares::new(&mut gfp::kernel(cx))?;
    for number in 0..count {
        let supply = match number % 3 {
            0 => Supply::Nothing,
            1 => Supply::Once,
            _ => Supply::Kept,
        };
        attempt(cx, counts, &mut grown, &mut spares, supply)
            .inspect_err(|_| pr_err!("... with {supply:?}\n"))?;
        if number % LOOK == 0 {
            grown.compare(cx)?;
        }
        inject::breathe();
    }
    grown.compare(cx)?;
    drop(spares);
    grown.end()
}
