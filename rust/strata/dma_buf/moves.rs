// SPDX-License-Identifier: GPL-2.0

//! Moving a buffer while others have it.
//!
//! "Pinned, or locked" is what each user of a buffer has to be, and here is who asks: what is pinned or
//! mapped into the kernel stays, and the reservation, which who moves it holds, keeps all others out.
//!
//! C: `dma_buf_invalidate_mappings()` in `drivers/dma-buf/dma-buf.c`.

use super::{
    raw,
    Exported,
    Exporter,
    Storage, //
};
use crate::{
    bindings,
    cx::{
        Before,
        Cx,
        MaySleep,
        MayWait,
        Notifier,
        ReclaimLock, //
    },
    fence::{
        Waited,
        Wake, //
    },
    resv::{
        Held,
        Resv,
        Usage, //
    },
};
use core::fmt;
use kernel::{
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    },
    time::Jiffies, //
};

/// The buffer did not move; here is where it should have.
pub struct NotMoved {
    /// What was not used. Its contents may be anything.
    pub to: UniqueArc<Storage>,
    /// Why.
    pub cause: Error,
}

impl fmt::Debug for NotMoved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotMoved({:?})", self.cause)
    }
}

impl From<NotMoved> for Error {
    fn from(error: NotMoved) -> Self {
        error.cause
    }
}

impl<E: Exporter> Exported<E> {
    /// Moves the contents to another storage, and returns where they were.
    ///
    /// Dynamic importers are told, and map the buffer again before they use it; all its fences are
    /// waited for, for so many jiffies at most; mappings of user space fault again. An importer that has
    /// not yet unmapped what it had may go on reading the old contents: the storage stays until it has,
    /// and is the caller's again when it is unique (`Arc::into_unique_or_drop()`).
    ///
    /// # Context
    ///
    /// Under the buffer's reservation, where fences may be waited for and the locks be taken that
    /// importers have for this ([`ReclaimLock`]). Allocates nothing itself. C:
    /// `dma_buf_invalidate_mappings()`, `unmap_mapping_range()`.
    ///
    /// # Errors
    ///
    /// With `to` given back: `EINVAL` if `held` is not that of the buffer, or `to` is of another size;
    /// `EBUSY` if the buffer is pinned or mapped into the kernel; `ENODEV` if it was
    /// [revoked](Self::revoke); `ETIMEDOUT` or `ERESTARTSYS` for a wait that ended early. Importers may
    /// have been told by then: they only map again.
    pub fn move_to<L, S>(
        &self,
        cx: &mut Cx<'_, L, S>,
        held: &Held<'_>,
        to: UniqueArc<Storage>,
        timeout: Jiffies,
    ) -> Result<Arc<Storage>, NotMoved>
    where
        L: MayWait + Before<ReclaimLock>,
        S: MaySleep,
    {
        self.move_with(held, to, |resv| {
            // What uses the buffer without order, as page tables do, is a use too.
            match resv.wait_timeout(cx, Usage::Bookkeep, Wake::Signal, timeout)? {
                Waited::Signalled => Ok(()),
                Waited::TimedOut => Err(ETIMEDOUT),
            }
        })
    }

    /// As [`move_to`](Self::move_to), and waits for no fence: for a shrinker that could lock the
    /// reservation at once.
    ///
    /// # Context
    ///
    /// As [`move_to`](Self::move_to), in reclaim too.
    ///
    /// # Errors
    ///
    /// As [`move_to`](Self::move_to), with `EBUSY` for a fence that is not signalled.
    pub fn move_idle<L, S>(
        &self,
        cx: &mut Cx<'_, L, S>,
        held: &Held<'_>,
        to: UniqueArc<Storage>,
    ) -> Result<Arc<Storage>, NotMoved>
    where
        L: Before<ReclaimLock>,
        S: MaySleep,
    {
        self.move_with(held, to, |resv| {
            // SAFETY: `L` comes before `ReclaimLock`, and so before it: nothing that comes after it is
            // held.
            let idle = unsafe {
                cx.at(|cx: &mut Cx<'_, Notifier>| resv.is_signalled(cx, Usage::Bookkeep))
            };
            idle.then_some(()).ok_or(EBUSY)
        })
    }

    fn move_with(
        &self,
        held: &Held<'_>,
        to: UniqueArc<Storage>,
        idle: impl FnOnce(&Resv) -> Result,
    ) -> Result<Arc<Storage>, NotMoved> {
        let from = match self.prepare_move(held, &to, idle) {
            Ok(from) => from,
            Err(cause) => return Err(NotMoved { to, cause }),
        };
        to.copy(&from);
        // SAFETY: The reservation is held, as was checked.
        let window = unsafe { self.common().with(|state| state.replace(Some(to.into()))) };
        drop(window);
        Ok(from)
    }

    /// Sees to it that nobody writes to the buffer any more, and returns where it is.
    fn prepare_move(
        &self,
        held: &Held<'_>,
        to: &Storage,
        idle: impl FnOnce(&Resv) -> Result,
    ) -> Result<Arc<Storage>> {
        self.check(held)?;
        if to.size() != self.size() {
            return Err(EINVAL);
        }
        if self.must_stay(held)? {
            return Err(EBUSY);
        }
        // SAFETY: The reservation is held, as was checked.
        unsafe { raw::invalidate(self) };
        idle(self.resv())?;
        // SAFETY: The buffer is valid.
        unsafe { bindings::buffer_zap(self.as_ptr()) };
        // SAFETY: The reservation is held, as was checked.
        unsafe {
            self.common().with(|state| {
                // Who was told holds the lock with us, and may have pinned it.
                if state.must_stay() {
                    return Err(EBUSY);
                }
                let storage = state.storage()?;
                state.sync(true);
                Ok(storage)
            })
        }
    }
}
