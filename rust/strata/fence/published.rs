// SPDX-License-Identifier: GPL-2.0

//! The duty to signal a fence.

use super::{
    queue::{
        Inner,
        Shared,
        CANCELED, //
    },
    shared::Fence, //
};
use crate::cx::{
    Cx,
    Signalling,
    Sleep, //
};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

/// The duty to signal a fence that was published. There is one of each.
///
/// If it is dropped the fence is signalled with `ECANCELED`, and the kernel's log says so: who
/// cancels says it with [`signal`](Self::signal). If it is forgotten, the end of its timeline
/// signals the fence. Dropping it takes the fence's lock and runs its callbacks: not in a callback of
/// another fence, nor under an [`IrqSpinLock`](crate::sync::IrqSpinLock).
///
/// # Invariants
///
/// `fence` is one of `timeline`'s, published or signalled.
#[must_use = "a fence that was published has to be signalled"]
pub struct Signaller {
    fence: ARef<Fence>,
    timeline: ARef<Shared>,
}

impl Signaller {
    /// `fence` must be one of `timeline`'s, and be published next or signalled.
    pub(super) fn new(fence: ARef<Fence>, timeline: ARef<Shared>) -> Self {
        Self { fence, timeline }
    }

    /// The fence.
    pub fn fence(&self) -> &ARef<Fence> {
        &self.fence
    }

    /// The work is done: signals the fence, with an error if `outcome` is one.
    ///
    /// If a fence that was published before it on the same timeline is not done yet, it is signalled
    /// after that; if another CPU is signalling for the timeline at the moment, by that one.
    ///
    /// # Context
    ///
    /// In a signalling section. Runs the callbacks of the fence, with interrupts off.
    /// C: `dma_fence_set_error()`, `dma_fence_signal()`.
    pub fn signal<S: Sleep>(self, _cx: &mut Cx<'_, Signalling, S>, outcome: Result) {
        self.done(outcome.err().map_or(0, |error| error.to_errno()));
        // Nothing is left to do for the destructor, which looks.
    }

    fn done(&self, outcome: i32) -> bool {
        let inner: NonNull<Inner> = NonNull::from(&*self.fence).cast();
        self.timeline.done(inner, outcome)
    }
}

impl Drop for Signaller {
    fn drop(&mut self) {
        if self.done(CANCELED) {
            let (context, seqno) = (self.fence.context(), self.fence.seqno());
            pr_warn!("fence {context}:{seqno} was dropped by who should signal it\n");
        }
    }
}
