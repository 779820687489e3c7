// SPDX-License-Identifier: GPL-2.0

//! What others see while one commits: what was there before, or what is there after.

use super::{
    gpu::{
        commit,
        expect,
        faults,
        prepare,
        settled,
        space,
        Ask,
        Gpu, //
    },
    random::Random,
    seed, //
};
use crate::{
    cx::{
        Cx,
        Process, //
    },
    dev::work,
    gfp,
    kunit::process,
    va::{
        Backing,
        Mapping,
        Prepared,
        Space, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Arc, //
    },
};

/// The addresses that are looked at: those below it.
const END: u64 = 192;

/// How often all is written at least, and looked at.
const WRITES: usize = 150;
const READS: i64 = 150;

/// Looks at a space, and says whether it makes sense.
type Check = fn(&Space<Gpu>, &rcu::Guard, &mut Random) -> bool;

/// What readers and writers share.
struct Watch {
    space: Arc<Space<Gpu>>,
    check: Check,
    stopped: Atomic<i32>,
    reads: Atomic<i64>,
    wrong: Atomic<i64>,
}

struct Reader(Arc<Watch>, u32);

impl work::Item for Reader {
    type Owner = crate::Strata;

    fn run(self, cx: &mut Cx<'_, Process>) {
        let Self(watch, seed) = &self;
        let mut random = Random::new(*seed);
        while watch.stopped.load(Relaxed) == 0 {
            {
                let guard = rcu::read_lock();
                if !(watch.check)(&watch.space, &guard, &mut random) {
                    watch.wrong.add(1, Relaxed);
                }
            }
            watch.reads.add(1, Relaxed);
            if cx.give_way().is_err() {
                return;
            }
        }
    }
}

/// Calls `write` again and again, while others look.
fn watched(
    cx: &mut Cx<'_, Process>,
    space: Arc<Space<Gpu>>,
    check: Check,
    mut write: impl FnMut(&mut Cx<'_, Process>, &Space<Gpu>, &mut Random) -> Result,
) -> Result {
    let watch = gfp::kernel(cx).arc(Watch {
        space,
        check,
        stopped: Atomic::new(0),
        reads: Atomic::new(0),
        wrong: Atomic::new(0),
    })?;
    let seed = seed();
    for number in 1..=2 {
        let reader = Reader(watch.clone(), seed.wrapping_add(number));
        work::Prepared::new(cx, reader)?.queue(cx);
    }
    let mut random = Random::new(seed);
    let mut result = Ok(());
    let mut writes = 0;
    // As many as it takes for the others to have looked often enough.
    while result.is_ok() && writes < 100_000 {
        if writes >= WRITES && watch.reads.load(Relaxed) >= READS {
            break;
        }
        result = write(cx, &watch.space, &mut random).and_then(|()| cx.give_way());
        writes += 1;
    }
    watch.stopped.store(1, Relaxed);
    work::flush(cx);
    let (reads, wrong) = (watch.reads.load(Relaxed), watch.wrong.load(Relaxed));
    drop(watch);
    result?;
    if reads < READS || wrong != 0 || !settled() {
        pr_err!("strata_va: {wrong} of {reads} reads were wrong\n");
        return Err(EINVAL);
    }
    Ok(())
}

fn object_of(mapping: &Mapping<Gpu>) -> usize {
    mapping.object().map_or(0, Backing::id)
}

/// Whether mappings follow each other without a gap or an overlap, and `each` says so of all.
fn is_covered<'r>(
    mappings: impl Iterator<Item = &'r Mapping<Gpu>>,
    mut each: impl FnMut(&Mapping<Gpu>) -> bool,
) -> bool {
    let mut passed = 0;
    for mapping in mappings {
        if mapping.span().addr() != passed || !each(mapping) {
            return false;
        }
        passed = mapping.span().end();
    }
    passed == END
}

/// A random part of what is looked at.
fn part(random: &mut Random) -> (u64, u64) {
    let (first, last) = random.range(END as usize, END as usize / 3);
    (first as u64, (last - first + 1) as u64)
}

/// A mapping of object 1 whose offset is its address: what is mapped where never changes by it.
fn same(addr: u64, length: u64) -> Ask {
    Ask::Map {
        addr,
        length,
        object: 1,
        offset: addr,
    }
}

fn always_the_same(space: &Space<Gpu>, guard: &rcu::Guard, random: &mut Random) -> bool {
    let is_same = |mapping: &Mapping<Gpu>| {
        object_of(mapping) == 1 && mapping.offset() == mapping.span().addr()
    };
    // All at one moment.
    let all = space.limits().space();
    if !space.read(guard, |view| is_covered(view.iter(all), is_same)) {
        return false;
    }
    // One after the other: whatever is done meanwhile, there is always one for what comes next.
    let mut passed = 0;
    for mapping in space.iter(guard, all) {
        if !mapping.span().contains(passed) || !is_same(mapping) {
            return false;
        }
        passed = mapping.span().end();
    }
    // And one.
    let addr = random.below(END as usize) as u64;
    let one = space.find(guard, addr);
    passed == END && one.is_some_and(|one| one.span().contains(addr) && is_same(one))
}

