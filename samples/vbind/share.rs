// SPDX-License-Identifier: GPL-2.0

//! Buffers that are shared: given away as dma-bufs, and taken from other files and other drivers.
//!
//! A dma-buf of ours has the reservation of its buffer, so that the fences of jobs are seen by whoever
//! uses it. It holds the memory as a job does that never ends: the shrinker leaves it alone. The buffer
//! has a reference to its dma-buf for as long as it has a name in any file, and that one has the buffer:
//! so the last name to go takes the reference along.

use crate::{
    buffer::{
        bring_in,
        Buffer,
        BufferRef,
        Use, //
    },
    client::Client,
    figures::{
        Counted,
        Figure, //
    },
    foreign::Foreign,
    ranks::Contents,
    uapi,
    Vbind, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef, //
};
use strata::{
    dev::user::UserRange,
    dma_buf::{
        BufferFile,
        DmaBuf,
        Exported,
        Exporter, //
    },
    prelude::*, //
};

/// A buffer that was given away.
pub(crate) struct Shared {
    // Before the buffer, whose memory it is.
    _used: Use,
    buffer: BufferRef,
    _counted: Counted,
}

impl Exporter for Shared {
    type Owner = Vbind;

    const NAME: &'static CStr = c"strata-vbind";
}

/// The dma-buf of a buffer of ours: the one that there is, or a new one.
fn export(cx: &mut Cx<'_, Process>, buffer: &BufferRef, client: &Client) -> Result<ARef<DmaBuf>> {
    let item = buffer.item();
    let Some(resv) = item.own_resv() else {
        return Ok(item.foreign().ok_or(EINVAL)?.buf().into());
    };
    let there = buffer.lock(cx, |state, _| state.exported.clone());
    if let Some(there) = there {
        return Ok(there.buffer());
    }
    let used = resv.lock_interruptible(cx, |held, (), cx| {
        bring_in(buffer, cx, held, client.shared())
    })??;
    let storage = used.storage().clone();
    let exporter = Shared {
        _used: used,
        buffer: buffer.clone(),
        _counted: item.account().one(Figure::Exported),
    };
    // Nobody else sees ours if somebody was faster.
    let ours = Exported::with_resv(cx, exporter, storage, resv.clone())?;
    let exported = buffer.lock(cx, |state, _| {
        // What has no name any more would keep its dma-buf for ever.
        if state.names == 0 {
            return Err(ENOENT);
        }
        Ok(state.exported.get_or_insert_with(|| ours.clone()).clone())
    })?;
    Ok(exported.buffer())
}

/// The buffer has one more name, which came with its dma-buf if that is `exported`.
pub(crate) fn name<L: Before<Contents>>(
    cx: &mut Cx<'_, L>,
    buffer: &BufferRef,
    exported: Option<ARef<Exported<Shared>>>,
) {
    buffer.lock(cx, |state, _| {
        state.names += 1;
        if let Some(exported) = exported {
            state.exported.get_or_insert(exported);
            state.given = true;
        }
    });
}

/// The buffer has one name less.
pub(crate) fn unname<L: Before<Contents>>(cx: &mut Cx<'_, L>, buffer: &BufferRef) {
    let exported = buffer.lock(cx, |state, _| {
        state.names -= 1;
        if state.names > 0 {
            return None;
        }
        state.given = false;
        state.exported.take()
    });
    drop(exported);
}

impl Client {
    /// `STRATA_VBIND_BUFFER_EXPORT`
    pub(crate) fn export_buffer(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let request: uapi::BufferExport = arg.read(cx)?;
        if request.flags != 0 || request.fd != 0 || request.reserved != 0 {
            return Err(EINVAL);
        }
        let buffer = self.buffer(cx, request.id)?;
        buffer.lock(cx, |state, _| state.givers += 1);
        let given = self.give(cx, &buffer, arg, request);
        // A dma-buf that nobody got would keep the memory for nothing.
        let unused = buffer.lock(cx, |state, _| {
            state.givers -= 1;
            state.given |= given.is_ok() && state.exported.is_some();
            let keep = state.given || state.givers > 0;
            state.exported.take_if(|_| !keep)
        });
        drop(unused);
        given
    }

    fn give(
        &self,
        cx: &mut Cx<'_, Process>,
        buffer: &BufferRef,
        arg: UserRange,
        mut request: uapi::BufferExport,
    ) -> Result {
        let buf = export(cx, buffer, self)?;
        let file = BufferFile::new(cx, buf)?;
        request.fd = file.fd() as i32;
        // The answer first: what comes after it cannot fail.
        arg.write(cx, &request)?;
        file.install(cx);
        Ok(())
    }

    /// `STRATA_VBIND_BUFFER_IMPORT`
    pub(crate) fn import_buffer(&self, cx: &mut Cx<'_, Process>, arg: UserRange) -> Result {
        let mut request: uapi::BufferImport = arg.read(cx)?;
        let unused = (request.flags, request.id, request.reserved, request.size);
        if unused != (0, 0, 0, 0) {
            return Err(EINVAL);
        }
        let buf = DmaBuf::from_fd(cx, request.fd)?;
        let room = self.room(cx)?;
        let ours = Exported::<Shared>::of(&buf);
        let buffer = match ours {
            Some(ours) => ours.exporter().buffer.clone(),
            None => self.foreign(cx, &buf, room.id())?,
        };
        request.id = room.id();
        request.size = buffer.item().size();
        arg.write(cx, &request)?;
        name(cx, &buffer, ours.map(ARef::from));
        self.insert(cx, room, buffer);
        Ok(())
    }

    /// A buffer of another driver: the one that this file has of it, or a new one.
    fn foreign(&self, cx: &mut Cx<'_, Process>, buf: &DmaBuf, id: u32) -> Result<BufferRef> {
        let size = buf.size() as u64;
        let aligned = size % PAGE_SIZE as u64 == 0;
        if size == 0 || size > uapi::STRATA_VBIND_BUFFER_MAX || !aligned {
            return Err(EINVAL);
        }
        if let Some(there) = self.imported(cx, buf) {
            return Ok(there);
        }
        let device = self.shared().device();
        let foreign = Foreign::new(cx, buf.into(), device, self.account())?;
        Buffer::imported(cx, self, id, foreign)
    }
}
