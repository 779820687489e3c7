// SPDX-License-Identifier: GPL-2.0

//! What the requests came to: a comparison of what never happens would prove nothing.
//!
//! Each way in which a request can meet a mapping is counted, as `drm_gpuvm` told it. The runner
//! asks that none of the counts is 0.

use crate::{
    regime::{
        Reason,
        Regime, //
    },
    space::{
        Answer,
        Area,
        Batch,
        Op,
        Piece,
        Request, //
    },
};
use kernel::{
    seq_file::SeqFile,
    seq_print,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// Where a border of a mapping is: before, at or after that of the request.
const SIDES: [&str; 3] = ["before", "at", "after"];
/// Of both borders, and whether the page tables may be kept.
const MET_BY_MAP: usize = 18;
/// Of both borders.
const MET_BY_UNMAP: usize = 9;
const MET: usize = MET_BY_MAP + MET_BY_UNMAP;

/// What else there is.
const OTHERS: [&str; 13] = [
    "map.nothing-met",
    "unmap.nothing-met",
    "split.nothing-cut",
    "split.one-cut",
    "split.two-cut",
    "madvise.nothing-cut",
    "madvise.one-cut",
    "madvise.two-cut",
    "prefetch.nothing-met",
    "prefetch.met",
    "refused.overflow",
    "refused.outside",
    "refused.kernel",
];

const COUNTS: usize = MET + OTHERS.len();

/// Of one run.
pub(crate) struct Tally {
    counts: [u64; COUNTS],
    /// How many requests were not refused.
    pub(crate) accepted: u64,
    pub(crate) operations: u64,
    /// The most mappings that there ever were.
    pub(crate) most: usize,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            counts: [0; COUNTS],
            accepted: 0,
            operations: 0,
            most: 0,
        }
    }

    /// Counts requests and what `drm_gpuvm` told of them.
    pub(crate) fn add(&mut self, regime: &Regime, batch: &Batch, answer: &Answer) {
        for (index, request) in batch.iter() {
            match answer.of(index) {
                Some(ops) => self.done(request, ops),
                None => self.refused(regime.refuses(request.area())),
            }
        }
    }

    fn done(&mut self, request: &Request, ops: &[Op]) {
        self.accepted += 1;
        self.operations += ops.len() as u64;
        let cuts = ops.iter().filter(|op| op.kind == Op::REMAP).count();
        match request {
            Request::Map(piece) => self.met(ops, &piece.area(), true),
            Request::Unmap(area) => self.met(ops, area, false),
            Request::Split(_) => self.other(2 + cuts.min(2)),
            Request::Madvise(_) => self.other(5 + cuts.min(2)),
            Request::Prefetch(_) => self.other(8 + ops.len().min(1)),
        }
    }

    fn met(&mut self, ops: &[Op], area: &Area, map: bool) {
        let mut met = false;
        for op in ops.iter().filter(|op| op.kind != Op::MAP) {
            met = true;
            let sides = sides(&op.va, area);
            self.counts[match map {
                true => sides * 2 + usize::from(op.keep()),
                false => MET_BY_MAP + sides,
            }] += 1;
        }
        if !met {
            self.other(if map { 0 } else { 1 });
        }
    }

    fn refused(&mut self, reason: Option<Reason>) {
        match reason {
            Some(Reason::Overflow) => self.other(10),
            Some(Reason::Outside) => self.other(11),
            Some(Reason::Kernel) => self.other(12),
            None => (),
        }
    }

    fn other(&mut self, index: usize) {
        self.counts[MET + index] += 1;
    }
}

/// Of all runs since the module was loaded.
pub(crate) struct Coverage {
    counts: [Atomic<u64>; COUNTS],
    accepted: Atomic<u64>,
}

impl Coverage {
    pub(crate) fn new() -> Self {
        Self {
            counts: [const { Atomic::new(0) }; COUNTS],
            accepted: Atomic::new(0),
        }
    }

    pub(crate) fn add(&self, tally: &Tally) {
        self.accepted.add(tally.accepted, Relaxed);
        for (all, new) in self.counts.iter().zip(tally.counts) {
            all.add(new, Relaxed);
        }
    }

    /// A line for each count, and how many requests were accepted.
    pub(crate) fn show(&self, out: &SeqFile) {
        seq_print!(out, "accepted {}\n", self.accepted.load(Relaxed));
        for (index, count) in self.counts.iter().enumerate() {
            let count = count.load(Relaxed);
            match index {
                0..MET_BY_MAP => {
                    let (first, last) = names(index / 2);
                    let keep = ["drop", "keep"][index % 2];
                    seq_print!(out, "map.{}.{}.{} {}\n", first, last, keep, count);
                }
                MET_BY_MAP..MET => {
                    let (first, last) = names(index - MET_BY_MAP);
                    seq_print!(out, "unmap.{}.{} {}\n", first, last, count);
                }
                _ => seq_print!(out, "{} {}\n", OTHERS[index - MET], count),
            }
        }
    }
}

/// Where the borders of a mapping are, as a number below 9.
fn sides(piece: &Piece, area: &Area) -> usize {
    let side = |mapping: u64, request: u64| mapping.cmp(&request) as i8 + 1;
    (side(piece.addr, area.addr) * 3 + side(piece.end(), area.end())) as usize
}

fn names(sides: usize) -> (&'static str, &'static str) {
    (SIDES[sides / 3], SIDES[sides % 3])
}
