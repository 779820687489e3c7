// SPDX-License-Identifier: GPL-2.0

//! A store takes its nodes from permission to allocate or from a reservation: not from flags, not from
//! a token, and not twice from one that was spent.

use kernel::prelude::*;
use strata::{
    maple::{
        Locked,
        Number,
        Plain,
        Range,
        Reservation, //
    },
    prelude::*, //
};

type Jobs<'h, 't> = Locked<'h, 't, Number, Plain>;

fn flags(tree: &mut Jobs<'_, '_>, job: Number) -> Result {
    tree.insert(GFP_KERNEL, Range::at(0), job)?;
    //~^ ERROR E0277: `Flags` has no nodes for a store
    //~| NOTE neither permission to allocate nor a reservation
    //~| NOTE pass `&mut gfp::kernel(cx)` or another class that the context allows, or a `Reservation`
    Ok(())
}

fn token(cx: &mut Cx<'_, Process>, tree: &mut Jobs<'_, '_>, job: Number) -> Result {
    tree.insert(cx, Range::at(0), job)?;
    //~^ ERROR E0277: `&mut Cx<'_, Process>` has no nodes for a store
    Ok(())
}

fn permission(cx: &mut Cx<'_, Process>, tree: &mut Jobs<'_, '_>, job: Number) -> Result {
    tree.insert(gfp::kernel(cx), Range::at(0), job)?;
    //~^ ERROR E0277: `Gfp<'_, Kernel>` has no nodes for a store
    Ok(())
}

fn shared(tree: &mut Jobs<'_, '_>, nodes: &Reservation, job: Number) -> Result {
    tree.insert(nodes, Range::at(0), job)?;
    //~^ ERROR E0277: `&Reservation` has no nodes for a store
    Ok(())
}

fn spent(tree: &mut Jobs<'_, '_>, nodes: Reservation, job: Number) -> Result {
    tree.insert(nodes, Range::at(0), job)?;
    drop(tree.erase(nodes, 0)?);
    //~^ ERROR E0382: use of moved value: `nodes`
    Ok(())
}

fn copied(nodes: &Reservation) -> Reservation {
    nodes.clone()
    //~^ ERROR E0308: mismatched types
}

fn half_open(tree: &mut Jobs<'_, '_>, nodes: Reservation, job: Number) -> Result {
    tree.insert(nodes, 10..20, job)?;
    //~^ ERROR E0308: mismatched types
    Ok(())
}
