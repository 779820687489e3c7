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
    /// None yet.
    pub(super) fn none() -> Self {
        Self([const { None }; 4])
    }

    /// Takes what is missing for `count` pieces, of which no request has more than four.
    pub(super) fn refill<C: Allocate>(&mut self, gfp: &mut Gfp<'_, C>, count: usize) -> Result {
        let missing = count.saturating_sub(self.count());
        for spare in self
            .0
            .iter_mut()
            .filter(|spare| spare.is_none())
            .take(missing)
        {
            *spare = Some(Spare {
                mapping: RcuSpare::new(gfp)?,
                driver: D::spare(gfp)?,
            });
        }
        Ok(())
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
