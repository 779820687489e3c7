// SPDX-License-Identifier: GPL-2.0

//! What the device computes: words of the memory that is mapped at ranges of addresses.
//!
//! An address is looked up when the work comes to it, page by page, without a lock. What is mapped
//! there may be touched if the job named its buffer: that one is resident, and stays so.

use crate::{
    buffer::BufferRef,
    foreign::{
        self,
        Part, //
    },
    named::Use,
    queue::Engine,
    uapi,
    vm::{
        range,
        Gpu,
        Vm, //
    },
};
use kernel::{page::PAGE_SIZE, prelude::*, sync::rcu};
use strata::{
    cx::{
        SignalLock,
        Signalling, //
    },
    prelude::*,
    shmem::{
        self,
        Words, //
    },
    va::{
        Backing,
        Span,
        View, //
    },
};

const WORD: u64 = 8;

/// One operation, checked.
pub(crate) enum Op {
    Fill { dst: Span, value: u64 },
    Copy { dst: Span, src: Span },
    Add { dst: Span, src: Span },
    Checksum { dst: Span, src: Span },
    Hang,
}

impl Op {
    /// How many bytes it works on.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Op::Fill { dst, .. } | Op::Copy { dst, .. } | Op::Add { dst, .. } => dst.length(),
            Op::Checksum { src, .. } => src.length(),
            Op::Hang => 0,
        }
    }

    /// Checks what user space wants of a space.
    pub(crate) fn new(op: &uapi::ExecOp, vm: &Vm) -> Result<Self> {
        let words = |address: u64, length: u64| {
            let range = range(address, length)?;
            let whole = address % WORD == 0 && length % WORD == 0;
            if !whole || !vm.all().covers(&range) {
                return Err(EINVAL);
            }
            Ok(range)
        };
        if op.flags != 0 {
            return Err(EINVAL);
        }
        match (op.op, op) {
            (uapi::STRATA_VBIND_FILL, uapi::ExecOp { src: 0, .. }) => Ok(Op::Fill {
                dst: words(op.dst, op.length)?,
                value: op.value,
            }),
            (uapi::STRATA_VBIND_COPY, uapi::ExecOp { value: 0, .. }) => Ok(Op::Copy {
                dst: words(op.dst, op.length)?,
                src: words(op.src, op.length)?,
            }),
            (uapi::STRATA_VBIND_ADD, uapi::ExecOp { value: 0, .. }) => Ok(Op::Add {
                dst: words(op.dst, op.length)?,
                src: words(op.src, op.length)?,
            }),
            (uapi::STRATA_VBIND_CHECKSUM, uapi::ExecOp { value: 0, .. }) => Ok(Op::Checksum {
                dst: words(op.dst, WORD)?,
                src: words(op.src, op.length)?,
            }),
            (
                uapi::STRATA_VBIND_HANG,
                uapi::ExecOp {
                    dst: 0,
                    src: 0,
                    length: 0,
                    value: 0,
                    ..
                },
            ) => Ok(Op::Hang),
            _ => Err(EINVAL),
        }
    }
}

/// How an execution ended, if not with an error.
pub(crate) enum Outcome {
    Done,
    /// It came to an operation that never ends.
    Hangs,
}

/// What is mapped where a part of the work is done.
enum Place<'a> {
    Memory(Words<'a>),
    /// That of another driver.
    Foreign(Part<'a>),
    /// Zeros, whatever is written.
    Sparse,
}

/// What one job executes.
pub(crate) struct Exec {
    ops: KVVec<Op>,
    /// The memory that it may touch, by the [id](Backing::id) of its buffer.
    memory: KVVec<(usize, Use)>,
}

impl Exec {
    /// `memory` is sorted.
    pub(crate) fn new(ops: KVVec<Op>, memory: KVVec<(usize, Use)>) -> Self {
        Self { ops, memory }
    }

    /// Does all of it, or as much as there is no error.
    pub(crate) fn run(
        &self,
        cx: &mut Cx<'_, Signalling>,
        vm: &Vm,
        engine: &Engine,
    ) -> Result<Outcome> {
        let mut run = Run {
            exec: self,
            vm,
            engine,
            cx,
        };
        for op in &self.ops {
            match op {
                Op::Fill { dst, value } => run.fill(*dst, *value)?,
                Op::Copy { dst, src } => run.combine(*dst, *src, |_, src| src)?,
                Op::Add { dst, src } => run.combine(*dst, *src, u64::wrapping_add)?,
                Op::Checksum { dst, src } => run.checksum(*dst, *src)?,
                Op::Hang => return Ok(Outcome::Hangs),
            }
        }
        Ok(Outcome::Done)
    }

    /// What is mapped there.
    fn place<'a>(&'a self, view: &View<'_, Gpu, SignalLock>, at: At) -> Result<Place<'a>> {
        let mapping = view.find(at.address).ok_or(EFAULT)?;
        if at.write && !mapping.data().writable {
            return Err(EFAULT);
        }
        let Some(buffer) = mapping.object() else {
            return Ok(Place::Sparse);
        };
        let offset = mapping.offset() + (at.address - mapping.span().addr());
        match self.memory(buffer)? {
            Use::Own(memory) => Ok(Place::Memory(memory.words(offset, at.length)?)),
            Use::Foreign(memory) => Ok(Place::Foreign(memory.part(offset, at.length)?)),
        }
    }

    fn memory(&self, buffer: &BufferRef) -> Result<&Use> {
        let id = buffer.id();
        let found = self.memory.binary_search_by_key(&id, |(id, _)| *id);
        let (_, used) = found
            .ok()
            .and_then(|index| self.memory.get(index))
            .ok_or(EFAULT)?;
        Ok(used)
    }
}

/// An execution under way.
struct Run<'a, 'c, 't> {
    exec: &'a Exec,
    vm: &'a Vm,
    engine: &'a Engine,
    cx: &'c mut Cx<'t, Signalling>,
}

