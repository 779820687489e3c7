// SPDX-License-Identifier: GPL-2.0

//! Waiting for a fence.

use super::{
    queue,
    shared::Fence,
    timeline::Timeline, //
};
use crate::{
    bindings,
    cx::{
        Cx,
        MaySleep,
        MayWait,
        Reclaim,
        Signalling, //
    },
    shrinker::WaitToken,
};
use kernel::{
    prelude::*,
    sync::aref::ARef,
    time::Jiffies, //
};

/// What ends a wait, other than the fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Nothing: whatever is sent to the task.
    Done,
    /// A signal that kills the task.
    Killed,
    /// Any signal.
    Signal,
}

/// How a wait with a timeout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The fence is signalled.
    Signalled,
    /// The time is over.
    TimedOut,
}

impl Waited {
    /// From what the kernel says: the jiffies that were left, or a negative errno.
    pub(crate) fn from_left(left: isize) -> Result<Self> {
        match left {
            0 => Ok(Self::TimedOut),
            1.. => Ok(Self::Signalled),
            // A negative errno fits.
            _ => Err(Error::from_errno(left as i32)),
        }
    }
}

/// As long as the kernel can wait.
const FOR_EVER: isize = isize::MAX;

impl Fence {
    /// Waits until the fence is signalled. What it came to is [`status`](Self::status)'s to say.
    ///
    /// # Context
    ///
    /// Levels that come before the wait for a fence and are not reclaim, and may sleep.
    /// C: `dma_fence_wait()`.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` if a signal of the kind that `wake` says came first.
    pub fn wait<L, S>(&self, _cx: &mut Cx<'_, L, S>, wake: Wake) -> Result
    where
        L: MayWait,
        S: MaySleep,
    {
        self.wait_raw(wake, FOR_EVER).map(drop)
    }

    /// As [`wait`](Self::wait), for so many jiffies at most.
    ///
    /// # Context
    ///
    /// As [`wait`](Self::wait). C: `dma_fence_wait_timeout()`.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout<L, S>(
        &self,
        _cx: &mut Cx<'_, L, S>,
        wake: Wake,
        timeout: Jiffies,
    ) -> Result<Waited>
    where
        L: MayWait,
        S: MaySleep,
    {
        self.wait_raw(wake, isize::try_from(timeout).unwrap_or(FOR_EVER))
    }

    /// Waits in reclaim, for no longer than the permission allows.
    ///
    /// # Context
    ///
    /// Reclaim, where somebody waits for the memory. C: `dma_fence_wait_timeout()`,
    /// `dma_fence_is_signaled()`.
    pub fn wait_in_reclaim<S>(
        &self,
        cx: &mut Cx<'_, Reclaim, S>,
        token: &mut WaitToken<'_>,
    ) -> Waited
    where
        S: MaySleep,
    {
        // Drivers that signal only what somebody waits for are told.
        if matches!(self.wait_raw(Wake::Done, 0), Ok(Waited::Signalled)) {
            return Waited::Signalled;
        }
        // SAFETY: The fence is initialised, and no fence's lock is held here.
        if token.until(cx, || unsafe { bindings::fence_is_signaled(self.as_ptr()) }) {
            Waited::Signalled
        } else {
            Waited::TimedOut
        }
    }

    fn wait_raw(&self, wake: Wake, timeout: isize) -> Result<Waited> {
        let left = match wake {
            // SAFETY: The fence is initialised; the callers' tokens say that the task may sleep.
            Wake::Killed => unsafe { bindings::fence_wait_killable(self.as_ptr(), timeout) },
            // SAFETY: As above.
            _ => unsafe {
                bindings::dma_fence_wait_timeout(self.as_ptr(), wake == Wake::Signal, timeout)
            },
        };
        Waited::from_left(left)
    }

    /// For a fence that another CPU is just about to signal.
    ///
    /// The caller must be allowed to wait for a fence, and to sleep.
    pub(super) fn wait_for_other(&self) {
        let waited = self.wait_raw(Wake::Done, FOR_EVER);
        debug_assert!(waited.is_ok());
    }
}

/// A fence that the signalling sections of a timeline may wait for: it provably does not wait for
/// theirs.
///
/// lockdep cannot tell such a wait from that for one's own fence, which is a hang, and lets both
/// pass. So the proof is the rank of the timelines: each is of a higher one than those whose fences
/// its work waits for ([`Timeline::after`]). A timeline of which a [`PreparedJob`](super::PreparedJob)
/// waits for anything else proves nothing from then on.
pub struct Dependency(ARef<Fence>);

impl Dependency {
    /// The proof that `fence` comes before all of `timeline`'s; `None` if there is none, as for the
    /// fences of other drivers.
    ///
    /// # Context
    ///
    /// Any.
    pub fn new(fence: ARef<Fence>, timeline: &Timeline) -> Option<Self> {
        let earlier = match queue::place_of(&fence) {
            Some(place) => !place.open && place.rank < timeline.rank(),
            // Not one of ours: or one that is signalled, and belongs to nobody any more.
            None => fence.status().is_some(),
        };
        earlier.then_some(Self(fence))
    }

    /// Waits until the fence is signalled, and gives what it came to.
    ///
    /// # Context
    ///
    /// In a signalling section of the timeline that the proof is for; may sleep.
    /// C: `dma_fence_wait()`.
    pub fn wait<S: MaySleep>(&self, _cx: &mut Cx<'_, Signalling, S>) -> Result {
        self.0.wait_for_other();
        self.0.status().unwrap_or(Ok(()))
    }
}
