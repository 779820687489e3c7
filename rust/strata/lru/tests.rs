// SPDX-License-Identifier: GPL-2.0

//! What a walk does with objects that can be had, that are locked, and that are gone.

use super::{
    Cache,
    Item,
    Object,
    Verdict, //
};
use crate::{
    cx::{
        Cx,
        Process,
        Reclaim, //
    },
    gfp,
    kunit::process, //
    shrinker::{
        Count,
        CountControl,
        Prepared,
        ScanControl,
        Scope, //
    },
};
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

crate::ranks! {
    after NoIo:
    Thing,
}

crate::lru_lists! {
    enum Shelf {
        First,
        Second,
    }
}

/// Counts itself when it goes.
struct Counted(Arc<Atomic<i32>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.add(1, Relaxed);
    }
}

impl Item for Counted {
    type Rank = Thing;
    type List = Shelf;
    /// Its number.
    type State = usize;
}

type Things = KVec<ARef<Object<Counted>>>;

struct Fixture {
    cache: Arc<Cache<Counted>>,
    dropped: Arc<Atomic<i32>>,
    _prepared: Prepared,
}

impl Fixture {
    fn new(cx: &mut Cx<'_, Process>) -> Result<Self> {
        let prepared = Prepared::new(cx, c"strata-lru-test")?;
        let class = crate::lock_class!(Thing, "thing");
        let cache = Cache::new(cx, &prepared, c"strata_lru_test", class)?;
        Ok(Self {
            cache: gfp::kernel(cx).arc(cache)?,
            dropped: gfp::kernel(cx).arc(Atomic::new(0))?,
            _prepared: prepared,
        })
    }

    /// `count` objects on the first list, number N for N + 1 pages.
    fn things(&self, cx: &mut Cx<'_, Process>, count: usize) -> Result<Things> {
        let mut things = gfp::kernel(cx).vec(count)?;
        for number in 0..count {
            let item = Counted(self.dropped.clone());
            let thing = self.cache.object(cx, item, number).map_err(|_| ENOMEM)?;
            thing.lock(cx, |thing, _| thing.put_on(Shelf::First, number + 1));
            gfp::kernel(cx).push(&mut things, thing)?;
        }
        Ok(things)
    }

    fn count(&self, list: Shelf) -> Count {
        let control = CountControl::new(Scope::All);
        self.cache.count(&control, &[list])
    }

    /// The numbers that a walk for `pages` comes to, with what it says that it freed and scanned.
    fn walk(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        pages: usize,
        verdict: impl Fn(usize) -> Verdict,
    ) -> (Numbers, usize, usize) {
        let mut control = ScanControl::new(Scope::All, pages, Default::default());
        let mut seen = Numbers::default();
        let freed = self
            .cache
            .walk(cx, &mut control, Shelf::First, None, |thing, _| {
                seen.push(**thing);
                verdict(**thing)
            });
        (seen, freed, control.pages_scanned())
    }
}

/// A few numbers, without an allocation.
#[derive(Default)]
struct Numbers([usize; 8], usize);

impl Numbers {
    fn push(&mut self, number: usize) {
        if let Some(slot) = self.0.get_mut(self.1) {
            *slot = number;
            self.1 += 1;
        }
    }

    fn get(&self) -> &[usize] {
        self.0.get(..self.1).unwrap_or(&[])
    }
}

#[kunit_tests(strata_lru)]
mod cases {
    use super::*;

    #[test]
    fn the_oldest_go_first_until_enough_was_scanned() -> Result {
        process(|cx| {
            let fixture = Fixture::new(cx)?;
            let things = fixture.things(cx, 4)?;
            assert_eq!(fixture.count(Shelf::First).pages(), 10);
            // 1 and 2 pages are less than 4: the third one is taken whole.
            let (seen, freed, scanned) = cx.reclaim(|cx| fixture.walk(cx, 4, |_| Verdict::Evicted));
            assert_eq!(seen.get(), &[0, 1, 2]);
            assert_eq!((freed, scanned), (6, 6));
            assert_eq!(fixture.count(Shelf::First).pages(), 4);
            assert_eq!(fixture.cache.objects(Shelf::First), 1);
            drop(things);
            Ok(())
        })
    }

    #[test]
    fn what_is_kept_goes_to_the_end_and_is_come_to_once() -> Result {
        process(|cx| {
            let fixture = Fixture::new(cx)?;
            let things = fixture.things(cx, 4)?;
            let keep_odd = |number| {
                if number % 2 == 0 {
                    Verdict::Evicted
                } else {
                    Verdict::Kept
                }
            };
            let (seen, freed, scanned) = cx.reclaim(|cx| fixture.walk(cx, 1000, keep_odd));
            assert_eq!(seen.get(), &[0, 1, 2, 3]);
            assert_eq!((freed, scanned), (4, 10));
            let (seen, ..) = cx.reclaim(|cx| fixture.walk(cx, 1000, keep_odd));
            assert_eq!(seen.get(), &[1, 3]);
            assert_eq!(fixture.count(Shelf::First).pages(), 6);
            drop(things);
            Ok(())
        })
    }

