// SPDX-License-Identifier: GPL-2.0

//! A lock of every rank that there is, and of a rank of our own after each level.
//!
//! Creating one primes its class: on a kernel with lockdep, an order that contradicts the kernel's
//! is reported when the module is loaded.

use kernel::prelude::*;
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
        NotifierSpinLock,
        ReclaimMutex,
        ReclaimSpinLock,
        SignalMutex,
        SignalSpinLock,
        SpinLock, //
    },
};

strata::ranks! {
    after Process:
    /// The outermost.
    pub(crate) Outer,
    /// Within `Outer`.
    pub(crate) Inner,
}
strata::ranks! { after MmapHeld: pub(crate) AfterMmap }
strata::ranks! { after ResvHeld: pub(crate) AfterResv }
strata::ranks! { after NoIo: pub(crate) AfterNoIo }
strata::ranks! {
    after ReclaimLock:
    pub(crate) AfterReclaimLock,
    pub(crate) Within,
}
strata::ranks! { after Notifier: pub(crate) AfterNotifier }
strata::ranks! { after NotifierLock: pub(crate) AfterNotifierLock }
strata::ranks! { after Signalling: pub(crate) AfterSignalling }
strata::ranks! { after SignalLock: pub(crate) AfterSignalLock }

/// The locks. Each counts how often it was held.
#[pin_data]
pub(crate) struct Locks {
    #[pin]
    pub(crate) outer: Mutex<u64, Outer>,
    #[pin]
    pub(crate) inner: Mutex<u64, Inner>,
    #[pin]
    pub(crate) mmap: Mutex<u64, AfterMmap>,
    #[pin]
    pub(crate) resv: Mutex<u64, AfterResv>,
    #[pin]
    pub(crate) reclaim_mutex: ReclaimMutex<u64>,
    #[pin]
    pub(crate) reclaim_spin: ReclaimSpinLock<u64>,
    #[pin]
    pub(crate) after_reclaim: Mutex<u64, AfterReclaimLock>,
    #[pin]
    pub(crate) within: SpinLock<u64, Within>,
    #[pin]
    pub(crate) noio: Mutex<u64, AfterNoIo>,
    #[pin]
    pub(crate) notifier: Mutex<u64, AfterNotifier>,
    #[pin]
    pub(crate) notifier_mutex: NotifierMutex<u64>,
    #[pin]
    pub(crate) notifier_spin: NotifierSpinLock<u64>,
    #[pin]
    pub(crate) after_notifier: Mutex<u64, AfterNotifierLock>,
    #[pin]
    pub(crate) signalling: Mutex<u64, AfterSignalling>,
    #[pin]
    pub(crate) signal_mutex: SignalMutex<u64>,
    #[pin]
    pub(crate) signal_spin: SignalSpinLock<u64>,
    #[pin]
    pub(crate) after_signal: SpinLock<u64, AfterSignalLock>,
}

impl Locks {
    pub(crate) fn new(cx: &mut Cx<'_, Process>) -> impl PinInit<Self> {
        let outer = Mutex::new(cx, lock_class!(Outer, "entry"), 0);
        let inner = Mutex::new(cx, lock_class!(Inner, "entry"), 0);
        let mmap = Mutex::new(cx, lock_class!(AfterMmap, "entry"), 0);
        let resv = Mutex::new(cx, lock_class!(AfterResv, "entry"), 0);
        let reclaim_mutex = Mutex::new(cx, lock_class!(ReclaimLock, "entry"), 0);
        let reclaim_spin = SpinLock::new(cx, lock_class!(ReclaimLock, "entry"), 0);
        let after_reclaim = Mutex::new(cx, lock_class!(AfterReclaimLock, "entry"), 0);
        let within = SpinLock::new(cx, lock_class!(Within, "entry"), 0);
        let noio = Mutex::new(cx, lock_class!(AfterNoIo, "entry"), 0);
        let notifier = Mutex::new(cx, lock_class!(AfterNotifier, "entry"), 0);
        let notifier_mutex = Mutex::new(cx, lock_class!(NotifierLock, "entry"), 0);
        let notifier_spin = SpinLock::new(cx, lock_class!(NotifierLock, "entry"), 0);
        let after_notifier = Mutex::new(cx, lock_class!(AfterNotifierLock, "entry"), 0);
        let signalling = Mutex::new(cx, lock_class!(AfterSignalling, "entry"), 0);
        let signal_mutex = Mutex::new(cx, lock_class!(SignalLock, "entry"), 0);
        let signal_spin = SpinLock::new(cx, lock_class!(SignalLock, "entry"), 0);
        let after_signal = SpinLock::new(cx, lock_class!(AfterSignalLock, "entry"), 0);
        pin_init!(Self {
            outer <- outer,
            inner <- inner,
            mmap <- mmap,
            resv <- resv,
            reclaim_mutex <- reclaim_mutex,
            reclaim_spin <- reclaim_spin,
            after_reclaim <- after_reclaim,
            within <- within,
            noio <- noio,
            notifier <- notifier,
            notifier_mutex <- notifier_mutex,
            notifier_spin <- notifier_spin,
            after_notifier <- after_notifier,
            signalling <- signalling,
            signal_mutex <- signal_mutex,
            signal_spin <- signal_spin,
            after_signal <- after_signal,
        })
    }
}
