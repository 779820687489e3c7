// SPDX-License-Identifier: GPL-2.0

//! Committing: all of a request, or of several, at once.

use super::{
    done::Done,
    list::Body,
    mapping::{
        Driver,
        Mapping, //
    },
    prepared::Prepared,
    range_of,
    raw::{
        Sequence,
        Writing, //
    },
    span_of,
    spares::Spares,
    Limits,
    Space, //
};
use crate::{
    cx::{
        Before,
        Cx,
        Rank,
        Sleep, //
    },
    maple::{
        Change,
        Displaced,
        Locked,
        Range,
        Rcu,
        RcuBox, //
    },
    plan::va::{
        Request,
        Span,
        Step, //
    }, //
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// Why a request was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There was less memory than the tree of now needs: see [`MAPPINGS_MAX`](super::MAPPINGS_MAX).
    NoMemory,
    /// It was prepared for a space with other limits.
    Outside,
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::NoMemory => ENOMEM,
            Cause::Outside => EINVAL,
        }
    }
}

/// A request was not committed. The space is as it was.
///
/// Of several requests those before it were. Of a split that finds two mappings to cut the first
/// cut may have been made, which changes nothing of what is mapped.
pub struct CommitError<'t, D: Driver> {
    /// It, and those after it. What it had reserved may be used up: prepare it again.
    ///
    /// Dropped, it drops what the driver gave it, which is not for a signalling section.
    pub prepared: Prepared<D>,
    /// Those before it.
    pub done: Done<'t, D>,
    /// Why not.
    pub cause: Cause,
}

impl<D: Driver> From<CommitError<'_, D>> for Error {
    fn from(error: CommitError<'_, D>) -> Self {
        error.cause.into()
    }
}

impl<D: Driver, R: Rank> Space<D, R> {
    /// Does what was prepared, to what the space is now.
    ///
    /// Readers see the space as it was or as it is then, however many mappings are displaced.
    /// Nothing is allocated, and nothing of the driver's is dropped.
    ///
    /// # Context
    ///
    /// Anything before `R`, a signalling section if `R` comes after [`Signalling`]. Takes the
    /// space's spinlock.
    ///
    /// # Errors
    ///
    /// [`CommitError`] with what was prepared, if it was for a space with other limits. Or if there
    /// is less memory than needed: not with up to [`MAPPINGS_MAX`] mappings, on kernels whose trees
    /// are those of 7.2 and 7.3.
    ///
    /// [`MAPPINGS_MAX`]: super::MAPPINGS_MAX
    /// [`Signalling`]: crate::cx::Signalling
    pub fn commit<'t, L, S>(
        &'t self,
        cx: &mut Cx<'_, L, S>,
        mut prepared: Prepared<D>,
    ) -> Result<Done<'t, D>, CommitError<'t, D>>
    where
        L: Before<R>,
        S: Sleep,
    {
        let mut displaced = Displaced::none();
        let committed = self.tree.lock(cx, |tree, _| {
            let mut committer = Committer {
                tree,
                limits: &self.limits,
                sequence: &self.sequence,
                writing: None,
            };
            prepared
                .0
                .try_each(|body| committer.commit(body, &mut displaced))
        });
        match committed {
            // SAFETY: `self` has such a tree, and is borrowed.
            Ok(()) => Ok(unsafe { Done::new(prepared.0, displaced) }),
            Err((count, cause)) => {
                let rest = prepared.0.split_off(count);
                Err(CommitError {
                    prepared: Prepared(rest),
                    // SAFETY: As above.
                    done: unsafe { Done::new(prepared.0, displaced) },
                    cause,
                })
            }
        }
    }
}

/// Who holds the lock of a space, and commits.
struct Committer<'a, 'h, 't, D: Driver> {
    tree: &'a mut Locked<'h, 't, RcuBox<Mapping<D>>, Rcu>,
    limits: &'a Limits,
    sequence: &'a Sequence,
    /// From the first change on readers wait, until the last is made.
    writing: Option<Writing<'a>>,
}

