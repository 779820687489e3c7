// SPDX-License-Identifier: GPL-2.0

//! Waiting for what somebody completes.

use crate::{
    cx::{
        Before,
        Cx,
        MaySleep,
        Reclaim, //
    },
    lockdep, //
};
use kernel::sync::Completion;

/// Waits until `completion` is completed: by anybody, in any context
/// ([`Completion::complete_all`]).
///
/// Whoever completes it may have to allocate first, and lockdep does not know who that is (measured:
/// it stays silent in a shrinker and in a signalling section). So this says itself where it may be
/// called. What is waited for in reclaim is a [`Fence`](crate::fence::Fence).
///
/// # Context
///
/// Anything before [`Reclaim`] that may sleep. C: `wait_for_completion()`.
///
/// # Examples
///
/// ```
/// use kernel::sync::Completion;
/// use strata::dev::{work, Owner};
/// use strata::prelude::*;
/// use strata::sync::wait_for_completion;
/// use kernel::sync::Arc;
///
/// struct Reset<O>(Arc<Completion>, core::marker::PhantomData<fn() -> O>);
///
/// impl<O: Owner> work::Item for Reset<O> {
///     type Owner = O;
///
///     fn run(self, _cx: &mut Cx<'_, Process>) {
///         self.0.complete_all();
///     }
/// }
///
/// # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
/// # let mut cx = unsafe { Cx::<'_, Process>::assume() };
/// # let cx = &mut cx;
/// let done = gfp::kernel(cx).arc_init(Completion::new())?;
/// let reset = Reset::<strata::Strata>(done.clone(), core::marker::PhantomData);
/// work::Prepared::new(cx, reset)?.queue(cx);
/// wait_for_completion(cx, &done);
/// # Ok::<(), Error>(())
/// ```
pub fn wait_for_completion<L, S>(_cx: &mut Cx<'_, L, S>, completion: &Completion)
where
    L: Before<Reclaim>,
    S: MaySleep,
{
    lockdep::might_alloc_kernel();
    completion.wait_for_completion();
}
