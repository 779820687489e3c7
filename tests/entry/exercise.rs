// SPDX-License-Identifier: GPL-2.0

//! What every entry point does with its token: all that a context of its level may.

use crate::{
    locks::Locks,
    tokens::{
        At,
        Counts, //
    },
};
use kernel::prelude::*;
use strata::{
    cx::{
        MmapHeld,
        Notifier,
        Reclaim,
        Signalling, //
    },
    prelude::*,
};

/// Does one thing with the token of process context.
type Step = fn(&mut Cx<'_, Process>, &Locks) -> Result;

/// The steps, by the name that `tokens` prints.
pub(crate) const STEPS: [(&str, Step); 10] = [
    ("kernel", kernel),
    ("nofs", nofs),
    ("noio", noio),
    ("atomic", atomic),
    ("mmap_read", mmap_read),
    ("reclaim", reclaim),
    ("notifier", notifier),
    ("signalling", signalling),
    ("ranks", ranks),
    ("nested", nested),
];

/// The locks that the steps take, and how often they were taken.
#[pin_data]
pub(crate) struct Exercise {
    #[pin]
    locks: Locks,
    pub(crate) counts: Counts,
}

impl Exercise {
    pub(crate) fn new(cx: &mut Cx<'_, Process>) -> impl PinInit<Self, Error> {
        let locks = Locks::new(cx);
        try_pin_init!(Self {
            locks <- locks,
            counts: Counts::new(),
        })
    }

    /// Runs all steps, for an entry point in process context.
    pub(crate) fn run(&self, cx: &mut Cx<'_, Process>, at: At) {
        for (index, (_, step)) in STEPS.iter().enumerate() {
            self.counts.step(index, step(cx, &self.locks));
        }
        self.counts.entered(at);
    }

    /// What may be done under the mmap lock.
    pub(crate) fn run_mapping(&self, cx: &mut Cx<'_, MmapHeld>) -> Result {
        gfp::kernel(cx).boxed(1)?;
        cx.nofs(|cx| gfp::nofs(cx).boxed(2))?;
        self.locks.mmap.lock(cx, |count, cx| {
            *count += 1;
            gfp::kernel(cx).arc(3)
        })?;
        self.locks.reclaim_mutex.lock(cx, |count, cx| {
            *count += 1;
            gfp::nowait(cx).boxed(4)
        })?;
        self.counts.entered(At::Mmap);
        Ok(())
    }
}

fn kernel(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    cx.alloc(1)?;
    let mut gfp = gfp::kernel(cx);
    gfp.arc(2)?;
    gfp.page()?;
    gfp.large_vec::<u64>(3 << 16)?;
    let mut numbers = gfp.vec(1)?;
    gfp.push(&mut numbers, 3)?;
    gfp.push(&mut numbers, 4)?;
    check(numbers.len() == 2)
}

fn nofs(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    cx.nofs(|cx| {
        gfp::nofs(cx).page()?;
        gfp::noio(cx).boxed(1)?;
        gfp::strongest(cx).boxed(2)?;
        gfp::nowait(cx).boxed(3)?;
        gfp::atomic(cx).boxed(4)?;
        Ok(())
    })
}

fn noio(cx: &mut Cx<'_, Process>, _: &Locks) -> Result {
    cx.noio(|cx| {
        gfp::noio(cx).page()?;
        gfp::strongest(cx).boxed(1)?;
        gfp::nowait(cx).boxed(2)?;
        Ok(())
    })
}

fn atomic(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    cx.atomic(|cx| {
        locks.reclaim_spin.lock(cx, |count, _| *count += 1);
        gfp::nowait(cx).boxed(1)?;
        gfp::atomic(cx).boxed(2)?;
        Ok(())
    })
}

/// A kernel thread has no mm: `ESRCH`.
fn mmap_read(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    let task = kernel::current!();
    let mm = task.mm().ok_or(ESRCH)?;
    cx.mmap_read(mm, |_, cx| {
        gfp::kernel(cx).boxed(1)?;
        locks.mmap.lock(cx, |count, _| *count += 1);
        Ok::<_, Error>(())
    })?;
    // Others may hold it for writing: then there is nothing to see.
    cx.reclaim(|cx| {
        cx.mmap_try_read(mm, |_, cx: &mut Cx<'_, Reclaim>| {
            gfp::nofs(cx).boxed(2).map(drop)
        })
    })
    .unwrap_or(Ok(()))?;
    Ok(())
}

