// SPDX-License-Identifier: GPL-2.0

//! Random calls, each compared with what a flat array says: in all modes, under all locks. Stores,
//! reserved slots, looks for room, cursors that change what they walk in and drains are one stream.

use super::{
    super::{
        Gaps,
        Plain,
        Rcu,
        RcuBox, //
    },
    checked::{
        Checked,
        Source, //
    },
    hold::{
        Guarded,
        Hold,
        Owned,
        Spun, //
    },
    ledger::{
        Boxed,
        Token, //
    },
    model::Place,
    random::Random,
    rooms::{
        Rooms,
        Way, //
    },
    seed,
    Cx,
    Process, //
};
use crate::kunit::process;
use kernel::prelude::*;

/// Cells of the models.
const CELLS: usize = 768;
/// Steps from one look at all of a tree to the next.
const LOOK: usize = 200;
/// With its debugging, a tree takes about 200 times as long for a store.
const STEPS: usize = if cfg!(CONFIG_DEBUG_MAPLE_TREE) {
    2 * LOOK
} else {
    100 * LOOK
};

/// Some cells: mostly few, at times all.
fn pick(random: &mut Random) -> (usize, usize) {
    let longest = match random.below(100) {
        0..=59 => 3,
        60..=84 => 24,
        85..=97 => 150,
        _ => CELLS,
    };
    random.range(CELLS, longest)
}

fn step<H: Hold<V, M>, V: Boxed, M: Rooms<V>>(
    cx: &mut Cx<'_, Process>,
    tree: &mut Checked<H, V, M>,
    random: &mut Random,
    stores: usize,
) -> Result {
    let (mut first, mut last) = pick(random);
    let source = match random.below(3) {
        0 => Source::Now,
        1 => Source::Once,
        _ => Source::Kept,
    };
    let few = (first, last.min(first + random.below(4)));
    match random.below(40) {
        0..=9 => tree.insert(cx, source, first, last),
        10..=24 => tree.store(cx, source, first, last, random.percent(stores)),
        25..=27 => tree.erase(cx, source, first),
        28..=30 => {
            if random.percent(80) {
                (first, last, _) = tree.model.run(first);
            }
            tree.replace(cx, first, last)
        }
        31..=33 if M::KNOWS => {
            let way = match random.below(3) {
                0 => Way::Lowest,
                1 => Way::Highest,
                _ => Way::Next,
            };
            if random.percent(5) {
                tree.begin_cycle(first);
            }
            let size = (1 + random.below(5), 1 << random.below(4));
            let within = match random.percent(30) {
                true => (first, last),
                false => (0, CELLS - 1),
            };
            tree.alloc(cx, source, way, size, within)
        }
        34..=35 => tree.reserve(cx, source, few.0, few.1),
        36..=37 => tree.settle(cx, source, first, random.percent(60)),
        38 if random.percent(8) => tree.drain(cx),
        _ => match random.percent(50) {
            true => tree.walk(cx, random, first, last),
            false => tree.walk(cx, random, 0, CELLS - 1),
        },
    }
    .and_then(|()| tree.look_at(cx, first, last))
    .inspect_err(|_| pr_err!("... with {source:?} at cells {first} to {last}\n"))
}

fn run<H: Hold<V, M>, V: Boxed, M: Rooms<V>>(
    cx: &mut Cx<'_, Process>,
    seed: u32,
    place: Place,
) -> Result {
    let mut random = Random::new(seed);
    let mut tree = Checked::<H, V, M>::new(cx, CELLS, place)?;
    for number in 0..STEPS {
        // Growing, mixed, shrinking, and whatever there is.
        let stores = match number * 8 / STEPS % 4 {
            0 => 90,
            1 => 60,
            2 => 20,
            _ => 50,
        };
        step(cx, &mut tree, &mut random, stores)?;
        if number % LOOK == LOOK - 1 {
            tree.look_at_all(cx)?;
        }
    }
    tree.end()
}

fn fuzz<H: Hold<V, M>, V: Boxed, M: Rooms<V>>() -> Result {
    process(|cx| {
        let seed = seed();
        for place in [Place::Low, Place::Pages, Place::High] {
            run::<H, V, M>(cx, seed, place).inspect_err(|_| {
                pr_err!("... with a {} at {place:?}, seed {seed:#x}\n", H::NAME)
            })?;
        }
        Ok(())
    })
}

#[kunit_tests(strata_maple_fuzz)]
mod cases {
    use super::*;

    #[test]
    fn plain_with_a_spinlock() -> Result {
        fuzz::<Spun<KBox<Token>, Plain>, _, _>()
    }

    #[test]
    fn gaps_with_a_spinlock() -> Result {
        fuzz::<Spun<KBox<Token>, Gaps>, _, _>()
    }

    #[test]
    fn rcu_with_a_spinlock() -> Result {
        fuzz::<Spun<RcuBox<Token>, Rcu>, _, _>()
    }

    #[test]
    fn plain_under_a_mutex() -> Result {
        fuzz::<Guarded<KBox<Token>, Plain>, _, _>()
    }

    #[test]
    fn gaps_under_a_mutex() -> Result {
        fuzz::<Guarded<KBox<Token>, Gaps>, _, _>()
    }

    #[test]
    fn rcu_under_a_mutex() -> Result {
        fuzz::<Guarded<RcuBox<Token>, Rcu>, _, _>()
    }

    #[test]
    fn plain_of_ones_own() -> Result {
        fuzz::<Owned<KBox<Token>, Plain>, _, _>()
    }

    #[test]
    fn gaps_of_ones_own() -> Result {
        fuzz::<Owned<KBox<Token>, Gaps>, _, _>()
    }

    #[test]
    fn rcu_of_ones_own() -> Result {
        fuzz::<Owned<RcuBox<Token>, Rcu>, _, _>()
    }
}