fn one_number_or_nothing(space: &Space<Gpu>, guard: &rcu::Guard, _random: &mut Random) -> bool {
    let all = space.limits().space();
    space.read(guard, |view| {
        let number = |mapping: &Mapping<Gpu>| mapping.data().number();
        match view.iter(all).next().map(number) {
            None => true,
            Some(first) => is_covered(view.iter(all), |mapping| number(mapping) == first),
        }
    })
}

fn the_last_or_the_next(space: &Space<Gpu>, guard: &rcu::Guard, _random: &mut Random) -> bool {
    let all = space.limits().space();
    space.read(guard, |view| {
        is_covered(view.iter(all), |mapping| {
            let own = mapping.offset() == mapping.span().addr();
            own && object_of(mapping) as u64 == mapping.data().number()
        })
    })
}

/// Maps all again, in random pieces that have one number.
fn in_pieces(
    cx: &mut Cx<'_, Process>,
    space: &Space<Gpu>,
    random: &mut Random,
    number: u64,
) -> Result<Prepared<Gpu>> {
    let mut end = END;
    let mut all: Option<Prepared<Gpu>> = None;
    while end > 0 {
        let length = (1 + random.below(64) as u64).min(end);
        end -= length;
        let one = prepare(space, &mut gfp::kernel(cx), same(end, length), number)?;
        all = Some(match all {
            Some(later) => one.then(later),
            None => one,
        });
    }
    all.ok_or(EINVAL)
}

#[kunit_tests(strata_va_readers)]
mod cases {
    use super::*;

    #[test]
    fn what_does_not_change_is_always_there() -> Result {
        process(|cx| {
            let space = space(cx)?;
            drop(commit(cx, &space, same(0, END), 0)?);
            watched(cx, space, always_the_same, |cx, space, random| {
                let mut pending: [Option<Prepared<Gpu>>; 4] = [const { None }; 4];
                for slot in &mut pending {
                    let (addr, length) = part(random);
                    let ask = match random.below(4) {
                        0 => Ask::Split { addr, length },
                        1 => Ask::SplitSparse { addr, length },
                        _ => same(addr, length),
                    };
                    *slot = Some(prepare(space, &mut gfp::kernel(cx), ask, 0)?);
                }
                // In another order than they were prepared in.
                for prepared in pending.into_iter().rev().flatten() {
                    let done = cx.signalling(|cx| space.commit(cx, prepared))?;
                    drop(done);
                }
                Ok(())
            })
        })
    }

    #[test]
    fn requests_together_are_seen_together() -> Result {
        process(|cx| {
            let space = space(cx)?;
            let mut number = 0;
            watched(cx, space, one_number_or_nothing, |cx, space, random| {
                number += 1;
                let all = in_pieces(cx, space, random, number)?;
                drop(space.commit(cx, all)?);
                // One that displaces many.
                let next = match random.below(2) {
                    0 => Ask::Unmap {
                        addr: 0,
                        length: END,
                    },
                    _ => same(0, END),
                };
                number += 1;
                drop(commit(cx, space, next, number)?);
                Ok(())
            })
        })
    }

    /// Commits at its own span, again and again.
    struct Writer(Arc<Space<Gpu>>, Ask, u64, Arc<Atomic<i64>>);

    impl work::Item for Writer {
        type Owner = crate::Strata;

        fn run(self, cx: &mut Cx<'_, Process>) {
            let Self(space, ask, number, failures) = self;
            for _ in 0..WRITES {
                // Two in flight at a time.
                let mut one = || prepare(&space, &mut gfp::kernel(cx), ask, number);
                let committed = match (one(), one()) {
                    (Ok(first), Ok(second)) => [first, second]
                        .into_iter()
                        .all(|prepared| space.commit(cx, prepared).is_ok()),
                    _ => false,
                };
                if !committed {
                    failures.add(1, Relaxed);
                }
                if cx.give_way().is_err() {
                    return;
                }
            }
        }
    }

    #[test]
    fn requests_in_flight_overlap() -> Result {
        process(|cx| {
            let map = |addr, end, object| Ask::Map {
                addr,
                length: end - addr,
                object,
                offset: addr,
            };
            let space = space(cx)?;
            drop(commit(cx, &space, map(0, END, 4), 4)?);
            let failures = gfp::kernel(cx).arc(Atomic::new(0))?;
            let asks = [map(1, 10, 1), map(10, 20, 2), map(5, 15, 3)];
            for (ask, number) in asks.into_iter().zip(1..) {
                let writer = Writer(space.clone(), ask, number, failures.clone());
                work::Prepared::new(cx, writer)?.queue(cx);
            }
            watched(cx, space, the_last_or_the_next, |cx, space, _| {
                drop(commit(cx, space, map(8, 12, 4), 4)?);
                Ok(())
            })?;
            expect((failures.load(Relaxed), faults()), (0, 0))
        })
    }
}
