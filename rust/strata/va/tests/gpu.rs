// SPDX-License-Identifier: GPL-2.0

//! A driver whose values are counted, and what can be said of its spaces.

use super::super::{
    Backing,
    Done,
    Driver,
    Limits,
    Mapping,
    Op,
    Piece,
    Prepared,
    Space,
    Span, //
};
use crate::{
    cx::{
        Cx,
        Process,
        SignalLock, //
    },
    gfp::{
        self,
        Allocate,
        Gfp, //
    },
    sync::Class, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Arc, //
    },
};

/// How many values of each kind there are.
static ALIVE: [Atomic<i64>; 3] = [const { Atomic::new(0) }; 3];

/// Values that were dropped twice, or looked at when they were dead.
static FAULTS: Atomic<i64> = Atomic::new(0);

const OBJECT: usize = 0;
const DATA: usize = 1;
const SPARE: usize = 2;

const LIVES: u32 = 0x600d_cafe;
const DIED: u32 = 0xdead_cafe;

/// A value that is counted.
struct Counted<const KIND: usize>(Atomic<u32>);

impl<const KIND: usize> Counted<KIND> {
    fn new() -> Self {
        if let Some(alive) = ALIVE.get(KIND) {
            alive.add(1, Relaxed);
        }
        Self(Atomic::new(LIVES))
    }

    fn check(&self) {
        if self.0.load(Relaxed) != LIVES {
            FAULTS.add(1, Relaxed);
        }
    }
}

impl<const KIND: usize> Drop for Counted<KIND> {
    fn drop(&mut self) {
        self.check();
        self.0.store(DIED, Relaxed);
        if let Some(alive) = ALIVE.get(KIND) {
            alive.add(-1, Relaxed);
        }
    }
}

/// A handle to one of many objects.
pub(super) struct Object {
    id: usize,
    counted: Counted<OBJECT>,
}

impl Object {
    pub(super) fn new(id: usize) -> Self {
        Self {
            id,
            counted: Counted::new(),
        }
    }
}

impl Clone for Object {
    fn clone(&self) -> Self {
        self.counted.check();
        Self::new(self.id)
    }
}

impl Backing for Object {
    fn id(&self) -> usize {
        self.counted.check();
        self.id
    }
}

/// What is kept with a mapping: a number that its pieces inherit.
pub(super) struct Data {
    number: u64,
    counted: Counted<DATA>,
}

impl Data {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            counted: Counted::new(),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.counted.check();
        self.number
    }
}

pub(super) struct Spare(Counted<SPARE>);

pub(super) struct Gpu;

impl Driver for Gpu {
    type Object = Object;
    type Data = Data;
    type Spare = Spare;

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result<Spare> {
        Ok(Spare(Counted::new()))
    }

    fn split(old: &Mapping<Self>, piece: Span, spare: Spare) -> Data {
        spare.0.check();
        let inside = old.span().covers(&piece) && old.span() != piece;
        if !inside {
            FAULTS.add(1, Relaxed);
        }
        Data::new(old.data().number())
    }
}

/// Whether all that was made is dropped, once.
pub(super) fn settled() -> bool {
    FAULTS.load(Relaxed) == 0 && ALIVE.iter().all(|alive| alive.load(Relaxed) == 0)
}

pub(super) fn faults() -> i64 {
    FAULTS.load(Relaxed)
}

pub(super) fn span(addr: u64, length: u64) -> Result<Span> {
    Span::new(addr, length).map_err(|_| EINVAL)
}

/// A space of addresses below 1 << 20.
pub(super) fn space(cx: &mut Cx<'_, Process>) -> Result<Arc<Space<Gpu>>> {
    let limits = Limits::from(span(0, 1 << 20)?);
    space_of(cx, crate::lock_class!(SignalLock, "va-tests"), limits)
}

pub(super) fn space_of(
    cx: &mut Cx<'_, Process>,
    class: &'static Class<SignalLock>,
    limits: Limits,
) -> Result<Arc<Space<Gpu>>> {
    let space = Space::new(cx, class, limits);
    gfp::kernel(cx).arc_init(space)
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// Object 0 is none.
    Map {
        addr: u64,
        length: u64,
        object: usize,
        offset: u64,
    },
    Unmap {
        addr: u64,
        length: u64,
    },
    Split {
        addr: u64,
        length: u64,
    },
    SplitSparse {
        addr: u64,
        length: u64,
    },
}

