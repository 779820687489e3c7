// SPDX-License-Identifier: GPL-2.0

//! What was found in a tree is used after a store that may have taken it out, or while another has it
//! to change.

use core::mem;
use kernel::prelude::*;
use strata::maple::{
    Locked,
    Plain,
    Range,
    Reservation, //
};

type Names<'h, 't> = Locked<'h, 't, KBox<u64>, Plain>;

fn erased(tree: &mut Names<'_, '_>, nodes: Reservation) -> Result<u64> {
    let value = tree.load(1).ok_or(ENOENT)?;
    let erased = tree.erase(nodes, 1)?;
    //~^ ERROR E0502: cannot borrow `*tree` as mutable because it is also borrowed as immutable
    drop(erased);
    Ok(*value)
}

fn replaced(tree: &mut Names<'_, '_>, value: KBox<u64>) -> Option<u64> {
    let (range, old) = tree.entry(1)?;
    drop(tree.replace(range, value));
    //~^ ERROR E0502: cannot borrow `*tree` as mutable because it is also borrowed as immutable
    Some(*old)
}

fn erased_in_a_walk(tree: &mut Names<'_, '_>, nodes: &mut Reservation) -> Result {
    for (range, value) in tree.iter(Range::ALL) {
        if *value == 0 {
            drop(tree.erase(&mut *nodes, range.first())?);
            //~^ ERROR E0502: cannot borrow `*tree` as mutable because it is also borrowed as immutable
        }
    }
    Ok(())
}

fn two_at_once(tree: &mut Names<'_, '_>) -> Option<()> {
    let one = tree.load_mut(1)?;
    let other = tree.load_mut(2)?;
    //~^ ERROR E0499: cannot borrow `*tree` as mutable more than once at a time
    mem::swap(one, other);
    Some(())
}

fn changed_by_a_reader(tree: &Names<'_, '_>) {
    tree.load_mut(1);
    //~^ ERROR E0596: cannot borrow `*tree` as mutable, as it is behind a `&` reference
}
