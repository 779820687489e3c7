// SPDX-License-Identifier: GPL-2.0

//! Fences of our own, from preparation to signal.

use super::*;
use crate::{
    bindings,
    cx::{
        self,
        Cx,
        FenceCallback,
        Process,
        Signalling, //
    },
    dev::work,
    gfp,
    kunit::process,
};
use core::mem::ManuallyDrop;
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

fn canceled() -> Error {
    Error::from_errno(-(bindings::ECANCELED as i32))
}

fn timeline(cx: &mut Cx<'_, Process>) -> Result<Timeline> {
    Timeline::new(cx, c"strata", c"test")
}

/// Publishes one more.
fn publish(cx: &mut Cx<'_, Process>, timeline: &Timeline) -> Result<(ARef<Fence>, Signaller)> {
    let prepared = timeline.prepare(&mut gfp::kernel(cx))?;
    Ok(cx.signalling(|cx| prepared.publish(cx)))
}

fn signal(cx: &mut Cx<'_, Process>, signaller: Signaller, outcome: Result) {
    cx.signalling(|cx| signaller.signal(cx, outcome));
}

mod jobs;

#[kunit_tests(strata_fence)]
mod cases {
    use super::*;

    #[test]
    fn a_fence_is_signalled_once_with_its_outcome() -> Result {
        process(|cx| {
            let timeline = timeline(cx)?;
            let (good, first) = publish(cx, &timeline)?;
            let (bad, second) = publish(cx, &timeline)?;
            assert_eq!(good.context(), timeline.context());
            assert_eq!((good.seqno(), bad.seqno()), (1, 2));
            assert_eq!(good.status(), None);
            assert_eq!(good.timestamp(), None);
            signal(cx, first, Ok(()));
            signal(cx, second, Err(EIO));
            assert_eq!(good.status(), Some(Ok(())));
            assert_eq!(bad.status(), Some(Err(EIO)));
            assert!(good.timestamp() <= bad.timestamp());
            assert!(good.timestamp() > Some(0));
            good.wait(cx, Wake::Done)?;
            bad.wait(cx, Wake::Signal)
        })
    }

    #[test]
    fn fences_are_signalled_in_the_order_of_their_publication() -> Result {
        process(|cx| {
            let timeline = timeline(cx)?;
            let (a, first) = publish(cx, &timeline)?;
            let (b, second) = publish(cx, &timeline)?;
            let (c, third) = publish(cx, &timeline)?;
            signal(cx, third, Err(EIO));
            signal(cx, second, Ok(()));
            assert_eq!((a.status(), b.status(), c.status()), (None, None, None));
            signal(cx, first, Ok(()));
            assert_eq!(a.status(), Some(Ok(())));
            assert_eq!(b.status(), Some(Ok(())));
            assert_eq!(c.status(), Some(Err(EIO)));
            Ok(())
        })
    }

    #[test]
    fn a_dropped_signaller_cancels() -> Result {
        process(|cx| {
            let timeline = timeline(cx)?;
            let (fence, signaller) = publish(cx, &timeline)?;
            drop(signaller);
            assert_eq!(fence.status(), Some(Err(canceled())));
            Ok(())
        })
    }

    #[test]
    fn the_end_of_a_timeline_signals_what_is_left() -> Result {
        process(|cx| {
            let timeline = timeline(cx)?;
            let (forgotten, signaller) = publish(cx, &timeline)?;
            // As good as forgotten until the end of the test, for kmemleak's sake.
            let signaller = ManuallyDrop::new(signaller);
            let (done, second) = publish(cx, &timeline)?;
            let (late, third) = publish(cx, &timeline)?;
            let prepared = timeline.prepare(&mut gfp::kernel(cx))?;
            signal(cx, second, Ok(()));
            drop(timeline);
            assert_eq!(forgotten.status(), Some(Err(canceled())));
            assert_eq!(done.status(), Some(Ok(())));
            assert_eq!(late.status(), Some(Err(canceled())));
            // Too late to be heard, and no fault.
            signal(cx, third, Ok(()));
            assert_eq!(late.status(), Some(Err(canceled())));
            let (after, fourth) = cx.signalling(|cx| prepared.publish(cx));
            assert_eq!(after.status(), Some(Err(canceled())));
            signal(cx, fourth, Ok(()));
            drop(ManuallyDrop::into_inner(signaller));
            assert_eq!(forgotten.status(), Some(Err(canceled())));
            Ok(())
        })
    }

    #[test]
    fn what_was_never_published_is_no_fence() -> Result {
        process(|cx| {
            let timeline = timeline(cx)?;
            let unused = timeline.prepare(&mut gfp::kernel(cx))?;
            let (fence, signaller) = publish(cx, &timeline)?;
            drop(unused);
            assert_eq!(fence.seqno(), 1);
            signal(cx, signaller, Ok(()));
            Ok(())
        })
    }