impl<'t, D: Driver> Committer<'_, '_, 't, D> {
    fn commit(
        &mut self,
        body: &mut Body<D>,
        displaced: &mut Displaced<'t, Mapping<D>>,
    ) -> Result<(), Cause> {
        let before = displaced.len();
        let span = body.request.span();
        if self.limits.check(&span).is_err() {
            return Err(Cause::Outside);
        }
        match body.request {
            Request::Map(_) | Request::Unmap(_) => self.exchange(body, span, displaced)?,
            Request::Split(_) | Request::SplitSparse(_) => {
                let cuts = self.cuts(&body.request);
                let pieces: usize = cuts.iter().flatten().map(|cut| cut.pieces).sum();
                if body.spares.count() < pieces {
                    return Err(Cause::NoMemory);
                }
                for cut in cuts.iter().flatten() {
                    self.exchange(body, cut.middle, displaced)?;
                }
            }
        }
        body.displaced = displaced.len() - before;
        Ok(())
    }

    /// The mappings that cross a border of a split, upwards.
    fn cuts(&self, request: &Request<usize>) -> [Option<Cut>; 2] {
        let cut = |addr| {
            let (_, old) = self.tree.entry(addr)?;
            match request.step(&old.piece())? {
                Step::Cut { prev, middle, next } => Some(Cut {
                    middle: middle.span(),
                    pieces: 1 + usize::from(prev.is_some()) + usize::from(next.is_some()),
                }),
                Step::Unmap { .. } | Step::Remap { .. } => None,
            }
        };
        let range = range_of(request.span());
        let low = cut(range.first());
        // One that crosses both is cut once.
        let high = cut(range.last()).filter(|high| low.as_ref() != Some(high));
        [low, high]
    }

    /// Puts what the request has for `span` there.
    fn exchange(
        &mut self,
        body: &mut Body<D>,
        span: Span,
        displaced: &mut Displaced<'t, Mapping<D>>,
    ) -> Result<(), Cause> {
        let Some(nodes) = &mut body.nodes else {
            return Err(Cause::NoMemory);
        };
        let mut pieces = Pieces {
            added: &mut body.added,
            middle: match body.request {
                Request::Map(_) | Request::Unmap(_) => None,
                Request::Split(_) | Request::SplitSparse(_) => Some(span),
            },
            spares: &mut body.spares,
            sequence: self.sequence,
            writing: &mut self.writing,
        };
        let gone = self
            .tree
            .exchange(nodes, range_of(span), &mut pieces)
            .map_err(|AllocError| Cause::NoMemory)?;
        displaced.append(gone);
        Ok(())
    }
}

/// A mapping that is cut.
#[derive(PartialEq)]
struct Cut {
    middle: Span,
    /// How many parts it is cut into.
    pieces: usize,
}

/// Makes the mappings of one exchange.
struct Pieces<'a, 's, D: Driver> {
    added: &'a mut Option<RcuBox<Mapping<D>>>,
    /// What is added is this part of the old one.
    middle: Option<Span>,
    spares: &'a mut Spares<D>,
    sequence: &'s Sequence,
    writing: &'a mut Option<Writing<'s>>,
}

impl<D: Driver> Change<Mapping<D>> for Pieces<'_, '_, D> {
    fn adds(&self) -> bool {
        self.added.is_some() || self.middle.is_some()
    }

    fn added(&mut self, old: Option<&Mapping<D>>) -> RcuBox<Mapping<D>> {
        match (self.middle, old) {
            (Some(middle), Some(old)) => self.spares.part(old, middle),
            _ => match self.added.take() {
                Some(added) => added,
                None => unreachable!("what `adds` said"),
            },
        }
    }

    fn rest(&mut self, old: &Mapping<D>, part: Range) -> RcuBox<Mapping<D>> {
        self.spares.part(old, span_of(part))
    }

    fn begin(&mut self) {
        let sequence = self.sequence;
        self.writing
            // SAFETY: The tree's lock is held, and let go of when this was dropped.
            .get_or_insert_with(|| unsafe { sequence.write() });
    }
}
