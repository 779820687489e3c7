// SPDX-License-Identifier: GPL-2.0

//! An address space that is kept by [`Request::step`], and streams of requests for it.

use proptest::prelude::ProptestConfig;
use std::collections::BTreeMap;
use strata_plan::va::{Piece, Request, Span, Step};

/// Where the address spaces of the tests begin, and how long they are.
pub const LENGTH: u64 = 40;
pub const BASES: [u64; 3] = [0, 0x7fff_ffff_ffe0, u64::MAX - LENGTH];

/// Streams of a run: fewer than these are no proof, whatever the environment asks for.
const STREAMS: u32 = 256;

/// How the tests with streams are run.
pub fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.max(STREAMS),
        ..config
    }
}

/// What one request did to one mapping.
pub type Done = (Piece<u8>, Step<u8>);

/// Mappings by their address.
#[derive(Default)]
pub struct Space(BTreeMap<u64, Piece<u8>>);

impl Space {
    pub fn pieces(&self) -> impl Iterator<Item = &Piece<u8>> {
        self.0.values()
    }

    /// Does what is asked for. It never makes more pieces than the request says.
    pub fn apply(&mut self, request: &Request<u8>) -> Vec<Done> {
        let span = request.span();
        let below = self.0.range(..span.addr()).next_back();
        let first = below.map_or(span.addr(), |(addr, _)| *addr);
        // A neighbour on each side too: what does not meet the request must stay.
        let olds: Vec<_> = self.0.range(first..=span.end()).map(|at| *at.1).collect();

        let mut done = Vec::new();
        let mut made = Vec::new();
        for old in olds {
            let Some(step) = request.step(&old) else {
                continue;
            };
            self.0.remove(&old.span().addr());
            match step {
                Step::Unmap { .. } => {}
                Step::Remap { prev, next, .. } => {
                    assert!(prev.is_some() || next.is_some());
                    made.extend([prev, next]);
                }
                Step::Cut { prev, middle, next } => {
                    assert!(prev.is_some() || next.is_some());
                    made.extend([prev, Some(middle), next]);
                }
            }
            done.push((old, step));
        }
        made.push(request.added());
        let made: Vec<_> = made.into_iter().flatten().collect();
        assert!(made.len() <= request.pieces());
        for piece in made {
            self.insert(piece);
        }
        done
    }

    /// Mappings never overlap.
    fn insert(&mut self, piece: Piece<u8>) {
        let span = piece.span();
        let below = self.0.range(..span.end()).next_back();
        assert!(below.is_none_or(|(_, below)| !below.span().intersects(&span)));
        self.0.insert(span.addr(), piece);
    }
}

/// Numbers from a seed, by xorshift: a stream that a test can cut short.
pub struct Stream(u64);

impl Stream {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % end
    }

    /// A request into the space at `base`. Few objects and offsets, so that neighbours often agree.
    pub fn request(&mut self, base: u64) -> Request<u8> {
        let at = self.below(LENGTH);
        let most = match self.below(4) {
            0 => LENGTH - at,
            1 => 1,
            _ => (LENGTH - at).min(7),
        };
        let span = Span::new(base + at, 1 + self.below(most)).unwrap();
        match self.below(16) {
            0..=8 => {
                let object = [None, Some(1), Some(1), Some(1), Some(2)][self.below(5) as usize];
                // What ends at the very end of the number is an object too.
                let origin = [0, u64::MAX - LENGTH - 1][self.below(2) as usize];
                let offset = origin + at + self.below(2);
                Request::Map(Piece::new(span, object, offset).unwrap())
            }
            9..=11 => Request::Unmap(span),
            12..=13 => Request::Split(span),
            _ => Request::SplitSparse(span),
        }
    }
}
