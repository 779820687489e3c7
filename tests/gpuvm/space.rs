// SPDX-License-Identifier: GPL-2.0

//! What is asked of an address space and what it answers, in plain numbers: they may be any.

use kernel::{
    error::to_result,
    prelude::*, //
};
use strata::prelude::*;

/// A mapping, as `struct strata_gpuvm_piece`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) addr: u64,
    pub(crate) range: u64,
    /// 0 for a sparse mapping.
    pub(crate) object: u64,
    pub(crate) offset: u64,
}

static_assert!(size_of::<Piece>() == 32);

impl Piece {
    pub(crate) fn area(&self) -> Area {
        Area {
            addr: self.addr,
            range: self.range,
        }
    }

    /// Its end, as C would compute it.
    pub(crate) fn end(&self) -> u64 {
        self.area().end()
    }
}

/// Addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) addr: u64,
    pub(crate) range: u64,
}

impl Area {
    pub(crate) const fn new(addr: u64, range: u64) -> Self {
        Self { addr, range }
    }

    /// Its end, as C would compute it.
    pub(crate) const fn end(&self) -> u64 {
        self.addr.wrapping_add(self.range)
    }

    /// Whether it has no end.
    pub(crate) const fn overflows(&self) -> bool {
        self.addr.checked_add(self.range).is_none()
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A mapping, in place of what is there.
    Map(Piece),
    /// Nothing, in place of what is there.
    Unmap(Area),
    /// That no mapping crosses the borders.
    Split(Area),
    /// That no sparse mapping does.
    Madvise(Area),
    /// What a prefetch is about.
    Prefetch(Area),
}

impl Request {
    /// The addresses that it is about.
    pub(crate) fn area(&self) -> Area {
        match self {
            Request::Map(piece) => piece.area(),
            Request::Unmap(area)
            | Request::Split(area)
            | Request::Madvise(area)
            | Request::Prefetch(area) => *area,
        }
    }
}

/// As many requests as are made at once, at most.
pub(crate) const BATCH: usize = 6;

/// Requests that are made at once. Those that are refused are left out. A prefetch is alone.
#[derive(Clone, Copy, Default)]
pub(crate) struct Batch {
    requests: [Option<Request>; BATCH],
    count: usize,
}

impl Batch {
    /// One request.
    pub(crate) fn of(request: Request) -> Self {
        let mut batch = Self::default();
        batch.push(request);
        batch
    }

    /// Adds one, if there is room.
    pub(crate) fn push(&mut self, request: Request) {
        if let Some(slot) = self.requests.get_mut(self.count) {
            *slot = Some(request);
            self.count += 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_prefetch(&self) -> bool {
        matches!(self.requests, [Some(Request::Prefetch(_)), ..])
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, &Request)> {
        let numbered = self.requests.iter().enumerate();
        numbered.filter_map(|(index, request)| Some((index, request.as_ref()?)))
    }
}

/// One operation, as `struct strata_gpuvm_op`.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) va: Piece,
    pub(crate) prev: Piece,
    pub(crate) next: Piece,
}

static_assert!(size_of::<Op>() == 104);

impl Op {
    pub(crate) const MAP: u32 = 1;
    pub(crate) const UNMAP: u32 = 2;
    pub(crate) const REMAP: u32 = 3;
    pub(crate) const PREFETCH: u32 = 4;

    pub(crate) const KEEP: u32 = 1;
    pub(crate) const PREV: u32 = 2;
    pub(crate) const NEXT: u32 = 4;

    pub(crate) fn map(va: Piece) -> Self {
        Self {
            kind: Self::MAP,
            va,
            ..Self::default()
        }
    }

    pub(crate) fn unmap(va: Piece, keep: bool) -> Self {
        Self {
            kind: Self::UNMAP,
            flags: if keep { Self::KEEP } else { 0 },
            va,
            ..Self::default()
        }
    }

    pub(crate) fn remap(va: Piece, prev: Option<Piece>, next: Option<Piece>, keep: bool) -> Self {
        let mut flags = if keep { Self::KEEP } else { 0 };
        if prev.is_some() {
            flags |= Self::PREV;
        }
        if next.is_some() {
            flags |= Self::NEXT;
        }
        Self {
            kind: Self::REMAP,
            flags,
            va,
            prev: prev.unwrap_or_default(),
            next: next.unwrap_or_default(),
        }
    }

    pub(crate) fn prefetch(va: Piece) -> Self {
        Self {
            kind: Self::PREFETCH,
            va,
            ..Self::default()
        }
    }

