// SPDX-License-Identifier: GPL-2.0

//! What is done to all of a tree: draining and copying, with failures on the way.

use super::{
    super::{
        raw::Entry,
        Cause,
        Gaps,
        Mode,
        Number,
        Plain,
        Range,
        Rcu,
        RcuBox,
        TryClone,
        Value, //
    },
    hold::{
        Copies,
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
    small::range, //
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
use core::{
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    alloc::AllocError,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Arc, //
    },
};

/// More than one node holds.
const COUNT: usize = 50;

/// Values at every third index, with a gap between two.
fn place(index: usize) -> Range {
    range(3 * index, 3 * index + 1)
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

fn copy<M: Mode<Fragile>, H: Copies<Fragile, M>>(cx: &mut Cx<'_, Process>) -> Result {
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

/// A tree of values that `make` makes, and a copy of it.
fn both<V: TryClone, M: Mode<V>, H: Copies<V, M>>(
    cx: &mut Cx<'_, Process>,
    mut make: impl FnMut(&mut Cx<'_, Process>, usize) -> Result<V>,
) -> Result<(H, H)> {
    let (mut source, mut copied) = (H::new(cx)?, H::new(cx)?);
    for index in 0..COUNT {
        let value = make(cx, index)?;
        source.with(cx, |tree, gfp| tree.insert(gfp, place(index), value))?;
    }
    copied.copy(&mut source, cx)?;
    for tree in [&mut source, &mut copied] {
        let right = tree.with(cx, |tree, _| {
            tree.validate();
            let ranges = tree.iter(Range::ALL).map(|(range, _)| range);
            ranges.eq((0..COUNT).map(place))
        });
        ensure!(right, "a value stands elsewhere\n");
    }
    Ok((source, copied))
}

/// Copies a tree of boxes, of which each has its own.
fn copy_boxes<V: Boxed + TryClone, M: Mode<V>, H: Copies<V, M>>(
    cx: &mut Cx<'_, Process>,
) -> Result {
    let ledger = Ledger::new(cx)?;
    let (source, mut copied) = both::<V, M, H>(cx, |cx, index| {
        V::make(&mut gfp::kernel(cx), &ledger, index)
    })?;
    let alive = ledger.alive();
    ensure!(alive == 2 * COUNT as i64, "{alive} boxes in two trees\n");
    drop(source);
    let right = copied.with(cx, |tree, _| {
        let tags = tree.iter(Range::ALL).map(|(_, value)| {
            let token = V::token(&value);
            (token.id() >= 0, token.tag)
        });
        tags.eq((0..COUNT).map(|index| (true, index)))
    });
    ensure!(right, "the copy has others than its source had\n");
    drop(copied);
    ensure!(ledger.settled(), "not all are dropped once\n");
    Ok(())
}

/// Something whose handles are counted.
struct Shared(Atomic<i64>);

static SHARED: Shared = Shared(Atomic::new(0));

// SAFETY: It is there for ever, whoever counts.
unsafe impl AlwaysRefCounted for Shared {
    fn inc_ref(&self) {
        self.0.add(1, Relaxed);
    }

    unsafe fn dec_ref(object: NonNull<Self>) {
        // SAFETY: It is there for ever.
        unsafe { object.as_ref() }.0.add(-1, Relaxed);
    }
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

    /// One value at 0 is the root itself: there is no slot to leave empty.
    #[test]
    fn a_copy_that_fails_at_the_root_takes_no_node() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let mut source = Spun::<Fragile, Plain>::new(cx)?;
            let value = Fragile(gfp::kernel(cx).boxed(Token::new(&ledger, 5))?);
            source.with(cx, |tree, gfp| tree.insert(gfp, Range::at(0), value))?;
            for left in [0, 1] {
                LEFT.store(left, Relaxed);
                let mut copied = Spun::<Fragile, Plain>::new(cx)?;
                let result = copied.copy(&mut source, cx);
                assert_eq!(result.is_ok(), left == 1);
                let (empty, height) = copied.with(cx, |tree, _| (tree.is_empty(), tree.height()));
                assert_eq!((empty, height), (left == 0, 0));
                assert_eq!(ledger.alive(), 1 + left);
            }
            drop(source);
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn copied_boxes_are_each_trees_own() -> Result {
        process(|cx| {
            copy_boxes::<KBox<Token>, Plain, Spun<_, _>>(cx)?;
            copy_boxes::<KBox<Token>, Gaps, Guarded<_, _>>(cx)?;
            copy_boxes::<RcuBox<Token>, Rcu, Spun<_, _>>(cx)?;
            copy_boxes::<RcuBox<Token>, Rcu, Guarded<_, _>>(cx)?;
            copy_boxes::<RcuBox<Token>, Rcu, Owned<_, _>>(cx)
        })
    }

    #[test]
    fn a_copy_is_read_without_a_lock_if_its_source_is() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let make = |cx: &mut Cx<'_, Process>, index| {
                RcuBox::make(&mut gfp::kernel(cx), &ledger, index)
            };
            let (mut source, copied) = both::<_, Rcu, Spun<RcuBox<Token>, _>>(cx, make)?;
            let guard = rcu::read_lock();
            let seen = copied.0.load(&guard, place(7).first());
            assert_eq!(seen.map(|token| token.tag), Some(7));
            assert_eq!(copied.0.iter(&guard, Range::ALL).count(), COUNT);
            drop(guard);
            source.with(cx, |tree, _| tree.drain(|_, value| drop(value)))?;
            let guard = rcu::read_lock();
            let mut values = copied.0.iter(&guard, Range::ALL);
            assert!(values.all(|(_, token)| token.id() >= 0));
            drop(guard);
            drop((source, copied));
            assert!(ledger.settled());
            Ok(())
        })
    }

    #[test]
    fn copied_handles_are_of_the_same() -> Result {
        process(|cx| {
            let ledger = Ledger::new(cx)?;
            let (source, mut copied) = both::<_, Plain, Owned<Arc<Token>, _>>(cx, |cx, index| {
                Ok(gfp::kernel(cx).arc(Token::new(&ledger, index))?)
            })?;
            assert_eq!(ledger.alive(), COUNT as i64);
            drop(source);
            assert_eq!(ledger.alive(), COUNT as i64);
            copied.with(cx, |tree, _| {
                let tag = tree.load(place(9).last()).map(|token| token.tag);
                assert_eq!(tag, Some(9));
            });
            drop(copied);
            assert!(ledger.settled());

            let (source, copied) =
                both::<_, Gaps, Spun<ARef<Shared>, _>>(cx, |_, _| Ok(ARef::from(&SHARED)))?;
            assert_eq!(SHARED.0.load(Relaxed), 2 * COUNT as i64);
            drop(source);
            assert_eq!(SHARED.0.load(Relaxed), COUNT as i64);
            drop(copied);
            assert_eq!(SHARED.0.load(Relaxed), 0);
            Ok(())
        })
    }

    #[test]
    fn copied_numbers_are_the_same() -> Result {
        process(|cx| {
            let number = |index| Number::new(index).ok_or(EINVAL);
            let (_source, mut copied) =
                both::<_, Plain, Guarded<Number, _>>(cx, |_, index| number(index))?;
            copied.with(cx, |tree, _| {
                let numbers = tree.iter(Range::ALL).map(|(_, number)| number.get());
                assert!(numbers.eq(0..COUNT));
            });
            Ok(())
        })
    }
}
