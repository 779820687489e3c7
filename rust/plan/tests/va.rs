// SPDX-License-Identifier: GPL-2.0

//! What requests do to one mapping, case by case, and what is no request at all.
//!
//! The cases have the numbers of the table that was measured with the real `drm_gpuvm.ko`. An old
//! mapping is of `OLD` at offset 100 everywhere; the request's start is 10.

use proptest::prelude::*;
use strata_plan::va::{
    BadSpan, KernelOutside, Limits, OffsetOverflow, Outside, Piece, Request, Span, Step,
};

const OLD: Option<char> = Some('o');
const NEW: Option<char> = Some('n');

fn span(addr: u64, end: u64) -> Span {
    Span::between(addr, end).unwrap()
}

fn piece(addr: u64, end: u64, object: Option<char>, offset: u64) -> Piece<char> {
    Piece::new(span(addr, end), object, offset).unwrap()
}

/// What is there before.
fn old(addr: u64, end: u64) -> Piece<char> {
    piece(addr, end, OLD, 100)
}

/// What a map does to `old`, and what an unmap of the same does.
fn both(old: &Piece<char>, new: &Piece<char>) -> [Option<Step<char>>; 2] {
    assert_eq!(Request::Map(*new).added(), Some(*new));
    assert_eq!(Request::Unmap::<char>(new.span()).added(), None);
    [Request::Map(*new), Request::Unmap(new.span())].map(|request| request.step(old))
}

fn unmap(keep: bool) -> Option<Step<char>> {
    Some(Step::Unmap { keep })
}

fn remap(prev: Option<Piece<char>>, next: Option<Piece<char>>, keep: bool) -> Option<Step<char>> {
    Some(Step::Remap { prev, next, keep })
}

/// The same for requests of the same object that go on where the mapping is, that do not, and that
/// are of another object: `keep` is said of the first alone, and never of an unmap.
fn remapped(old: Piece<char>, new: Span, prev: Option<Piece<char>>, next: Option<Piece<char>>) {
    let same = 100 + new.addr() - old.span().addr();
    for (object, offset, keep) in [
        (OLD, same, true),
        (OLD, same + 1, false),
        (NEW, same, false),
    ] {
        let new = Piece::new(new, object, offset).unwrap();
        let steps = [remap(prev, next, keep), remap(prev, next, false)];
        assert_eq!(both(&old, &new), steps);
    }
}

#[test]
fn case_1_identical() {
    assert_eq!(
        both(&old(10, 20), &old(10, 20)),
        [unmap(true), unmap(false)]
    );
}

#[test]
fn case_2_identical_with_another_offset() {
    let new = piece(10, 20, OLD, 101);
    assert_eq!(both(&old(10, 20), &new), [unmap(false), unmap(false)]);
}

#[test]
fn case_3_identical_with_another_object() {
    let new = piece(10, 20, NEW, 100);
    assert_eq!(both(&old(10, 20), &new), [unmap(false), unmap(false)]);
}

#[test]
fn case_4_same_start_and_shorter() {
    for (object, offset, keep) in [(OLD, 100, true), (OLD, 99, false), (NEW, 100, false)] {
        let new = piece(10, 25, object, offset);
        assert_eq!(both(&old(10, 20), &new), [unmap(keep), unmap(false)]);
    }
}

#[test]
fn cases_5_and_6_same_start_and_longer() {
    let next = piece(20, 35, OLD, 110);
    remapped(old(10, 35), span(10, 20), None, Some(next));
}

#[test]
fn cases_7_and_8_same_end_and_starts_earlier() {
    let prev = piece(4, 10, OLD, 100);
    remapped(old(4, 20), span(10, 20), Some(prev), None);
}

#[test]
fn cases_9_and_10_starts_earlier_and_ends_inside() {
    let prev = piece(4, 10, OLD, 100);
    remapped(old(4, 15), span(10, 20), Some(prev), None);
}

#[test]
fn cases_11_and_12_request_strictly_inside() {
    let (prev, next) = (piece(4, 10, OLD, 100), piece(20, 35, OLD, 116));
    remapped(old(4, 35), span(10, 20), Some(prev), Some(next));
}

#[test]
fn case_13_inside_at_the_end() {
    for (object, offset, keep) in [(OLD, 96, true), (OLD, 100, false), (NEW, 96, false)] {
        let new = piece(10, 20, object, offset);
        assert_eq!(both(&old(14, 20), &new), [unmap(keep), unmap(false)]);
    }
}

#[test]
fn case_14_inside_in_the_middle() {
    for (object, offset, keep) in [(OLD, 96, true), (OLD, 95, false), (NEW, 96, false)] {
        let new = piece(10, 20, object, offset);
        assert_eq!(both(&old(14, 16), &new), [unmap(keep), unmap(false)]);
    }
}

