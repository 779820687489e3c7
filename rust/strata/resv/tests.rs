// SPDX-License-Identifier: GPL-2.0

//! Reservations: locks, rooms and fences.

use super::*;
use crate::{
    cx::{
        Level,
        Process,
        Reclaim, //
    },
    dev::work,
    fence::{
        Signaller,
        Timeline, //
    },
    gfp,
    kunit::process,
    maple::{
        External,
        MapleTree,
        NotTheLock,
        Number,
        Range, //
    },
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

fn resv(cx: &mut Cx<'_, Process>) -> Result<Arc<Resv<u32>>> {
    gfp::kernel(cx).arc_init(Resv::new(0))
}

fn publish(cx: &mut Cx<'_, Process>, timeline: &Timeline) -> Result<(ARef<Fence>, Signaller)> {
    let prepared = timeline.prepare(&mut gfp::kernel(cx))?;
    Ok(cx.signalling(|cx| prepared.publish(cx)))
}

fn add(cx: &mut Cx<'_, Process>, resv: &Resv<u32>, fence: &Fence, usage: Usage) -> Result {
    resv.lock(cx, |held, _, cx| {
        let slot = held.reserve_one(&mut gfp::kernel(cx))?;
        slot.add(cx, fence, usage)?;
        Ok(())
    })
}

#[kunit_tests(strata_resv)]
mod cases {
    use super::*;

    #[test]
    fn the_lock_guards_what_is_in_it() -> Result {
        process(|cx| {
            let resv = resv(cx)?;
            resv.lock(cx, |_, data, cx| {
                *data += 1;
                assert!(resv.try_lock(cx, |_, _, _| ()).is_none());
            });
            let seen = resv.lock_interruptible(cx, |_, data, _| *data)?;
            assert_eq!(seen, 1);
            let level = |cx: &mut Cx<'_, Reclaim>| {
                fn name<L: Level>(_: &Cx<'_, L>) -> &'static str {
                    L::NAME
                }
                resv.try_lock(cx, |_, _, cx| name(cx))
            };
            assert_eq!(cx.reclaim(level), Some("Reclaim"));
            Ok(())
        })
    }

    #[test]
    fn fences_stand_by_usage() -> Result {
        process(|cx| {
            let (resv, timeline) = (resv(cx)?, Timeline::new(cx, c"strata", c"resv")?);
            let other = Timeline::new(cx, c"strata", c"other")?;
            assert!(resv.is_signalled(cx, Usage::Bookkeep));
            let (write, first) = publish(cx, &timeline)?;
            let (book, second) = publish(cx, &other)?;
            add(cx, &resv, &write, Usage::Write)?;
            add(cx, &resv, &book, Usage::Bookkeep)?;
            assert!(resv.is_signalled(cx, Usage::Kernel));
            assert!(!resv.is_signalled(cx, Usage::Write));
            assert_eq!(resv.fences(&mut gfp::kernel(cx), Usage::Read)?.len(), 1);
            assert_eq!(resv.fences(&mut gfp::kernel(cx), Usage::Bookkeep)?.len(), 2);
            let mut seen = KVec::new();
            resv.lock(cx, |held, _, cx| {
                held.for_each(cx, Usage::Bookkeep, |fence, usage| {
                    let _ = seen.push((fence.context(), usage), GFP_KERNEL);
                });
            });
            let expected = [
                (timeline.context(), Usage::Write),
                (other.context(), Usage::Bookkeep),
            ];
            assert_eq!(&seen[..], &expected[..]);
            let waited = resv.wait_timeout(cx, Usage::Bookkeep, Wake::Done, 1)?;
            assert_eq!(waited, Waited::TimedOut);
            cx.signalling(|cx| first.signal(cx, Ok(())));
            assert!(resv.is_signalled(cx, Usage::Read));
            cx.signalling(|cx| second.signal(cx, Ok(())));
            let waited = resv.wait_timeout(cx, Usage::Bookkeep, Wake::Signal, 0)?;
            assert_eq!(waited, Waited::Signalled);
            assert!(resv
                .fences(&mut gfp::kernel(cx), Usage::Bookkeep)?
                .is_empty());
            Ok(())
        })
    }

    #[test]
    fn rooms_that_are_reserved_apart_add_up() -> Result {
        const EACH: usize = 40;
        process(|cx| {
            let resv = resv(cx)?;
            let mut pending = gfp::kernel(cx).vec(2 * EACH)?;
            let mut fences = gfp::kernel(cx).vec(2 * EACH)?;
            for _ in 0..2 * EACH {
                let timeline = Timeline::new(cx, c"strata", c"resv")?;
                let (fence, signaller) = publish(cx, &timeline)?;
                pending
                    .push_within_capacity((signaller, timeline))
                    .map_err(|_| EINVAL)?;
                fences.push_within_capacity(fence).map_err(|_| EINVAL)?;
            }
            resv.lock(cx, |held, _, cx| {
                assert_eq!(held.reserve(&mut gfp::kernel(cx), 0).err(), Some(EINVAL));
                assert_eq!(
                    held.reserve(&mut gfp::kernel(cx), u32::MAX).err(),
                    Some(E2BIG)
                );
                let some = held.reserve(&mut gfp::kernel(cx), EACH as u32)?;
                drop(held.reserve(&mut gfp::kernel(cx), 7)?);
                let more = held.reserve(&mut gfp::kernel(cx), EACH as u32)?;
                assert_eq!((some.len(), more.len()), (EACH, EACH));
                // Without room for all, the kernel would stop at the last of them.
                for (slot, fence) in Iterator::chain(some, more).zip(&fences) {
                    slot.add(cx, fence, Usage::Read)?;
                }
                Ok::<(), Error>(())
            })?;
            assert_eq!(
                resv.fences(&mut gfp::kernel(cx), Usage::Read)?.len(),
                2 * EACH
            );
            while let Some((signaller, timeline)) = pending.pop() {
                cx.signalling(|cx| signaller.signal(cx, Ok(())));
                drop(timeline);
            }
            assert!(resv.is_signalled(cx, Usage::Bookkeep));
            Ok(())
        })
    }

    #[test]
    fn a_container_is_given_back() -> Result {
        process(|cx| {
            let (resv, left) = (resv(cx)?, Timeline::new(cx, c"strata", c"left")?);
            let right = Timeline::new(cx, c"strata", c"right")?;
            let (a, first) = publish(cx, &left)?;
            let (b, second) = publish(cx, &right)?;
            let both = Fence::merge(&mut gfp::kernel(cx), &[a.clone(), b])?;
            resv.lock(cx, |held, _, cx| {
                let slot = held.reserve_one(&mut gfp::kernel(cx))?;
                let Err(Container { slot }) = slot.add(cx, &both, Usage::Read) else {
                    return Err(EINVAL);
                };
                slot.add(cx, &a, Usage::Read)?;
                Ok(())
            })?;
            cx.signalling(|cx| {
                first.signal(cx, Ok(()));
                second.signal(cx, Ok(()));
            });
            Ok(())
        })
    }

    #[test]
    fn many_are_locked_in_any_order() -> Result {
        process(|cx| {
            let all_of = [resv(cx)?, resv(cx)?, resv(cx)?];
            let mut calls = 0;
            many(cx, |many, cx| {
                calls += 1;
                for resv in [&all_of[2], &all_of[0], &all_of[2], &all_of[1], &all_of[0]] {
                    drop(many.lock(cx, resv)?.reserve_one(&mut gfp::kernel(cx))?);
                }
                for resv in &all_of {
                    assert!(resv.try_lock(cx, |_, _, _| ()).is_none());
                }
                Ok(())
            })?;
            // The debug kernel has some of them go back, to see whether they can.
            assert!(calls >= 1);
            for resv in &all_of {
                assert!(resv.try_lock(cx, |_, _, _| ()).is_some());
            }
            let locked = all(cx, &[&*all_of[0], &*all_of[1], &*all_of[0]], |held, cx| {
                for held in held {
                    drop(held.reserve_one(&mut gfp::kernel(cx))?);
                }
                Ok::<usize, Error>(held.len())
            })?;
            assert_eq!(locked, Ok(3));
            let result = many_interruptible(cx, |many, cx| {
                many.lock(cx, &all_of[0])?;
                Err::<(), Again>(EIO.into())
            });
            assert_eq!(result, Err(EIO));
            assert!(all_of[0].try_lock(cx, |_, _, _| ()).is_some());
            Ok(())
        })
    }

    #[test]
    fn a_tree_stands_under_a_reservation() -> Result {
        process(|cx| {
            let (guard, other) = (resv(cx)?, resv(cx)?);
            let tree = MapleTree::<Number, External<Arc<Resv<u32>>>>::new(cx, guard.clone());
            let tree = gfp::kernel(cx).boxed_init(tree)?;
            guard.lock(cx, |_, owner, cx| {
                let mut tree = tree.locked(owner).map_err(|NotTheLock| EINVAL)?;
                for index in 0..100 {
                    let value = Number::new(index).ok_or(EINVAL)?;
                    tree.insert(&mut gfp::kernel(cx), Range::at(index), value)?;
                }
                Ok::<(), Error>(())
            })?;
            other.lock(cx, |_, owner, _| assert!(tree.locked(owner).is_err()));
            let found = guard.lock(cx, |_, owner, _| {
                let tree = tree.locked(owner).map_err(|NotTheLock| EINVAL)?;
                Ok::<bool, Error>(tree.load(99).is_some() && tree.load(100).is_none())
            })?;
            assert!(found);
            Ok(())
        })
    }

    /// Locks two reservations in its own order, with time between them for another to do the same.
    struct Crossing {
        first: Arc<Resv<u32>>,
        second: Arc<Resv<u32>>,
        calls: Arc<Atomic<i32>>,
        done: Arc<Atomic<i32>>,
    }

    impl work::Item for Crossing {
        type Owner = crate::Strata;

        fn run(self, cx: &mut Cx<'_, Process>) {
            for _ in 0..ROUNDS {
                let result = many(cx, |many, cx| {
                    self.calls.fetch_add(1, Relaxed);
                    many.lock(cx, &self.first)?;
                    // SAFETY: The task may sleep.
                    unsafe { bindings::wait_one_jiffy() };
                    many.lock(cx, &self.second)?;
                    assert!(self.first.try_lock(cx, |_, _, _| ()).is_none());
                    assert!(self.second.try_lock(cx, |_, _, _| ()).is_none());
                    self.done.fetch_add(1, Relaxed);
                    Ok(())
                });
                if result.is_err() {
                    pr_err!("crossing locks: {result:?}\n");
                }
            }
        }
    }

    const ROUNDS: i32 = 20;

    #[test]
    fn who_would_deadlock_goes_back() -> Result {
        process(|cx| {
            let (a, b) = (resv(cx)?, resv(cx)?);
            let calls = gfp::kernel(cx).arc(Atomic::new(0))?;
            let done = gfp::kernel(cx).arc(Atomic::new(0))?;
            for (first, second) in [(&a, &b), (&b, &a)] {
                let item = Crossing {
                    first: first.clone(),
                    second: second.clone(),
                    calls: calls.clone(),
                    done: done.clone(),
                };
                work::Prepared::new(cx, item)?.queue(cx);
            }
            work::flush(cx);
            assert_eq!(done.load(Relaxed), 2 * ROUNDS);
            // Somebody did have to go back, or nothing was shown.
            assert!(calls.load(Relaxed) > 2 * ROUNDS);
            Ok(())
        })
    }
}
