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
        RcuSpare,
        Reservation, //
    },
    plan::va::{
        Piece,
        Request,
        Span, //
    },
};
use kernel::prelude::*;

/// As many mappings as a space may have for a commit not to need more than was prepared, whatever
/// became of the space meanwhile. With more, a tree could need more nodes than one sheaf of the slab
/// holds.
pub const MAPPINGS_MAX: usize = 15_624_997;

/// The memory of a request.
struct Memory<D: Driver> {
    body: RcuSpare<Body<D>>,
    spares: Spares<D>,
    nodes: Reservation,
}

impl<D: Driver> Memory<D> {
    /// That of a request which makes so many pieces of mappings that are there, with so many stores.
    fn new<C: Allocate>(gfp: &mut Gfp<'_, C>, pieces: usize, stores: usize) -> Result<Self> {
        Ok(Self {
            body: RcuSpare::new(gfp)?,
            spares: Spares::new(gfp, pieces)?,
            // And the entry that keeps the tree's root.
            nodes: Reservation::new(gfp, MAPPINGS_MAX + 1, stores)?,
        })
    }

    fn write(
        self,
        request: Request<usize>,
        object: Option<D::Object>,
        added: Option<RcuBox<Mapping<D>>>,
    ) -> Prepared<D> {
        Prepared(List::new(self.body.write(Body {
            request,
            object,
            added,
            spares: self.spares,
            nodes: Some(self.nodes),
            displaced: 0,
            next: None,
        })))
    }
}

/// A request, or several, and all the memory that they may need.
///
/// It is good for whatever the space is when it is committed. It may be sent to another task, and
/// be dropped where the driver's objects, data and spares may be.
#[must_use = "nothing is mapped before it is committed"]
pub struct Prepared<D: Driver>(pub(super) List<D>);

impl<D: Driver> Prepared<D> {
    /// Both, in this order: committed together, readers see what was there before the first or what
    /// is there after the last.
    ///
    /// Takes the longer the more there are in `self`: what is put together of many grows from its
    /// end.
    #[must_use = "nothing is mapped before it is committed"]
    pub fn then(mut self, next: Self) -> Self {
        self.0.append(next.0);
        self
    }

    /// The requests, in their order.
    pub fn requests(&self) -> impl Iterator<Item = Request<usize>> + '_ {
        self.0.iter().map(|body| body.request)
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
            Ok((piece, RcuSpare::new(gfp)?, Memory::new(gfp, 2, 1)?))
        };
        match memory(gfp) {
            Ok((piece, added, memory)) => {
                let added = added.write(Mapping::new(piece, object.clone(), data));
                Ok(memory.write(Request::Map(piece), object, Some(added)))
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
        Ok(Memory::new(gfp, 2, 1)?.write(Request::Unmap(span), None, None))
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
        Ok(Memory::new(gfp, 4, 2)?.write(Request::Split(span), None, None))
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
        Ok(Memory::new(gfp, 4, 2)?.write(Request::SplitSparse(span), None, None))
    }
}