/// Prepares it, with a number for what is mapped.
pub(super) fn prepare<C: Allocate>(
    space: &Space<Gpu>,
    gfp: &mut Gfp<'_, C>,
    ask: Ask,
    number: u64,
) -> Result<Prepared<Gpu>> {
    match ask {
        Ask::Map {
            addr,
            length,
            object,
            offset,
        } => {
            let object = (object != 0).then(|| Object::new(object));
            let data = Data::new(number);
            Ok(space.prepare_map(gfp, span(addr, length)?, object, offset, data)?)
        }
        Ask::Unmap { addr, length } => space.prepare_unmap(gfp, span(addr, length)?),
        Ask::Split { addr, length } => space.prepare_split(gfp, span(addr, length)?),
        Ask::SplitSparse { addr, length } => space.prepare_split_sparse(gfp, span(addr, length)?),
    }
}

/// As many values as a test has to write down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Few<T>([Option<T>; 8]);

impl<T: Copy> Few<T> {
    pub(super) fn of<const N: usize>(values: [T; N]) -> Self {
        values.into_iter().collect()
    }
}

impl<T: Copy> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut few = [None; 8];
        let mut values = values.into_iter();
        for (slot, value) in few.iter_mut().zip(values.by_ref()) {
            *slot = Some(value);
        }
        if values.next().is_some() {
            FAULTS.add(1, Relaxed);
        }
        Self(few)
    }
}

/// A part of a mapping: address, length, offset.
pub(super) type Part = (u64, u64, u64);

fn part(piece: Piece<usize>) -> Part {
    (piece.span().addr(), piece.span().length(), piece.offset())
}

/// An operation, with what it displaced by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Unmap(u64, bool),
    Remap(u64, Option<Part>, Option<Part>, bool),
    Cut(u64, Option<Part>, Part, Option<Part>),
    Map(Part, usize),
}

pub(super) fn ops(done: &Done<'_, Gpu>) -> Few<Seen> {
    done.ops()
        .map(|op| match op {
            Op::Unmap { old, keep } => Seen::Unmap(old.span().addr(), keep),
            Op::Remap {
                old,
                prev,
                next,
                keep,
            } => Seen::Remap(old.span().addr(), prev.map(part), next.map(part), keep),
            Op::Cut {
                old,
                prev,
                middle,
                next,
            } => Seen::Cut(
                old.span().addr(),
                prev.map(part),
                part(middle),
                next.map(part),
            ),
            Op::Map { piece, object } => {
                if piece.object() != object.map(Backing::id) {
                    FAULTS.add(1, Relaxed);
                }
                Seen::Map(part(piece), piece.object().unwrap_or(0))
            }
        })
        .collect()
}

/// All that is mapped: the part, the object and the number.
pub(super) fn mapped(space: &Space<Gpu>) -> Few<(Part, usize, u64)> {
    let guard = rcu::read_lock();
    space
        .iter(&guard, space.limits().space())
        .map(|mapping| {
            let object = mapping.object().map_or(0, Backing::id);
            (part(mapping.piece()), object, mapping.data().number())
        })
        .collect()
}

/// Prepares and commits.
pub(super) fn commit<'s>(
    cx: &mut Cx<'_, Process>,
    space: &'s Space<Gpu>,
    ask: Ask,
    number: u64,
) -> Result<Done<'s, Gpu>> {
    let prepared = prepare(space, &mut gfp::kernel(cx), ask, number)?;
    Ok(space.commit(cx, prepared)?)
}

/// An error that says what was expected, if it is not what is there.
pub(super) fn expect<T: PartialEq + core::fmt::Debug>(is: T, expected: T) -> Result {
    if is != expected {
        pr_err!("strata_va: {is:?} instead of {expected:?}\n");
        return Err(EINVAL);
    }
    Ok(())
}
