// SPDX-License-Identifier: GPL-2.0

//! What the pieces of a request are made of.

use super::mapping::{
    Driver,
    Mapping, //
};
use crate::{
    gfp::{
        Allocate,
        Gfp, //
    },
    maple::{
        RcuBox,
        RcuSpare, //
    },
    plan::va::Span, //
};
use kernel::prelude::*;

/// What one piece is made of.
struct Spare<D: Driver> {
    mapping: RcuSpare<Mapping<D>>,
    driver: D::Spare,
}

/// What the pieces of one request are made of.
pub(super) struct Spares<D: Driver>([Option<Spare<D>>; 4]);

impl<D: Driver> Spares<D> {
    /// That of `count` pieces, of which no request has more than four.
    pub(super) fn new<C: Allocate>(gfp: &mut Gfp<'_, C>, count: usize) -> Result<Self> {
        let mut spares = [const { None }; 4];
        for spare in spares.iter_mut().take(count) {
            *spare = Some(Spare {
                mapping: RcuSpare::new(gfp)?,
                driver: D::spare(gfp)?,
            });
        }
        Ok(Self(spares))
    }

    /// How many are left.
    pub(super) fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// The mapping for a part of `old`.
    pub(super) fn part(&mut self, old: &Mapping<D>, span: Span) -> RcuBox<Mapping<D>> {
        match self.0.iter_mut().find_map(Option::take) {
            Some(spare) => spare.mapping.write(old.part(span, spare.driver)),
            None => unreachable!("they were counted"),
        }
    }
}
