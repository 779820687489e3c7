// SPDX-License-Identifier: GPL-2.0

//! The file in debugfs that shows and changes the limits of a budget.

use super::Budget;
use crate::{
    cx::{
        Cx,
        Process, //
    },
    dev::{
        debugfs,
        user::UserRange,
        Owner, //
    },
    plan::budget::Update,
    shrinker::Shrinker, //
};
use core::{
    marker::PhantomData,
    num::NonZeroUsize, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::Arc, //
};

/// The file `limit` of a budget: shows the limits and what is used, and takes new limits.
pub struct LimitFile<T, O> {
    budget: Arc<Budget>,
    target: Arc<T>,
    _owner: PhantomData<fn() -> O>,
}

/// The longest text that can be written.
const LONGEST: usize = 128;

impl<T: Shrinker, O: Owner> LimitFile<T, O> {
    /// What the file shows, and what is evicted where a limit is lowered.
    pub fn new(budget: Arc<Budget>, target: Arc<T>) -> Self {
        Self {
            budget,
            target,
            _owner: PhantomData,
        }
    }
}

#[vtable]
impl<T: Shrinker, O: Owner> debugfs::File for LimitFile<T, O> {
    type Owner = O;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        let limits = self.budget.limits();
        let (soft, hard) = (limits.soft(), limits.hard().map_or(0, NonZeroUsize::get));
        let (used, peak) = (self.budget.used(), self.budget.peak());
        seq_print!(out, "soft {soft}\nhard {hard}\nused {used}\npeak {peak}\n");
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        let mut buffer = [0; LONGEST];
        let text = input.read_text(cx, &mut buffer)?;
        let update = Update::parse(text).map_err(|_| EINVAL)?;
        self.budget.update(cx, update, &*self.target)
    }
}
