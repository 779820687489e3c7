// SPDX-License-Identifier: GPL-2.0

//! What a reserve gives, refuses and gets back. That it waits shows where memory is short:
//! `tests/fire`.

use super::*;
use crate::{
    cx::{
        self,
        Cx,
        FenceCallback,
        Process,
        Reclaim, //
    },
    dev::work,
    fence::{
        Callback,
        Fence,
        Timeline,
        Waiter, //
    },
    gfp,
    kunit::process, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Counts how often it was dropped.
struct Token(Arc<Atomic<usize>>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn counter(cx: &mut Cx<'_, Process>) -> Result<Arc<Atomic<usize>>> {
    Ok(gfp::kernel(cx).arc(Atomic::new(0))?)
}

/// Takes values of the reserve's own until there are no more.
fn exhaust<T>(
    cx: &mut Cx<'_, Process>,
    reserve: &Reserve<T>,
    mut value: impl FnMut() -> T,
) -> Result<KVec<Reserved<T>>> {
    let mut taken = gfp::kernel(cx).vec(16)?;
    while let Ok(one) = reserve.preallocated(value()) {
        assert!(taken.push_within_capacity(one).is_ok());
    }
    Ok(taken)
}

/// Each value is where its type wants it, and nowhere where another one is.
fn placed<T: Default>(cx: &mut Cx<'_, Process>) -> Result {
    let reserve = Reserve::<T>::new(&mut gfp::kernel(cx), 5)?;
    let mut taken = exhaust(cx, &reserve, T::default)?;
    assert_eq!(taken.len(), 5);
    for _ in 0..3 {
        let another = reserve.take(&mut gfp::kernel(cx), T::default());
        assert!(taken.push_within_capacity(another).is_ok());
    }
    let start = |at: usize| ptr::from_ref::<T>(&taken[at]).addr();
    for at in 0..taken.len() {
        assert_eq!(start(at) % align_of::<T>(), 0);
        for other in 0..at {
            assert!(start(at).abs_diff(start(other)) >= size_of::<T>().max(1));
        }
    }
    drop(taken);
    assert_eq!(reserve.left(), 5);
    Ok(())
}

#[derive(Default)]
#[repr(align(64))]
struct Line([u64; 3]);

#[derive(Default)]
#[repr(align(4096))]
struct Frame(u8);

#[derive(Default)]
#[repr(align(32))]
struct Nothing;

#[kunit_tests(strata_reserve)]
mod cases {
    use super::*;

    #[test]
    fn a_reserve_has_what_it_was_made_with() -> Result {
        process(|cx| {
            let drops = counter(cx)?;
            let token = || Token(drops.clone());
            let reserve = Reserve::new(&mut gfp::kernel(cx), 3)?;
            assert_eq!(reserve.left(), 3);
            let taken = exhaust(cx, &reserve, token)?;
            // The one that was given back went at once.
            assert_eq!(
                (taken.len(), reserve.left(), drops.load(Relaxed)),
                (3, 0, 1)
            );
            // The slab has memory all the same.
            let more = reserve.take(&mut gfp::kernel(cx), token());
            let last = reserve.try_take(&mut gfp::nowait(cx), token())?;
            assert_eq!(drops.load(Relaxed), 1);
            drop(more);
            assert_eq!((reserve.left(), drops.load(Relaxed)), (1, 2));
            drop(taken);
            assert_eq!((reserve.left(), drops.load(Relaxed)), (3, 5));
            // It is full, so this goes to the slab.
            drop(last);
            assert_eq!((reserve.left(), drops.load(Relaxed)), (3, 6));
            Ok(())
        })
    }

    #[test]
    fn what_is_refused_comes_back() -> Result {
        process(|cx| {
            let drops = counter(cx)?;
            let reserve = Reserve::new(&mut gfp::kernel(cx), 1)?;
            let one = reserve.preallocated(Token(drops.clone()))?;
            let refused = reserve.preallocated(Token(drops.clone()));
            let Err(NoMemory { value }) = refused else {
                return Err(EINVAL);
            };
            assert_eq!(drops.load(Relaxed), 0);
            drop(one);
            let again = reserve.preallocated(value)?;
            assert_eq!(drops.load(Relaxed), 1);
            drop(again);
            assert_eq!(drops.load(Relaxed), 2);
            Ok(())
        })
    }

    #[test]
    fn values_outlive_their_reserve() -> Result {
        process(|cx| {
            let drops = counter(cx)?;
            let reserve = Reserve::new(&mut gfp::kernel(cx), 2)?;
            let clone = reserve.clone();
            let taken = exhaust(cx, &reserve, || Token(drops.clone()))?;
            drop(reserve);
            assert_eq!(clone.left(), 0);
            drop(clone);
            assert_eq!(drops.load(Relaxed), 1);
            for (at, one) in taken.into_iter().enumerate() {
                drop(one);
                assert_eq!(drops.load(Relaxed), at + 2);
            }
            Ok(())
        })
    }

    #[test]
    fn a_value_can_leave_its_memory_and_come_later() -> Result {
        process(|cx| {
            let drops = counter(cx)?;
            let reserve = Reserve::<MaybeUninit<Token>>::new(&mut gfp::kernel(cx), 1)?;
            let room = reserve.preallocated(MaybeUninit::uninit())?;
            assert!(reserve.preallocated(MaybeUninit::uninit()).is_err());
            let token = room.write(Token(drops.clone()));
            assert_eq!(reserve.left(), 0);
            let token = Reserved::into_inner(token);
            assert_eq!((reserve.left(), drops.load(Relaxed)), (1, 0));
            drop(token);
            assert_eq!(drops.load(Relaxed), 1);
            // Room that is never used has no value to drop.
            drop(reserve.preallocated(MaybeUninit::uninit())?);
            assert_eq!((reserve.left(), drops.load(Relaxed)), (1, 1));
            Ok(())
        })
    }

    #[test]
    fn values_are_aligned_and_apart() -> Result {
        process(|cx| {
            placed::<u8>(cx)?;
            placed::<[u64; 9]>(cx)?;
            placed::<Line>(cx)?;
            placed::<Frame>(cx)?;
            placed::<()>(cx)?;
            placed::<Nothing>(cx)
        })
    }

    #[test]
    fn values_are_what_was_put_in() -> Result {
        process(|cx| {
            let reserve = Reserve::new(&mut gfp::kernel(cx), 4)?;
            let mut next = 0;
            let mut taken = exhaust(cx, &reserve, || {
                next += 1;
                Line([next; 3])
            })?;
            for one in taken.iter_mut() {
                one.0[1] += 10;
            }
            let ends: u64 = taken.iter().map(|one| one.0[0] * one.0[2]).sum();
            let middles: u64 = taken.iter().map(|one| one.0[1]).sum();
            assert_eq!((ends, middles), (1 + 4 + 9 + 16, 10 + 40));
            let frame = Reserve::new(&mut gfp::kernel(cx), 1)?.preallocated(Frame(7))?;
            assert_eq!(frame.0, 7);
            Ok(())
        })
    }

    #[test]
    fn there_is_no_reserve_of_nothing() -> Result {
        process(|cx| {
            let gfp = &mut gfp::kernel(cx);
            assert_eq!(Reserve::<u32>::new(gfp, 0).err(), Some(EINVAL));
            assert_eq!(Reserve::<u32>::new(gfp, (1 << 16) + 1).err(), Some(EINVAL));
            assert_eq!(Reserve::<u32>::new(gfp, usize::MAX).err(), Some(EINVAL));
            Ok(())
        })
    }

    #[test]
    fn every_class_may_make_one_and_take_of_it() -> Result {
        process(|cx| {
            fn one<C: Allocate>(gfp: &mut Gfp<'_, C>) -> Result<Reserved<u32>> {
                let reserve = Reserve::new(gfp, 1)?;
                Ok(reserve.try_take(gfp, 1)?)
            }

            let kernel = one(&mut gfp::kernel(cx))?;
            let nofs = one(&mut gfp::nofs(cx))?;
            let noio = one(&mut gfp::noio(cx))?;
            let nowait = one(&mut gfp::nowait(cx))?;
            let atomic = one(&mut gfp::atomic(cx))?;
            assert_eq!(*kernel + *nofs + *noio + *nowait + *atomic, 5);
            Ok(())
        })
    }

    #[test]
    fn reclaim_and_sections_take_what_their_token_allows() -> Result {
        process(|cx| {
            let reserve = Reserve::new(&mut gfp::kernel(cx), 1)?;
            let in_reclaim = |cx: &mut Cx<'_, Reclaim>| reserve.take(&mut gfp::nofs(cx), 1);
            let first = cx.reclaim(in_reclaim);
            let second = cx.noio(|cx| reserve.take(&mut gfp::noio(cx), 2));
            let third = cx.signalling(|cx| reserve.try_take(&mut gfp::nowait(cx), 3))?;
            let fourth = cx.signalling(|cx| cx.atomic(|_| reserve.preallocated(4)))?;
            assert_eq!(*first + *second + *third + *fourth, 10);
            Ok(())
        })
    }

    /// Has a value, and takes another one.
    struct Takes(Reserve<usize>, Atomic<usize>);

    impl Callback for Takes {
        type Owner = crate::Strata;

        fn called(&self, _cx: &mut Cx<'_, FenceCallback, cx::Atomic>, _fence: &Fence) {
            if let Ok(one) = self.0.preallocated(5) {
                self.1.store(*one + self.0.left(), Relaxed);
            }
        }
    }

    #[test]
    fn a_fence_calls_back_for_an_element() -> Result {
        process(|cx| {
            let timeline = Timeline::new(cx, c"strata", c"test")?;
            let prepared = timeline.prepare(&mut gfp::kernel(cx))?;
            let (fence, signaller) = cx.signalling(|cx| prepared.publish(cx));
            let reserve = Reserve::new(&mut gfp::kernel(cx), 2)?;
            let takes = Takes(reserve.clone(), Atomic::new(0));
            let waiter = Waiter::new(&mut gfp::kernel(cx), takes)?;
            let armed = waiter.arm(cx, fence).map_err(|_| EINVAL)?;
            cx.signalling(|cx| signaller.signal(cx, Ok(())));
            assert_eq!(armed.1.load(Relaxed), 5 + 1);
            assert_eq!(reserve.left(), 2);
            Ok(())
        })
    }

    /// What has a value on another thread.
    struct Drops(Reserved<Token>);

    impl work::Item for Drops {
        type Owner = crate::Strata;

        fn run(self, _cx: &mut Cx<'_, Process>) {
            drop(self.0);
        }
    }

    #[test]
    fn values_go_to_other_threads() -> Result {
        process(|cx| {
            let drops = counter(cx)?;
            let reserve = Reserve::new(&mut gfp::kernel(cx), 8)?;
            let taken = exhaust(cx, &reserve, || Token(drops.clone()))?;
            for one in taken {
                work::Prepared::new(cx, Drops(one))?.queue(cx);
            }
            work::flush(cx);
            assert_eq!((reserve.left(), drops.load(Relaxed)), (8, 9));
            Ok(())
        })
    }
}
