// SPDX-License-Identifier: GPL-2.0

//! Jobs, and what they wait for.

use super::*;

#[kunit_tests(strata_fence_jobs)]
mod cases {
    use super::*;

    /// Signals its fence with what its dependencies came to, and counts.
    struct Pass(Arc<Atomic<i32>>);

    impl Job for Pass {
        type Owner = crate::Strata;

        fn run(self, cx: &mut Cx<'_, Signalling>, dependencies: Result, signaller: Signaller) {
            self.0.fetch_add(1, Relaxed);
            signaller.signal(cx, dependencies);
        }
    }

    /// A job that waits for `fences`.
    fn prepared(
        cx: &mut Cx<'_, Process>,
        timeline: &Timeline,
        runs: &Arc<Atomic<i32>>,
        fences: &[ARef<Fence>],
    ) -> Result<PreparedJob<Pass>> {
        let fence = timeline.prepare(&mut gfp::kernel(cx))?;
        Ok(PreparedJob::new(cx, Pass(runs.clone()), fence, fences)?)
    }

    /// A job that is queued and waits for `fences`; what it signals.
    fn pass(
        cx: &mut Cx<'_, Process>,
        timeline: &Timeline,
        runs: &Arc<Atomic<i32>>,
        fences: &[ARef<Fence>],
    ) -> Result<ARef<Fence>> {
        let job = prepared(cx, timeline, runs, fences)?;
        Ok(cx.signalling(|cx| job.queue(cx)))
    }

    #[test]
    fn a_job_runs_after_its_fences() -> Result {
        process(|cx| {
            let (input, output) = (timeline(cx)?, timeline(cx)?);
            let runs = gfp::kernel(cx).arc(Atomic::new(0))?;
            let free = pass(cx, &output, &runs, &[])?;
            free.wait(cx, Wake::Done)?;
            assert_eq!(runs.load(Relaxed), 1);

            let (a, first) = publish(cx, &input)?;
            let (b, second) = publish(cx, &input)?;
            let bound = pass(cx, &output, &runs, &[a.clone(), free.clone(), b, a])?;
            assert_eq!(bound.wait_timeout(cx, Wake::Done, 2)?, Waited::TimedOut);
            signal(cx, first, Err(EIO));
            assert_eq!(bound.wait_timeout(cx, Wake::Done, 2)?, Waited::TimedOut);
            assert_eq!(runs.load(Relaxed), 1);
            signal(cx, second, Err(EINVAL));
            bound.wait(cx, Wake::Done)?;
            assert_eq!(runs.load(Relaxed), 2);
            assert_eq!(bound.status(), Some(Err(EIO)));
            Ok(())
        })
    }

    #[test]
    fn a_job_that_is_never_queued_is_freed() -> Result {
        process(|cx| {
            let timeline = timeline(cx)?;
            let runs = gfp::kernel(cx).arc(Atomic::new(0))?;
            drop(prepared(cx, &timeline, &runs, &[Fence::signalled()])?);
            let fence = pass(cx, &timeline, &runs, &[])?;
            assert_eq!(fence.seqno(), 1);
            fence.wait(cx, Wake::Done)?;
            assert_eq!(runs.load(Relaxed), 1);
            Ok(())
        })
    }

    #[test]
    fn a_job_that_is_published_waits_to_be_queued() -> Result {
        process(|cx| {
            let timeline = timeline(cx)?;
            let runs = gfp::kernel(cx).arc(Atomic::new(0))?;
            let job = prepared(cx, &timeline, &runs, &[Fence::signalled()])?;
            let (published, fence) = cx.signalling(|cx| {
                let published = job.publish(cx);
                let fence = published.fence().clone();
                (published, fence)
            });
            assert_eq!(fence.wait_timeout(cx, Wake::Done, 2)?, Waited::TimedOut);
            assert_eq!(runs.load(Relaxed), 0);
            cx.signalling(|cx| published.queue(cx));
            fence.wait(cx, Wake::Done)?;
            assert_eq!(fence.status(), Some(Ok(())));
            assert_eq!(runs.load(Relaxed), 1);
            Ok(())
        })
    }

