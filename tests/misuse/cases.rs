// SPDX-License-Identifier: GPL-2.0

//! The cases. What each is about, and what must come of it, stands in `cases.toml`.

use crate::{
    locks::Locks,
    Tools, //
};
use kernel::{
    mm::MmWithUser,
    prelude::*,
    sync::aref::ARef, //
};
use strata::{
    cx::Sleep,
    dev::{
        user::UserRange,
        work, //
    },
    fence::{
        Fence,
        Wake, //
    },
    prelude::*,
    shrinker::Prepared,
    sync::{
        rcu_barrier,
        synchronize_rcu, //
    },
};

/// A case: done in process context.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut Cx<'_, Process>, &Tools) -> Result,
}

/// `ALL`: the cases of a file, whose functions take this one of the tools.
macro_rules! cases {
    ($tool:ident: $($name:ident),* $(,)?) => {
        pub(crate) const ALL: &[Case] = &[
            $(Case {
                name: stringify!($name),
                run: |cx, tools| $name(cx, &tools.$tool),
            },)*
        ];
    };
}

pub(crate) use cases;

cases![
    locks:
    reclaim_mutex_held_over_kernel,
    reclaim_mutex_held_over_nofs,
    reclaim_mutex_held_over_user_memory,
    reclaim_mutex_in_reclaim,
    reclaim_mutex_tried_then_kernel,
    reclaim_spinlock_held_over_kernel,
    notifier_mutex_held_over_noio,
    notifier_mutex_held_over_fence_wait,
    notifier_mutex_in_notifier,
    signal_mutex_held_over_noio,
    signal_mutex_held_over_fence_wait,
    signal_mutex_in_signalling,
    ranks_in_order,
    ranks_reversed,
    rank_held_over_reclaim_mutex,
    reclaim_mutex_held_over_earlier_rank,
    early_rank_under_mmap_lock,
    early_rank_over_mmap_lock,
    kernel_in_reclaim,
    kernel_in_signalling,
    kernel_in_notifier,
    kernel_in_atomic,
    kernel_in_nofs,
    mmap_lock_in_reclaim,
    flush_in_reclaim,
    grace_period_in_signalling,
    rcu_barrier_in_reclaim,
    shrinker_prepared_under_reclaim_mutex,
    entry_in_reclaim,
];

/// An allocation that asks for no token.
pub(crate) fn untokened() -> Result {
    drop(KBox::new(0u64, GFP_KERNEL)?);
    Ok(())
}

/// A token that is not true here: what the types keep a driver from.
pub(crate) fn forged<R, L: Level, S: Sleep>(
    _cx: &mut Cx<'_, L, S>,
    f: impl for<'b> FnOnce(&mut Cx<'b, Process>) -> R,
) -> R {
    // SAFETY: It is a lie, and its consequence is what lockdep is to report.
    f(&mut unsafe { Cx::assume() })
}

/// The running task's mm.
fn mm() -> Result<ARef<MmWithUser>> {
    Ok(kernel::current!().mm().ok_or(ESRCH)?.into())
}

fn reclaim_mutex_held_over_kernel(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks.reclaim.lock(cx, |(), _| untokened())
}

fn reclaim_mutex_held_over_nofs(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks.reclaim.lock(cx, |(), cx| {
        forged(cx, |cx| {
            drop(gfp::nofs(cx).boxed(0u64)?);
            Ok(())
        })
    })
}

fn reclaim_mutex_held_over_user_memory(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks.reclaim.lock(cx, |(), cx| {
        forged(cx, |cx| {
            // Nothing is mapped at 0: it is the attempt that counts.
            let read = UserRange::new(0, 8).read::<u64, _, _>(cx);
            read.err().map_or(Err(EINVAL), |_| Ok(()))
        })
    })
}

fn reclaim_mutex_in_reclaim(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    cx.reclaim(|cx| locks.reclaim.lock(cx, |(), _| Ok(())))
}

fn reclaim_mutex_tried_then_kernel(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks
        .reclaim
        .try_lock(cx, |(), _| untokened())
        .unwrap_or(Err(EBUSY))
}

fn reclaim_spinlock_held_over_kernel(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks.reclaim_spin.lock(cx, |(), _| untokened())
}

