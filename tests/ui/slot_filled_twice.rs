// SPDX-License-Identifier: GPL-2.0

//! A reserved slot is filled twice, or after it was given back; a copy of it is made.

use kernel::prelude::*;
use strata::maple::{
    Locked,
    Number,
    Plain,
    Range,
    Reservation,
    Slot, //
};

type Jobs<'h, 't> = Locked<'h, 't, Number, Plain>;

fn twice(tree: &mut Jobs<'_, '_>, slot: Slot, value: Number) -> Result {
    tree.fill(slot, value)?;
    tree.fill(slot, value)?;
    //~^ ERROR E0382: use of moved value: `slot`
    Ok(())
}

fn given_back(tree: &mut Jobs<'_, '_>, slot: Slot, nodes: Reservation, value: Number) -> Result {
    tree.release(slot, nodes).map_err(|_| ENOMEM)?;
    tree.fill(slot, value)?;
    //~^ ERROR E0382: use of moved value: `slot`
    Ok(())
}

fn copied(slot: &Slot) -> Slot {
    slot.clone()
    //~^ ERROR E0308: mismatched types
}

fn half(tree: &mut Jobs<'_, '_>, slot: Slot, value: Number) -> Result {
    let half = Range::at(slot.range().first());
    tree.fill(half, value)?;
    //~^ ERROR E0308: mismatched types
    Ok(())
}
