// SPDX-License-Identifier: GPL-2.0

//! Priming: where a lock class stands, told to lockdep before the lock is first taken.

use crate::{
    bindings,
    cx::{
        Place,
        Rank,
        RankMap, //
    },
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::LockClassKey, //
};

/// How holders of a lock wait: `enum strata_link_kind` of the C helpers.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Rank = 0,
    Mutex,
    Spinlock,
    IrqSpinlock,
}

fn link(key: &'static LockClassKey, name: &'static CStr, kind: Kind) -> bindings::strata_link {
    bindings::strata_link {
        key: key.as_ptr(),
        name: name.as_char_ptr(),
        kind: kind as i32,
    }
}

/// Tells lockdep that locks of the class `key` stand at rank `R`.
///
/// The chain is: the kernel's level, the ranks before, the class, its rank, the ranks after, the
/// kernel's next level. Two classes of different ranks are thus ordered through the ranks' own
/// maps, even if no code ever takes both.
///
/// # Context
///
/// Acquires everything from `R::PLACE` on, and the mmap lock for places that need an mm.
pub(crate) fn prime<R: Rank>(
    key: &'static LockClassKey,
    name: &'static CStr,
    kind: Kind,
) -> Result {
    const {
        // The class and its rank are two more.
        assert!(
            R::BEFORE.len() + R::AFTER.len() + 2 <= MAX,
            "too many ranks in one set"
        )
    };
    let rank = |map: &'static RankMap| link(&map.key, map.name, Kind::Rank);
    let before = R::BEFORE.iter().map(|map| rank(map()));
    let after = R::AFTER.iter().map(|map| rank(map()));
    let own = [link(key, name, kind), rank(R::map())];

    let mut links = [const { pin_init::zeroed::<bindings::strata_link>() }; MAX];
    let mut count = 0;
    let mut add = |link| {
        if let Some(slot) = links.get_mut(count) {
            *slot = link;
            count += 1;
        }
    };
    before.for_each(&mut add);
    own.into_iter().for_each(&mut add);
    after.for_each(&mut add);
    prime_chain(R::PLACE, links.get(..count).unwrap_or(&[]))
}

const MAX: usize = bindings::STRATA_LINKS_MAX as usize;

fn prime_chain(place: Place, links: &[bindings::strata_link]) -> Result {
    // SAFETY: `links` is valid for reads of its length, and its keys and names are static.
    to_result(unsafe { bindings::prime(place.0, links.as_ptr(), links.len()) })
}
