// SPDX-License-Identifier: GPL-2.0

//! A store may cover a part of a value. What is left of it would have one owner twice, or none.

use kernel::prelude::*;
use strata::{
    maple::{
        Locked,
        Plain,
        Range,
        Reservation,
        Spares, //
    },
    prelude::*, //
};

struct Mapping {
    page: u64,
}

fn boxed(tree: &mut Locked<'_, '_, KBox<Mapping>, Plain>, nodes: Reservation, new: KBox<Mapping>) {
    let stored = tree.store(nodes, Range::ALL, Some(new), unspent(), |_, old| drop(old));
    //~^ ERROR E0277: a store cannot cut a `Mapping` in two
    //~| NOTE this may cover a part of a value, and each rest needs one of its own
    //~| NOTE implement `Divide` for what is in the box, or use `insert`, `replace` and `erase`, which cut nothing
    drop(stored.map_err(|error| error.value.map(|mapping| mapping.page)));
}

fn pinned(tree: &mut Locked<'_, '_, Pin<KBox<Mapping>>, Plain>, nodes: Reservation) {
    drop(tree.erase_range(nodes, Range::ALL, unspent(), |_, _| ()));
    //~^ ERROR E0277: a store cannot cut a `Pin<Box<Mapping, Kmalloc>>` in two
}

fn early(cx: &mut Cx<'_, Process>) -> Result {
    let spares: Spares<KBox<Mapping>> = Spares::new(&mut gfp::kernel(cx))?;
    //~^ ERROR E0277: a store cannot cut a `Mapping` in two
    let _ = spares;
    Ok(())
}

/// Spares of a type for which there can be none.
fn unspent<T>() -> T {
    loop {}
}
