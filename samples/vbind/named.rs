// SPDX-License-Identifier: GPL-2.0

//! The buffers that a job names: what it takes for the job to reach them.

use crate::{
    buffer::{
        self,
        bring_in,
        BufferRef, //
    },
    client::Client,
    foreign, //
};
use kernel::{
    prelude::*,
    sync::aref::ARef, //
};
use strata::{
    cx::{
        ResvHeld,
        Signalling, //
    },
    fence::Fence,
    prelude::*,
    resv::{
        Again,
        Held,
        Many,
        Slot,
        Usage, //
    },
    va::Backing, //
};

/// The memory of a buffer, for a job.
pub(crate) enum Use {
    Own(buffer::Use),
    Foreign(foreign::Use),
}

/// A buffer that a job names.
struct Name {
    buffer: BufferRef,
    /// If it is another driver's.
    foreign: Option<foreign::Use>,
}

/// All of them, each once, in the order of what a space knows them by.
pub(crate) struct Named(KVVec<Name>);

impl Named {
    /// The buffers of these ids. Foreign ones are at hand afterwards, which is waited for, so no lock
    /// is held. To be [closed](Self::close).
    pub(crate) fn open(cx: &mut Cx<'_, Process>, client: &Client, ids: &[u32]) -> Result<Self> {
        let mut found: KVVec<BufferRef> = gfp::kernel(cx).large_vec(ids.len())?;
        for id in ids {
            let buffer = client.buffer(cx, *id)?;
            found.push_within_capacity(buffer).map_err(|_| ENOMEM)?;
        }
        found.sort_unstable_by_key(Backing::id);
        let mut named = Self(gfp::kernel(cx).large_vec(found.len())?);
        match named.add(cx, found) {
            Ok(()) => Ok(named),
            Err(error) => {
                named.close(cx);
                Err(error)
            }
        }
    }

    fn add(&mut self, cx: &mut Cx<'_, Process>, found: KVVec<BufferRef>) -> Result {
        for buffer in found {
            let last = self.0.last().map(|name| name.buffer.id());
            if last == Some(buffer.id()) {
                continue;
            }
            let foreign = match buffer.item().foreign() {
                Some(foreign) => Some(foreign.open(cx)?),
                None => None,
            };
            let name = Name { buffer, foreign };
            self.0.push_within_capacity(name).map_err(|_| ENOMEM)?;
        }
        Ok(())
    }

    /// The call is over: what no job has is let go.
    pub(crate) fn close(self, cx: &mut Cx<'_, Process>) {
        for Name { buffer, foreign } in self.0 {
            drop(foreign);
            settle(cx, &buffer);
        }
    }

    /// Locks the reservations of all. It may have to go back.
    pub(crate) fn lock<'r, 'm, 'c>(
        &'r self,
        cx: &mut Cx<'c, ResvHeld>,
        many: &'m Many<'r, 'c>,
    ) -> Result<KVVec<&'m Held<'r>>, Again> {
        let mut held = gfp::kernel(cx).large_vec(self.0.len())?;
        for name in &self.0 {
            let lock = many.lock(cx, name.buffer.item().resv())?;
            held.push_within_capacity(lock).map_err(|_| ENOMEM)?;
        }
        Ok(held)
    }

    /// With all of them locked, takes what may not be there.
    pub(crate) fn take<'h>(
        &self,
        cx: &mut Cx<'_, ResvHeld>,
        client: &Client,
        held: &[&'h Held<'h>],
    ) -> Result<Taken<'h>> {
        let count = self.0.len();
        let mut taken = Taken {
            memory: gfp::kernel(cx).large_vec(count)?,
            slots: gfp::kernel(cx).large_vec(count)?,
            kept: gfp::kernel(cx).large_vec(count)?,
            after: KVec::new(),
        };
        for (name, held) in self.0.iter().zip(held) {
            let memory = match &name.foreign {
                Some(used) => {
                    taken.wait_for_others(cx, client, &name.buffer)?;
                    Use::Foreign(used.clone())
                }
                None => Use::Own(bring_in(&name.buffer, cx, held, client.shared())?),
            };
            taken
                .memory
                .push_within_capacity((name.buffer.id(), memory))
                .map_err(|_| ENOMEM)?;
            let slot = held.reserve_one(&mut gfp::kernel(cx))?;
            taken.slots.push_within_capacity(slot).map_err(|_| ENOMEM)?;
            taken
                .kept
                .push_within_capacity(name.buffer.clone())
                .map_err(|_| ENOMEM)?;
        }
        Ok(taken)
    }
}

/// Lets go of a foreign buffer that no job uses.
pub(crate) fn settle(cx: &mut Cx<'_, Process>, buffer: &BufferRef) {
    if let Some(foreign) = buffer.item().foreign() {
        foreign.settle(cx);
    }
}

/// What a job has of its buffers.
pub(crate) struct Taken<'h> {
    /// The memory that it may touch, by the [id](Backing::id) of its buffer.
    pub(crate) memory: KVVec<(usize, Use)>,
    pub(crate) slots: KVVec<Slot<'h>>,
    /// What is not dropped by the job.
    pub(crate) kept: KVVec<BufferRef>,
    /// What others do with them.
    pub(crate) after: KVec<ARef<Fence>>,
}

impl Taken<'_> {
    /// The job waits for what others do with a foreign buffer. Jobs of the same file are in the order
    /// that their own fences say, as everywhere.
    fn wait_for_others(
        &mut self,
        cx: &mut Cx<'_, ResvHeld>,
        client: &Client,
        buffer: &BufferRef,
    ) -> Result {
        let resv = buffer.item().resv();
        let fences = resv.fences(&mut gfp::kernel(cx), Usage::to_wait_for(true))?;
        for fence in fences {
            if !client.has_job(cx, &fence) {
                gfp::kernel(cx).push(&mut self.after, fence)?;
            }
        }
        Ok(())
    }
}

/// Adds the fence of a job to the buffers that it named. It counts as a writer: whoever has a dma-buf
/// of one of them, now or later, does not look at it before.
pub(crate) fn add(cx: &mut Cx<'_, Signalling>, slots: KVVec<Slot<'_>>, fence: &Fence) {
    for slot in slots {
        // Only an array of fences is refused.
        let _ = slot.add(cx, fence, Usage::Write);
    }
}
