// SPDX-License-Identifier: GPL-2.0

//! The calls into C: nodes that are tied to no tree.

use super::{
    raw::Flags,
    state::State, //
};
use crate::bindings;
use core::{
    mem,
    ptr, //
};
use kernel::{
    alloc::AllocError,
    error::to_result,
    prelude::*, //
};

/// Nodes that are tied to no tree: what a state holds of them.
///
/// # Invariants
///
/// Both are null or of a state that gave them up.
pub(super) struct Stock {
    pub(super) sheaf: *mut bindings::slab_sheaf,
    pub(super) alloc: *mut bindings::maple_node,
}

// SAFETY: It owns its nodes, which any task may store or give back.
unsafe impl Send for Stock {}

impl Stock {
    /// None.
    // INVARIANT: Both are null.
    pub(super) const NONE: Self = Self {
        sheaf: ptr::null_mut(),
        alloc: ptr::null_mut(),
    };

    /// Nodes for any store into a tree of `height` levels.
    #[inline]
    pub(super) fn reserve(height: u8, flags: Flags) -> Result<Self, AllocError> {
        let mut state = State::nowhere(Self::NONE);
        // SAFETY: The state is valid for writes, and the template was made when the crate was
        // loaded.
        if unsafe { bindings::maple_reserve(state.get(), height.into(), flags) } != 0 {
            return Err(AllocError);
        }
        Ok(state.take())
    }

    /// Whether there is none.
    #[inline(always)]
    pub(super) fn is_none(&self) -> bool {
        self.sheaf.is_null() && self.alloc.is_null()
    }

    /// All of it; none is left.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Self {
        mem::replace(self, Self::NONE)
    }
}

impl Drop for Stock {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.is_none() {
            give_back(self.take());
        }
    }
}

/// Gives all of it back to the slab.
#[cold]
fn give_back(stock: Stock) {
    State::nowhere(stock).release();
}

/// The tree that reservations are made with, while it lives.
pub(crate) struct Template(());

impl Template {
    /// Makes it.
    ///
    /// # Safety
    ///
    /// There must be no other.
    pub(crate) unsafe fn create() -> Result<Self> {
        // SAFETY: The module is being loaded, in process context, and there is no other.
        to_result(unsafe { bindings::maple_template_create() })?;
        Ok(Self(()))
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        // SAFETY: Users of the crate are unloaded before it.
        unsafe { bindings::maple_template_destroy() };
    }
}
