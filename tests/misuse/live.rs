// SPDX-License-Identifier: GPL-2.0

//! A shrinker that does what a case chose, once that has registered it.

use crate::Misuse;
use kernel::{
    new_mutex,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SetOnce, //
    },
};
use strata::{
    cx::Reclaim,
    dev::debugfs,
    limit::Budget,
    plan::budget::Limits,
    prelude::*,
    shrinker::{
        Count,
        CountControl,
        Phases,
        Prepared,
        Registration,
        Round,
        Scan,
        ScanControl,
        Shrinker, //
    },
};

/// What its scan does in the round that waits for nobody.
pub(crate) type ScanFn = fn(&Live, &mut Cx<'_, Reclaim>, &mut ScanControl<'_>) -> Scan;

/// What its count does.
pub(crate) type CountFn = fn(&Live, &mut Cx<'_, Reclaim>) -> Count;

/// The shrinker.
#[pin_data]
pub(crate) struct Live {
    count: SetOnce<CountFn>,
    scan: SetOnce<ScanFn>,
    calls: Atomic<usize>,
    #[pin]
    prepared: Mutex<Option<Prepared>>,
    /// Its own registration: for a case to drop where it must not.
    #[pin]
    pub(crate) registration: Mutex<Option<Registration<Live>>>,
    /// Pages, for a case to reserve.
    pub(crate) budget: Arc<Budget>,
    /// A lock of the kernel's own crate: it has no rank.
    #[pin]
    pub(crate) foreign: Mutex<()>,
}

impl Live {
    pub(crate) fn new(cx: &mut Cx<'_, Process>, prepared: Prepared) -> Result<Arc<Self>> {
        let budget = Budget::new(cx, Limits::new(100, None).map_err(|_| EINVAL)?)?;
        gfp::kernel(cx).arc_init(pin_init!(Self {
            count: SetOnce::new(),
            scan: SetOnce::new(),
            calls: Atomic::new(0),
            prepared <- new_mutex!(Some(prepared), "misuse:prepared"),
            budget,
            registration <- new_mutex!(None, "misuse:registration"),
            foreign <- new_mutex!((), "misuse:foreign"),
        }))
    }

    /// Registers the shrinker, with what it is to do.
    pub(crate) fn register(
        self: &Arc<Self>,
        cx: &mut Cx<'_, Process>,
        count: CountFn,
        scan: ScanFn,
    ) -> Result {
        let prepared = self.prepared.lock().take().ok_or(EBUSY)?;
        self.count.populate(count);
        self.scan.populate(scan);
        let registration = prepared.register(cx, self.clone());
        *self.registration.lock() = Some(registration);
        Ok(())
    }

    /// How often its scan was called.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }
}

impl Shrinker for Live {
    type Owner = Misuse;

    fn count(&self, cx: &mut Cx<'_, Reclaim>, _control: &CountControl<'_>) -> Count {
        self.count
            .as_ref()
            .map_or(Count::Empty, |count| count(self, cx))
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        match (round, self.scan.as_ref()) {
            (Round::Idle, Some(scan)) => {
                self.calls.add(1, Relaxed);
                scan(self, cx, control)
            }
            (Round::Purge(_) | Round::Idle | Round::Active(_) | Round::WriteBack(_), _) => {
                Scan::Stop
            }
        }
    }
}

#[vtable]
impl Phases for Live {}

/// The file `calls`.
#[vtable]
impl debugfs::File for Live {
    type Owner = Misuse;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        seq_print!(out, "{}\n", self.calls());
        Ok(())
    }
}

/// Unregisters the shrinker when the module goes: it owns its registration, and that owns it.
pub(crate) struct End(pub(crate) Arc<Live>);

impl Drop for End {
    fn drop(&mut self) {
        let registration = self.0.registration.lock().take();
        drop(registration);
    }
}
