// SPDX-License-Identifier: GPL-2.0

//! Callbacks of fences: called under the fence's lock with interrupts off, in an interrupt perhaps.

use crate::{
    cases::{
        cases,
        forged,
        untokened,
        Case, //
    },
    fences::{
        publish,
        Fences, //
    },
    interrupt::interrupt,
    Misuse, //
};
use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        SetOnce, //
    },
};
use strata::{
    cx::{
        FenceCallback,
        IrqLock,
        Signalling, //
    },
    fence::{
        Armed,
        Callback,
        Fence,
        Waiter,
        Wake, //
    },
    lock_class,
    prelude::*,
    resv::Resv,
    sync::IrqSpinLock, //
};

cases![
    fences:
    callback_that_allocates,
    callback_that_locks_mutex,
    callback_that_locks_reservation,
    callback_that_signals_another,
    callback_that_waits,
    callback_that_drops_another,
    callback_takes_lock_with_interrupts_on,
    callback_without_mistake,
    callback_in_interrupt,
];

/// What a callback of ours does.
type Run = fn(&mut Cx<'_, FenceCallback, Atomic>, &Arc<Fences>) -> Result;

struct Does {
    run: Run,
    it: Arc<Fences>,
    result: SetOnce<Result>,
}

impl Callback for Does {
    type Owner = Misuse;

    fn called(&self, cx: &mut Cx<'_, FenceCallback, Atomic>, _fence: &Fence) {
        self.result.populate((self.run)(cx, &self.it));
    }
}

fn armed(
    cx: &mut Cx<'_, Process>,
    it: &Arc<Fences>,
    fence: ARef<Fence>,
    run: Run,
) -> Result<Armed<Does>> {
    let does = Does {
        run,
        it: it.clone(),
        result: SetOnce::new(),
    };
    let waiter = Waiter::new(&mut gfp::kernel(cx), does)?;
    waiter.arm(cx, fence).map_err(|_| EIO)
}

/// Signals a fence that calls `run`.
fn called_back(cx: &mut Cx<'_, Process>, it: &Arc<Fences>, run: Run) -> Result {
    let (fence, signaller) = publish(cx, &it.timeline)?;
    let armed = armed(cx, it, fence, run)?;
    cx.signalling(|cx| signaller.signal(cx, Ok(())));
    armed.result.copy().unwrap_or(Err(EIO))
}

/// The same, in an interrupt.
fn called_back_in_interrupt(cx: &mut Cx<'_, Process>, it: &Arc<Fences>, run: Run) -> Result {
    let (fence, signaller) = publish(cx, &it.timeline)?;
    let armed = armed(cx, it, fence, run)?;
    it.hand(cx, signaller);
    interrupt(cx, it, |it| {
        // SAFETY: An interrupt that signals a fence is a section; nothing is held, and it may not
        // sleep.
        let mut cx = unsafe { Cx::<'_, Signalling, Atomic>::assume() };
        let signaller = it.signaller.lock(&mut cx, |slot, _| slot.take());
        signaller.ok_or(EIO)?.signal(&mut cx, Ok(()));
        Ok(())
    })?;
    armed.result.copy().unwrap_or(Err(EIO))
}

fn callback_that_allocates(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    called_back(cx, it, |_, _| untokened())
}

fn callback_that_locks_mutex(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    called_back(cx, it, |cx, it| {
        forged(cx, |cx| it.queue.lock(cx, |(), _| Ok(())))
    })
}

fn callback_that_locks_reservation(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    called_back(cx, it, |cx, _| {
        pin_init::stack_pin_init!(let resv = Resv::new(()));
        forged(cx, |cx| resv.lock(cx, |_, (), _| ()));
        Ok(())
    })
}

fn callback_that_signals_another(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    let (another, signaller) = publish(cx, &it.other)?;
    it.hand(cx, signaller);
    called_back(cx, it, |cx, it| {
        let signaller = it.signaller.lock(cx, |slot, _| slot.take());
        let signaller = signaller.ok_or(EIO)?;
        forged(cx, |cx| {
            cx.signalling(|cx| signaller.signal(cx, Ok(())));
        });
        Ok(())
    })?;
    another.status().unwrap_or(Err(EIO))
}

fn callback_that_waits(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    called_back(cx, it, |cx, _| {
        forged(cx, |cx| Fence::signalled().wait(cx, Wake::Done))
    })
}

/// What a callback has of another fence.
struct Drops(Pin<KBox<IrqSpinLock<Option<Armed<Does>>>>>);

impl Callback for Drops {
    type Owner = Misuse;

    fn called(&self, cx: &mut Cx<'_, FenceCallback, Atomic>, _fence: &Fence) {
        // It is dropped without a token, and takes the other fence's lock, of the same class.
        drop(self.0.lock(cx, |slot, _| slot.take()));
    }
}

fn callback_that_drops_another(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    let (another, second) = publish(cx, &it.other)?;
    let armed = armed(cx, it, another, |_, _| Ok(()))?;
    let slot = IrqSpinLock::new(cx, lock_class!(IrqLock, "armed"), Some(armed));
    let drops = Drops(gfp::kernel(cx).boxed_init(slot)?);
    let waiter = Waiter::new(&mut gfp::kernel(cx), drops)?;
    let (fence, first) = publish(cx, &it.timeline)?;
    let armed = waiter.arm(cx, fence).map_err(|_| EIO)?;
    cx.signalling(|cx| {
        first.signal(cx, Ok(()));
        second.signal(cx, Ok(()));
    });
    let left = armed.0.lock(cx, |slot, _| slot.is_some());
    (!left).then_some(()).ok_or(EIO)
}

fn callback_takes_lock_with_interrupts_on(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    it.ring.lock(cx, |(), _| ());
    called_back_in_interrupt(cx, it, |cx, it| {
        forged(cx, |cx| it.ring.lock(cx, |(), _| ()));
        Ok(())
    })
}

/// What a callback may do.
fn legal(cx: &mut Cx<'_, FenceCallback, Atomic>, it: &Arc<Fences>) -> Result {
    it.signaller.lock(cx, |slot, cx| {
        drop(gfp::atomic(cx).boxed(0_u64)?);
        slot.is_none().then_some(()).ok_or(EIO)
    })?;
    let one = it.steps.preallocated(1)?;
    let two = it.steps.try_take(&mut gfp::nowait(cx), 2)?;
    (*one + *two == 3).then_some(()).ok_or(EIO)
}

fn callback_without_mistake(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    called_back(cx, it, legal)
}

fn callback_in_interrupt(cx: &mut Cx<'_, Process>, it: &Arc<Fences>) -> Result {
    drop(it.steps.take(&mut gfp::kernel(cx), 0));
    called_back_in_interrupt(cx, it, legal)
}