impl<'a> Run<'a, '_, '_> {
    /// A part of the work: `f` gets what is mapped at each of these addresses, all at one moment.
    /// What is unmapped meanwhile counts as unmapped when `f` has returned.
    fn part<const N: usize, R>(
        &mut self,
        at: [At; N],
        f: impl FnOnce([Place<'a>; N]) -> R,
    ) -> Result<R> {
        // Nobody kills a worker.
        self.cx.give_way()?;
        self.engine.may_go_on()?;
        let (exec, vm, engine) = (self.exec, self.vm, self.engine);
        let places = |view: &View<'_, Gpu, SignalLock>| {
            let mut places = [const { Place::Sparse }; N];
            for (place, at) in places.iter_mut().zip(at) {
                *place = exec.place(view, at)?;
            }
            Ok::<_, Error>(places)
        };
        let found = || vm.space().read(&rcu::read_lock(), places);
        engine.part(self.cx, || Ok(f(found()?)))
    }

    fn fill(&mut self, mut dst: Span, value: u64) -> Result {
        loop {
            let length = in_page(&dst);
            self.part([At::written(&dst, length)], |[to]| match to {
                Place::Memory(to) => to.iter().for_each(|to| to.store(value)),
                Place::Foreign(to) => to.iter().for_each(|to| to.store(value)),
                Place::Sparse => {}
            })?;
            match rest(&dst, length) {
                Some(rest) => dst = rest,
                None => return Ok(()),
            }
        }
    }

    /// Each word at `dst` becomes what `f` makes of it and of the one at `src`.
    fn combine(&mut self, mut dst: Span, mut src: Span, f: impl Fn(u64, u64) -> u64) -> Result {
        loop {
            let length = in_page(&dst).min(in_page(&src));
            let at = [At::read(&src, length), At::written(&dst, length)];
            // One word after the other: both may be the same memory.
            self.part(at, |[from, to]| match (from, to) {
                (Place::Memory(from), Place::Memory(to)) => each(from.iter(), to.iter(), &f),
                (Place::Memory(from), Place::Foreign(to)) => each(from.iter(), to.iter(), &f),
                (Place::Foreign(from), Place::Memory(to)) => each(from.iter(), to.iter(), &f),
                (Place::Foreign(from), Place::Foreign(to)) => each(from.iter(), to.iter(), &f),
                (Place::Sparse, Place::Memory(to)) => {
                    to.iter().for_each(|to| to.store(f(to.load(), 0)));
                }
                (Place::Sparse, Place::Foreign(to)) => {
                    to.iter().for_each(|to| to.store(f(to.load(), 0)));
                }
                (_, Place::Sparse) => {}
            })?;
            match (rest(&dst, length), rest(&src, length)) {
                (Some(to), Some(from)) => (dst, src) = (to, from),
                _ => return Ok(()),
            }
        }
    }

    fn checksum(&mut self, dst: Span, mut src: Span) -> Result {
        let mut crc = !0;
        loop {
            let length = in_page(&src);
            crc = self.part([At::read(&src, length)], |[from]| match from {
                Place::Memory(words) => words.crc32c(crc),
                Place::Foreign(part) => part.crc32c(crc),
                Place::Sparse => zeros(crc, length),
            })?;
            match rest(&src, length) {
                Some(rest) => src = rest,
                None => break,
            }
        }
        self.fill(dst, u64::from(!crc))
    }
}

/// A word of memory, wherever that is.
trait Word {
    fn load(&self) -> u64;
    fn store(&self, value: u64);
}

impl Word for shmem::Word<'_> {
    fn load(&self) -> u64 {
        (*self).load()
    }

    fn store(&self, value: u64) {
        (*self).store(value);
    }
}

impl Word for foreign::Word<'_, '_> {
    fn load(&self) -> u64 {
        self.load()
    }

    fn store(&self, value: u64) {
        self.store(value);
    }
}

/// One word after the other becomes what `f` makes of it and of its counterpart.
fn each<F: Word, T: Word>(
    from: impl Iterator<Item = F>,
    to: impl Iterator<Item = T>,
    f: impl Fn(u64, u64) -> u64,
) {
    for (from, to) in from.zip(to) {
        to.store(f(to.load(), from.load()));
    }
}

/// Where a part of the work is done: in one page.
#[derive(Clone, Copy)]
struct At {
    address: u64,
    length: u64,
    write: bool,
}

impl At {
    /// The first bytes of a range.
    fn read(span: &Span, length: u64) -> Self {
        Self {
            address: span.addr(),
            length,
            write: false,
        }
    }

    fn written(span: &Span, length: u64) -> Self {
        Self {
            write: true,
            ..Self::read(span, length)
        }
    }
}

/// How much of a range is in the page that it begins in.
fn in_page(span: &Span) -> u64 {
    let page = PAGE_SIZE as u64;
    span.length().min(page - span.addr() % page)
}

/// What is left of a range behind its first `length` bytes.
fn rest(span: &Span, length: u64) -> Option<Span> {
    Span::between(span.addr() + length, span.end())
}

/// What a CRC-32C becomes with one more byte of 0, by its last byte.
const CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let (mut crc, mut bit) = (index as u32, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

/// Folds so many zeros, of one page at most, into a CRC-32C.
fn zeros(crc: u32, length: u64) -> u32 {
    (0..length).fold(crc, |crc, _| (crc >> 8) ^ CRC32C[crc as usize % 256])
}