#[test]
fn case_15_starts_inside_and_ends_later() {
    let next = Some(piece(20, 35, OLD, 106));
    for (object, offset, keep) in [(OLD, 96, true), (OLD, 97, false), (NEW, 96, false)] {
        let new = piece(10, 20, object, offset);
        let steps = [remap(None, next, keep), remap(None, next, false)];
        assert_eq!(both(&old(14, 35), &new), steps);
    }
}

#[test]
fn case_16_disjoint() {
    assert_eq!(both(&old(30, 40), &piece(10, 20, NEW, 0)), [None, None]);
    assert_eq!(both(&old(2, 4), &piece(10, 20, NEW, 0)), [None, None]);
}

#[test]
fn case_17_adjacent_even_if_it_goes_on() {
    assert_eq!(both(&old(20, 30), &piece(10, 20, OLD, 90)), [None, None]);
    assert_eq!(both(&old(4, 10), &piece(10, 20, OLD, 106)), [None, None]);
}

/// Where ours differ: `drm_gpuvm` takes a range without length, and splits the mapping around it.
#[test]
fn cases_18_and_19_no_length() {
    for addr in [0, 10, 15, u64::MAX] {
        assert_eq!(Span::new(addr, 0), Err(BadSpan::Empty));
        assert_eq!(Span::between(addr, addr), None);
    }
}

#[test]
fn case_20_overflow() {
    assert_eq!(Span::new(u64::MAX, 1), Err(BadSpan::Overflow));
    assert_eq!(Span::new(1, u64::MAX), Err(BadSpan::Overflow));
    assert_eq!(Span::new(u64::MAX, u64::MAX), Err(BadSpan::Overflow));
    // As in drm_gpuvm, the end is the last number at most, so its last address is one below.
    assert!(Span::new(u64::MAX - 1, 1).is_ok());
}

#[test]
fn case_21_outside_of_the_space() {
    let limits = Limits::from(span(0x1000, 0x9000));
    for outside in [
        span(0xfff, 0x1001),
        span(0x8fff, 0x9001),
        span(0, 0x1000),
        span(0, 0xa000),
    ] {
        assert_eq!(limits.check(&outside), Err(Outside::NotInSpace));
    }
    assert_eq!(limits.check(&limits.space()), Ok(()));
    assert_eq!(limits.usable(), [Some(limits.space()), None]);
}

#[test]
fn case_22_the_part_of_the_kernel() {
    let limits = Limits::new(span(0, 100), Some(span(40, 50))).unwrap();
    for meets in [
        span(40, 50),
        span(39, 41),
        span(49, 51),
        span(44, 45),
        span(0, 100),
    ] {
        assert_eq!(limits.check(&meets), Err(Outside::KernelRange));
    }
    for beside in [span(0, 40), span(50, 100)] {
        assert_eq!(limits.check(&beside), Ok(()));
        assert!(limits.usable().contains(&Some(beside)));
    }
}

#[test]
fn the_part_of_the_kernel_is_in_the_space() {
    let space = span(10, 20);
    for outside in [span(9, 11), span(19, 21), span(0, 5), span(0, 30)] {
        assert_eq!(Limits::new(space, Some(outside)), Err(KernelOutside));
    }
    // It may be all of it, and at its edges.
    let all = Limits::new(space, Some(space)).unwrap();
    assert_eq!(all.usable(), [None, None]);
    let low = Limits::new(space, Some(span(10, 12))).unwrap();
    assert_eq!(low.usable(), [None, Some(span(12, 20))]);
}

#[test]
fn what_is_sparse_is_never_kept() {
    let old = piece(10, 20, None, 0);
    assert_eq!(both(&old, &old), [unmap(false), unmap(false)]);
    let (prev, next) = (piece(10, 12, None, 0), piece(14, 20, None, 4));
    let steps = [remap(Some(prev), Some(next), false); 2];
    assert_eq!(both(&old, &piece(12, 14, None, 2)), steps);
}

#[test]
fn splits_cut_at_their_borders_only() {
    let cut = |prev, middle, next| Some(Step::Cut { prev, middle, next });
    let split = |addr, end| Request::Split(span(addr, end));
    let (low, high) = (piece(10, 14, OLD, 100), piece(16, 20, OLD, 106));
    let middle = piece(14, 16, OLD, 104);
    assert_eq!(
        split(14, 16).step(&old(10, 20)),
        cut(Some(low), middle, Some(high))
    );
    assert_eq!(
        split(16, 40).step(&old(10, 20)),
        cut(Some(old(10, 16)), high, None)
    );
    assert_eq!(
        split(5, 14).step(&old(10, 20)),
        cut(None, low, Some(piece(14, 20, OLD, 104)))
    );
    for unmoved in [split(10, 20), split(5, 25), split(0, 10), split(20, 30)] {
        assert_eq!((unmoved.step(&old(10, 20)), unmoved.added()), (None, None));
    }

    // As madvise in drm_gpuvm, which leaves alone what has an object.
    let sparse = Request::SplitSparse(span(14, 16));
    assert_eq!(sparse.step(&old(10, 20)), None);
    assert!(sparse.step(&piece(10, 20, None, 0)).is_some());
}

