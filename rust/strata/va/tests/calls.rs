// SPDX-License-Identifier: GPL-2.0

//! Each call, with what it says and what it refuses.

use super::gpu::{
    commit,
    expect,
    mapped,
    ops,
    prepare,
    settled,
    space,
    space_of,
    span,
    Ask,
    Data,
    Few,
    Object,
    Seen, //
};
use crate::{
    cx::SignalLock,
    gfp,
    kunit::process,
    va::{
        Backing,
        Cause,
        CommitError,
        Limits,
        MapError,
        Room,
        Span, //
    },
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

const fn map(addr: u64, length: u64) -> Ask {
    Ask::Map {
        addr,
        length,
        object: 1,
        offset: 0,
    }
}

#[kunit_tests(strata_va_calls)]
mod cases {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_refused_and_given_back() -> Result {
        process(|cx| {
            let limits = Limits::new(span(0x1000, 0x9000)?, Some(span(0x4000, 0x1000)?));
            let limits = limits.map_err(|_| EINVAL)?;
            let class = crate::lock_class!(SignalLock, "va-limits");
            let space = space_of(cx, class, limits)?;
            let refused = [
                // It begins before the space, ends after it, meets the kernel's, is outside.
                (0xfff, 2, 0),
                (0x9fff, 2, 0),
                (0x3fff, 2, 0),
                (0x4000, 0x1000, 0),
                (0x4fff, 1, 0),
                (0x20000, 1, 0),
                // Its offset overflows.
                (0x1000, 2, u64::MAX - 1),
            ];
            for (addr, length, offset) in refused {
                let at = span(addr, length)?;
                let gfp = &mut gfp::kernel(cx);
                let object = Some(Object::new(5));
                let error = space
                    .prepare_map(gfp, at, object, offset, Data::new(6))
                    .err();
                let Some(MapError {
                    object: Some(object),
                    data,
                    cause: EINVAL,
                }) = error
                else {
                    return Err(EINVAL);
                };
                expect((object.id(), data.number()), (5, 6))?;
                if offset == 0 {
                    expect(space.prepare_unmap(gfp, at).err(), Some(EINVAL))?;
                    expect(space.prepare_split(gfp, at).err(), Some(EINVAL))?;
                    expect(space.prepare_split_sparse(gfp, at).err(), Some(EINVAL))?;
                }
            }
            for (addr, length) in [(0x1000, 0x3000), (0x5000, 0x5000)] {
                drop(commit(cx, &space, map(addr, length), 1)?);
            }
            drop(space);
            expect(settled(), true)
        })
    }

    #[test]
    fn a_zero_range_is_no_span() {
        assert!(Span::new(0x1000, 0).is_err());
        assert!(Span::new(u64::MAX, 1).is_err());
    }

    #[test]
    fn the_highest_addresses_can_be_mapped() -> Result {
        process(|cx| {
            let limits = Limits::from(span(0, u64::MAX)?);
            let class = crate::lock_class!(SignalLock, "va-all");
            let space = space_of(cx, class, limits)?;
            drop(commit(cx, &space, map(0, u64::MAX), 1)?);
            drop(commit(cx, &space, map(u64::MAX - 2, 1), 2)?);
            let last = ((u64::MAX - 1, 1, u64::MAX - 1), 1, 1);
            let all = [
                ((0, u64::MAX - 2, 0), 1, 1),
                ((u64::MAX - 2, 1, 0), 1, 2),
                last,
            ];
            expect(mapped(&space), Few::of(all))?;
            expect(space.find(&rcu::read_lock(), u64::MAX).is_none(), true)?;
            drop(space);
            expect(settled(), true)
        })
    }

    #[test]
    fn what_was_prepared_for_another_space_is_given_back() -> Result {
        process(|cx| {
            let class = crate::lock_class!(SignalLock, "va-small");
            let limits = Limits::from(span(0, 0x100)?);
            let small = space_of(cx, class, limits)?;
            let space = space(cx)?;
            let inside = prepare(&space, &mut gfp::kernel(cx), map(0, 0x100), 1)?;
            let outside = prepare(&space, &mut gfp::kernel(cx), map(0x80, 0x100), 2)?;
            let after = prepare(&space, &mut gfp::kernel(cx), map(0, 8), 3)?;

            // What is before it was done, and what is after it was not.
            let Err(CommitError {
                prepared,
                done,
                cause,
            }) = small.commit(cx, inside.then(outside).then(after))
            else {
                return Err(EINVAL);
            };
            expect(cause, Cause::Outside)?;
            expect(ops(&done), Few::of([Seen::Map((0, 0x100, 0), 1)]))?;
            expect(prepared.requests().count(), 2)?;
            expect(mapped(&small), Few::of([((0, 0x100, 0), 1, 1)]))?;

            // It is as good as new.
            drop(done);
            let done = space.commit(cx, prepared)?;
            let both = [Seen::Map((0x80, 0x100, 0), 1), Seen::Map((0, 8, 0), 1)];
            expect(ops(&done), Few::of(both))?;
            drop(done);
            drop((small, space));
            expect(settled(), true)
        })
    }

    #[test]
    fn without_enough_memory_nothing_changes() -> Result {
        process(|cx| {
            let space = space(cx)?;
            drop(commit(cx, &space, map(0, 30), 1)?);
            for ask in [
                map(10, 10),
                Ask::Unmap {
                    addr: 10,
                    length: 10,
                },
                Ask::Split {
                    addr: 10,
                    length: 10,
                },
            ] {
                let mut prepared = prepare(&space, &mut gfp::kernel(cx), ask, 2)?;
                let mut nodes = None;
                let taken = prepared.0.try_each(|body| {
                    nodes = body.nodes.take();
                    Ok::<(), Error>(())
                });
                expect(taken.is_ok(), true)?;
                let Err(CommitError {
                    prepared,
                    done,
                    cause,
                }) = space.commit(cx, prepared)
                else {
                    return Err(EINVAL);
                };
                expect(cause, Cause::NoMemory)?;
                expect(ops(&done), Few::of([]))?;
                expect(mapped(&space), Few::of([((0, 30, 0), 1, 1)]))?;

                // With them it is done.
                drop(done);
                let mut prepared = prepared;
                let given = prepared.0.try_each(|body| {
                    body.nodes = nodes.take();
                    Ok::<(), Error>(())
                });
                expect(given.is_ok(), true)?;
                drop(space.commit(cx, prepared)?);
                drop(commit(cx, &space, map(0, 30), 1)?);
            }
            drop(space);
            expect(settled(), true)
        })
    }

    #[test]
    fn what_was_displaced_lives_as_long_as_it_is_looked_at() -> Result {
        process(|cx| {
            let space = space(cx)?;
            drop(commit(cx, &space, map(0, 10), 1)?);
            let done = commit(cx, &space, map(0, 10), 2)?;
            // Others may displace what it mapped.
            drop(commit(
                cx,
                &space,
                Ask::Unmap {
                    addr: 0,
                    length: 10,
                },
                3,
            )?);
            crate::sync::synchronize_rcu(cx);
            let both = [Seen::Unmap(0, true), Seen::Map((0, 10, 0), 1)];
            expect(ops(&done), Few::of(both))?;
            drop(done);
            drop(space);
            expect(settled(), true)
        })
    }

    #[test]
    fn what_is_prepared_may_outlive_its_space() -> Result {
        process(|cx| {
            let (space, other) = (space(cx)?, space(cx)?);
            let prepared = prepare(&space, &mut gfp::kernel(cx), map(0, 10), 1)?;
            drop(space);
            drop(prepared);
            // A worker drops what is in it, for which every space waits as it goes.
            drop(other);
            expect(settled(), true)
        })
    }

    #[test]
    fn many_requests_are_dropped_one_by_one() -> Result {
        process(|cx| {
            let space = space(cx)?;
            let mut all = prepare(&space, &mut gfp::kernel(cx), map(0, 1), 0)?;
            for number in 1..400 {
                all = prepare(&space, &mut gfp::kernel(cx), map(number, 1), number)?.then(all);
            }
            drop(all);
            drop(space);
            expect(settled(), true)
        })
    }

    #[test]
    fn pages_are_fetched_for_what_is_mapped() -> Result {
        process(|cx| {
            let space = space(cx)?;
            for (addr, length) in [(0, 10), (10, 10), (30, 10)] {
                drop(commit(cx, &space, map(addr, length), 1)?);
            }
            let guard = rcu::read_lock();
            let parts = space.prefetch(&guard, span(5, 30)?).map(|prefetch| {
                let part = prefetch.part;
                (prefetch.mapping.span().addr(), part.addr(), part.end())
            });
            let expected = [(0, 5, 10), (10, 10, 20), (30, 30, 35)];
            expect(parts.collect(), Few::of(expected))?;
            expect(space.prefetch(&guard, span(20, 10)?).count(), 0)?;
            drop(guard);

            let last = space.read_locked(cx, |view| {
                let mappings = view.iter(space.limits().space());
                mappings.last().map(|mapping| mapping.span().addr())
            });
            expect(last, Some(30))?;
            drop(space);
            expect(settled(), true)
        })
    }

    #[test]
    fn gaps_are_between_what_is_mapped_and_what_is_the_kernels() -> Result {
        process(|cx| {
            let limits = Limits::new(span(0x100, 0x100)?, Some(span(0x180, 0x10)?));
            let class = crate::lock_class!(SignalLock, "va-gaps");
            let space = space_of(cx, class, limits.map_err(|_| EINVAL)?)?;
            let whole = space.limits().space();
            let room = |size| Room::new(size);
            // Nothing is mapped: the largest gaps are what the kernel leaves.
            expect(
                space.find_gap(cx, room(0x80)?, whole),
                Some(span(0x100, 0x80)?),
            )?;
            expect(
                space.find_gap_rev(cx, room(0x70)?, whole),
                Some(span(0x190, 0x70)?),
            )?;
            expect(space.find_gap(cx, room(0x81)?, whole), None)?;

            drop(commit(cx, &space, map(0x108, 0x78), 1)?);
            drop(commit(cx, &space, map(0x1a0, 8), 1)?);
            expect(space.find_gap(cx, room(8)?, whole), Some(span(0x100, 8)?))?;
            expect(space.find_gap(cx, room(9)?, whole), Some(span(0x190, 9)?))?;
            expect(space.find_gap(cx, room(17)?, whole), Some(span(0x1a8, 17)?))?;
            expect(space.find_gap_rev(cx, room(0x59)?, whole), None)?;
            let aligned = room(16)?.aligned(32)?;
            expect(space.find_gap(cx, aligned, whole), Some(span(0x1c0, 16)?))?;
            expect(
                space.find_gap_rev(cx, aligned, whole),
                Some(span(0x1e0, 16)?),
            )?;
            // Only where it is looked for, and never outside of the space.
            let low = span(0, 0x1a4)?;
            expect(space.find_gap_rev(cx, room(9)?, low), Some(span(0x197, 9)?))?;
            expect(space.find_gap(cx, room(1)?, span(0x200, 0x100)?), None)?;
            drop(space);
            expect(settled(), true)
        })
    }
}
