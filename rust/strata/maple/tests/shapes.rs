// SPDX-License-Identifier: GPL-2.0

//! Stores that change the shape of a tree, after the cases that the kernel's own suites found worth
//! a test: `lib/test_maple_tree.c` and `tools/testing/radix-tree/maple.c`, which are named at each.

use super::{
    super::Reservation,
    checked::{
        Checked,
        Source,
        Supply, //
    },
    gfp,
    hold::{
        Hold,
        Spun, //
    },
    ledger::{
        Boxed,
        Keeps,
        Token, //
    },
    model::Place,
    random::Random,
    Cx,
    Gaps,
    Plain,
    Process,
    Range,
    Rcu,
    RcuBox, //
};
use crate::kunit::process;
use kernel::prelude::*;

type Tree<V, M> = Checked<Spun<V, M>, V, M>;

/// Whether all of what a case is about is done: with its debugging a tree takes 200 times as long.
const ALL: bool = !cfg!(CONFIG_DEBUG_MAPLE_TREE);

/// Fills the cells of `first` to `last` that are `stride` apart, where there is nothing.
fn fill<V: Boxed, M: Keeps<V>>(
    cx: &mut Cx<'_, Process>,
    tree: &mut Tree<V, M>,
    (first, last): (usize, usize),
    stride: usize,
) -> Result {
    for cell in (first..=last).step_by(stride) {
        if tree.model.tag(cell) == 0 {
            tree.insert(cx, Source::Now, cell, cell)?;
        }
    }
    Ok(())
}

fn height<V: Boxed, M: Keeps<V>>(cx: &mut Cx<'_, Process>, tree: &mut Tree<V, M>) -> u32 {
    tree.tree.with(cx, |tree, _| tree.height())
}

/// `check_spanning_write`: from one node to others, that have another parent, and so on.
fn spanning<V: Boxed, M: Keeps<V>>(cx: &mut Cx<'_, Process>) -> Result {
    const CELLS: usize = if ALL { 1024 } else { 700 };
    let mut tree = Tree::<V, M>::new(cx, CELLS, Place::Low)?;
    fill(cx, &mut tree, (0, CELLS - 1), 2)?;
    for (width, step) in [(17, 5), (40, 29), (150, 97), (600, 33)] {
        for first in (0..CELLS - width).step_by(if ALL { step } else { 16 * step }) {
            let last = first + width;
            for something in [true, false] {
                tree.store(cx, Source::Once, first, last, something)?;
                tree.look_at(cx, first, last)?;
            }
            tree.look_at_all(cx)?;
            fill(cx, &mut tree, (first & !1, last), 2)?;
        }
    }
    tree.end()
}

/// The cells of 0 to `count - 1` in an order: up, down, outwards, and the odd ones first.
fn order(count: usize, number: usize, at: usize) -> usize {
    match number {
        0 => at,
        1 => count - 1 - at,
        2 if at % 2 == 0 => count / 2 + at / 2,
        2 => count / 2 - 1 - at / 2,
        _ => (2 * at + 1) % (count + 1),
    }
}

/// `check_null_expand`, `check_erase_rebalance`: gaps become one across nodes, that become one.
fn emptied<V: Boxed, M: Keeps<V>>(cx: &mut Cx<'_, Process>) -> Result {
    const CELLS: usize = if ALL { 400 } else { 80 };
    for width in [1, 2] {
        let count = CELLS / width;
        for number in 0..4 {
            let mut tree = Tree::<V, M>::new(cx, CELLS, Place::Pages)?;
            for cell in 0..count {
                tree.insert(cx, Source::Now, width * cell, width * cell + width - 1)?;
            }
            let high = height(cx, &mut tree);
            for at in 0..count {
                let cell = width * order(count, number, at);
                tree.erase(cx, Source::Now, cell)?;
                tree.look_at(cx, cell, cell)?;
                if at % 8 == 0 {
                    tree.look_at_all(cx)?;
                }
            }
            tree.look_at_all(cx)?;
            let low = height(cx, &mut tree);
            ensure!(high >= 2 && low == 0, "from {high} levels to {low}\n");
            tree.end()?;
        }
    }
    Ok(())
}

/// The same with values that stay: nodes are as empty as they may be.
fn thinned<V: Boxed, M: Keeps<V>>(cx: &mut Cx<'_, Process>) -> Result {
    const CELLS: usize = if ALL { 600 } else { 160 };
    for stride in [2, 3, 5, 7] {
        let mut tree = Tree::<V, M>::new(cx, CELLS, Place::High)?;
        fill(cx, &mut tree, (0, CELLS - 1), 1)?;
        for at in 0..CELLS {
            let cell = order(CELLS, 2, at);
            if cell % stride != 0 {
                tree.erase(cx, Source::Kept, cell)?;
                tree.look_at(cx, cell, cell)?;
            }
        }
        tree.look_at_all(cx)?;
        fill(cx, &mut tree, (0, CELLS - 1), 1)?;
        tree.look_at_all(cx)?;
        tree.end()?;
    }
    Ok(())
}

