// SPDX-License-Identifier: GPL-2.0

//! A cursor is kept beyond the hold of the lock, or used beside another one, or beside a store that goes
//! around it; what it stands at is kept when it goes on.

use kernel::prelude::*;
use strata::{
    maple::{
        Cursor,
        Locked,
        MapleTree,
        Plain,
        Range,
        Reservation, //
    },
    prelude::*, //
};

type Names = MapleTree<KBox<u64>>;
type Hold<'h, 't> = Locked<'h, 't, KBox<u64>, Plain>;

fn beyond_the_hold<'t>(
    cx: &mut Cx<'_, Process>,
    names: &'t Names,
) -> Cursor<'t, 't, KBox<u64>, Plain> {
    names.lock(cx, |names, _| names.cursor(Range::ALL))
    //~^ ERROR lifetime may not live long enough
}

fn beside_a_store(names: &mut Hold<'_, '_>, nodes: Reservation) -> Result {
    let mut cursor = names.cursor(Range::ALL);
    drop(names.erase(nodes, 1)?);
    //~^ ERROR E0499: cannot borrow `*names` as mutable more than once at a time
    cursor.next();
    Ok(())
}

fn two_at_once(names: &mut Hold<'_, '_>) {
    let mut one = names.cursor(Range::ALL);
    let mut other = names.cursor(Range::ALL);
    //~^ ERROR E0499: cannot borrow `*names` as mutable more than once at a time
    one.next();
    other.next();
}

fn went_on(cursor: &mut Cursor<'_, '_, KBox<u64>, Plain>, nodes: Reservation) -> Result<u64> {
    let (_, value) = cursor.next().ok_or(ENOENT)?;
    drop(cursor.remove(nodes)?);
    //~^ ERROR E0499: cannot borrow `*cursor` as mutable more than once at a time
    Ok(*value)
}

fn without_mut(names: &Hold<'_, '_>) {
    names.cursor(Range::ALL);
    //~^ ERROR E0596: cannot borrow `*names` as mutable, as it is behind a `&` reference
}
