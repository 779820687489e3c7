// SPDX-License-Identifier: GPL-2.0

//! `sweep`: whatever may fail does, at each of its allocations.
//!
//! Each operation is tried again and again, the first time with its first allocation failing, then
//! with its second one, until it needs no more. Until then nothing may have changed, and what it was
//! given comes back.
//!
//! | file | what fails |
//! |---|---|
//! | `stream.rs`, `work.rs` | whatever changes a tree, in one stream |
//! | `copies.rs` | copies of trees, of each size |
//! | `spaces.rs` | spaces of addresses, and what is prepared for them |
//! | `reserves.rs` | reserves |
//! | `buffers.rs` | buffers that are shared, and who uses them |

use super::{
    add, inject,
    ledger::{
        self,
        Boxed,
        Keeps,
        Name,
        Token, //
    },
    Counts,
};
use kernel::prelude::*;
use strata::{
    cx::SignalLock,
    gfp::{
        Allocate,
        Gfp,
        Kernel,
        NoWait, //
    },
    lock_class,
    maple::{
        Cause,
        Cycle,
        Exclusive,
        External,
        FindsGaps,
        Gaps,
        Locked,
        MapleTree,
        Mode,
        Nodes,
        Plain,
        Range,
        Rcu,
        RcuBox,
        Room,
        Spin,
        StoreError,
        TryClone,
        Value, //
    },
    prelude::*,
    sync::Mutex, //
};

mod buffers;
mod copies;
#[path = "../../rust/strata/maple/tests/hold.rs"]
mod hold;
mod reserves;
#[path = "../../rust/strata/maple/tests/rooms.rs"]
mod rooms;
mod spaces;
mod stream;
mod work;

use self::{
    hold::{
        Copies,
        Guarded,
        Hold,
        Owned,
        Spun, //
    },
    rooms::Rooms, //
};

/// Allocations of one operation: many more than there are.
const MOST: u32 = 500;

/// A class of allocations that is gone through.
trait Swept: Allocate + Sized {
    fn gfp<'a>(cx: &'a mut Cx<'_, Process>) -> Gfp<'a, Self>;
}

impl Swept for Kernel {
    fn gfp<'a>(cx: &'a mut Cx<'_, Process>) -> Gfp<'a, Self> {
        gfp::kernel(cx)
    }
}

impl Swept for NoWait {
    fn gfp<'a>(cx: &'a mut Cx<'_, Process>) -> Gfp<'a, Self> {
        gfp::nowait(cx)
    }
}

/// What an operation says that has other things to say too.
fn cause(error: Error) -> Cause {
    if error == ENOMEM {
        Cause::NoMemory
    } else {
        Cause::NotThere
    }
}

/// Tries `operation` until none of its allocations fails. `unchanged` looks after each failure.
fn tried<T, S>(
    counts: &Counts,
    state: &mut S,
    mut operation: impl FnMut(&mut S) -> Result<T, Cause>,
    mut unchanged: impl FnMut(&mut S) -> Result,
) -> Result<T> {
    for number in 1..MOST {
        match inject::with_nth(number, || operation(state)) {
            (Ok(result), failed) => {
                add(&counts.tolerated, failed.into());
                return Ok(result);
            }
            (Err(Cause::NoMemory), true) => add(&counts.failed, 1),
            (Err(cause), failed) => {
                ensure!(false, "{cause:?}, and an allocation failed: {failed}\n");
            }
        }
        unchanged(state)?;
    }
    pr_err!("it goes on failing\n");
    Err(EINVAL)
}

/// A tree of one's own, whose nodes may be waited for.
struct Patient<V: Value, M: Mode<V>>(Pin<KBox<MapleTree<V, Exclusive, M>>>);

impl<V: Value, M: Mode<V>> Hold<V, M> for Patient<V, M> {
    const NAME: &'static str = "exclusive, with GFP_KERNEL";
    type Class = Kernel;

    fn new(cx: &mut Cx<'_, Process>) -> Result<Self> {
        let tree = MapleTree::<V, Exclusive, M>::new();
        Ok(Self(gfp::kernel(cx).boxed_init(tree)?))
    }

    fn with<O>(
        &mut self,
        cx: &mut Cx<'_, Process>,
        f: impl for<'h, 't> FnOnce(&mut Locked<'h, 't, V, M>, &mut Gfp<'_, Kernel>) -> O,
    ) -> O {
        let mut tree = MapleTree::exclusive(self.0.as_mut());
        f(&mut tree, &mut gfp::kernel(cx))
    }
}

impl<V: TryClone, M: Mode<V>> Copies<V, M> for Patient<V, M> {
    fn copy(&mut self, from: &mut Self, cx: &mut Cx<'_, Process>) -> Result {
        from.with(cx, |source, gfp| self.0.as_mut().try_copy(source, gfp))
    }
}

/// Goes through so many operations, in trees of the same mode as `M`.
pub(crate) fn run<V: Boxed, M: Keeps<V>>(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    count: usize,
    seed: u32,
) -> Result {
    match M::NAME {
        Name::Plain => {
            all::<KBox<Token>, Plain>(cx, counts, count, seed)?;
            spaces::run(cx, counts, count, seed)?;
            reserves::run(cx, counts, count)?;
            buffers::run(cx, counts, count / 4)
        }
        Name::Gaps => all::<KBox<Token>, Gaps>(cx, counts, count, seed),
        Name::Rcu => all::<RcuBox<Token>, Rcu>(cx, counts, count, seed),
    }
}

/// Goes through all locks.
fn all<V, M>(cx: &mut Cx<'_, Process>, counts: &Counts, count: usize, seed: u32) -> Result
where
    V: Boxed + TryClone,
    M: Rooms<V>,
{
    under::<Patient<V, M>, V, M>(cx, counts, count / 2, seed)?;
    under::<Owned<V, M>, V, M>(cx, counts, count / 2, seed.wrapping_add(1))?;
    under::<Spun<V, M>, V, M>(cx, counts, count / 2, seed.wrapping_add(2))?;
    under::<Guarded<V, M>, V, M>(cx, counts, count / 2, seed.wrapping_add(3))
}

fn under<H, V, M>(cx: &mut Cx<'_, Process>, counts: &Counts, count: usize, seed: u32) -> Result
where
    H: Copies<V, M>,
    V: Boxed + TryClone,
    M: Rooms<V>,
{
    stream::run::<H, V, M>(cx, counts, count, seed)
        .and_then(|()| copies::run::<H, V, M>(cx, counts))
        .inspect_err(|_| pr_err!("... of a tree with a lock: {}\n", H::NAME))
}
