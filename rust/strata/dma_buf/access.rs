// SPDX-License-Identifier: GPL-2.0

//! The contents of a buffer, handed over to the CPU and back.
//!
//! Between the two, what devices wrote is there, and what the CPU writes reaches them; and what user
//! space orders by the buffer's fences is done. Handing it back may fail, so it is no destructor.
//!
//! C: `dma_buf_begin_cpu_access()` in `drivers/dma-buf/dma-buf.c`.

use super::{
    raw::{
        self,
        RawDirection, //
    },
    DmaBuf, //
};
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        MaySleep,
        MayWait,
        ResvHeld, //
    },
};
use core::{
    fmt,
    marker::PhantomData, //
};
use kernel::{
    prelude::*,
    types::NotThreadSafe, //
};

mod private {
    use super::RawDirection;

    /// Keeps [`super::AccessMode`] to the three that there are.
    pub trait Sealed {
        /// As a device would say it.
        const DIRECTION: RawDirection;
    }
}

/// What the CPU does with the contents: [`Read`], [`Write`] or [`ReadWrite`].
pub trait AccessMode: private::Sealed {}

/// The contents may be read.
#[diagnostic::on_unimplemented(
    message = "the buffer was handed over for `{Self}`, not for reading",
    label = "reads what caches may have of another time",
    note = "ask for `Read` or `ReadWrite` in `DmaBuf::access`"
)]
pub trait Readable: AccessMode {}

/// The contents may be written.
#[diagnostic::on_unimplemented(
    message = "the buffer was handed over for `{Self}`, not for writing",
    label = "may never reach a device",
    note = "ask for `Write` or `ReadWrite` in `DmaBuf::access`"
)]
pub trait Writable: AccessMode {}

macro_rules! modes {
    ($($(#[$doc:meta])* $mode:ident: $direction:ident, $($can:ident)+;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $mode;

            impl private::Sealed for $mode {
                const DIRECTION: RawDirection = bindings::$direction;
            }
            impl AccessMode for $mode {}
            $(impl $can for $mode {})+
        )*
    };
}

modes! {
    /// The CPU reads.
    Read: dma_data_direction_DMA_FROM_DEVICE, Readable;
    /// The CPU writes, and does not look at what was there.
    Write: dma_data_direction_DMA_TO_DEVICE, Writable;
    /// The CPU reads and writes.
    ReadWrite: dma_data_direction_DMA_BIDIRECTIONAL, Readable Writable;
}

/// Proof that a buffer is handed over to the CPU.
pub struct Access<'a, M> {
    buf: &'a DmaBuf,
    _mode: PhantomData<M>,
    _task: NotThreadSafe,
}

impl<M> Access<'_, M> {
    pub(super) fn buffer(&self) -> &DmaBuf {
        self.buf
    }
}

/// The contents were not accessed, or not handed back.
pub enum NotAccessed<O> {
    /// They could not be handed over: the closure was not called.
    Begin(Error),
    /// They could not be handed back: devices may not see what was written.
    End {
        /// What the closure returned.
        value: O,
        /// Why.
        cause: Error,
    },
}

impl<O> fmt::Debug for NotAccessed<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(cause) => write!(f, "Begin({cause:?})"),
            Self::End { cause, .. } => write!(f, "End({cause:?})"),
        }
    }
}

impl<O> From<NotAccessed<O>> for Error {
    fn from(error: NotAccessed<O>) -> Self {
        match error {
            NotAccessed::Begin(cause) | NotAccessed::End { cause, .. } => cause,
        }
    }
}

impl DmaBuf {
    /// Runs `f` with the contents handed over to the CPU, for what `mode` says.
    ///
    /// With the [`Access`] that it gets, `f` looks at what it has mapped: before
    /// ([`VmapPinned`](super::VmapPinned)), or in it ([`vmap`](Self::vmap), once the reservation is
    /// locked).
    ///
    /// # Context
    ///
    /// Levels before [`ResvHeld`], where fences may be waited for: it waits for those that a reader, or
    /// a writer, has to. C: `dma_buf_begin_cpu_access()`, `dma_buf_end_cpu_access()`.
    ///
    /// # Errors
    ///
    /// [`NotAccessed::Begin`], with `ERESTARTSYS` or `EINTR` if a signal came first;
    /// [`NotAccessed::End`] with what the exporter says.
    pub fn access<M, L, S, O>(
        &self,
        cx: &mut Cx<'_, L, S>,
        _mode: M,
        f: impl FnOnce(&Access<'_, M>, &mut Cx<'_, L, S>) -> O,
    ) -> Result<O, NotAccessed<O>>
    where
        M: AccessMode,
        L: Before<ResvHeld> + MayWait,
        S: MaySleep,
    {
        raw::begin_access(self, M::DIRECTION).map_err(NotAccessed::Begin)?;
        let access = Access {
            buf: self,
            _mode: PhantomData,
            _task: NotThreadSafe,
        };
        let value = f(&access, cx);
        match raw::end_access(self, M::DIRECTION) {
            Ok(()) => Ok(value),
            Err(cause) => Err(NotAccessed::End { value, cause }),
        }
    }
}
