// SPDX-License-Identifier: GPL-2.0

//! The copying engine of Documentation/fence.rst: it copies from one buffer to another in the
//! background, and tells user space with a sync_file.

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use strata::{
    cx::Signalling,
    dev,
    fence::{
        Fence,
        Job,
        PreparedJob,
        Signaller,
        SyncFile,
        Timeline, //
    },
    gfp::NoMemory,
    prelude::*,
    reserve::{
        Reserve,
        Reserved, //
    },
    resv::{
        self,
        Resv,
        Usage, //
    },
};

module! {
    type: Module,
    name: "copier",
    authors: ["You"],
    description: "Copies in the background",
    license: "GPL",
}

strata::module_entry!(Module);

/// Memory that can be copied.
struct Buffer {
    resv: Pin<KBox<Resv>>,
    bytes: usize,
}

/// Programs the engine; says when it is done.
fn transfer(from: &Buffer, to: &Buffer) -> Result {
    (from.bytes == to.bytes).then_some(()).ok_or(EIO)
}

/// What the engine is given at a time.
struct Step {
    offset: usize,
}

/// What it has been given, and has not done yet.
struct Ring {
    steps: [Option<Reserved<Step>>; 16],
    next: usize,
}

impl Ring {
    fn push(&mut self, step: Reserved<Step>) {
        // What was there is done, and its element comes back.
        self.steps[self.next] = Some(step);
        self.next = (self.next + 1) % self.steps.len();
    }
}

/// Does one without the ring.
fn run_now(step: Step) -> Result {
    (step.offset % 4096 == 0).then_some(()).ok_or(EIO)
}

/// Gives the engine all steps of a copy.
fn split(
    cx: &mut Cx<'_, Signalling>,
    steps: &Reserve<Step>,
    queued: &mut Ring,
    bytes: usize,
) -> Result {
    for offset in (0..bytes).step_by(4096) {
        let step = Step { offset };
        match steps.try_take(&mut gfp::nowait(cx), step) {
            Ok(step) => queued.push(step),
            Err(NoMemory { value }) => run_now(value)?,
        }
    }
    Ok(())
}

struct Copy {
    from: Arc<Buffer>,
    to: Arc<Buffer>,
}

impl Job for Copy {
    type Owner = Module;

    fn run(self, cx: &mut Cx<'_, Signalling>, dependencies: Result, signaller: Signaller) {
        let outcome = dependencies.and_then(|()| transfer(&self.from, &self.to));
        signaller.signal(cx, outcome);
    }
}

/// The submission: an ioctl's. The number of a sync_file for its fence.
fn submit(
    cx: &mut Cx<'_, Process>,
    timeline: &Timeline,
    from: Arc<Buffer>,
    to: Arc<Buffer>,
    after: i32,
) -> Result<u32> {
    let mut waits = gfp::kernel(cx).vec::<ARef<Fence>>(1)?;
    let after = Fence::from_fd(cx, after)?;
    gfp::kernel(cx).push(&mut waits, after)?;

    let copy = Copy {
        from: from.clone(),
        to: to.clone(),
    };
    let fence = timeline.prepare(&mut gfp::kernel(cx))?;
    let job = PreparedJob::new(cx, copy, fence, &waits)?;
    let file = SyncFile::of_prepared(cx, job.fence())?;
    let fd = file.fd();

    resv::all(cx, &[&*from.resv, &*to.resv], |held, cx| {
        let &[from, to] = held else {
            return Err(EINVAL);
        };
        let read = from.reserve_one(&mut gfp::kernel(cx))?;
        let write = to.reserve_one(&mut gfp::kernel(cx))?;

        cx.signalling(|cx| {
            let fence = job.queue(cx);
            read.add(cx, &fence, Usage::Read).ok();
            write.add(cx, &fence, Usage::Write).ok();
            file.install(cx, &fence).ok();
        });
        Ok(())
    })??;
    Ok(fd)
}

#[pin_data]
struct Module {
    // Signals what is left when the module goes.
    _timeline: Timeline,
    _steps: Reserve<Step>,
}

impl dev::Module for Module {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let timeline = Timeline::new(cx, c"copier", c"engine 0")?;
        let steps = Reserve::new(&mut gfp::kernel(cx), 64)?;
        let _ = (submit, split);
        Ok(try_pin_init!(Self {
            _timeline: timeline,
            _steps: steps,
        }))
    }
}
