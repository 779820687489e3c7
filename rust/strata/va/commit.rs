// SPDX-License-Identifier: GPL-2.0

//! Committing: all of a request, or of several, at once.

use super::{
    done::Done,
    list::{
        covers,
        Body, //
    },
    mapping::{
        Driver,
        Mapping, //
    },
    prepared::Prepared,
    range_of,
    raw::{
        Sequence,
        Storing,
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
use core::mem;
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
/// Of several requests those before it were. On a kernel whose trees need more memory than Strata
/// knows, so may the first cut of a split be that finds two mappings to cut; then that is what `done`
/// ends with, and `prepared` goes on to do the other.
///
/// It may be dropped everywhere, as what is in it.
pub struct CommitError<'t, D: Driver> {
    /// It, and those after it, with all that the driver gave.
    ///
    /// If there was less memory than needed it is [short](Prepared::is_short) of that: when it is
    /// [topped up](Prepared::top_up), where one may allocate, it can be committed again.
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
    /// Readers see the space as it was or as it is then, however many mappings are displaced; those in
    /// interrupts see so each request. Nothing is allocated, and nothing of the driver's is dropped.
    ///
    /// # Context
    ///
    /// Anything before `R`, a signalling section if `R` comes after [`Signalling`]. Takes the
    /// space's spinlock, and for each request has interrupts off for a few stores.
    ///
    /// # Errors
    ///
    /// [`CommitError`] with what was prepared, if it was for a space with other limits. Or if there
    /// is less memory than needed: not with up to [`MAPPINGS_MAX`] mappings, on kernels whose trees
    /// are those of 7.2 and 7.3. It is refused then if the tree has become higher than there is
    /// memory for, whether or not this request would need it.
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
            Ok(()) => Ok(Done::new(prepared.0, None, displaced)),
            Err((count, cause)) => {
                let mut rest = prepared.0.split_off(count);
                let refused = rest.first_mut();
                let partly = refused.map(|body| (body.request, mem::take(&mut body.displaced)));
                Err(CommitError {
                    prepared: Prepared(rest),
                    done: Done::new(prepared.0, partly, displaced),
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
    /// From the first change on readers wait that are in no interrupt, until the last is made.
    writing: Option<Writing<'a>>,
}

impl<'t, D: Driver> Committer<'_, '_, 't, D> {
    fn commit(
        &mut self,
        body: &mut Body<D>,
        displaced: &mut Displaced<'t, Mapping<D>>,
    ) -> Result<(), Cause> {
        if self.limits.check(&body.request.span()).is_err() {
            return Err(Cause::Outside);
        }
        let committed = match body.request {
            Request::Map(_) | Request::Unmap(_) => {
                let span = body.request.span();
                self.exchange(body, Store::First, span, None, displaced)
            }
            Request::Split(_) | Request::SplitSparse(_) => self.split(body, displaced),
        };
        if committed.is_err() {
            // What is taken then is for the tree of now, and what it grows to meanwhile.
            let height = u8::try_from(self.tree.height()).unwrap_or(u8::MAX - 1);
            body.height = body.height.max(height.saturating_add(1));
        }
        committed
    }

    /// Makes both cuts, or none.
    fn split(
        &mut self,
        body: &mut Body<D>,
        displaced: &mut Displaced<'t, Mapping<D>>,
    ) -> Result<(), Cause> {
        let cuts = self.cuts(&body.request);
        let pieces: usize = cuts.iter().flatten().map(|cut| cut.pieces).sum();
        if body.spares.count() < pieces {
            return Err(Cause::NoMemory);
        }
        if let [Some(_), Some(_)] = cuts {
            // The first store may make the tree one level higher.
            if !covers(&body.second, self.tree.height() + 1) {
                return Err(Cause::NoMemory);
            }
        }
        let stores = [Store::First, Store::Second];
        for (cut, store) in cuts.iter().flatten().zip(stores) {
            self.exchange(body, store, cut.middle, Some(cut.middle), displaced)?;
        }
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

    /// Puts what the request has for `span` there: with `middle`, that part of what is there.
    fn exchange(
        &mut self,
        body: &mut Body<D>,
        store: Store,
        span: Span,
        middle: Option<Span>,
        displaced: &mut Displaced<'t, Mapping<D>>,
    ) -> Result<(), Cause> {
        let nodes = match store {
            Store::First => &mut body.nodes,
            Store::Second => &mut body.second,
        };
        let nodes = nodes.as_mut().ok_or(Cause::NoMemory)?;
        let mut pieces = Pieces {
            added: &mut body.added,
            middle,
            spares: &mut body.spares,
            sequence: self.sequence,
            writing: &mut self.writing,
            storing: None,
        };
        let gone = self
            .tree
            .exchange(nodes, range_of(span), &mut pieces)
            .map_err(|AllocError| Cause::NoMemory)?;
        body.displaced += gone.len();
        displaced.append(gone);
        Ok(())
    }
}

/// Which nodes of a request's.
#[derive(Clone, Copy)]
enum Store {
    First,
    Second,
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
    storing: Option<Storing<'s>>,
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
        // SAFETY: That lives until the commit is done.
        self.storing = Some(unsafe { sequence.store() });
    }

    fn end(&mut self) {
        self.storing = None;
    }
}
