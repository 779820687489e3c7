// SPDX-License-Identifier: GPL-2.0

//! Commits with less memory than they need: nothing is lost, and with more memory they are done.

use super::{
    super::{
        list::Body,
        Cause,
        CommitError,
        Driver,
        Limits,
        Mapping,
        Prepared,
        Space,
        Span, //
    },
    gpu::{
        commit,
        expect,
        ops,
        prepare,
        settled,
        space,
        span,
        Ask,
        Few,
        Gpu,
        Seen, //
    },
};
use crate::{
    cx::{
        Cx,
        Process,
        SignalLock, //
    },
    gfp::{
        self,
        Allocate,
        Gfp, //
    },
    kunit::process,
    maple::Reservation, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// As many mappings as do not fit into one node, which is what too small a reservation is good for.
const MANY: u64 = 60;

const fn map(addr: u64, length: u64) -> Ask {
    Ask::Map {
        addr,
        length,
        object: 1,
        offset: 0,
    }
}

/// A space of two mappings at 0 and 100, and of many above 1000.
fn grown(cx: &mut Cx<'_, Process>) -> Result<Arc<Space<Gpu>>> {
    let space = space(cx)?;
    for addr in [0, 100] {
        drop(commit(cx, &space, map(addr, 100), 1)?);
    }
    for number in 0..MANY {
        drop(commit(cx, &space, map(1000 + 2 * number, 1), 2)?);
    }
    Ok(space)
}

/// What is mapped at all, and what of it below 1000.
fn low(space: &Space<Gpu>, cx: &mut Cx<'_, Process>) -> (usize, Few<(u64, u64)>) {
    space.read_locked(cx, |view| {
        let all = space.limits().space();
        let count = view.iter(all).count();
        let low = view.iter(all).map(|mapping| mapping.span());
        let low = low.filter(|span| span.addr() < 1000);
        (
            count,
            low.map(|span| (span.addr(), span.length())).collect(),
        )
    })
}

/// Changes what was prepared.
fn change<D: Driver>(
    prepared: &mut Prepared<D>,
    mut f: impl FnMut(&mut Body<D>) -> Result,
) -> Result {
    let changed = prepared.0.try_each(&mut f);
    changed.map_err(|(_, error)| error)
}

/// Leaves it nodes for a tree of one node.
fn starve<D: Driver>(cx: &mut Cx<'_, Process>, prepared: &mut Prepared<D>) -> Result {
    change(prepared, |body| {
        body.nodes = Some(Reservation::new(&mut gfp::kernel(cx), 1, 1)?);
        body.second = Some(Reservation::new(&mut gfp::kernel(cx), 1, 1)?);
        Ok(())
    })
}

/// That a commit is refused for lack of memory; what it gives back, and the operations that it did.
fn refused(
    cx: &mut Cx<'_, Process>,
    space: &Space<Gpu>,
    prepared: Prepared<Gpu>,
) -> Result<(Prepared<Gpu>, Few<Seen>)> {
    let Err(error) = cx.signalling(|cx| space.commit(cx, prepared)) else {
        return Err(EINVAL);
    };
    expect(error.cause, Cause::NoMemory)?;
    expect(error.prepared.is_short(), true)?;
    Ok((error.prepared, ops(&error.done)))
}

#[kunit_tests(strata_va_short)]
mod cases {
    use super::*;

    #[test]
    fn a_tree_that_grew_higher_refuses_what_is_too_small() -> Result {
        process(|cx| {
            let asks = [
                (map(40, 100), 3),
                (
                    Ask::Unmap {
                        addr: 40,
                        length: 20,
                    },
                    1,
                ),
                (
                    Ask::Split {
                        addr: 40,
                        length: 20,
                    },
                    1,
                ),
                (
                    Ask::Split {
                        addr: 40,
                        length: 100,
                    },
                    2,
                ),
            ];
            for (ask, done) in asks {
                let space = grown(cx)?;
                let before = low(&space, cx);
                let mut prepared = prepare(&space, &mut gfp::kernel(cx), ask, 3)?;
                expect(prepared.is_short(), false)?;
                starve(cx, &mut prepared)?;
                // As often as it is tried.
                for _ in 0..2 {
                    let seen;
                    (prepared, seen) = refused(cx, &space, prepared)?;
                    expect(seen, Few::of([]))?;
                    expect(low(&space, cx), before)?;
                    expect(prepared.requests().count(), 1)?;
                }

                prepared.top_up(&mut gfp::kernel(cx))?;
                expect(prepared.is_short(), false)?;
                let all = cx.signalling(|cx| space.commit(cx, prepared))?;
                expect(all.ops().count(), done)?;
                expect(low(&space, cx) == before, false)?;
                drop(all);
                drop(space);
                expect(settled(), true)?;
            }
            Ok(())
        })
    }

    #[test]
    fn what_changes_nothing_needs_no_memory() -> Result {
        process(|cx| {
            let space = grown(cx)?;
            for ask in [
                Ask::Unmap {
                    addr: 400,
                    length: 20,
                },
                Ask::Split {
                    addr: 100,
                    length: 100,
                },
            ] {
                let mut prepared = prepare(&space, &mut gfp::kernel(cx), ask, 3)?;
                starve(cx, &mut prepared)?;
                expect(ops(&space.commit(cx, prepared)?), Few::of([]))?;
            }
            drop(space);
            expect(settled(), true)
        })
    }

    #[test]
    fn of_several_those_before_are_done() -> Result {
        process(|cx| {
            let space = grown(cx)?;
            let first = prepare(&space, &mut gfp::kernel(cx), map(300, 10), 3)?;
            let mut second = prepare(&space, &mut gfp::kernel(cx), map(300, 20), 4)?;
            let third = prepare(&space, &mut gfp::kernel(cx), map(400, 10), 5)?;
            starve(cx, &mut second)?;

            let (mut prepared, seen) = refused(cx, &space, first.then(second).then(third))?;
            expect(seen, Few::of([Seen::Map((300, 10, 0), 1)]))?;
            expect(prepared.requests().count(), 2)?;
            let three = [(0, 100), (100, 100), (300, 10)];
            expect(low(&space, cx).1, Few::of(three))?;

            prepared.top_up(&mut gfp::kernel(cx))?;
            let done = space.commit(cx, prepared)?;
            let all = [
                Seen::Unmap(300, true),
                Seen::Map((300, 20, 0), 1),
                Seen::Map((400, 10, 0), 1),
            ];
            expect(ops(&done), Few::of(all))?;
            drop(done);
            drop(space);
            expect(settled(), true)
        })
    }

    #[test]
    fn both_cuts_are_made_or_none() -> Result {
        process(|cx| {
            let space = grown(cx)?;
            let before = low(&space, cx);
            let both = Ask::Split {
                addr: 50,
                length: 100,
            };
            let mut prepared = prepare(&space, &mut gfp::kernel(cx), both, 3)?;
            // There is enough for the first alone.
            change(&mut prepared, |body| {
                body.second = Some(Reservation::new(&mut gfp::kernel(cx), 1, 1)?);
                Ok(())
            })?;
            let (mut prepared, seen) = refused(cx, &space, prepared)?;
            expect(seen, Few::of([]))?;
            expect(low(&space, cx), before)?;

            prepared.top_up(&mut gfp::kernel(cx))?;
            let done = space.commit(cx, prepared)?;
            let cuts = [
                Seen::Cut(0, Some((0, 50, 0)), (50, 50, 50), None),
                Seen::Cut(100, None, (100, 50, 0), Some((150, 50, 50))),
            ];
            expect(ops(&done), Few::of(cuts))?;
            drop(done);
            drop(space);
            expect(settled(), true)
        })
    }

    #[test]
    fn in_a_kernel_that_needs_more_the_first_cut_is_told() -> Result {
        process(|cx| {
            let space = grown(cx)?;
            let both = Ask::Split {
                addr: 50,
                length: 100,
            };
            let mut prepared = prepare(&space, &mut gfp::kernel(cx), both, 3)?;
            change(&mut prepared, |body| {
                body.second = Some(Reservation::hollow());
                Ok(())
            })?;
            let (mut prepared, seen) = refused(cx, &space, prepared)?;
            let first = Seen::Cut(0, Some((0, 50, 0)), (50, 50, 50), None);
            expect(seen, Few::of([first]))?;
            let three = [(0, 50), (50, 50), (100, 100)];
            expect(low(&space, cx).1, Few::of(three))?;

            prepared.top_up(&mut gfp::kernel(cx))?;
            let done = space.commit(cx, prepared)?;
            let second = Seen::Cut(100, None, (100, 50, 0), Some((150, 50, 50)));
            expect(ops(&done), Few::of([second]))?;
            drop(done);

            // One that needs one store is as it was.
            let before = low(&space, cx);
            let mut prepared = prepare(&space, &mut gfp::kernel(cx), map(0, 10), 4)?;
            change(&mut prepared, |body| {
                body.nodes = Some(Reservation::hollow());
                Ok(())
            })?;
            let (mut prepared, seen) = refused(cx, &space, prepared)?;
            expect(seen, Few::of([]))?;
            expect(low(&space, cx), before)?;
            prepared.top_up(&mut gfp::kernel(cx))?;
            drop(space.commit(cx, prepared)?);
            drop(space);
            expect(settled(), true)
        })
    }

    #[test]
    fn nothing_of_the_drivers_is_dropped_in_a_signalling_section() -> Result {
        process(|cx| {
            HERE.store(kernel::current!().pid(), Relaxed);
            let class = crate::lock_class!(SignalLock, "va-short");
            let limits = Limits::from(span(0, 1 << 20)?);
            let space = Space::<Watched>::new(cx, class, limits);
            let space = gfp::kernel(cx).boxed_init(space)?;
            let mut made = 0;
            for number in 0..MANY {
                let at = span(2 * number, 1)?;
                let gfp = &mut gfp::kernel(cx);
                let map = space.prepare_map(gfp, at, Some(1), 0, Tracked::new(&mut made))?;
                drop(space.commit(cx, map)?);
            }
            let (gfp, at) = (&mut gfp::kernel(cx), span(0, 100)?);
            let one = space.prepare_map(gfp, at, Some(1), 0, Tracked::new(&mut made))?;
            let mut two = space.prepare_map(gfp, at, Some(1), 0, Tracked::new(&mut made))?;
            let three = space.prepare_map(gfp, at, Some(1), 0, Tracked::new(&mut made))?;
            let alone = space.prepare_map(gfp, at, Some(1), 0, Tracked::new(&mut made))?;
            starve(cx, &mut two)?;
            let dropped = cx.signalling(|cx| {
                let Err(CommitError { prepared, done, .. }) =
                    space.commit(cx, one.then(two).then(three))
                else {
                    return Err(EINVAL);
                };
                drop((prepared, done, alone));
                Ok(DROPPED_HERE.load(Relaxed))
            })?;
            expect(dropped, 0)?;
            // It waits for what was dropped; of what it still had one mapping is left.
            drop(space);
            HERE.store(0, Relaxed);
            expect(DROPPED.load(Relaxed), made)?;
            expect(SPARES.load(Relaxed), 0)
        })
    }
}

/// The task whose destructors are counted.
static HERE: Atomic<i32> = Atomic::new(0);
static DROPPED_HERE: Atomic<i64> = Atomic::new(0);
static DROPPED: Atomic<i64> = Atomic::new(0);
static SPARES: Atomic<i64> = Atomic::new(0);

fn note_drop() {
    if HERE.load(Relaxed) == kernel::current!().pid() {
        DROPPED_HERE.add(1, Relaxed);
    }
}

/// Data that says where it is dropped.
struct Tracked;

impl Tracked {
    fn new(made: &mut i64) -> Self {
        *made += 1;
        Self
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        note_drop();
        DROPPED.add(1, Relaxed);
    }
}

struct TrackedSpare;

impl Drop for TrackedSpare {
    fn drop(&mut self) {
        note_drop();
        SPARES.add(-1, Relaxed);
    }
}

struct Watched;

impl Driver for Watched {
    type Object = u64;
    type Data = Tracked;
    type Spare = TrackedSpare;

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result<TrackedSpare> {
        SPARES.add(1, Relaxed);
        Ok(TrackedSpare)
    }

    fn split(_old: &Mapping<Self>, _piece: Span, _spare: TrackedSpare) -> Tracked {
        DROPPED.add(-1, Relaxed);
        Tracked
    }
}
