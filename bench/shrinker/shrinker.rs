// SPDX-License-Identifier: GPL-2.0

//! Bench: a shrinker on Strata, as a driver would write it; `twin.c` does the same in C.
//!
//! `/sys/kernel/debug/strata-bench-shrinker/fill` takes `PLACE OBJECTS PAGES`, where `PLACE` is one
//! of `purgeable`, `idle` and `kept`. What objects there were go, and these are made instead.
//!
//! Lock order: [`Filling`], then the lock of an object.

#![forbid(unsafe_code)]

use core::mem;
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use strata::{
    cx::{
        Reclaim,
        ReclaimLock, //
    },
    dev::{
        debugfs,
        user::UserRange, //
    },
    lock_class,
    lru::{
        self,
        Cache,
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
        ScanControl, //
    },
    sync::Mutex,
};

module! {
    type: Bench,
    name: "strata_bench_shrinker",
    authors: ["The Strata developers"],
    description: "Bench: a shrinker on Strata",
    license: "GPL",
}

strata::ranks! {
    after Process:
    /// Of the objects that the pool was filled with.
    Filling,
}

strata::lru_lists! {
    /// Where an object stands.
    enum Place {
        /// Its owner gave it up.
        Purgeable,
        /// Nobody uses it.
        Idle,
        /// It was let go of, and may be written out.
        Unbound,
    }
}

/// What an object is.
struct Entry {
    _id: u64,
}

/// What is decided under its lock.
struct State {
    kept: bool,
    evicted: bool,
}

impl lru::Item for Entry {
    type Rank = ReclaimLock;
    type List = Place;
    type State = State;
}

/// The pool that is shrunk.
struct Pool {
    cache: Arc<Cache<Entry>>,
}

fn evict(state: &mut State) -> Verdict {
    if state.kept {
        return Verdict::Kept;
    }
    state.evicted = true;
    Verdict::Evicted
}

impl shrinker::Shrinker for Pool {
    type Owner = Bench;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, control: &CountControl<'_>) -> Count {
        self.cache.count(control, &[Place::Purgeable, Place::Idle])
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        let cache = &self.cache;
        Scan::Freed(match round {
            Round::Purge(_) => cache.walk(cx, control, Place::Purgeable, None, |object, _| {
                evict(object)
            }),
            Round::Idle => cache.walk(cx, control, Place::Idle, None, |object, _| let_go(object)),
            Round::Active(wait) => {
                let purged = cache.walk(cx, control, Place::Purgeable, Some(wait), |object, _| {
                    evict(object)
                });
                purged
                    + cache.walk(cx, control, Place::Idle, Some(wait), |object, _| {
                        let_go(object)
                    })
            }
            Round::WriteBack(_) => {
                cache.walk(cx, control, Place::Unbound, None, |object, _| evict(object))
            }
        })
    }
}

/// An idle object's pages are let go; it may be written out later.
fn let_go(object: &mut lru::Locked<'_, Entry>) -> Verdict {
    let verdict = evict(object);
    if matches!(verdict, Verdict::Evicted) {
        let pages = object.pages();
        object.put_on(Place::Unbound, pages);
    }
    verdict
}

/// The file `fill`.
#[pin_data]
struct Filler {
    cache: Arc<Cache<Entry>>,
    #[pin]
    objects: Mutex<KVVec<ARef<Object<Entry>>>, Filling>,
}

impl Filler {
    fn fill(&self, cx: &mut Cx<'_, Process>, place: &str, count: usize, pages: usize) -> Result {
        let (place, kept) = match place {
            "purgeable" => (Place::Purgeable, false),
            "idle" => (Place::Idle, false),
            "kept" => (Place::Purgeable, true),
            _ => return Err(EINVAL),
        };
        drop(self.objects.lock(cx, |objects, _| mem::take(objects)));
        let mut fresh = gfp::kernel(cx).large_vec(count)?;
        for id in 0..count as u64 {
            let state = State {
                kept,
                evicted: false,
            };
            let object = self.cache.object(cx, Entry { _id: id }, state)?;
            object.lock(cx, |object, _| object.put_on(place, pages));
            fresh.push_within_capacity(object).map_err(|_| ENOMEM)?;
        }
        self.objects.lock(cx, |objects, _| *objects = fresh);
        Ok(())
    }
}

#[vtable]
impl debugfs::File for Filler {
    type Owner = Bench;

    fn show(&self, _cx: &mut Cx<'_, Process>, _out: &SeqFile) -> Result {
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        let mut buffer = [0; 64];
        if input.len() > buffer.len() {
            return Err(EINVAL);
        }
        let text = core::str::from_utf8(input.read_bytes(cx, &mut buffer)?).map_err(|_| EINVAL)?;
        let mut words = text.split_ascii_whitespace();
        let (Some(place), Some(count), Some(pages)) = (words.next(), words.next(), words.next())
        else {
            return Err(EINVAL);
        };
        let count = count.parse().map_err(|_| EINVAL)?;
        let pages = pages.parse().map_err(|_| EINVAL)?;
        self.fill(cx, place, count, pages)
    }
}

/// The module. Fields are dropped in their order: no call comes while the objects go.
struct Bench {
    _shrinker: shrinker::Registration<Pool>,
    _fill: debugfs::Entry<Filler>,
}

strata::module_entry!(Bench);

impl strata::dev::Module for Bench {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let prepared = Prepared::new(cx, c"strata-bench-shrinker")?;
        let class = lock_class!(ReclaimLock, "bench object");
        let cache = Cache::new(cx, &prepared, c"strata_bench_shrinker", class)?;
        let cache = gfp::kernel(cx).arc(cache)?;

        let pool = gfp::kernel(cx).arc(Pool {
            cache: cache.clone(),
        })?;
        let shrinker = prepared.register(cx, pool);

        let objects = Mutex::new(cx, lock_class!(Filling, "bench objects"), KVVec::new());
        let filler = pin_init!(Filler {
            cache,
            objects <- objects,
        });
        let filler = gfp::kernel(cx).arc_init(filler)?;
        let dir = debugfs::Dir::new(cx, c"strata-bench-shrinker");
        let dir = gfp::kernel(cx).arc(dir)?;
        let fill = debugfs::Entry::new(cx, dir, c"fill", filler);
        Ok(Ok::<_, Error>(Self {
            _shrinker: shrinker,
            _fill: fill,
        }))
    }
}