/// `check_collapsing_rebalance`: one store after which there are fewer levels.
fn collapsing<V: Boxed, M: Keeps<V>>(cx: &mut Cx<'_, Process>) -> Result {
    const CELLS: usize = if ALL { 2048 } else { 400 };
    let (lefts, rights) = if ALL {
        (&[0, 1, 2, 5, 8, 13, 21, 55][..], &[0, 1, 3, 8, 14, 34][..])
    } else {
        (&[0, 21][..], &[1, 14][..])
    };
    let mut tree = Tree::<V, M>::new(cx, CELLS, Place::Low)?;
    fill(cx, &mut tree, (0, CELLS - 1), 2)?;
    for &left in lefts {
        for &right in rights {
            let before = height(cx, &mut tree);
            tree.store(cx, Source::Once, left, CELLS - 1 - right, right % 2 == 0)?;
            tree.look_at_all(cx)?;
            let after = height(cx, &mut tree);
            ensure!(after < before, "{before} levels, and then {after}\n");
            tree.store(cx, Source::Now, left, CELLS - 1 - right, false)?;
            fill(cx, &mut tree, (left, CELLS - 1 - right), 2)?;
        }
    }
    tree.end()
}

/// `check_root_expand`, `check_store_null`: what a tree without a node, or with one, becomes.
fn small<V: Boxed, M: Keeps<V>>(cx: &mut Cx<'_, Process>) -> Result {
    const CELLS: usize = if ALL { 6 } else { 4 };
    for place in [Place::Low, Place::High] {
        let mut tree = Tree::<V, M>::new(cx, CELLS, place)?;
        let ranges = || (0..CELLS * CELLS).map(|both| (both / CELLS, both % CELLS));
        let ranges = || ranges().filter(|(first, last)| first <= last);
        for one in ranges() {
            for two in ranges() {
                for something in [true, false] {
                    tree.store(cx, Source::Now, one.0, one.1, true)?;
                    tree.look_at_all(cx)?;
                    tree.store(cx, Source::Now, two.0, two.1, something)?;
                    tree.look_at(cx, two.0, two.1)?;
                    tree.look_at_all(cx)?;
                    tree.store(cx, Source::Once, 0, CELLS - 1, false)?;
                    tree.look_at_all(cx)?;
                }
            }
        }
        tree.end()?;
    }
    Ok(())
}

/// `check_nomem_writer_race`: others change the tree between what one takes and what one stores.
/// What is reserved is not of the tree of then.
fn raced<V: Boxed, M: Keeps<V>>(cx: &mut Cx<'_, Process>) -> Result {
    const CELLS: usize = if ALL { 1024 } else { 512 };
    const STAGES: usize = 16;
    let mut tree = Tree::<V, M>::new(cx, CELLS, Place::Pages)?;
    let mut nodes = gfp::kernel(cx).vec(2 * STAGES)?;
    for _ in 0..2 * STAGES {
        let reservation = Reservation::new(&mut gfp::kernel(cx), CELLS, 1)?;
        gfp::kernel(cx).push(&mut nodes, reservation)?;
    }
    for stage in 0..2 * STAGES {
        let filled = CELLS / STAGES * (stage.min(2 * STAGES - stage) + 1).min(STAGES);
        // The others: the tree grows to many levels, and becomes empty again.
        if stage < STAGES {
            fill(cx, &mut tree, (0, filled - 1), 2)?;
        } else {
            tree.store(cx, Source::Now, filled - 1, CELLS - 1, false)?;
        }
        let reservation = nodes.pop().ok_or(ENOENT)?;
        let middle = filled / 2;
        let (first, last) = (middle - middle.min(20), middle + middle.min(20));
        tree.store_from(cx, Supply::Once(reservation), first, last, stage % 2 == 0)?;
        tree.look_at_all(cx)?;
    }
    tree.end()
}

