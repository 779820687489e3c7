// SPDX-License-Identifier: GPL-2.0

//! `bound`: how many nodes reservations hold, and how many stores need and use.
//!
//! A reservation for trees of height h holds 3h + 1 nodes. That is counted, in the slab. Then stores
//! are done that need many, each with the smallest reservation that is enough, under an allocator
//! that has nothing: it must be one for the height that the tree has, or for a lower one. What they
//! leave of it is counted too. If no store needed what the bound says, it would prove nothing: as
//! many as that are counted as tight.
//!
//! Counts are exact where the slab has no nodes at hand, and nobody else has any to do with trees.

use super::{
    add,
    commits::{
        store,
        Done,
        Fire,
        Job, //
    },
    grown::{
        insert,
        same_around,
        Grown,
        Kind,
        Plan, //
    },
    inject::{
        Census,
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
    plan::maple as numbers,
    prelude::*,
};

/// Trees of up to so many values are emptied and grown again, each store of which is measured.
const SMALL: usize = 2_000;
/// Cells that a wide store covers, at most.
const WIDEST: usize = 1 << 17;
/// Reservations that are counted together.
const MANY: usize = 40;
/// Heights that are measured: more than those of trees that fit here.
const HEIGHTS: usize = 12;

/// What was seen of stores into trees of one height.
#[derive(Clone, Copy)]
struct Seen {
    stores: usize,
    /// Those for which the reservation of the height below was not enough.
    tight: usize,
    /// Those that used two nodes for each level or nearly, and so cannot be mistaken for small ones.
    deep: usize,
    /// Nodes that one of them used, at most.
    used: usize,
}

/// As few values as a tree of that height can have, if it tracks gaps.
fn fewest(height: u32) -> usize {
    match height {
        0 | 1 => 1,
        _ => 8 * 5usize.pow(height - 2) - 1,
    }
}

/// A reservation for trees of that height.
fn reserve(cx: &mut Cx<'_, Process>, height: u32, stores: usize) -> Result<Reservation> {
    Reservation::new(&mut gfp::kernel(cx), fewest(height), stores)
}

/// Counts what reservations hold, up to the largest that there is.
pub(crate) fn held(cx: &mut Cx<'_, Process>) -> Result {
    let census = Census::begin()?;
    let heights = (1..=10).map(|height| (height, 1, height as u8));
    // Of three stores into trees of height 10.
    let largest = (10, 3, numbers::HEIGHT_MAX);
    for (height, stores, reserved) in Iterator::chain(heights, [largest]) {
        let mut all: [Option<Reservation>; MANY] = [const { None }; MANY];
        let before = census.nodes()?;
        for slot in &mut all {
            *slot = Some(reserve(cx, height, stores)?);
        }
        let holds = census.nodes()? - before;
        drop(all);
        let wanted = MANY * numbers::nodes(reserved);
        pr_info!("{MANY} reservations of height {reserved} hold {holds} nodes\n");
        ensure!(holds == wanted, "they should hold {wanted}\n");
        ensure!(census.nodes()? == before, "some did not come back\n");
    }
    Ok(())
}

/// A tree whose stores are measured.
struct Measured<V: Boxed, M: Fire<V>> {
    grown: Grown<V, M>,
    spares: Spares<V>,
    census: Census,
    seen: [Seen; HEIGHTS],
}

impl<V: Boxed, M: Fire<V>> Measured<V, M> {
    /// Does one store, with larger and larger reservations until one is enough.
    fn measure(&mut self, cx: &mut Cx<'_, Process>, plan: Plan) -> Result {
        self.spares.refill(&mut gfp::kernel(cx))?;
        let mut job = Job::of(cx, &mut self.grown, plan)?;
        let room = self.grown.books.met(&plan).count();
        let mut out = gfp::kernel(cx).vec(room)?;
        let Self { grown, spares, .. } = self;
        let Grown { tree, books, .. } = grown;
        let height = tree.lock(cx, |tree, _| tree.height());
        let highest = numbers::height(books.entries, numbers::Shape::Gaps);
        ensure!(
            height <= highest.into(),
            "{} values on {height} levels\n",
            books.entries
        );
        for level in 1..=height.max(1) {
            let mut nodes = reserve(cx, level, 1)?;
            let done = cx.signalling(|cx| {
                tree.lock(cx, |tree, _| {
                    let _failing = Failing::begin();
                    let done = store(tree, books, &mut nodes, &mut job, spares, &mut out)?;
                    ensure!(
                        same_around(tree, &books.model, &plan),
                        "it stored elsewhere\n"
                    );
                    Ok(done)
                })
            })?;
            match done {
                Done::Refused => return Ok(()),
                Done::Starved => continue,
                Done::Stored(_) => {}
            }
            drop(out);
            let with = self.census.nodes()?;
            drop(nodes);
            let left = with - self.census.nodes()?;
            return self.enter(height, level, left);
        }
        pr_err!("a tree of {height} levels needs more, for {plan:?}\n");
        Err(EINVAL)
    }

    /// Enters a store that was done with the reservation for `level`, and has left that of it.
    fn enter(&mut self, height: u32, level: u32, left: usize) -> Result {
        let held = numbers::nodes(level as u8);
        ensure!(left <= held, "{left} are left of {held} nodes\n");
        let used = held - left;
        let seen = self.seen.get_mut(height as usize).ok_or(EINVAL)?;
        seen.stores += 1;
        seen.tight += usize::from(level == height && level > 1);
        seen.deep += usize::from(height > 1 && used + 1 >= 2 * height as usize);
        seen.used = seen.used.max(used);
        Ok(())
    }

    /// A store of one value, or of nothing, over cells that are many or few.
    fn wide(&mut self) -> Plan {
        let random = &mut self.grown.random;
        let cells = self.grown.books.model.len();
        let longest = WIDEST.min(cells);
        let length = match random.below(4) {
            0 => longest >> random.below(longest.ilog2() as usize),
            _ => longest / 4 + random.below(longest - longest / 4),
        };
        let first = random.below(cells - length + 1);
        let kind = match random.below(2) {
            0 => Kind::Store,
            _ => Kind::EraseRange,
        };
        Plan {
            kind,
            first,
            last: first + length - 1,
        }
    }

    /// Empties the tree, and lets it grow: upwards, and then all over the place.
    fn regrow(&mut self, cx: &mut Cx<'_, Process>, entries: usize) -> Result {
        // No number of values is a multiple of it.
        const STRIDE: usize = 100_003;
        let last = self.grown.books.model.len() - 1;
        for stride in [1, STRIDE] {
            for kind in [Kind::Store, Kind::EraseRange] {
                self.measure(
                    cx,
                    Plan {
                        kind,
                        first: 0,
                        last,
                    },
                )?;
            }
            for number in 0..entries {
                self.measure(cx, insert(number * stride % entries))?;
            }
            self.grown.compare(cx)?;
        }
        Ok(())
    }
}

/// Measures so many wide stores into a tree of so many values, and how a small one grows.
pub(crate) fn run<V: Boxed, M: Fire<V>>(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    entries: usize,
    count: usize,
    seed: u32,
) -> Result {
    const NONE: Seen = Seen {
        stores: 0,
        tight: 0,
        deep: 0,
        used: 0,
    };
    let mut measured = Measured {
        grown: Grown::<V, M>::new(cx, entries, seed)?,
        spares: Spares::new(&mut gfp::kernel(cx))?,
        census: Census::begin()?,
        seen: [NONE; HEIGHTS],
    };
    if entries <= SMALL {
        measured.regrow(cx, entries)?;
    }
    for _ in 0..count {
        let plan = measured.wide();
        measured.measure(cx, plan)?;
        measured.grown.refill(cx, plan.first, plan.last)?;
    }
    measured.grown.compare(cx)?;
    let tight: usize = measured.seen.iter().map(|seen| seen.tight).sum();
    ensure!(tight > 0, "no store needed what the bound says\n");
    for (height, seen) in measured.seen.iter().enumerate() {
        if seen.stores == 0 {
            continue;
        }
        let held = numbers::nodes(height as u8);
        let Seen {
            stores,
            tight,
            deep,
            used,
        } = *seen;
        pr_info!("height {height}: {stores} stores, {tight} tight; {used} nodes of {held} used\n");
        ensure!(
            used <= held.max(numbers::nodes(1)),
            "more than the bound says\n"
        );
        add(&counts.measured, stores);
        add(&counts.tight, tight);
        add(&counts.deep, deep);
    }
    measured.grown.end()
}