    #[test]
    fn a_job_does_not_outlast_its_timeline() -> Result {
        process(|cx| {
            let (input, output) = (timeline(cx)?, timeline(cx)?);
            let runs = gfp::kernel(cx).arc(Atomic::new(0))?;
            let (never, signaller) = publish(cx, &input)?;
            let done = Fence::signalled();
            let first = pass(cx, &output, &runs, &[never.clone(), done, never.clone()])?;
            let second = pass(cx, &output, &runs, &[first.clone()])?;
            assert_eq!(second.wait_timeout(cx, Wake::Done, 2)?, Waited::TimedOut);
            drop(output);
            for fence in [first, second] {
                assert_eq!(fence.status(), Some(Err(canceled())));
            }
            // They are not kept by a fence that may never be signalled.
            while runs.load(Relaxed) < 2 {
                cx.give_way()?;
            }
            assert_eq!(never.status(), None);
            signal(cx, signaller, Ok(()));
            assert_eq!(runs.load(Relaxed), 2);
            Ok(())
        })
    }

    #[test]
    fn a_timeline_that_has_ended_publishes_what_is_signalled() -> Result {
        process(|cx| {
            let (input, output) = (timeline(cx)?, timeline(cx)?);
            let runs = gfp::kernel(cx).arc(Atomic::new(0))?;
            let (never, signaller) = publish(cx, &input)?;
            let before = pass(cx, &output, &runs, &[never.clone()])?;
            output.end(cx);
            let after = pass(cx, &output, &runs, &[never])?;
            for fence in [before, after] {
                assert_eq!(fence.status(), Some(Err(canceled())));
            }
            while runs.load(Relaxed) < 2 {
                cx.give_way()?;
            }
            output.end(cx);
            drop(output);
            signal(cx, signaller, Ok(()));
            Ok(())
        })
    }

    /// Signals, on another CPU if there is one.
    struct Later(Signaller);

    impl work::Item for Later {
        type Owner = crate::Strata;

        fn run(self, cx: &mut Cx<'_, Process>) {
            signal(cx, self.0, Ok(()));
        }
    }

    #[test]
    fn a_timeline_may_end_while_its_jobs_are_called() -> Result {
        const ROUNDS: i32 = 300;
        process(|cx| {
            let input = timeline(cx)?;
            let runs = gfp::kernel(cx).arc(Atomic::new(0))?;
            for round in 0..ROUNDS {
                let output = timeline(cx)?;
                let (fence, signaller) = publish(cx, &input)?;
                let later = work::Prepared::new(cx, Later(signaller))?;
                let (early, late) = match round % 2 {
                    0 => (Some(later), None),
                    _ => (None, Some(later)),
                };
                if let Some(later) = early {
                    later.queue(cx);
                }
                let job = pass(cx, &output, &runs, &[fence.clone(), fence])?;
                if let Some(later) = late {
                    later.queue(cx);
                }
                drop(output);
                let outcome = job.status();
                assert!(outcome == Some(Ok(())) || outcome == Some(Err(canceled())));
            }
            while runs.load(Relaxed) < ROUNDS {
                cx.give_way()?;
            }
            Ok(())
        })
    }

    #[test]
    fn long_chains_of_jobs_pass_an_error_on() -> Result {
        const JOBS: i32 = 500;
        process(|cx| {
            let (input, output) = (timeline(cx)?, timeline(cx)?);
            let runs = gfp::kernel(cx).arc(Atomic::new(0))?;
            let (mut last, signaller) = publish(cx, &input)?;
            for _ in 0..JOBS {
                last = pass(cx, &output, &runs, &[last])?;
            }
            assert_eq!(runs.load(Relaxed), 0);
            signal(cx, signaller, Err(EIO));
            last.wait(cx, Wake::Done)?;
            assert_eq!(last.status(), Some(Err(EIO)));
            assert_eq!(runs.load(Relaxed), JOBS);
            Ok(())
        })
    }

    #[test]
    fn a_timeline_whose_jobs_wait_for_later_ones_proves_nothing() -> Result {
        process(|cx| {
            let first = timeline(cx)?;
            let second = Timeline::after(cx, c"strata", c"second", &[&first])?;
            let runs = gfp::kernel(cx).arc(Atomic::new(0))?;
            let (early, signaller) = publish(cx, &first)?;
            let waiting = pass(cx, &second, &runs, &[early.clone()])?;
            assert!(Dependency::new(early, &second).is_some());
            // What this waits for is later than it is.
            let back = pass(cx, &first, &runs, &[waiting])?;
            assert!(Dependency::new(back.clone(), &second).is_none());
            signal(cx, signaller, Ok(()));
            back.wait(cx, Wake::Done)?;
            assert_eq!(runs.load(Relaxed), 2);
            Ok(())
        })
    }
}
