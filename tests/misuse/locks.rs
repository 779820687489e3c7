// SPDX-License-Identifier: GPL-2.0

//! One lock of each rank. Creating them is what primes their classes.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use strata::{
    cx::{
        NotifierLock,
        ReclaimLock,
        SignalLock, //
    },
    lock_class,
    prelude::*,
    sync::{
        Mutex,
        NotifierMutex,
        ReclaimMutex,
        ReclaimSpinLock,
        SignalMutex,
        SpinLock, //
    },
};

strata::ranks! {
    after Process:
    /// Before even the mmap lock.
    pub(crate) Early,
}

strata::ranks! {
    after NoIo:
    /// Before the locks of Strata that a shrinker takes.
    pub(crate) BeforeReclaimLock,
}

strata::ranks! {
    after ReclaimLock:
    /// The first of two.
    pub(crate) Outer,
    /// The second of two.
    pub(crate) Inner,
}

/// The locks.
#[pin_data]
pub(crate) struct Locks {
    #[pin]
    pub(crate) early: Mutex<(), Early>,
    #[pin]
    pub(crate) before_reclaim: Mutex<(), BeforeReclaimLock>,
    #[pin]
    pub(crate) reclaim: ReclaimMutex<()>,
    #[pin]
    pub(crate) reclaim_spin: ReclaimSpinLock<()>,
    #[pin]
    pub(crate) outer: Mutex<(), Outer>,
    #[pin]
    pub(crate) inner: Mutex<(), Inner>,
    #[pin]
    pub(crate) notifier: NotifierMutex<()>,
    #[pin]
    pub(crate) signal: SignalMutex<()>,
}

impl Locks {
    pub(crate) fn new(cx: &mut Cx<'_, Process>) -> Result<Arc<Self>> {
        let early = Mutex::new(cx, lock_class!(Early, "early"), ());
        let before_reclaim = Mutex::new(cx, lock_class!(BeforeReclaimLock, "before"), ());
        let reclaim = Mutex::new(cx, lock_class!(ReclaimLock, "mutex"), ());
        let reclaim_spin = SpinLock::new(cx, lock_class!(ReclaimLock, "spin"), ());
        let outer = Mutex::new(cx, lock_class!(Outer, "outer"), ());
        let inner = Mutex::new(cx, lock_class!(Inner, "inner"), ());
        let notifier = Mutex::new(cx, lock_class!(NotifierLock, "mutex"), ());
        let signal = Mutex::new(cx, lock_class!(SignalLock, "mutex"), ());
        gfp::kernel(cx).arc_init(try_pin_init!(Self {
            early <- early,
            before_reclaim <- before_reclaim,
            reclaim <- reclaim,
            reclaim_spin <- reclaim_spin,
            outer <- outer,
            inner <- inner,
            notifier <- notifier,
            signal <- signal,
        }? Error))
    }
}
