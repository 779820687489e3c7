// SPDX-License-Identifier: GPL-2.0

//! Waiting for readers, and for callbacks.

use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        Level,
        MaySleep,
        Reclaim, //
    },
    lockdep, //
};

/// Waits until all RCU readers of now are done.
///
/// A grace period may wait for tasks that are themselves in reclaim. The kernel has no annotation
/// for that (measured: lockdep stays silent in a shrinker and in a signalling section), so this
/// one has its own.
///
/// # Context
///
/// Anything before [`Reclaim`] that may sleep. C: `synchronize_rcu()`.
pub fn synchronize_rcu<L, S>(_cx: &mut Cx<'_, L, S>)
where
    L: Level + Before<Reclaim>,
    S: MaySleep,
{
    lockdep::might_alloc_kernel();
    // SAFETY: The token says that the task may sleep, so it is in no reader's section.
    unsafe { bindings::synchronize_rcu() };
}

/// Waits until all RCU callbacks that were queued before have run.
///
/// # Context
///
/// As [`synchronize_rcu`]. C: `rcu_barrier()`.
pub fn rcu_barrier<L, S>(_cx: &mut Cx<'_, L, S>)
where
    L: Before<Reclaim>,
    S: MaySleep,
{
    lockdep::might_alloc_kernel();
    // SAFETY: The token says that the task may sleep.
    unsafe { bindings::rcu_barrier() };
}