    pub(crate) fn keep(&self) -> bool {
        self.flags & Self::KEEP != 0
    }
}

impl core::fmt::Debug for Op {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut shown = f.debug_struct(match self.kind {
            Self::MAP => "Map",
            Self::UNMAP => "Unmap",
            Self::REMAP => "Remap",
            Self::PREFETCH => "Prefetch",
            _ => "?",
        });
        shown.field("va", &self.va);
        if self.flags & Self::PREV != 0 {
            shown.field("prev", &self.prev);
        }
        if self.flags & Self::NEXT != 0 {
            shown.field("next", &self.next);
        }
        shown.field("keep", &self.keep()).finish()
    }
}

/// As many items as fit, of which some are filled.
///
/// # Invariants
///
/// `filled` is at most the length of `items`.
pub(crate) struct Buffer<T> {
    items: KVVec<T>,
    filled: usize,
}

impl<T: Copy + Default> Buffer<T> {
    pub(crate) fn new(capacity: usize) -> Result<Self> {
        Ok(Self {
            items: KVVec::from_elem(T::default(), capacity, GFP_KERNEL)?,
            // INVARIANT: nothing is at most anything.
            filled: 0,
        })
    }

    pub(crate) fn clear(&mut self) {
        // INVARIANT: nothing is at most anything.
        self.filled = 0;
    }

    pub(crate) fn push(&mut self, item: T) -> Result {
        *self.items.get_mut(self.filled).ok_or(EOVERFLOW)? = item;
        // INVARIANT: there was room for it.
        self.filled += 1;
        Ok(())
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let last = self.as_slice().last().copied();
        self.filled = self.filled.saturating_sub(1);
        last
    }

    /// Lets `f` add some, which says how many there are, or a negative error.
    pub(crate) fn append(&mut self, f: impl FnOnce(&mut [T]) -> isize) -> Result {
        let room = self.items.get_mut(self.filled..).unwrap_or_default();
        let count = f(room);
        let Ok(count) = usize::try_from(count) else {
            return to_result(count as i32);
        };
        if count > room.len() {
            return Err(EOVERFLOW);
        }
        // INVARIANT: just checked.
        self.filled += count;
        Ok(())
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        self.items.get(..self.filled).unwrap_or_default()
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        self.items.get_mut(..self.filled).unwrap_or_default()
    }
}

/// What came of a batch.
pub(crate) struct Answer {
    /// What a driver is told.
    pub(crate) ops: Buffer<Op>,
    /// A bit for each request that was refused.
    pub(crate) refused: u32,
    /// Where the operations of each request end, if that is known.
    pub(crate) ends: [usize; BATCH],
}

impl Answer {
    pub(crate) fn new(capacity: usize) -> Result<Self> {
        Ok(Self {
            ops: Buffer::new(capacity)?,
            refused: 0,
            ends: [0; BATCH],
        })
    }

    pub(crate) fn clear(&mut self) {
        self.ops.clear();
        self.refused = 0;
    }

    /// What was told of one request, or nothing if it was refused.
    pub(crate) fn of(&self, index: usize) -> Option<&[Op]> {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        match self.refused & 1 << index {
            0 => self.ops.as_slice().get(begin..self.ends[index]),
            _ => None,
        }
    }

    /// Notes what came of one request, whose operations are there now, unless it is an error that
    /// ends the test.
    pub(crate) fn note(&mut self, index: usize, result: Result) -> Result {
        self.ends[index] = self.ops.as_slice().len();
        match result {
            Err(error) if error == EINVAL => {
                self.refused |= 1 << index;
                Ok(())
            }
            other => other,
        }
    }
}

/// An address space: the kernel's own, or one that is compared with it.
pub(crate) trait Space {
    /// Takes the memory for a batch, if that can be done beforehand. Batches are prepared in the
    /// order in which they are committed.
    ///
    /// # Errors
    ///
    /// Any ends the test.
    fn prepare(&mut self, _cx: &mut Cx<'_, Process>, _batch: &Batch) -> Result {
        Ok(())
    }

    /// Does what is asked for, and says what a driver is told.
    ///
    /// # Errors
    ///
    /// Any ends the test.
    fn commit(&mut self, cx: &mut Cx<'_, Process>, batch: &Batch, answer: &mut Answer) -> Result;

    /// All mappings, ascending.
    ///
    /// # Errors
    ///
    /// Any ends the test.
    fn list(&mut self, cx: &mut Cx<'_, Process>, pieces: &mut Buffer<Piece>) -> Result;
}
