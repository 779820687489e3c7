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

use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        rcu,
        Arc, //
    },
};
use strata::{
    cx::SignalLock,
    dev::{
        debugfs,
        user::UserRange, //
    },
    gfp::{
        Allocate,
        Gfp, //
    },
    lock_class,
    prelude::*,
    sync::Mutex,
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
struct Work {
    space: Pin<KBox<Space<Gpu>>>,
    stream: Stream,
    /// A ring: those from `head` to `tail` wait.
    jobs: KVVec<Option<Prepared<Gpu>>>,
    head: usize,
    tail: usize,
}

impl Work {
    fn new(cx: &mut Cx<'_, Working>, size: usize, seed: u64) -> Result<Self> {
        let stream = Stream::new(size, seed)?;
        let class = lock_class!(SignalLock, "bench space");
        let space = Space::new(cx, class, Limits::from(stream.all()?));
        let mut work = Self {
            space: gfp::kernel(cx).boxed_init(space)?,
            jobs: gfp::kernel(cx).large_vec(WAITING)?,
            stream,
            head: 0,
            tail: 0,
        };
        for _ in 0..WAITING {
            work.jobs.push_within_capacity(None).map_err(|_| ENOMEM)?;
        }
        for number in 0..size as u64 {
            let job = work.prepare(cx, Stream::prepared(number))?;
            work.run(cx, job)?;
        }
        Ok(work)
    }

    fn prepare(&self, cx: &mut Cx<'_, Working>, wanted: Wanted) -> Result<Prepared<Gpu>> {
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

    fn run(&self, cx: &mut Cx<'_, Working>, job: Prepared<Gpu>) -> Result<u64> {
        let done = self.space.commit(cx, job)?;
        Ok(done.ops().count() as u64)
    }

    fn submit(&mut self, cx: &mut Cx<'_, Working>, count: usize) -> Result<u64> {
        if count > WAITING - (self.tail - self.head) {
            return Err(EINVAL);
        }
        for _ in 0..count {
            let wanted = self.stream.next();
            let job = self.prepare(cx, wanted)?;
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
            sum += self.run(cx, job)?;
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

/// What the file works on, and the sum of what the last verb saw.
#[derive(Default)]
struct State {
    work: Option<Work>,
    sum: u64,
}

impl State {
    fn command(&mut self, cx: &mut Cx<'_, Working>, text: &str) -> Result {
        let mut words = text.split_ascii_whitespace();
        let verb = words.next().ok_or(EINVAL)?;
        let (first, second) = (number(words.next())?, number(words.next())?);
        self.sum = 0;
        if verb == "prepare" {
            self.work = None;
            self.work = Some(Work::new(cx, first, second as u64)?);
            return Ok(());
        }
        if verb == "empty" {
            self.work = None;
            return Ok(());
        }
        let work = self.work.as_mut().ok_or(EINVAL)?;
        self.sum = match verb {
            "submit" => work.submit(cx, first)?,
            "commit" => work.commit(cx, first)?,
            "find" => work.find(first)?,
            "walk" => work.walk(cx, first)?,
            _ => return Err(EINVAL),
        };
        Ok(())
    }
}

fn number(word: Option<&str>) -> Result<usize> {
    word.and_then(|word| word.parse().ok()).ok_or(EINVAL)
}

/// The file `work`.
#[pin_data]
struct File {
    #[pin]
    state: Mutex<State, Working>,
}

#[vtable]
impl debugfs::File for File {
    type Owner = Bench;

    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        let sum = self.state.lock(cx, |state, _| state.sum);
        seq_print!(out, "{sum}\n");
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        let mut buffer = [0; 64];
        let text = core::str::from_utf8(input.read_text(cx, &mut buffer)?).map_err(|_| EINVAL)?;
        self.state.lock(cx, |state, cx| state.command(cx, text))
    }
}

/// The module.
struct Bench {
    _work: debugfs::Entry<File>,
}

strata::module_entry!(Bench);

impl strata::dev::Module for Bench {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let state = Mutex::new(cx, lock_class!(Working, "bench work"), State::default());
        let file: Arc<File> = gfp::kernel(cx).arc_init(pin_init!(File { state <- state }))?;
        let dir = debugfs::Dir::new(cx, c"strata-bench-va-ours");
        let dir = gfp::kernel(cx).arc(dir)?;
        let work = debugfs::Entry::new(cx, dir, c"work", file);
        Ok(Ok::<_, Error>(Self { _work: work }))
    }
}
