// SPDX-License-Identifier: GPL-2.0

//! Reserved slots: what others see of them, and that they are filled or given back.

use super::{
    super::{
        Cause,
        Gaps,
        Mode,
        Plain,
        Range,
        Rcu,
        RcuBox,
        Reservation,
        Spares, //
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
    small::range, //
};
use crate::{
    cx::{
        Cx,
        Process, //
    },
    gfp,
    kunit::process,
    sync, //
};
use kernel::prelude::*;

/// More than one node holds.
const COUNT: usize = 40;

fn place(index: usize) -> Range {
    range(4 * index, 4 * index + 2)
}

fn check<V: Boxed, M: Mode<V>, H: Hold<V, M>>(cx: &mut Cx<'_, Process>) -> Result {
    let ledger = Ledger::new(cx)?;
    let mut hold = H::new(cx)?;
    let mut other = H::new(cx)?;
    let mut slots = gfp::kernel(cx).vec(COUNT)?;
    for index in 0..COUNT {
        let slot = hold.with(cx, |tree, gfp| tree.reserve_slot(gfp, place(index)))?;
        slots.push_within_capacity(slot).map_err(|_| ENOMEM)?;
    }
    // They hold no value, and have no room for one.
    let mut spares = Spares::<V>::new(&mut gfp::kernel(cx))?;
    let value = V::make(&mut gfp::kernel(cx), &ledger, COUNT)?;
    let value = hold.with(cx, |tree, gfp| {
        tree.validate();
        assert!(!tree.is_empty());
        assert!(tree.load(place(7).first()).is_none());
        assert!(tree.iter(Range::ALL).next().is_none());
        assert!(tree.iter_rev(Range::ALL).next().is_none());
        assert_eq!(tree.slots(Range::ALL).count(), 2 * COUNT);
        assert_eq!(
            tree.erase(&mut *gfp, place(7).first())
                .map(|out| out.is_none()),
            Ok(true)
        );
        let refused = tree.reserve_slot(&mut *gfp, Range::at(place(7).last()));
        assert_eq!(refused.err(), Some(Cause::Occupied));
        let over = range(0, place(COUNT).last());
        match tree.store(gfp, over, Some(value), &mut spares, |_, _| unreachable!()) {
            Err(error) => {
                assert_eq!(error.cause, Cause::Reserved);
                error.value
            }
            Ok(()) => None,
        }
    });
    let value = value.ok_or(EINVAL)?;
    // One of another tree is refused, and both come back.
    let slot = slots.pop().ok_or(EINVAL)?;
    let back = other
        .with(cx, |tree, _| tree.fill(slot, value))
        .err()
        .ok_or(EINVAL)?;
    let (slot, value) = (back.slot, back.value);
    let back = other
        .with(cx, |tree, gfp| tree.release(slot, gfp))
        .err()
        .ok_or(EINVAL)?;
    assert_eq!(back.cause, Cause::NotThere);
    assert_eq!(back.slot.range(), place(COUNT - 1));
    hold.with(cx, |tree, _| tree.fill(back.slot, value))?;
    // Every second one is filled, the others are given back.
    let mut nodes = Reservation::new(&mut gfp::kernel(cx), COUNT, 1)?;
    let mut filled = 1;
    for (index, slot) in slots.into_iter().enumerate() {
        if index % 2 == 0 {
            hold.with(cx, |tree, _| tree.release(slot, &mut nodes))?;
            nodes = Reservation::new(&mut gfp::kernel(cx), COUNT, 1)?;
            continue;
        }
        let value = V::make(&mut gfp::kernel(cx), &ledger, index)?;
        hold.with(cx, |tree, _| tree.fill(slot, value))?;
        filled += 1;
    }
    hold.with(cx, |tree, gfp| {
        tree.validate();
        assert_eq!(tree.tree.reserved().get(), 0);
        let mut values = tree.iter(Range::ALL);
        for index in (1..COUNT).step_by(2) {
            let tag = if index == COUNT - 1 { COUNT } else { index };
            let found = values
                .next()
                .map(|(range, value)| (range, V::token(&value).tag));
            assert_eq!(found, Some((place(index), tag)));
        }
        assert!(values.next().is_none());
        // A place that was given back is one like any other, and one that is forgotten stays taken.
        let slot = tree.reserve_slot(&mut *gfp, place(2));
        assert!(slot.is_ok());
        assert_eq!(
            tree.reserve_slot(gfp, place(2)).err(),
            Some(Cause::Occupied)
        );
    });
    assert_eq!(ledger.alive(), filled);
    drop(hold);
    sync::rcu_barrier(cx);
    assert!(ledger.settled());
    Ok(())
}

#[kunit_tests(strata_maple_slot)]
mod cases {
    use super::*;

    #[test]
    fn a_slot_is_taken_until_it_is_filled_or_released() -> Result {
        process(|cx| {
            check::<KBox<Token>, Plain, Spun<_, _>>(cx)?;
            check::<KBox<Token>, Gaps, Guarded<_, _>>(cx)?;
            check::<KBox<Token>, Plain, Owned<_, _>>(cx)?;
            check::<RcuBox<Token>, Rcu, Spun<_, _>>(cx)
        })
    }
}
