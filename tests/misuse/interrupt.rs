// SPDX-License-Identifier: GPL-2.0

//! Code that runs in an interrupt, for cases that need one: no token says that it may.

use kernel::{
    impl_has_hr_timer,
    prelude::*,
    sync::{
        Arc,
        Completion,
        SetOnce, //
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
use strata::prelude::*;

/// What is done in an interrupt, and what came of it.
#[pin_data]
struct Interrupt<T: Send + Sync + 'static> {
    #[pin]
    timer: HrTimer<Self>,
    it: Arc<T>,
    run: fn(&T) -> Result,
    result: SetOnce<Result>,
    #[pin]
    done: Completion,
}

impl_has_hr_timer! {
    impl{T: Send + Sync + 'static} HasHrTimer<Self> for Interrupt<T> {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

impl<T: Send + Sync + 'static> HrTimerCallback for Interrupt<T> {
    type Pointer<'a> = Pin<&'a Self>;

    fn run(this: Pin<&Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        this.result.populate((this.run)(&this.it));
        this.done.complete_all();
        HrTimerRestart::NoRestart
    }
}

/// Interrupts somebody, and does `run` there.
pub(crate) fn interrupt<T: Send + Sync + 'static>(
    cx: &mut Cx<'_, Process>,
    it: &Arc<T>,
    run: fn(&T) -> Result,
) -> Result {
    let interrupt = gfp::kernel(cx).boxed_init(pin_init!(Interrupt {
        timer <- HrTimer::new(),
        it: it.clone(),
        run,
        result: SetOnce::new(),
        done <- Completion::new(),
    }))?;
    let soon = Delta::from_micros(200);
    let interrupt = interrupt.as_ref();
    interrupt.start_scoped(soon, || interrupt.done.wait_for_completion());
    interrupt.result.copy().unwrap_or(Err(EIO))
}
