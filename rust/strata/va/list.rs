// SPDX-License-Identifier: GPL-2.0

//! Requests that are committed together.

use super::{
    mapping::{
        Driver,
        Mapping, //
    },
    spares::Spares, //
};
use crate::{
    gfp::{
        Allocate,
        Gfp, //
    },
    maple::{
        RcuBox,
        Reservation, //
    },
    plan::va::Request, //
};
use core::iter;
use kernel::prelude::*;

/// One request, in memory that a worker can free.
pub(super) struct Body<D: Driver> {
    pub(super) request: Request<usize>,
    /// What it maps, for who looks at what was done: the mapping may be gone by then.
    pub(super) object: Option<D::Object>,
    /// What it maps, until it is committed.
    pub(super) added: Option<RcuBox<Mapping<D>>>,
    pub(super) spares: Spares<D>,
    /// The nodes of its store.
    pub(super) nodes: Option<Reservation>,
    /// Those of its second one: a split may cut two mappings.
    pub(super) second: Option<Reservation>,
    /// The height of the trees that they are to be good for.
    pub(super) height: u8,
    /// How many mappings it displaced.
    pub(super) displaced: usize,
    pub(super) next: Option<RcuBox<Body<D>>>,
}

impl<D: Driver> Body<D> {
    /// Takes what is missing.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what [`Driver::spare`] returns. What was taken stays.
    pub(super) fn top_up<C: Allocate>(&mut self, gfp: &mut Gfp<'_, C>) -> Result {
        let (pieces, cuts) = needs(&self.request);
        self.spares.refill(gfp, pieces)?;
        for (nodes, height) in self.stores(cuts) {
            if !covers(nodes, height.into()) {
                *nodes = Some(Reservation::for_height(gfp, height)?);
            }
        }
        Ok(())
    }

    /// Whether something is missing.
    pub(super) fn is_short(&self) -> bool {
        let (pieces, stores) = needs(&self.request);
        let first = !covers(&self.nodes, self.height.into());
        let second = stores > 1 && !covers(&self.second, u32::from(self.height) + 1);
        first || second || self.spares.count() < pieces
    }

    /// The nodes of so many stores, and the height that they are to be good for: the first may make
    /// the tree one level higher.
    fn stores(&mut self, count: usize) -> impl Iterator<Item = (&mut Option<Reservation>, u8)> {
        let height = self.height;
        let stores = [&mut self.nodes, &mut self.second];
        stores.into_iter().zip(height..).take(count)
    }
}

/// The most pieces that a request makes, and the most stores that it takes.
fn needs(request: &Request<usize>) -> (usize, usize) {
    match request {
        Request::Map(_) | Request::Unmap(_) => (2, 1),
        Request::Split(_) | Request::SplitSparse(_) => (4, 2),
    }
}

/// Whether there are nodes for a store into a tree of that height.
pub(super) fn covers(nodes: &Option<Reservation>, height: u32) -> bool {
    nodes.as_ref().is_some_and(|nodes| nodes.covers(height))
}

/// Requests, in their order.
pub(super) struct List<D: Driver> {
    first: Option<RcuBox<Body<D>>>,
}

impl<D: Driver> List<D> {
    pub(super) fn new(body: RcuBox<Body<D>>) -> Self {
        Self { first: Some(body) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Body<D>> {
        iter::successors(self.first.as_deref(), |body| body.next.as_deref())
    }

    pub(super) fn append(&mut self, mut later: Self) {
        let mut end = &mut self.first;
        while let Some(body) = end {
            end = &mut body.next;
        }
        *end = later.first.take();
    }

    pub(super) fn first_mut(&mut self) -> Option<&mut Body<D>> {
        self.first.as_deref_mut()
    }

    /// Calls `f` with one after the other, until it fails; then it says for how many it did not.
    pub(super) fn try_each<E>(
        &mut self,
        mut f: impl FnMut(&mut Body<D>) -> Result<(), E>,
    ) -> Result<(), (usize, E)> {
        let mut next = self.first.as_mut();
        let mut count = 0;
        while let Some(body) = next {
            f(body).map_err(|error| (count, error))?;
            count += 1;
            next = body.next.as_mut();
        }
        Ok(())
    }

    /// Takes off all but the first `count`.
    pub(super) fn split_off(&mut self, count: usize) -> Self {
        let mut rest = &mut self.first;
        for _ in 0..count {
            match rest {
                Some(body) => rest = &mut body.next,
                None => break,
            }
        }
        Self { first: rest.take() }
    }

    /// Takes off the first.
    pub(super) fn pop(&mut self) -> Option<RcuBox<Body<D>>> {
        let mut body = self.first.take()?;
        self.first = body.next.take();
        Some(body)
    }
}

/// May be done everywhere: what the driver gave is destroyed by a worker.
impl<D: Driver> Drop for List<D> {
    fn drop(&mut self) {
        // One by one: they may be many, and stacks are small.
        while let Some(mut body) = self.pop() {
            // Nodes go back at once, which runs nobody's code.
            drop((body.nodes.take(), body.second.take()));
            body.retire();
        }
    }
}
