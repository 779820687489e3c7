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
    maple::{
        RcuBox,
        Reservation, //
    },
    plan::va::Request, //
};
use core::iter;

/// One request, in memory that a worker can free.
pub(super) struct Body<D: Driver> {
    pub(super) request: Request<usize>,
    /// What it maps, for who looks at what was done: the mapping may be gone by then.
    pub(super) object: Option<D::Object>,
    /// What it maps, until it is committed.
    pub(super) added: Option<RcuBox<Mapping<D>>>,
    pub(super) spares: Spares<D>,
    pub(super) nodes: Option<Reservation>,
    /// How many mappings it displaced.
    pub(super) displaced: usize,
    pub(super) next: Option<RcuBox<Body<D>>>,
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

impl<D: Driver> Drop for List<D> {
    fn drop(&mut self) {
        // One by one: they may be many, and stacks are small.
        while self.pop().is_some() {}
    }
}
