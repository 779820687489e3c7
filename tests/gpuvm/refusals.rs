// SPDX-License-Identifier: GPL-2.0

//! What `drm_gpuvm` takes and we refuse, on purpose.
//!
//! | request | there | here |
//! |---|---|---|
//! | a range of no length | cuts what it is in, and maps nothing | `EINVAL` |
//! | an object's offset and the length wrap | is mapped, and cut to offsets that wrap | `EINVAL` |
//!
//! Neither is what a driver means, and both come from user space.

use crate::{
    compared::Compared,
    regime::Regime,
    space::{
        Area,
        Batch,
        Piece,
        Request, //
    },
};
use kernel::prelude::*;
use strata::prelude::*;

/// Asks ours for all of them: each is refused, and changes nothing.
///
/// # Errors
///
/// `EIO` if it is not so, which is in the kernel's log then.
pub(crate) fn run(cx: &mut Cx<'_, Process>, regime: &'static Regime) -> Result {
    let (old, requests) = requests(regime.space);
    for mut ours in Compared::all(cx, regime)? {
        ours.space
            .commit(cx, &Batch::of(Request::Map(old)), &mut ours.answer)?;
        for request in requests {
            ours.space
                .commit(cx, &Batch::of(request), &mut ours.answer)?;
            ours.space.list(cx, &mut ours.pieces)?;
            let pieces = ours.pieces.as_slice();
            if ours.answer.refused != 1 || pieces != [old] {
                let name = regime.name;
                pr_err!("{}: {} does not refuse {:x?}\n", name, ours.name, request);
                pr_err!("{}:   and has {:x?} then\n", name, pieces);
                return Err(EIO);
            }
        }
    }
    Ok(())
}

/// A mapping below the middle of the space, and requests about it that are refused.
fn requests(space: Area) -> (Piece, [Request; 17]) {
    let length = space.range / 8;
    let old = Piece {
        addr: space.addr + 2 * length,
        range: length,
        object: 1,
        offset: 0,
    };
    let empty = |addr| Area::new(addr, 0);
    let [before, first, inside, end] =
        [space.addr, old.addr, old.addr + length / 2, old.end()].map(empty);
    let map = |area: Area, object, offset| {
        Request::Map(Piece {
            addr: area.addr,
            range: area.range,
            object,
            offset,
        })
    };
    let requests = [
        map(before, 1, 0),
        map(first, 1, 0),
        map(inside, 2, 0),
        map(inside, 0, 0),
        map(end, 1, 0),
        Request::Unmap(before),
        Request::Unmap(first),
        Request::Unmap(inside),
        Request::Unmap(end),
        Request::Split(first),
        Request::Split(inside),
        Request::Split(end),
        Request::Madvise(inside),
        Request::Prefetch(inside),
        map(old.area(), 1, u64::MAX - length + 1),
        map(old.area(), 2, u64::MAX),
        map(old.area(), 0, u64::MAX),
    ];
    (old, requests)
}
