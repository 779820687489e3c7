// SPDX-License-Identifier: GPL-2.0

//! Fences: prepared, published, signalled, each a type of its own.
//!
//! A dma-fence is a promise to everybody in the kernel, also in reclaim and in mmu notifiers, that
//! it is signalled in finite time. So whoever has published one may do nothing any more that such a
//! waiter could be holding up. Here all that may fail or sleep comes before: [`Timeline::prepare`]
//! takes the memory, [`Prepared::publish`] can only be called in a signalling section, and makes two
//! of it: the [`Fence`], which anybody may share and wait for, and the [`Signaller`], which is
//! unique, can only be used in a signalling section, and signals `ECANCELED` if it is dropped.
//!
//! | type | what it is | `kernel::dma_buf::dma_fence` of 7.4 |
//! |---|---|---|
//! | [`Timeline`] | where fences come from: context, names, order | `FenceCtx` |
//! | [`Prepared`] | the memory of a fence that nobody knows yet | `DriverFenceAllocation` |
//! | [`Signaller`] | the duty to signal it | `DriverFence` |
//! | [`Fence`] | what others see of it, or of a fence of another driver | `Fence` |
//!
//! What a timeline has published and not signalled is on its own list: a signaller that was
//! forgotten leaves its fence there, and the end of the timeline signals it. A timeline signals its
//! fences in the order in which they were published, whatever order they are done in: who merges
//! fences keeps the latest of each context and trusts that it comes last.
//!
//! The memory of a fence is freed by the kernel proper, its names with a timeline's last fence and a
//! grace period, and its operations are this library's: no fence holds the driver's module, and none
//! is left behind when the driver has dropped its timelines.
//!
//! C: [`include/linux/dma-fence.h`](srctree/include/linux/dma-fence.h). Docs:
//! `Documentation/driver-api/dma-buf.rst`, "DMA Fences".
//!
//! # Examples
//!
//! ```
//! use strata::prelude::*;
//! use strata::fence::{Timeline, Wake};
//!
//! # // SAFETY: KUnit runs its cases in a kthread that holds nothing.
//! # let mut cx = unsafe { Cx::<'_, Process>::assume() };
//! # let cx = &mut cx;
//! let timeline = Timeline::new(cx, c"example", c"queue 0")?;
//! let prepared = timeline.prepare(&mut gfp::kernel(cx))?;
//!
//! // From here on nothing may fail, and nothing does.
//! let fence = cx.signalling(|cx| {
//!     let (fence, signaller) = prepared.publish(cx);
//!     signaller.signal(cx, Ok(()));
//!     fence
//! });
//! assert_eq!(fence.status(), Some(Ok(())));
//! fence.wait(cx, Wake::Done)?;
//! # Ok::<(), Error>(())
//! ```

mod alarm;
mod callback;
mod job;
mod published;
mod queue;
mod shared;
mod sync_file;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;
mod timeline;
mod wait;
mod watchdog;
mod workers;

pub use self::{
    callback::{
        Armed,
        Callback,
        Waiter, //
    },
    job::{
        Job,
        PreparedJob,
        PublishedJob, //
    },
    published::Signaller,
    shared::Fence,
    sync_file::{
        PreparedFile,
        SyncFile, //
    },
    timeline::{
        Prepared,
        Timeline, //
    },
    wait::{
        Dependency,
        Waited,
        Wake, //
    },
    watchdog::{
        Hang,
        Watchdog, //
    },
};

pub(crate) use self::workers::start as start_jobs;
