// SPDX-License-Identifier: GPL-2.0

//! Requests against `drm_gpuvm`: the same operations, in the same order, with the same `keep`.

mod drm;
mod space;

use drm::{Gpuvm, Op, UnmapOp, Va};
use proptest::prelude::*;
use space::{Done, Space, Stream, BASES, LENGTH};
use std::cell::Cell;
use strata_plan::va::{Limits, Piece, Request, Span, Step};

/// Theirs, with the same limits and without a mapping.
fn gpuvm(limits: &Limits) -> Gpuvm {
    let (space, kernel) = (limits.space(), limits.kernel());
    Gpuvm {
        mm_start: space.addr(),
        mm_range: space.length(),
        kernel_addr: kernel.map_or(0, |kernel| kernel.addr()),
        kernel_range: kernel.map_or(0, |kernel| kernel.length()),
        vas: Vec::new(),
    }
}

fn va(piece: &Piece<u8>) -> Va {
    Va {
        addr: piece.span().addr(),
        range: piece.span().length(),
        obj: piece.object(),
        offset: piece.offset(),
    }
}

/// What madvise makes of a sparse mapping has the offset of its request, which has none.
fn sparse(span: &Span) -> Va {
    Va {
        addr: span.addr(),
        range: span.length(),
        obj: None,
        offset: 0,
    }
}

/// Our steps as operations of `drm_gpuvm`.
fn ops(request: &Request<u8>, done: &[Done]) -> Vec<Op> {
    let mut ops = Vec::new();
    for (old, step) in done {
        let unmap = |keep| UnmapOp { va: va(old), keep };
        let va = |piece: Option<Piece<u8>>| piece.as_ref().map(va);
        match *step {
            Step::Unmap { keep } => ops.push(Op::Unmap(unmap(keep))),
            Step::Remap { prev, next, keep } => ops.push(Op::Remap {
                prev: va(prev),
                next: va(next),
                unmap: unmap(keep),
            }),
            Step::Cut { prev, middle, next } => ops.extend([
                Op::Remap {
                    prev: va(prev),
                    next: va(next),
                    unmap: unmap(false),
                },
                Op::Map(sparse(&middle.span())),
            ]),
        }
    }
    ops.extend(request.added().map(|piece| Op::Map(va(&piece))));
    ops
}

/// Theirs. `None` for what they do not have.
fn theirs(gpuvm: &Gpuvm, request: &Request<u8>) -> Option<Result<Vec<Op>, drm::Invalid>> {
    let span = request.span();
    match request {
        Request::Map(piece) => Some(gpuvm.sm_map(&va(piece), false)),
        Request::Unmap(_) => Some(gpuvm.sm_unmap(span.addr(), span.length())),
        Request::SplitSparse(_) => Some(gpuvm.sm_map(&sparse(&span), true)),
        Request::Split(_) => None,
    }
}

/// One request to both. Says whether both have such a request, and allow it.
fn compare(limits: &Limits, space: &mut Space, gpuvm: &mut Gpuvm, request: &Request<u8>) -> bool {
    let Some(theirs) = theirs(gpuvm, request) else {
        return false;
    };
    assert_eq!(limits.check(&request.span()).is_ok(), theirs.is_ok());
    let Ok(theirs) = theirs else {
        return false;
    };
    let done = space.apply(request);
    assert_eq!(ops(request, &done), theirs, "{request:?} on {gpuvm:?}");
    match request {
        Request::Map(_) | Request::Unmap(_) => {
            gpuvm.execute(&theirs);
            assert!(space.pieces().map(va).eq(gpuvm.vas.iter().copied()));
        }
        // Our middles keep their offset.
        Request::Split(_) | Request::SplitSparse(_) => {
            gpuvm.vas = space.pieces().map(va).collect();
        }
    }
    true
}

