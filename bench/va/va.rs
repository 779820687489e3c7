// SPDX-License-Identifier: GPL-2.0

//! Bench: an address space on Strata, as a driver with `VM_BIND` would use it; `gpuvm.c` does the
//! same with `drm_gpuvm`.
//!
//! `/sys/kernel/debug/strata-bench-va-ours/work` takes what `gpuvm.c` says, and shows the sum of what
//! the last one saw.
//!
//! Lock order: [`Working`], then the spinlock of the space.

#![forbid(unsafe_code)]

mod stream;
#[path = "../work.rs"]
mod work;

use kernel::{
    prelude::*,
    sync::rcu, //
};
use strata::{
    cx::SignalLock,
    dev::debugfs,
    gfp::{
        Allocate,
        Gfp, //
    },
    lock_class,
    prelude::*,
    va::{
        Driver,
        Limits,
        Mapping,
        Prepared,
        Space,
        Span, //
    },
};
use stream::{
    Stream,
    Wanted, //
};
use work::{
    Words,
    Work, //
};

module! {
    type: Bench,
    name: "strata_bench_va",
    authors: ["The Strata developers"],
    description: "Bench: an address space on Strata",
    license: "GPL",
}

strata::ranks! {
    after Process:
    /// Of the space that is at work.
    Working,
}

/// How many requests may wait.
const WAITING: usize = 4096;

/// A driver that keeps nothing of its own, and knows objects by a number.
struct Gpu;

impl Driver for Gpu {
    type Object = u64;
    type Data = ();
    type Spare = ();

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result {
        Ok(())
    }

    fn split(_old: &Mapping<Self>, _piece: Span, _spare: ()) {}
}

/// A space, and the requests that wait.
struct Side {
    space: Pin<KBox<Space<Gpu>>>,
    stream: Stream,
    /// A ring: those from `head` to `tail` wait.
    jobs: KVVec<Option<Prepared<Gpu>>>,
    head: usize,
    tail: usize,
}

impl Side {
    /// `SIZE SEED`
    fn prepare(cx: &mut Cx<'_, Working>, words: &mut Words<'_>) -> Result<Self> {
        let (size, seed) = (words.number()?, words.number()?);
        let stream = Stream::new(size, seed as u64)?;
        let class = lock_class!(SignalLock, "bench space");
        let space = Space::new(cx, class, Limits::from(stream.all()?));
        let mut side = Self {
            space: gfp::kernel(cx).boxed_init(space)?,
            jobs: gfp::kernel(cx).large_vec(WAITING)?,
            stream,
            head: 0,
            tail: 0,
        };
        for _ in 0..WAITING {
            side.jobs.push_within_capacity(None).map_err(|_| ENOMEM)?;
        }
        for number in 0..size as u64 {
            let job = side.request(cx, Stream::prepared(number))?;
            side.run_one(cx, job)?;
        }
        Ok(side)
    }

    /// `VERB COUNT 0`
    fn run(&mut self, cx: &mut Cx<'_, Working>, verb: &str, words: &mut Words<'_>) -> Result<u64> {
        let count = words.number()?;
        match verb {
            "submit" => self.submit(cx, count),
            "commit" => self.commit(cx, count),
            "find" => self.find(count),
            "walk" => self.walk(cx, count),
            _ => Err(EINVAL),
        }
    }

    fn request(&self, cx: &mut Cx<'_, Working>, wanted: Wanted) -> Result<Prepared<Gpu>> {
        let gfp = &mut gfp::kernel(cx);
        let span = wanted.span()?;
        match wanted.object {
            Some(object) => {
                let offset = span.addr();
                Ok(self
                    .space
                    .prepare_map(gfp, span, Some(object), offset, ())?)
            }
            None => self.space.prepare_unmap(gfp, span),
        }
    }

    fn run_one(&self, cx: &mut Cx<'_, Working>, job: Prepared<Gpu>) -> Result<u64> {
        let done = self.space.commit(cx, job)?;
        Ok(done.ops().count() as u64)
    }

    fn submit(&mut self, cx: &mut Cx<'_, Working>, count: usize) -> Result<u64> {
        if count > WAITING - (self.tail - self.head) {
            return Err(EINVAL);
        }
        for _ in 0..count {
            let wanted = self.stream.next();
            let job = self.request(cx, wanted)?;
            *self.jobs.get_mut(self.tail % WAITING).ok_or(EINVAL)? = Some(job);
            self.tail += 1;
        }
        Ok(0)
    }

    fn commit(&mut self, cx: &mut Cx<'_, Working>, count: usize) -> Result<u64> {
        let mut sum = 0;
        for _ in 0..count {
            let job = self.jobs.get_mut(self.head % WAITING).ok_or(EINVAL)?;
            let job = job.take().ok_or(EINVAL)?;
            self.head += 1;
            sum += self.run_one(cx, job)?;
        }
        Ok(sum)
    }

    fn find(&mut self, count: usize) -> Result<u64> {
        let mut sum = 0u64;
        for _ in 0..count {
            let address = self.stream.address();
            let guard = rcu::read_lock();
            if let Some(mapping) = self.space.find(&guard, address) {
                sum = sum.wrapping_add(mapping.span().addr());
            }
        }
        Ok(sum)
    }

    fn walk(&mut self, cx: &mut Cx<'_, Working>, count: usize) -> Result<u64> {
        let all = self.stream.all()?;
        Ok(self.space.read_locked(cx, |view| {
            let mut sum = 0u64;
            for mapping in view.iter(all).take(count) {
                let span = mapping.span();
                let seen = span.addr()
                    ^ span.length().wrapping_mul(3)
                    ^ mapping.offset().wrapping_mul(5)
                    ^ mapping.object().copied().unwrap_or(0);
                sum = sum.wrapping_mul(31).wrapping_add(seen);
            }
            sum
        }))
    }
}

/// The module.
struct Bench {
    _work: debugfs::Entry<Work>,
}

strata::module_entry!(Bench);

impl strata::dev::Module for Bench {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let work = Work::file(cx, c"strata-bench-va-ours")?;
        Ok(Ok::<_, Error>(Self { _work: work }))
    }
}
