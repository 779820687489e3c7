// SPDX-License-Identifier: GPL-2.0

//! A tree that another lock guards shows itself to who has in hand what the lock guards. If that is
//! nothing, it has no address, and says of no lock that it is held.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    maple::{
        External,
        MapleTree,
        Number, //
    },
    prelude::*,
    sync::Mutex, //
};

strata::ranks! {
    after Process:
    /// A table, and its tree.
    Table
}

type Guarded = MapleTree<Number, External<Arc<Mutex<(), Table>>>>;

pub fn make(cx: &mut Cx<'_, Process>, lock: Arc<Mutex<(), Table>>) -> Result {
    let tree = Guarded::new(cx, lock);
    //~? ERROR E0080: evaluation of
    //~| NOTE what the lock guards has no address of its own
    gfp::kernel(cx).boxed_init(tree).map(drop)
}
