// SPDX-License-Identifier: GPL-2.0

//! The tree keeps the lowest bits of a slot for itself, and small numbers: boxes of nothing, and what
//! is not aligned, would be taken for its own.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::SignalLock,
    maple::{
        Exclusive,
        MapleTree,
        Spin, //
    },
    prelude::*, //
};

pub fn boxes_of_nothing(cx: &mut Cx<'_, Process>) -> Result {
    let tree = MapleTree::<KBox<()>, Exclusive>::new();
    //~? ERROR E0080: evaluation of `<Box<(), Kmalloc> as Value>::VALID` failed
    //~| NOTE a box of nothing is no memory
    gfp::kernel(cx).boxed_init(tree).map(drop)
}

pub fn bytes(cx: &mut Cx<'_, Process>) -> Result {
    let class = strata::lock_class!(SignalLock, "bytes");
    let tree = MapleTree::<Arc<u8>, Spin>::new(cx, class);
    //~? ERROR E0080: evaluation of `<Arc<u8> as Value>::VALID` failed
    //~| NOTE the pointers of an `Arc` are aligned as what is in it
    gfp::kernel(cx).boxed_init(tree).map(drop)
}

pub fn pinned_nothing(cx: &mut Cx<'_, Process>) -> Result {
    let tree = MapleTree::<Pin<KBox<[u64; 0]>>, Exclusive>::new();
    //~? ERROR E0080: evaluation of `<Pin<Box<[u64; 0], Kmalloc>> as Value>::VALID` failed
    //~| NOTE a box of nothing is no memory
    gfp::kernel(cx).boxed_init(tree).map(drop)
}