/// `check_vma_modification`, `check_erase2_sets`: mappings as a process makes them: from the top
/// down, unmapped in part, split where their protection changes, grown at an end.
fn mapped<V: Boxed, M: Keeps<V>>(cx: &mut Cx<'_, Process>) -> Result {
    const CELLS: usize = 4096;
    const STEPS: usize = if ALL { 20_000 } else { 300 };
    let mut random = Random::new(2);
    let mut tree = Tree::<V, M>::new(cx, CELLS, Place::Pages)?;
    let mut top = CELLS;
    for step in 0..STEPS {
        let length = 1 + random.below(random_length(step));
        if top <= length {
            top = CELLS;
        }
        let (first, last, tag) = tree.model.run(random.below(CELLS));
        match random.below(8) {
            // Mapped below what was mapped last, over whatever is there.
            0..=2 => {
                top -= length;
                tree.store(cx, Source::Kept, top, top + length - 1, true)?;
            }
            _ if tag == 0 => {}
            // Unmapped at the start, at the end, in the middle.
            3 => tree.store(cx, Source::Kept, first, first + (last - first) / 2, false)?,
            4 => tree.store(cx, Source::Kept, last - (last - first) / 3, last, false)?,
            5 => tree.erase(cx, Source::Once, first)?,
            // Its protection changes.
            6 => {
                let third = (last - first) / 3;
                tree.store(cx, Source::Once, first + third, last - third, true)?;
            }
            // Grown over what comes after it.
            _ => tree.store(cx, Source::Now, first, (last + length).min(CELLS - 1), true)?,
        }
        if step % 50 == 0 {
            tree.look_at_all(cx)?;
        }
    }
    tree.look_at_all(cx)?;
    tree.end()
}

/// `check_state_handling`, `check_iteration`: a walk that ended stays so, whatever ended it.
fn walked<V: Boxed, M: Keeps<V>>(cx: &mut Cx<'_, Process>) -> Result {
    fn ends<T>(mut walk: impl Iterator<Item = T>) -> bool {
        walk.by_ref().for_each(drop);
        (0..4).all(|_| walk.next().is_none())
    }
    const CELLS: usize = 300;
    for count in [0, 1, 2, 15, 16, 17, CELLS] {
        for place in [Place::Low, Place::High] {
            let mut tree = Tree::<V, M>::new(cx, CELLS, place)?;
            fill(cx, &mut tree, (0, count.max(1) - 1), 2)?;
            if count == 0 {
                tree.erase(cx, Source::Now, 0)?;
            }
            for (first, last) in [(0, 0), (1, 1), (0, CELLS - 1), (1, 30), (2, 2), (298, 299)] {
                tree.look_at(cx, first, last)?;
                let range = tree.model.range(first, last);
                let ended = tree.tree.with(cx, |tree, _| {
                    let whole = Range::ALL;
                    ends(tree.iter(range))
                        && ends(tree.iter_rev(range))
                        && ends(tree.slots(range))
                        && ends(tree.iter(whole))
                        && ends(tree.iter_rev(whole))
                        && ends(tree.slots(whole))
                });
                ensure!(ended, "a walk over {count} cells begins again\n");
            }
            let met = tree.tree.with(cx, |tree, _| {
                // Two walks that do not know of each other come to the same values.
                let back = tree.iter_rev(Range::ALL).map(|(range, _)| range.first());
                let up = tree.iter(Range::ALL).map(|(range, _)| range.first());
                up.zip(back).fold((0, 0), |(met, sum), (up, back)| {
                    (met + 1, sum + up as i128 - back as i128)
                })
            });
            let values = tree.model.values(0, CELLS - 1).count();
            ensure!(met == (values, 0), "walks meet {met:?}, of {values}\n");
            tree.end()?;
        }
    }
    Ok(())
}

/// Mostly short ones, at times long ones.
fn random_length(step: usize) -> usize {
    if step % 16 == 0 {
        300
    } else {
        8
    }
}

macro_rules! in_all_modes {
    ($case:ident) => {
        process(|cx| {
            $case::<KBox<Token>, Plain>(cx)?;
            $case::<KBox<Token>, Gaps>(cx)?;
            $case::<RcuBox<Token>, Rcu>(cx)
        })
    };
}

#[kunit_tests(strata_maple_shapes)]
mod cases {
    use super::*;

    #[test]
    fn a_store_may_span_nodes_and_their_parents() -> Result {
        in_all_modes!(spanning)
    }

    #[test]
    fn a_tree_is_emptied_in_any_order() -> Result {
        in_all_modes!(emptied)
    }

    #[test]
    fn nodes_are_never_too_empty() -> Result {
        in_all_modes!(thinned)
    }

    #[test]
    fn one_store_may_take_levels_away() -> Result {
        in_all_modes!(collapsing)
    }

    #[test]
    fn trees_of_one_node_and_of_none() -> Result {
        in_all_modes!(small)
    }

    #[test]
    fn a_reservation_outlives_what_others_do() -> Result {
        in_all_modes!(raced)
    }

    #[test]
    fn a_walk_that_ended_stays_so() -> Result {
        in_all_modes!(walked)
    }

    #[test]
    fn mappings_of_a_process() -> Result {
        in_all_modes!(mapped)
    }
}
