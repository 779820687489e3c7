// SPDX-License-Identifier: GPL-2.0

//! Objects on lists, and the lock that each of them has.

use crate::{
    cases::{
        cases,
        forged,
        untokened,
        Case, //
    },
    Misuse,
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
};
use strata::{
    cx::{
        Reclaim,
        ReclaimLock, //
    },
    dev::work,
    lock_class,
    lru::{
        self,
        Cache,
        Locked,
        Object,
        Verdict, //
    },
    prelude::*,
    shrinker::{
        self,
        Count,
        CountControl,
        Prepared,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
};

strata::lru_lists! {
    /// Where objects stand that can be evicted.
    pub(crate) enum List {
        /// All of them.
        Idle,
    }
}

/// An object, with nothing in it.
pub(crate) struct Thing;

impl lru::Item for Thing {
    type Rank = ReclaimLock;
    type List = List;
    type State = ();
}

/// What is done to an object that is evicted.
type Evict = fn(&mut Cx<'_, ReclaimLock>) -> Result;

/// The objects.
pub(crate) struct Objects {
    things: Arc<Cache<Thing>>,
}

impl Objects {
    pub(crate) fn new(cx: &mut Cx<'_, Process>, prepared: &Prepared) -> Result<Arc<Self>> {
        // The class is primed here.
        let class = lock_class!(ReclaimLock, "object");
        let things = Cache::new(cx, prepared, c"strata_misuse", class)?;
        let things = gfp::kernel(cx).arc(things)?;
        Ok(gfp::kernel(cx).arc(Self { things })?)
    }

    /// A new object, on the list.
    fn thing(&self, cx: &mut Cx<'_, Process>) -> Result<ARef<Object<Thing>>> {
        let thing = self.things.object(cx, Thing, ())?;
        thing.lock(cx, |thing, _| thing.put_on(List::Idle, 1));
        Ok(thing)
    }
}

/// A shrinker of the objects, which is only called by hand.
struct Evictor {
    things: Arc<Cache<Thing>>,
    evict: Evict,
}

impl Shrinker for Evictor {
    type Owner = Misuse;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, control: &CountControl<'_>) -> Count {
        self.things.count(control, &[List::Idle])
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        let wait = match round {
            Round::Idle => None,
            Round::Active(wait) => Some(wait),
            Round::Purge(_) | Round::WriteBack(_) => return Scan::Stop,
        };
        let evict = |_: &mut Locked<'_, Thing>, cx: &mut Cx<'_, ReclaimLock>| match (self.evict)(cx)
        {
            Ok(()) => Verdict::Evicted,
            Err(_) => Verdict::Kept,
        };
        Scan::Freed(self.things.walk(cx, control, List::Idle, wait, evict))
    }
}

cases![
    objects:
    object_held_over_kernel,
    object_held_over_nofs,
    object_held_over_another,
    object_locked_in_reclaim,
    walk_that_allocates,
    walk_that_needs_no_reclaim,
    walk_that_finds_it_locked,
];

impl Objects {
    /// Makes `pages` of room, with `evict` done to each object. Says how many pages were freed.
    fn make_room(&self, cx: &mut Cx<'_, Process>, pages: usize, evict: Evict) -> usize {
        let things = self.things.clone();
        shrinker::evict(cx, &Evictor { things, evict }, pages)
    }
}

fn object_held_over_kernel(cx: &mut Cx<'_, Process>, objects: &Arc<Objects>) -> Result {
    objects.thing(cx)?.lock(cx, |_, _| untokened())
}

fn object_held_over_nofs(cx: &mut Cx<'_, Process>, objects: &Arc<Objects>) -> Result {
    objects.thing(cx)?.lock(cx, |_, cx| {
        forged(cx, |cx| {
            drop(gfp::nofs(cx).boxed(0u64)?);
            Ok(())
        })
    })
}

fn object_held_over_another(cx: &mut Cx<'_, Process>, objects: &Arc<Objects>) -> Result {
    let (one, other) = (objects.thing(cx)?, objects.thing(cx)?);
    one.lock(cx, |_, cx| forged(cx, |cx| other.lock(cx, |_, _| Ok(()))))
}

fn object_locked_in_reclaim(cx: &mut Cx<'_, Process>, objects: &Arc<Objects>) -> Result {
    let thing = objects.thing(cx)?;
    cx.reclaim(|cx| thing.lock(cx, |thing, _| thing.leave()));
    Ok(())
}

fn walk_that_allocates(cx: &mut Cx<'_, Process>, objects: &Arc<Objects>) -> Result {
    let _thing = objects.thing(cx)?;
    match objects.make_room(cx, 1, |_| untokened()) {
        1 => Ok(()),
        _ => Err(EAGAIN),
    }
}

fn walk_that_needs_no_reclaim(cx: &mut Cx<'_, Process>, objects: &Arc<Objects>) -> Result {
    let things = [objects.thing(cx)?, objects.thing(cx)?];
    let freed = objects.make_room(cx, 2, |cx| Ok(gfp::nowait(cx).boxed(0u64).map(drop)?));
    drop(things);
    match freed {
        2 => Ok(()),
        _ => Err(EAGAIN),
    }
}

/// Holds the lock of an object until it is told to let it go.
struct Holder {
    thing: ARef<Object<Thing>>,
    stage: Arc<Atomic<i32>>,
}

/// Where a [`Holder`] is.
const COMING: i32 = 0;
const HOLDING: i32 = 1;
const LET_GO: i32 = 2;

fn wait_for(stage: &Atomic<i32>, wanted: i32) {
    while stage.load(Acquire) != wanted {
        fsleep(Delta::from_millis(1));
    }
}

impl work::Item for Holder {
    type Owner = Misuse;

    fn run(self, cx: &mut Cx<'_, Process>) {
        self.thing.lock(cx, |_, _| {
            self.stage.store(HOLDING, Release);
            wait_for(&self.stage, LET_GO);
        });
    }
}

/// The walk waits for the object, but not for ever; then it is freed, and can be had.
fn walk_that_finds_it_locked(cx: &mut Cx<'_, Process>, objects: &Arc<Objects>) -> Result {
    let thing = objects.thing(cx)?;
    let stage = gfp::kernel(cx).arc(Atomic::new(COMING))?;
    let holder = Holder {
        thing: thing.clone(),
        stage: stage.clone(),
    };
    work::Prepared::new(cx, holder)?.queue(cx);
    wait_for(&stage, HOLDING);

    let began = Instant::<Monotonic>::now();
    let freed = objects.make_room(cx, 1, |_| Ok(()));
    let waited = began.elapsed();
    stage.store(LET_GO, Release);
    work::flush(cx);
    let afterwards = objects.make_room(cx, 1, |_| Ok(()));
    drop(thing);

    if (freed, afterwards) != (0, 1) || waited.as_millis() > 1000 {
        return Err(EAGAIN);
    }
    Ok(())
}