    #[test]
    fn names_that_user_space_could_not_be_told_are_refused() {
        process(|cx| {
            let longest = c"1234567890123456789012345678901";
            let longer = c"12345678901234567890123456789012";
            let refused = Some(Error::from_errno(-(bindings::ENAMETOOLONG as i32)));
            assert!(Timeline::new(cx, longest, longest).is_ok());
            assert_eq!(Timeline::new(cx, longer, c"").err(), refused);
            assert_eq!(Timeline::new(cx, c"", longer).err(), refused);
        });
    }

    #[test]
    fn a_wait_ends_with_its_time() -> Result {
        process(|cx| {
            let timeline = timeline(cx)?;
            let (fence, signaller) = publish(cx, &timeline)?;
            for wake in [Wake::Done, Wake::Killed, Wake::Signal] {
                assert_eq!(fence.wait_timeout(cx, wake, 0)?, Waited::TimedOut);
                assert_eq!(fence.wait_timeout(cx, wake, 1)?, Waited::TimedOut);
            }
            signal(cx, signaller, Err(EIO));
            for wake in [Wake::Done, Wake::Killed, Wake::Signal] {
                assert_eq!(fence.wait_timeout(cx, wake, 0)?, Waited::Signalled);
                fence.wait(cx, wake)?;
            }
            Ok(())
        })
    }

    /// Counts its calls, and looks at the fence.
    struct Count(Arc<Atomic<i32>>);

    impl Callback for Count {
        type Owner = crate::Strata;

        fn called(&self, _cx: &mut Cx<'_, FenceCallback, cx::Atomic>, fence: &Fence) {
            let outcome = fence.status().map_or(100, |outcome| {
                outcome.err().map_or(1, |error| error.to_errno())
            });
            self.0.fetch_add(outcome, Relaxed);
        }
    }

    #[test]
    fn a_callback_is_called_if_it_is_armed() -> Result {
        process(|cx| {
            let timeline = timeline(cx)?;
            let count = gfp::kernel(cx).arc(Atomic::new(0))?;
            let waiter = Waiter::new(&mut gfp::kernel(cx), Count(count.clone()))?;
            let (fence, signaller) = publish(cx, &timeline)?;
            let armed = waiter.arm(cx, fence.clone()).map_err(|_| EINVAL)?;
            assert_eq!(count.load(Relaxed), 0);
            signal(cx, signaller, Ok(()));
            assert_eq!(count.load(Relaxed), 1);
            // It is there again, and a fence that is signalled gives it back.
            let waiter = armed.disarm(cx);
            let waiter = match waiter.arm(cx, fence) {
                Ok(_) => return Err(EINVAL),
                Err(waiter) => waiter,
            };
            let (fence, signaller) = publish(cx, &timeline)?;
            let waiter = waiter.arm(cx, fence).map_err(|_| EINVAL)?.disarm(cx);
            signal(cx, signaller, Ok(()));
            assert_eq!(count.load(Relaxed), 1);
            let (fence, signaller) = publish(cx, &timeline)?;
            drop(waiter.arm(cx, fence).map_err(|_| EINVAL)?);
            signal(cx, signaller, Ok(()));
            assert_eq!(count.load(Relaxed), 1);
            // Ours is the only reference again: nothing of it is left.
            assert!(Arc::into_unique_or_drop(count).is_some());
            Ok(())
        })
    }

    /// Finds that a fence was signalled while one before it was not.
    struct Ordered {
        last: Arc<Atomic<i32>>,
        place: i32,
    }

    impl Callback for Ordered {
        type Owner = crate::Strata;

        fn called(&self, _cx: &mut Cx<'_, FenceCallback, cx::Atomic>, _fence: &Fence) {
            // One that is out of order stops the count.
            let _ = self.last.cmpxchg(self.place, self.place + 1, Relaxed);
        }
    }

    #[test]
    fn workers_on_all_processors_signal_in_order() -> Result {
        const JOBS: i32 = 300;
        process(|cx| {
            let timeline = timeline(cx)?;
            let last = gfp::kernel(cx).arc(Atomic::new(0))?;
            let mut armed = gfp::kernel(cx).vec(JOBS as usize)?;
            let mut pending = gfp::kernel(cx).vec(JOBS as usize)?;
            for place in 0..JOBS {
                let (fence, signaller) = publish(cx, &timeline)?;
                let callback = Ordered {
                    last: last.clone(),
                    place,
                };
                let waiter = Waiter::new(&mut gfp::kernel(cx), callback)?;
                let waiter = waiter.arm(cx, fence.clone()).map_err(|_| EINVAL)?;
                armed.push_within_capacity(waiter).map_err(|_| EINVAL)?;
                let item = work::Prepared::new(cx, SignalLater(signaller))?;
                pending.push_within_capacity(item).map_err(|_| EINVAL)?;
            }
            // The last is queued first, so that most of them are done out of order.
            while let Some(item) = pending.pop() {
                item.queue(cx);
            }
            if let Some(armed) = armed.last() {
                armed.fence().wait(cx, Wake::Done)?;
            }
            armed.clear();
            assert_eq!(last.load(Relaxed), JOBS);
            Ok(())
        })
    }

