// SPDX-License-Identifier: GPL-2.0

//! Requests that were taken memory for, and are still to be committed.

use super::{
    list::{
        Body,
        List, //
    },
    mapping::{
        Backing,
        Driver,
        Mapping, //
    },
    spares::Spares,
    Space, //
};
use crate::{
    cx::Rank,
    gfp::{
        Allocate,
        Gfp, //
    },
    maple::{
        RcuBox,
        RcuSpare, //
    },
    plan::{
        maple::{
            height,
            Shape, //
        },
        va::{
            Piece,
            Request,
            Span, //
        },
    },
};
use kernel::prelude::*;

/// As many mappings as a space may have for a commit not to need more than was prepared, whatever
/// became of the space meanwhile. With more, a tree could need more nodes than one sheaf of the slab
/// holds.
pub const MAPPINGS_MAX: usize = 15_624_997;

/// How high the tree of such a space can be. Its root is kept by an entry more.
const HEIGHT: u8 = height(MAPPINGS_MAX + 1, Shape::Gaps);

/// A request, with the memory that it may need.
fn prepare<D: Driver, C: Allocate>(
    gfp: &mut Gfp<'_, C>,
    request: Request<usize>,
) -> Result<RcuBox<Body<D>>> {
    let mut body = RcuSpare::new(gfp)?.write(Body {
        request,
        object: None,
        added: None,
        spares: Spares::none(),
        nodes: None,
        second: None,
        height: HEIGHT,
        displaced: 0,
        next: None,
    });
    body.top_up(gfp)?;
    Ok(body)
}

/// A request, or several, and all the memory that they may need.
///
/// It is good for whatever the space is when it is committed. It may be sent to another task, and be
/// dropped everywhere: the driver's objects, data and spares in it are destroyed by a worker.
///
/// What a [commit](Space::commit) refused for lack of memory is [short](Self::is_short) of it, and as
/// it was for the rest.
#[must_use = "nothing is mapped before it is committed"]
pub struct Prepared<D: Driver>(pub(super) List<D>);

impl<D: Driver> Prepared<D> {
    /// Both, in this order: committed together, readers see what was there before the first or what
    /// is there after the last.
    ///
    /// Takes the longer the more there are in `self`: what is put together of many grows from its
    /// end.
    ///
    /// # Context
    ///
    /// Any. Takes no lock.
    #[must_use = "nothing is mapped before it is committed"]
    pub fn then(mut self, next: Self) -> Self {
        self.0.append(next.0);
        self
    }

    /// The requests, in their order.
    ///
    /// # Context
    ///
    /// Any. Takes no lock.
    pub fn requests(&self) -> impl Iterator<Item = Request<usize>> + '_ {
        self.0.iter().map(|body| body.request)
    }

    /// Whether memory is missing: committed as it is, it may be refused.
    ///
    /// So it is if a commit refused it for that, until [`top_up`](Self::top_up) took it. What was
    /// just prepared never is.
    ///
    /// # Context
    ///
    /// Any. Takes no lock.
    pub fn is_short(&self) -> bool {
        self.0.iter().any(Body::is_short)
    }

    /// Takes the memory that is missing, for a space of the size that the last commit found, and one
    /// level of its tree more.
    ///
    /// # Context
    ///
    /// Any that the class of `gfp` allows. Takes no lock.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what [`Driver::spare`] returns. What was taken stays, and it may be tried again.
    pub fn top_up<C: Allocate>(&mut self, gfp: &mut Gfp<'_, C>) -> Result {
        let topped = self.0.try_each(|body| body.top_up(gfp));
        topped.map_err(|(_, error)| error)
    }
}

/// A mapping was not prepared.
pub struct MapError<D: Driver> {
    /// What should have been mapped.
    pub object: Option<D::Object>,
    /// What should have been kept with it.
    pub data: D::Data,
    /// Why not.
    pub cause: Error,
}

impl<D: Driver> From<MapError<D>> for Error {
    fn from(error: MapError<D>) -> Self {
        error.cause
    }
}

impl<D: Driver, R: Rank> Space<D, R> {
    /// Prepares a mapping of `object`, from `offset` on, in place of all that is at `span` by the
    /// time. Without an object it is sparse. C: `drm_gpuvm_sm_map()`.
    ///
    /// # Context
    ///
    /// Any that the class of `gfp` allows. Takes no lock.
    ///
    /// # Errors
    ///
    /// [`MapError`] with the object and the data: `EINVAL` if `span` is not [allowed](super::Limits)
    /// or the offset overflows, `ENOMEM`, and what [`Driver::spare`] returns.
    pub fn prepare_map<C: Allocate>(
        &self,
        gfp: &mut Gfp<'_, C>,
        span: Span,
        object: Option<D::Object>,
        offset: u64,
        data: D::Data,
    ) -> Result<Prepared<D>, MapError<D>> {
        let memory = |gfp: &mut Gfp<'_, C>| {
            self.check(span)?;
            let id = object.as_ref().map(Backing::id);
            let piece = Piece::new(span, id, offset).map_err(|_| EINVAL)?;
            Ok((
                piece,
                RcuSpare::new(gfp)?,
                prepare(gfp, Request::Map(piece))?,
            ))
        };
        match memory(gfp) {
            Ok((piece, added, mut body)) => {
                body.added = Some(added.write(Mapping::new(piece, object.clone(), data)));
                body.object = object;
                Ok(Prepared(List::new(body)))
            }
            Err(cause) => Err(MapError {
                object,
                data,
                cause,
            }),
        }
    }

    /// Prepares that nothing is mapped at `span`. C: `drm_gpuvm_sm_unmap()`.
    ///
    /// # Context
    ///
    /// As [`prepare_map`](Self::prepare_map).
    ///
    /// # Errors
    ///
    /// Those causes.
    pub fn prepare_unmap<C: Allocate>(
        &self,
        gfp: &mut Gfp<'_, C>,
        span: Span,
    ) -> Result<Prepared<D>> {
        self.check(span)?;
        Ok(Prepared(List::new(prepare(gfp, Request::Unmap(span))?)))
    }

    /// Prepares that no mapping crosses the borders of `span`; all stays mapped as it is.
    ///
    /// For what a driver keeps with mappings, and is to change for a part of them.
    ///
    /// # Context
    ///
    /// As [`prepare_map`](Self::prepare_map).
    ///
    /// # Errors
    ///
    /// Those causes.
    pub fn prepare_split<C: Allocate>(
        &self,
        gfp: &mut Gfp<'_, C>,
        span: Span,
    ) -> Result<Prepared<D>> {
        self.check(span)?;
        Ok(Prepared(List::new(prepare(gfp, Request::Split(span))?)))
    }

    /// The same for sparse mappings alone. C: `drm_gpuvm_madvise_ops_create()`.
    ///
    /// # Context
    ///
    /// As [`prepare_map`](Self::prepare_map).
    ///
    /// # Errors
    ///
    /// Those causes.
    pub fn prepare_split_sparse<C: Allocate>(
        &self,
        gfp: &mut Gfp<'_, C>,
        span: Span,
    ) -> Result<Prepared<D>> {
        self.check(span)?;
        Ok(Prepared(List::new(prepare(
            gfp,
            Request::SplitSparse(span),
        )?)))
    }
}