/// Every way in which one mapping and one request can lie, agree and be sparse.
#[test]
fn every_pair_is_as_in_drm_gpuvm() {
    const LENGTH: u64 = 7;
    let mut compared = 0;
    for base in [0, 1 << 40, u64::MAX - LENGTH] {
        let limits = Limits::from(Span::new(base, LENGTH).unwrap());
        let mut gpuvm = gpuvm(&limits);
        for (old, request) in pairs(base, LENGTH) {
            let mut space = Space::default();
            space.apply(&Request::Map(old));
            gpuvm.vas = vec![va(&old)];
            compared += u32::from(compare(&limits, &mut space, &mut gpuvm, &request));
        }
    }
    assert!(compared > 50_000);
}

/// All mappings of a small space with all requests. Each mapping of the same object meets one that
/// it agrees with and two that it just does not agree with.
fn pairs(base: u64, length: u64) -> Vec<(Piece<u8>, Request<u8>)> {
    let ends = (0..length).flat_map(|addr| (addr + 1..=length).map(move |end| (addr, end)));
    let spans = ends.map(|(addr, end)| Span::between(base + addr, base + end).unwrap());
    let spans: Vec<_> = spans.collect();

    let mut pairs = Vec::new();
    for (span, new) in spans
        .iter()
        .flat_map(|old| spans.iter().map(move |new| (old, *new)))
    {
        for (object, offset) in [(None, 10), (Some(1), 10), (Some(1), u64::MAX - 10)] {
            let old = Piece::new(*span, object, offset).unwrap();
            pairs.extend([Request::Unmap(new), Request::SplitSparse(new)].map(|to| (old, to)));

            let same = offset.wrapping_add(new.addr()).wrapping_sub(span.addr());
            let offsets = [same.wrapping_sub(1), same, same.wrapping_add(1)];
            for (object, offset) in [None, Some(1), Some(2)]
                .into_iter()
                .flat_map(|object| offsets.map(|offset| (object, offset)))
            {
                let new = Piece::new(new, object, offset).ok();
                pairs.extend(new.map(|new| (old, Request::Map(new))));
            }
        }
    }
    pairs
}

/// Requests that were compared in all streams of a run, at least.
const COMPARED: u64 = 750_000;

#[test]
fn streams_are_as_in_drm_gpuvm() {
    let (streams, compared) = (Cell::new(0), Cell::new(0));
    let config = space::config();
    let asked = config.cases;
    proptest!(config, |(
        seed in any::<u64>().no_shrink(),
        length in 1usize..10_000,
        base in prop::sample::select(&BASES),
    )| {
        let mut stream = Stream::new(seed);
        let mut space = Space::default();
        let all = Span::new(base, LENGTH).unwrap();
        let limits = Limits::new(all, Span::new(base + 13, 3).ok()).unwrap();
        let mut gpuvm = gpuvm(&limits);
        for _ in 0..length {
            let done = compare(&limits, &mut space, &mut gpuvm, &stream.request(base));
            compared.set(compared.get() + u64::from(done));
        }
        streams.set(streams.get() + 1);
    });
    assert!(streams.get() >= asked, "{streams:?} of {asked} streams ran");
    assert!(
        compared.get() >= COMPARED,
        "{compared:?} requests were compared"
    );
}

proptest! {
    /// What they check of two numbers, we check of them too. They let a range without length pass.
    #[test]
    fn what_they_refuse_we_refuse(
        at in any_number(),
        length in any_number(),
        mm in (any_number(), any_number()),
        kernel in (any_number(), any_number()),
    ) {
        let (Ok(space), kernel) = (Span::new(mm.0, mm.1), Span::new(kernel.0, kernel.1)) else {
            return Ok(());
        };
        let kernel = kernel.ok().filter(|kernel| space.covers(kernel));
        let limits = Limits::new(space, kernel).unwrap();
        let gpuvm = gpuvm(&limits);
        let ours = Span::new(at, length).is_ok_and(|span| limits.check(&span).is_ok());
        prop_assert_eq!(ours, length != 0 && gpuvm.range_valid(at, length));
    }
}

/// Any number, those at the edges often.
fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..20, (u64::MAX - 20)..=u64::MAX, any::<u64>()]
}