fn notifier_mutex_held_over_noio(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks.notifier.lock(cx, |(), cx| {
        forged(cx, |cx| {
            drop(gfp::noio(cx).boxed(0u64)?);
            Ok(())
        })
    })
}

fn notifier_mutex_held_over_fence_wait(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    // One that has signalled: lockdep cannot tell, and nobody is held up.
    locks
        .notifier
        .lock(cx, |(), cx| Fence::signalled().wait(cx, Wake::Done))
}

fn notifier_mutex_in_notifier(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    cx.notifier(|cx| locks.notifier.lock(cx, |(), _| ()))
}

fn signal_mutex_held_over_noio(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks.signal.lock(cx, |(), cx| {
        forged(cx, |cx| {
            drop(gfp::noio(cx).boxed(0u64)?);
            Ok(())
        })
    })
}

fn signal_mutex_held_over_fence_wait(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks.signal.lock(cx, |(), cx| {
        forged(cx, |cx| Fence::signalled().wait(cx, Wake::Done))
    })
}

fn signal_mutex_in_signalling(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    cx.signalling(|cx| locks.signal.lock(cx, |(), _| Ok(())))
}

fn ranks_in_order(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks
        .outer
        .lock(cx, |(), cx| locks.inner.lock(cx, |(), _| Ok(())))
}

fn ranks_reversed(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks.inner.lock(cx, |(), cx| {
        forged(cx, |cx| locks.outer.lock(cx, |(), _| Ok(())))
    })
}

fn rank_held_over_reclaim_mutex(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks.outer.lock(cx, |(), cx| {
        forged(cx, |cx| locks.reclaim.lock(cx, |(), _| Ok(())))
    })
}

fn reclaim_mutex_held_over_earlier_rank(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks.reclaim.lock(cx, |(), cx| {
        forged(cx, |cx| locks.before_reclaim.lock(cx, |(), _| Ok(())))
    })
}

fn early_rank_under_mmap_lock(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    let mm = mm()?;
    cx.mmap_read(&mm, |_, cx| {
        forged(cx, |cx| locks.early.lock(cx, |(), _| Ok(())))
    })
}

fn early_rank_over_mmap_lock(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    let mm = mm()?;
    locks
        .early
        .lock(cx, |(), cx| cx.mmap_read(&mm, |_, _| Ok(())))
}

fn kernel_in_reclaim(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    cx.reclaim(|_| untokened())
}

fn kernel_in_signalling(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    cx.signalling(|_| untokened())
}

fn kernel_in_notifier(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    cx.notifier(|_| untokened())?
}

fn kernel_in_atomic(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    cx.atomic(|_| untokened())
}

fn kernel_in_nofs(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    cx.nofs(|cx| forged(cx, |cx| cx.reclaim(|_| untokened())))
}

fn mmap_lock_in_reclaim(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    let mm = mm()?;
    cx.reclaim(|cx| forged(cx, |cx| cx.mmap_read(&mm, |_, _| Ok(()))))
}

fn flush_in_reclaim(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    cx.reclaim(|cx| forged(cx, work::flush));
    Ok(())
}

fn grace_period_in_signalling(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    cx.signalling(|cx| forged(cx, synchronize_rcu));
    Ok(())
}

fn rcu_barrier_in_reclaim(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    cx.reclaim(|cx| forged(cx, rcu_barrier));
    Ok(())
}

fn shrinker_prepared_under_reclaim_mutex(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks.reclaim.lock(cx, |(), cx| {
        forged(cx, |cx| Prepared::new(cx, c"strata_misuse_child").map(drop))
    })
}

/// An entry point that is reached in a context it does not expect: its check speaks.
fn entry_in_reclaim(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    struct Nothing;

    impl strata::dev::Module for Nothing {
        fn init(_cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
            Ok(Ok::<_, Error>(Self))
        }
    }

    cx.reclaim(|_| {
        // SAFETY: It is a lie, and its consequence is what lockdep is to report.
        let init = unsafe { strata::dev::enter::<Nothing>() };
        pin_init::stack_try_pin_init!(let module: Nothing = init);
        module.map(|_| ())
    })
}