    #[test]
    fn a_merged_fence_is_signalled_after_all() -> Result {
        process(|cx| {
            let (left, right) = (timeline(cx)?, timeline(cx)?);
            let (a, first) = publish(cx, &left)?;
            let (b, second) = publish(cx, &right)?;
            let both = Fence::merge(&mut gfp::kernel(cx), &[a, b])?;
            let three = Fence::merge(&mut gfp::kernel(cx), &[both.clone(), Fence::signalled()])?;
            let none = Fence::merge(&mut gfp::kernel(cx), &[])?;
            assert_eq!(none.status(), Some(Ok(())));
            signal(cx, first, Err(EIO));
            assert_eq!(both.poll(cx), None);
            signal(cx, second, Ok(()));
            three.wait(cx, Wake::Done)?;
            both.wait(cx, Wake::Done)?;
            assert_eq!(both.status(), Some(Err(EIO)));
            Ok(())
        })
    }

    #[test]
    fn a_section_waits_for_lower_timelines_alone() -> Result {
        process(|cx| {
            let low = timeline(cx)?;
            let same = timeline(cx)?;
            let high = Timeline::after(cx, c"strata", c"high", &[&low])?;
            let higher = Timeline::after(cx, c"strata", c"higher", &[&same, &high])?;
            let (fence, signaller) = publish(cx, &low)?;
            assert!(Dependency::new(fence.clone(), &low).is_none());
            assert!(Dependency::new(fence.clone(), &same).is_none());
            assert!(Dependency::new(fence.clone(), &high).is_some());
            let dependency = Dependency::new(fence, &higher).ok_or(EINVAL)?;
            let (own, other) = publish(cx, &higher)?;
            assert!(Dependency::new(own.clone(), &high).is_none());
            signal(cx, signaller, Err(EIO));
            assert_eq!(cx.signalling(|cx| dependency.wait(cx)), Err(EIO));
            signal(cx, other, Ok(()));
            // What is signalled depends on nobody.
            assert!(Dependency::new(own, &low).is_some());
            Ok(())
        })
    }

    struct SignalLater(Signaller);

    impl work::Item for SignalLater {
        type Owner = crate::Strata;

        fn run(self, cx: &mut Cx<'_, Process>) {
            signal(cx, self.0, Ok(()));
        }
    }

    #[test]
    fn who_waits_is_woken() -> Result {
        process(|cx| {
            let timeline = timeline(cx)?;
            for wake in [Wake::Done, Wake::Killed, Wake::Signal] {
                let (fence, signaller) = publish(cx, &timeline)?;
                let item = work::Prepared::new(cx, SignalLater(signaller))?;
                item.queue(cx);
                fence.wait(cx, wake)?;
                assert_eq!(fence.status(), Some(Ok(())));
            }
            Ok(())
        })
    }

    /// Counts its calls, and has the fence given up at the second.
    struct Resets {
        calls: Arc<Atomic<i32>>,
        pending: Arc<kernel::sync::Mutex<Option<Signaller>>>,
    }

    impl Hang for Resets {
        type Owner = crate::Strata;

        fn hung(&self, cx: &mut Cx<'_, Signalling>, fence: &Fence) {
            assert_eq!(fence.status(), None);
            if self.calls.fetch_add(1, Relaxed) > 0 {
                if let Some(signaller) = self.pending.lock().take() {
                    signaller.signal(cx, Err(EIO));
                }
            }
        }
    }

    #[test]
    fn a_watchdog_finds_what_nobody_signals() -> Result {
        process(|cx| {
            let watched = timeline(cx)?;
            let calls = gfp::kernel(cx).arc(Atomic::new(0))?;
            let pending = gfp::kernel(cx).arc_init(kernel::new_mutex!(None))?;
            let resets = || Resets {
                calls: calls.clone(),
                pending: pending.clone(),
            };
            assert_eq!(Watchdog::new(cx, &watched, 0, resets()).err(), Some(EINVAL));
            let watchdog = Watchdog::new(cx, &watched, 2, resets())?;
            assert_eq!(Watchdog::new(cx, &watched, 2, resets()).err(), Some(EBUSY));
            // What is signalled in time is not looked at.
            let (fence, signaller) = publish(cx, &watched)?;
            signal(cx, signaller, Ok(()));
            assert_eq!(fence.status(), Some(Ok(())));
            let (fence, signaller) = publish(cx, &watched)?;
            *pending.lock() = Some(signaller);
            fence.wait(cx, Wake::Done)?;
            assert_eq!(fence.status(), Some(Err(EIO)));
            assert_eq!(calls.load(Relaxed), 2);
            // One that hangs when its watchdog goes is the timeline's to end.
            let (fence, signaller) = publish(cx, &watched)?;
            drop(watchdog);
            let again = Watchdog::new(cx, &watched, 1000, resets())?;
            drop(watched);
            assert_eq!(fence.status(), Some(Err(canceled())));
            signal(cx, signaller, Ok(()));
            drop(again);
            assert_eq!(calls.load(Relaxed), 2);
            Ok(())
        })
    }
}