fn reclaim(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    cx.reclaim(|cx| {
        gfp::nofs(cx).boxed(1)?;
        locks.noio.lock(cx, |count, _| *count += 1);
        locks.reclaim_mutex.lock(cx, |count, cx| {
            *count += 1;
            gfp::nowait(cx).boxed(2).map(drop)
        })?;
        locks.reclaim_spin.lock(cx, |count, cx| {
            *count += 1;
            gfp::nowait(cx).boxed(3).map(drop)
        })?;
        Ok(())
    })
}

/// A kernel thread has no mm: `ESRCH`.
fn notifier(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    cx.notifier(|cx: &mut Cx<'_, Notifier>| {
        gfp::nowait(cx).boxed(1)?;
        locks.notifier.lock(cx, |count, _| *count += 1);
        locks.notifier_mutex.lock(cx, |count, cx| {
            *count += 1;
            // A trylock of what comes earlier: allowed, and one stays a notifier.
            locks.reclaim_mutex.try_lock(cx, |count, _| *count += 1);
        });
        locks.notifier_spin.lock(cx, |count, _| *count += 1);
        Ok(())
    })?
}

fn signalling(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    cx.signalling(|cx| {
        gfp::nowait(cx).boxed(1)?;
        locks.signalling.lock(cx, |count, _| *count += 1);
        cx.signalling(|cx: &mut Cx<'_, Signalling>| {
            locks.signal_mutex.lock(cx, |count, _| *count += 1);
            locks.signal_spin.lock(cx, |count, cx| {
                *count += 1;
                gfp::atomic(cx).boxed(2).map(drop)
            })
        })?;
        Ok(())
    })
}

/// Each rank by itself, with the strongest allocation that its holder may make.
fn ranks(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    locks
        .outer
        .lock(cx, |_, cx| gfp::kernel(cx).boxed(1).map(drop))?;
    locks
        .mmap
        .lock(cx, |_, cx| gfp::kernel(cx).boxed(2).map(drop))?;
    locks
        .resv
        .lock(cx, |_, cx| gfp::kernel(cx).boxed(3).map(drop))?;
    locks
        .noio
        .lock(cx, |_, cx| gfp::nowait(cx).boxed(4).map(drop))?;
    locks
        .reclaim_mutex
        .lock(cx, |_, cx| gfp::strongest(cx).boxed(5).map(drop))?;
    locks
        .after_reclaim
        .lock(cx, |_, cx| gfp::strongest(cx).boxed(6).map(drop))?;
    locks
        .notifier
        .lock(cx, |_, cx| gfp::nowait(cx).boxed(9).map(drop))?;
    locks
        .notifier_mutex
        .lock(cx, |_, cx| gfp::nowait(cx).boxed(10).map(drop))?;
    locks
        .after_notifier
        .lock(cx, |_, cx| gfp::nowait(cx).boxed(11).map(drop))?;
    locks
        .signalling
        .lock(cx, |_, cx| gfp::nowait(cx).boxed(12).map(drop))?;
    locks
        .signal_mutex
        .lock(cx, |_, cx| gfp::nowait(cx).boxed(13).map(drop))?;
    locks
        .after_signal
        .lock(cx, |_, cx| gfp::atomic(cx).boxed(14).map(drop))?;
    Ok(())
}

/// One lock inside of the other, through the whole order.
fn nested(cx: &mut Cx<'_, Process>, locks: &Locks) -> Result {
    let mut depth = 0;
    locks.outer.lock(cx, |_, cx| {
        locks.inner.lock(cx, |_, cx| {
            locks.reclaim_mutex.lock(cx, |_, cx| {
                locks.after_reclaim.lock(cx, |_, cx| {
                    // A branch that ends: nothing that sleeps may follow a spinlock.
                    locks.within.lock(cx, |_, _| depth += 1);
                    locks.notifier_mutex.lock(cx, |_, cx| {
                        locks.after_notifier.lock(cx, |_, cx| {
                            cx.signalling(|cx| {
                                locks.signal_mutex.lock(cx, |_, cx| {
                                    locks.after_signal.lock(cx, |_, _| depth += 1);
                                });
                            });
                        });
                    });
                });
            });
        });
    });
    check(depth == 2)
}

fn check(holds: bool) -> Result {
    holds.then_some(()).ok_or(EINVAL)
}