    #[test]
    fn what_is_locked_is_passed_over() -> Result {
        process(|cx| {
            let fixture = Fixture::new(cx)?;
            let things = fixture.things(cx, 2)?;
            let first = things.first().ok_or(ENOENT)?;
            first.lock(cx, |_, _| {
                // As another task in reclaim would find it.
                // SAFETY: Nothing but that lock is held, and the walk takes it by trylock.
                let mut cx = unsafe { Cx::<'_, Reclaim>::assume() };
                let (seen, freed, scanned) = fixture.walk(&mut cx, 1000, |_| Verdict::Evicted);
                assert_eq!(seen.get(), &[1]);
                assert_eq!((freed, scanned), (2, 3));
            });
            assert_eq!(fixture.count(Shelf::First).pages(), 1);
            Ok(())
        })
    }

    #[test]
    fn an_object_is_on_one_list_at_a_time() -> Result {
        process(|cx| {
            let fixture = Fixture::new(cx)?;
            let things = fixture.things(cx, 1)?;
            let thing = things.first().ok_or(ENOENT)?;
            thing.lock(cx, |thing, _| thing.put_on(Shelf::Second, 7));
            assert_eq!(fixture.count(Shelf::First), Count::Empty);
            assert_eq!(fixture.count(Shelf::Second).pages(), 7);
            thing.lock(cx, |thing, _| {
                assert!(thing.list() == Some(Shelf::Second));
                thing.leave();
                thing.leave();
            });
            assert_eq!(fixture.count(Shelf::Second), Count::Empty);
            Ok(())
        })
    }

    #[test]
    fn objects_without_pages_are_not_nothing() -> Result {
        process(|cx| {
            let fixture = Fixture::new(cx)?;
            let things = fixture.things(cx, 1)?;
            let thing = things.first().ok_or(ENOENT)?;
            thing.lock(cx, |thing, _| thing.put_on(Shelf::First, 0));
            // `Empty` would keep reclaim of a cgroup from asking after the next one is added.
            assert_eq!(fixture.count(Shelf::First), Count::Unknown);
            let (seen, freed, scanned) = cx.reclaim(|cx| fixture.walk(cx, 1, |_| Verdict::Evicted));
            assert_eq!(seen.get(), &[0]);
            assert_eq!((freed, scanned), (0, 1));
            Ok(())
        })
    }

    #[test]
    fn the_last_reference_takes_an_object_off_its_list() -> Result {
        process(|cx| {
            let fixture = Fixture::new(cx)?;
            let mut things = fixture.things(cx, 3)?;
            drop(things.pop());
            assert_eq!(fixture.dropped.load(Relaxed), 1);
            assert_eq!(fixture.count(Shelf::First).pages(), 3);
            drop(things);
            assert_eq!(fixture.dropped.load(Relaxed), 3);
            assert_eq!(fixture.count(Shelf::First), Count::Empty);
            Ok(())
        })
    }

    #[test]
    fn a_walk_may_have_the_last_reference() -> Result {
        process(|cx| {
            let fixture = Fixture::new(cx)?;
            let mut things = fixture.things(cx, 2)?;
            cx.reclaim(|cx| {
                let mut control = ScanControl::new(Scope::All, 1000, Default::default());
                let walk = fixture
                    .cache
                    .walk(cx, &mut control, Shelf::First, None, |_, _| {
                        // Nobody but the walk has the objects after the first one was offered.
                        things.clear();
                        Verdict::Evicted
                    });
                // The second one was still on its list, and left it with its last reference.
                assert_eq!(walk, 1);
            });
            assert_eq!(fixture.dropped.load(Relaxed), 2);
            assert_eq!(fixture.count(Shelf::First), Count::Empty);
            Ok(())
        })
    }

    #[test]
    fn every_so_manieth_is_taken_for_locked() -> Result {
        process(|cx| {
            let fixture = Fixture::new(cx)?;
            let things = fixture.things(cx, 6)?;
            let hardships = crate::shrinker::Hardships {
                fail_every: 3,
                shuffle: false,
            };
            let mut seen = Numbers::default();
            cx.reclaim(|cx| {
                let mut control = ScanControl::new(Scope::All, 1000, hardships);
                fixture
                    .cache
                    .walk(cx, &mut control, Shelf::First, None, |thing, _| {
                        seen.push(**thing);
                        Verdict::Evicted
                    });
                assert_eq!(control.objects_passed_over(), 2);
            });
            assert_eq!(seen.get(), &[0, 1, 3, 4]);
            assert_eq!(fixture.cache.objects(Shelf::First), 2);
            drop(things);
            Ok(())
        })
    }
}
