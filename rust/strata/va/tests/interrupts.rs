// SPDX-License-Identifier: GPL-2.0

//! What is seen in an interrupt that comes in the middle of a commit: it cannot wait for that.

use super::{
    super::{
        Driver,
        Limits,
        Mapping,
        Space,
        Span, //
    },
    gpu::{
        expect,
        span, //
    },
};
use crate::{
    cx::{
        Cx,
        Process,
        SignalLock, //
    },
    gfp::{
        self,
        Allocate,
        Gfp, //
    },
    kunit::process,
};
use core::hint;
use kernel::{
    impl_has_hr_timer,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        Arc, //
    },
    time::{
        hrtimer::{
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerRestart,
            RelativeMode,
            ScopedHrTimerPointer, //
        },
        Delta,
        Monotonic, //
    },
};

/// How often one looks whether there was an interrupt, until something is wrong: for many seconds.
const LOOKS: u64 = 500_000_000;

/// What the interrupt is to do, and did.
const NOTHING: u32 = 0;
const WANTED: u32 = 1;
const SEEN: u32 = 2;
const SEEN_WRONG: u32 = 3;
static INTERRUPT: Atomic<u32> = Atomic::new(NOTHING);

/// A driver that is interrupted while it splits a mapping.
struct Slow;

impl Driver for Slow {
    type Object = u64;
    type Data = ();
    type Spare = ();

    fn spare<C: Allocate>(_gfp: &mut Gfp<'_, C>) -> Result {
        Ok(())
    }

    fn split(_old: &Mapping<Self>, _piece: Span, _spare: ()) {
        if INTERRUPT.load(Relaxed) != NOTHING {
            return;
        }
        INTERRUPT.store(WANTED, Relaxed);
        for _ in 0..LOOKS {
            if INTERRUPT.load(Relaxed) != WANTED {
                return;
            }
            hint::spin_loop();
        }
    }
}

/// Looks at a space in an interrupt, again and again.
#[pin_data]
struct Look {
    #[pin]
    timer: HrTimer<Self>,
    space: Arc<Space<Slow>>,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Look {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

const SOON: Delta = Delta::from_micros(300);

impl HrTimerCallback for Look {
    type Pointer<'a> = Pin<&'a Self>;

    fn run(this: Pin<&Self>, mut timer: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        let wanted = INTERRUPT.load(Relaxed) == WANTED;
        let reader = rcu::read_lock();
        let seen = this.space.read(&reader, |view| {
            let length = |addr| view.find(addr).map(|mapping| mapping.span().length());
            (length(0), length(100))
        });
        let found = this.space.find(&reader, 9).is_some();
        if wanted {
            // The first request is committed, and the second is about to be.
            let right = found && seen == (Some(10), Some(20));
            INTERRUPT.store(if right { SEEN } else { SEEN_WRONG }, Relaxed);
        }
        timer.forward_now(SOON);
        HrTimerRestart::Restart
    }
}

fn space(cx: &mut Cx<'_, Process>) -> Result<Arc<Space<Slow>>> {
    let class = crate::lock_class!(SignalLock, "va-interrupts");
    let space = Space::new(cx, class, Limits::from(span(0, 1 << 20)?));
    gfp::kernel(cx).arc_init(space)
}

#[kunit_tests(strata_va_interrupts)]
mod cases {
    use super::*;

    #[test]
    fn who_interrupts_a_commit_sees_each_request_whole() -> Result {
        process(|cx| {
            let space = space(cx)?;
            let gfp = &mut gfp::kernel(cx);
            let before = space.prepare_map(gfp, span(0, 10)?, Some(1), 0, ())?;
            let first = space.prepare_map(gfp, span(100, 20)?, Some(1), 0, ())?;
            let second = space.prepare_unmap(gfp, span(4, 2)?)?;
            let shared = space.clone();
            let look = gfp.boxed_init(pin_init!(Look {
                timer <- HrTimer::new(),
                space: shared,
            }))?;
            drop(space.commit(cx, before)?);

            INTERRUPT.store(NOTHING, Relaxed);
            let done = look
                .as_ref()
                .start_scoped(SOON, || space.commit(cx, first.then(second)));
            expect(INTERRUPT.load(Relaxed), SEEN)?;
            let count = done?.ops().count();
            expect(count, 2)
        })
    }
}
