// SPDX-License-Identifier: GPL-2.0

//! The locks of the driver, in their order among those of the kernel.

strata::ranks! {
    after MmapHeld:
    /// The list of open files.
    pub(crate) Files,
    /// Who submits to a queue is alone in doing so.
    pub(crate) Submission,
    /// Whether a foreign buffer is at hand for jobs.
    pub(crate) Opened;

    after NoIo:
    /// Whether one buffer is resident. The shrinker takes it.
    pub(crate) Contents;

    after ReclaimLock:
    /// What one file has.
    pub(crate) Tables;

    after Signalling:
    /// Which engines work in one address space.
    pub(crate) Engines,
    /// An engine is at a part of its work.
    pub(crate) Part,
    /// Which fence of a queue is the last.
    pub(crate) Last,
}