/// The most pieces that there can be, so what is said is not too much either.
#[test]
fn all_pieces_are_needed() {
    let made = |request: Request<char>| {
        let steps = [old(0, 15), old(15, 30)].map(|old| request.step(&old).unwrap());
        let of_steps: usize = steps.iter().map(pieces).sum();
        (
            of_steps + usize::from(request.added().is_some()),
            request.pieces(),
        )
    };
    assert_eq!(made(Request::Map(piece(10, 20, NEW, 0))), (3, 3));
    assert_eq!(made(Request::Unmap(span(10, 20))), (2, 2));
    assert_eq!(made(Request::Split(span(10, 20))), (4, 4));
}

fn pieces(step: &Step<char>) -> usize {
    let sides = |prev: &Option<_>, next: &Option<_>| {
        usize::from(prev.is_some()) + usize::from(next.is_some())
    };
    match step {
        Step::Unmap { .. } => 0,
        Step::Remap { prev, next, .. } => sides(prev, next),
        Step::Cut { prev, next, .. } => 1 + sides(prev, next),
    }
}

#[test]
fn objects_end_where_numbers_do() {
    let end = u64::MAX;
    assert_eq!(Piece::new(span(0, 10), OLD, end - 9), Err(OffsetOverflow));
    let piece = Piece::new(span(end - 10, end), OLD, end - 10).unwrap();
    assert_eq!(
        piece.after(end - 1).map(|piece| piece.offset()),
        Some(end - 1)
    );
    assert_eq!(piece.offset_at(end), None);
}

/// Any number, those at the edges often.
fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..20, (u64::MAX - 20)..=u64::MAX, any::<u64>()]
}

fn any_piece() -> impl Strategy<Value = Piece<u8>> {
    let numbers = (
        any_number(),
        any_number(),
        any_number(),
        proptest::option::of(0u8..2),
    );
    numbers.prop_filter_map("no piece", |(addr, length, offset, object)| {
        Piece::new(Span::new(addr, length).ok()?, object, offset).ok()
    })
}

proptest! {
    #[test]
    fn spans_are_ranges(addr in any_number(), length in any_number(), at in any_number()) {
        let end = u128::from(addr) + u128::from(length);
        match Span::new(addr, length) {
            Ok(span) => {
                prop_assert_eq!(u128::from(span.end()), end);
                prop_assert_eq!((span.addr(), span.length()), (addr, length));
                prop_assert_eq!(span.contains(at), (addr..span.end()).contains(&at));
                let parts = [span.before(at), span.after(at)].map(|part| part.map_or(0, |part| part.length()));
                prop_assert_eq!(parts[0] + parts[1], length);
                prop_assert!(span.before(at).is_none_or(|part| part.last() < at && part.addr() == addr));
                prop_assert!(span.after(at).is_none_or(|part| part.addr() >= at && part.end() == span.end()));
            }
            Err(BadSpan::Empty) => prop_assert_eq!(length, 0),
            Err(BadSpan::Overflow) => prop_assert!(end > u128::from(u64::MAX)),
        }
    }

    /// Whatever the numbers, the parts make up the old mapping, and each maps what it mapped.
    #[test]
    fn no_numbers_panic(old in any_piece(), new in any_piece()) {
        let requests = [
            Request::Map(new),
            Request::Unmap(new.span()),
            Request::Split(new.span()),
            Request::SplitSparse(new.span()),
        ];
        for request in requests {
            let middle = old.within(&new.span());
            prop_assert_eq!(middle.is_some(), old.span().intersects(&new.span()));
            let (prev, next) = match request.step(&old) {
                Some(Step::Remap { prev, next, .. } | Step::Cut { prev, next, .. }) => (prev, next),
                Some(Step::Unmap { .. }) => (None, None),
                None => continue,
            };
            let mut at = (old.span().addr(), old.offset());
            for part in [prev, middle, next].into_iter().flatten() {
                prop_assert_eq!((part.span().addr(), part.offset()), at);
                prop_assert_eq!(part.object(), old.object());
                at = (part.span().end(), part.offset() + part.span().length());
            }
            prop_assert_eq!(at.0, old.span().end());
        }
    }

    #[test]
    fn fits_are_inside(gap in any_piece(), length in any_number(), align in any_number()) {
        let gap = gap.span();
        for found in [gap.lowest_fit(length, align), gap.highest_fit(length, align)] {
            let Some(found) = found else {
                prop_assert!(align != 1 || length == 0 || length > gap.length());
                continue;
            };
            prop_assert!(gap.covers(&found));
            prop_assert_eq!((found.length(), found.addr() % align), (length, 0));
        }
    }
}
