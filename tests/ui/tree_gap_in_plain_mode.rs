// SPDX-License-Identifier: GPL-2.0

//! A gap is looked for in a tree whose nodes keep no record of them: the kernel's own search finds none
//! there, or crashes.

use kernel::prelude::*;
use strata::maple::{
    Locked,
    Number,
    Plain,
    Range,
    Reservation,
    Room, //
};

fn find(tree: &Locked<'_, '_, Number, Plain>) -> Option<Range> {
    tree.find_gap(Room::ONE, Range::ALL)
    //~^ ERROR E0277: a tree of mode `Plain` keeps no record of its gaps
    //~| NOTE make it a `MapleTree<_, _, Gaps>`
}

fn put(
    tree: &mut Locked<'_, '_, Number, Plain>,
    nodes: Reservation,
    value: Number,
) -> Result<Range> {
    Ok(tree.alloc(nodes, Room::ONE, Range::ALL, value)?)
    //~^ ERROR E0277: a tree of mode `Plain` keeps no record of its gaps
}
