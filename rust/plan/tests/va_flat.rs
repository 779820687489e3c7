// SPDX-License-Identifier: GPL-2.0

//! Requests against a flat array: for each address what is mapped there, and whether a mapping
//! begins there.

mod space;

use proptest::collection::vec;
use proptest::prelude::*;
use space::{Done, Space, Stream, BASES, LENGTH};
use std::cell;
use strata_plan::va::{Piece, Request, Span, Step};

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    object: Option<u8>,
    offset: u64,
    begins: bool,
}

/// The array, with one cell more for what begins at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Flat {
    base: u64,
    cells: [Option<Cell>; LENGTH as usize + 1],
}

impl Flat {
    fn new(base: u64) -> Self {
        let cells = [None; LENGTH as usize + 1];
        Self { base, cells }
    }

    fn indices(&self, span: &Span) -> std::ops::Range<usize> {
        (span.addr() - self.base) as usize..(span.end() - self.base) as usize
    }

    fn begin(&mut self, index: usize) {
        if let Some(cell) = &mut self.cells[index] {
            cell.begins = true;
        }
    }

    fn is_sparse(&self, index: usize) -> bool {
        self.cells[index].is_some_and(|cell| cell.object.is_none())
    }

    fn apply(&mut self, request: &Request<u8>) {
        let indices = self.indices(&request.span());
        let (start, end) = (indices.start, indices.end);
        match request {
            Request::Map(piece) => {
                self.begin(end);
                for index in indices {
                    self.cells[index] = Some(Cell {
                        object: piece.object(),
                        offset: piece.offset() + (index - start) as u64,
                        begins: index == start,
                    });
                }
            }
            Request::Unmap(_) => {
                self.begin(end);
                self.cells[indices].fill(None);
            }
            Request::Split(_) => {
                self.begin(start);
                self.begin(end);
            }
            Request::SplitSparse(_) => {
                for border in [start, end] {
                    if self.is_sparse(border) {
                        self.begin(border);
                    }
                }
            }
        }
    }

    /// The array that mappings make.
    fn of(base: u64, space: &Space) -> Self {
        let mut flat = Self::new(base);
        for piece in space.pieces() {
            let indices = flat.indices(&piece.span());
            for (index, offset) in indices.clone().zip(piece.offset()..) {
                flat.cells[index] = Some(Cell {
                    object: piece.object(),
                    offset,
                    begins: index == indices.start,
                });
            }
        }
        flat
    }

    /// Whether the same is mapped at an address.
    fn agrees(&self, other: &Self, index: usize) -> bool {
        let mapped = |flat: &Self| flat.cells[index].map(|cell| (cell.object, cell.offset));
        !self.is_sparse(index) && mapped(self).is_some() && mapped(self) == mapped(other)
    }
}

/// `keep` says of each address that a mapping lost whether the same is mapped there again.
fn check_keep(before: &Flat, after: &Flat, request: &Request<u8>, done: &[Done]) {
    for (old, step) in done {
        let keep = match step {
            Step::Unmap { keep } | Step::Remap { keep, .. } => *keep,
            Step::Cut { .. } => continue,
        };
        let shared = old.span().intersection(&request.span()).unwrap();
        for index in before.indices(&shared) {
            assert_eq!(keep, before.agrees(after, index), "{request:?} on {old:?}");
        }
    }
}

/// A space and its array side by side.
fn run(base: u64, requests: impl IntoIterator<Item = Request<u8>>) {
    let mut space = Space::default();
    let mut flat = Flat::new(base);
    for request in requests {
        let before = flat.clone();
        flat.apply(&request);
        let done = space.apply(&request);
        assert_eq!(
            Flat::of(base, &space),
            flat,
            "after {request:?} on {before:?}"
        );
        check_keep(&before, &flat, &request, &done);
    }
}

fn request() -> impl Strategy<Value = Request<u8>> {
    any::<u64>().prop_map(|seed| Stream::new(seed).request(0))
}

/// The same request, elsewhere.
fn moved(request: &Request<u8>, base: u64) -> Request<u8> {
    let span = request.span();
    let span = Span::new(base + span.addr(), span.length()).unwrap();
    match request {
        Request::Map(piece) => {
            Request::Map(Piece::new(span, piece.object(), piece.offset()).unwrap())
        }
        Request::Unmap(_) => Request::Unmap(span),
        Request::Split(_) => Request::Split(span),
        Request::SplitSparse(_) => Request::SplitSparse(span),
    }
}

proptest! {
    /// Few requests, which shrink one by one.
    #[test]
    fn requests_are_exact(
        requests in vec(request(), 1..60),
        base in prop::sample::select(&BASES),
    ) {
        run(base, requests.iter().map(|request| moved(request, base)));
    }

}

/// Requests of all streams of a run, at least, with a step and more each.
const REQUESTS: u64 = 2_000_000;

/// Many, which shrink to the shortest stream that goes wrong.
#[test]
fn long_streams_are_exact() {
    let (streams, requests) = (cell::Cell::new(0), cell::Cell::new(0));
    let config = space::config();
    let asked = config.cases;
    proptest!(config, |(
        seed in any::<u64>().no_shrink(),
        length in 1usize..20_000,
        base in prop::sample::select(&BASES),
    )| {
        let mut stream = Stream::new(seed);
        run(base, (0..length).map(|_| stream.request(base)));
        streams.set(streams.get() + 1);
        requests.set(requests.get() + length as u64);
    });
    // What a file of failures has comes before those that are asked for.
    assert!(streams.get() >= asked, "{streams:?} of {asked} streams ran");
    assert!(
        requests.get() >= REQUESTS,
        "{requests:?} requests were made"
    );
}

/// What the streams above are made of: requests meet mappings in every way, more than one each.
#[test]
fn streams_meet_everything() {
    let mut stream = Stream::new(1);
    let mut space = Space::default();
    let mut seen = [[0; 4]; 5];
    const LOOKED_AT: u32 = 20_000;
    for _ in 0..LOOKED_AT {
        let request = stream.request(0);
        for (_, step) in space.apply(&request) {
            let (kind, sides) = match step {
                Step::Unmap { keep } => (usize::from(keep), 0),
                Step::Remap { prev, next, keep } => (2 + usize::from(keep), sides(prev, next)),
                Step::Cut { prev, next, .. } => (4, sides(prev, next)),
            };
            seen[kind][sides] += 1;
        }
    }
    assert!(seen.as_flattened().iter().sum::<u32>() > LOOKED_AT);
    let often = |count: &u32| *count > 100;
    assert!(seen[0][0] > 100 && seen[1][0] > 100);
    assert!(
        seen[2..].iter().all(|kinds| kinds[1..].iter().all(often)),
        "{seen:?}"
    );
}

fn sides(prev: Option<Piece<u8>>, next: Option<Piece<u8>>) -> usize {
    usize::from(prev.is_some()) + 2 * usize::from(next.is_some())
}
