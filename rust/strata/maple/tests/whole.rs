// SPDX-License-Identifier: GPL-2.0

//! What is done to all of a tree: draining and copying, with failures on the way.

use super::{
    super::{
        raw::Entry,
        Cause,
        Gaps,
        Mode,
        Plain,
        Range,
        Rcu,
        RcuBox,
        TryClone,
        Value, //
    },
    hold::{
        Guarded,
        Hold,
        Owned,
        Spun, //
    },
    ledger::{
        Boxed,
        Ledger,
        Token, //
    },
};
use crate::{
    cx::{
        Cx,
        Process, //
    },
    gfp::{
        self,
        Allocate,
        Gfp, //
    },
    kunit::process,
    sync, //
};
use core::ops::Deref;
use kernel::{
    alloc::AllocError,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// More than one node holds.
const COUNT: usize = 50;

/// Values at every third index, with a gap between two.
fn place(index: usize) -> Range {
    Range::new(3 * index, 3 * index + 1).unwrap_or(Range::ALL)
}

fn fill<V: Boxed, M: Mode<V>, H: Hold<V, M>>(
    hold: &mut H,
    cx: &mut Cx<'_, Process>,
    ledger: &Arc<Ledger>,
) -> Result {
    for index in 0..COUNT {
        let value = V::make(&mut gfp::kernel(cx), ledger, index)?;
        hold.with(cx, |tree, gfp| tree.insert(gfp, place(index), value))?;
    }
    Ok(())
}

fn drain<V, M, H>(cx: &mut Cx<'_, Process>) -> Result
where
    V: Boxed,
    M: Mode<V>,
    for<'t> M::Out<'t>: Gone,
    H: Hold<V, M>,
{
    let ledger = Ledger::new(cx)?;
    let mut hold = H::new(cx)?;
    // Twice: what was drained may be used again.
    for _ in 0..2 {
        fill(&mut hold, cx, &ledger)?;
        let mut next = 0;
        hold.with(cx, |tree, _| {
            tree.drain(|range, value| {
                assert_eq!((range, value.tag()), (place(next), next));
                next += 1;
            })
        })?;
        assert_eq!(next, COUNT);
        hold.with(cx, |tree, _| {
            tree.validate();
            assert!(tree.is_empty());
            assert_eq!(tree.height(), 0);
            assert!(tree.drain(|_, _| unreachable!()).is_ok());
        });
    }
    // Somebody's slot is not drained away.
    fill(&mut hold, cx, &ledger)?;
    hold.with(cx, |tree, _| {
        tree.tree.reserved().set(1);
        assert_eq!(tree.drain(|_, _| unreachable!()), Err(Cause::Reserved));
        tree.tree.reserved().set(0);
    });
    drop(hold);
    sync::rcu_barrier(cx);
    assert!(ledger.settled());
    Ok(())
}

/// A value that was taken out of a tree, whichever mode that was in.
trait Gone {
    fn tag(&self) -> usize;
}

impl<T: Deref<Target = Token>> Gone for T {
    fn tag(&self) -> usize {
        self.tag
    }
}

/// A box that can be copied so many times, and then there is no memory.
struct Fragile(KBox<Token>);

/// How many copies can be made.
static LEFT: Atomic<i64> = Atomic::new(0);

// SAFETY: All is that of the box in it.
unsafe impl Value for Fragile {
    type Ref<'a> = &'a Token;
    type Mut<'a> = &'a mut Token;
    const VALID: () = KBox::<Token>::VALID;

    fn into_entry(self) -> Entry {
        self.0.into_entry()
    }

    unsafe fn from_entry(entry: Entry) -> Self {
        // SAFETY: By the caller's promise.
        Self(unsafe { KBox::from_entry(entry) })
    }

    unsafe fn borrow<'a>(entry: Entry) -> &'a Token {
        // SAFETY: By the caller's promise.
        unsafe { KBox::<Token>::borrow(entry) }
    }

    unsafe fn borrow_mut<'a>(entry: Entry) -> &'a mut Token {
        // SAFETY: By the caller's promise.
        unsafe { KBox::<Token>::borrow_mut(entry) }
    }
}

impl TryClone for Fragile {
    fn try_clone<C: Allocate>(value: &Token, gfp: &mut Gfp<'_, C>) -> Result<Self, AllocError> {
        if LEFT.fetch_sub(1, Relaxed) <= 0 {
            return Err(AllocError);
        }
        let memory = gfp.with(KBox::new_uninit)?;
        Ok(Self(memory.write(value.again())))
    }
}

/// A tree that can be made a copy of another of its kind.
trait Copies<M: Mode<Fragile>>: Hold<Fragile, M> {
    fn copy(&mut self, from: &mut Self, cx: &mut Cx<'_, Process>) -> Result;
}

macro_rules! copies {
    ($hold:ident, $self:ident => $tree:expr) => {
        impl<M: Mode<Fragile>> Copies<M> for $hold<Fragile, M> {
            fn copy(&mut $self, from: &mut Self, cx: &mut Cx<'_, Process>) -> Result {
                from.with(cx, |source, gfp| $tree.as_mut().try_copy(source, gfp))
            }
        }
    };
}

copies!(Spun, self => self.0);
copies!(Guarded, self => self.tree);
copies!(Owned, self => self.0);

fn copy<M: Mode<Fragile>, H: Copies<M>>(cx: &mut Cx<'_, Process>) -> Result {
    let ledger = Ledger::new(cx)?;
    let mut hold = H::new(cx)?;
    for index in 0..COUNT {
        let value = Fragile(gfp::kernel(cx).boxed(Token::new(&ledger, index))?);
        hold.with(cx, |tree, gfp| tree.insert(gfp, place(index), value))?;
    }
    // The copy fails at each value once, and then does not.
    for copies in 0..=COUNT {
        LEFT.store(copies as i64, Relaxed);
        let mut copied = H::new(cx)?;
        let result = copied.copy(&mut hold, cx);
        assert_eq!(result.is_ok(), copies == COUNT);
        assert_eq!(ledger.alive(), (COUNT + copies) as i64);
        copied.with(cx, |tree, _| {
            tree.validate();
            let mut values = tree.iter(Range::ALL);
            for index in 0..copies {
                let value = values.next().map(|(range, value)| (range, value.tag));
                assert_eq!(value, Some((place(index), index)));
            }
            assert!(values.next().is_none());
        });
        drop(copied);
        // The source has what it had, and all of it is alive.
        assert_eq!(ledger.alive(), COUNT as i64);
        hold.with(cx, |tree, _| {
            for index in 0..COUNT {
                let value = tree
                    .entry(3 * index)
                    .map(|(range, value)| (range, value.id()));
                assert_eq!(value.map(|(range, _)| range), Some(place(index)));
            }
        });
    }
    // One that is not empty stays what it is, and slots of others are not copied.
    LEFT.store(2 * COUNT as i64, Relaxed);
    let mut other = H::new(cx)?;
    other.copy(&mut hold, cx)?;
    assert_eq!(other.copy(&mut hold, cx), Err(EINVAL));
    hold.with(cx, |tree, _| tree.tree.reserved().set(1));
    assert_eq!(H::new(cx)?.copy(&mut hold, cx), Err(EBUSY));
    hold.with(cx, |tree, _| tree.tree.reserved().set(0));
    assert_eq!(ledger.alive(), 2 * COUNT as i64);
    drop(other);
    drop(hold);
    assert!(ledger.settled());
    Ok(())
}

#[kunit_tests(strata_maple_whole)]
mod cases {
    use super::*;

    #[test]
    fn draining_hands_out_all() -> Result {
        process(|cx| {
            drain::<KBox<Token>, Plain, Spun<_, _>>(cx)?;
            drain::<KBox<Token>, Gaps, Guarded<_, _>>(cx)?;
            drain::<KBox<Token>, Gaps, Owned<_, _>>(cx)?;
            drain::<RcuBox<Token>, Rcu, Spun<_, _>>(cx)?;
            drain::<RcuBox<Token>, Rcu, Guarded<_, _>>(cx)
        })
    }

    #[test]
    fn copying_owns_its_values() -> Result {
        process(|cx| {
            copy::<Plain, Spun<_, _>>(cx)?;
            copy::<Gaps, Spun<_, _>>(cx)?;
            copy::<Plain, Guarded<_, _>>(cx)?;
            copy::<Gaps, Owned<_, _>>(cx)
        })
    }
}
