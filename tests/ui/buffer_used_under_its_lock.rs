// SPDX-License-Identifier: GPL-2.0

//! What takes a buffer's reservation is done under it, or under that of another.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use strata::{
    dma_buf::{
        Attachment,
        DmaBuf,
        Dynamic,
        Exported,
        Exporter,
        ForCpu,
        Importer,
        Read,
        Static,
        Storage, //
    },
    prelude::*,
};

fn attach(cx: &mut Cx<'_, Process>, buf: ARef<DmaBuf>, device: &Device<Bound>) -> Result {
    let other = buf.clone();
    buf.lock(cx, |_, cx| {
        let attachment = Attachment::new(cx, other, device)?;
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `MmapHeld`
        attachment.close(cx);
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `ResvHeld`
        Ok(())
    })
}

fn access(cx: &mut Cx<'_, Process>, buf: &DmaBuf) {
    buf.lock(cx, |_, cx| {
        buf.access(cx, Read, |_, _| ()).ok();
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `ResvHeld`
    });
}

fn pin<I: Importer>(
    cx: &mut Cx<'_, Process>,
    buf: &DmaBuf,
    attachment: &mut Attachment<Dynamic<I>>,
) -> Result {
    buf.lock(cx, |_, cx| {
        attachment.pin(cx)?;
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `ResvHeld`
        Ok(())
    })
}

fn map(
    cx: &mut Cx<'_, Process>,
    buf: &DmaBuf,
    attachment: &mut Attachment<Static>,
    device: &Device<Bound>,
) -> Result {
    buf.lock(cx, |_, cx| {
        attachment.map_pinned(cx, device, DataDirection::ToDevice)?;
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `ResvHeld`
        Ok(())
    })
}

fn job<I: Importer>(
    cx: &mut Cx<'_, Process>,
    buf: &DmaBuf,
    attachment: Arc<Attachment<Dynamic<I>>>,
) -> Result {
    buf.lock(cx, |_, cx| {
        let job = ForCpu::new(cx, attachment, Read)?;
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `ResvHeld`
        job.end(cx)
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `ResvHeld`
    })
}

fn take_back<E: Exporter>(cx: &mut Cx<'_, Process>, buf: &Exported<E>) -> Result {
    buf.lock(cx, |_, cx| {
        buf.revoke(cx, 1)?;
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `ResvHeld`
        Ok(())
    })
}

fn export<E: Exporter>(
    cx: &mut Cx<'_, Process>,
    buf: &DmaBuf,
    exporter: E,
    storage: Arc<Storage>,
) -> Result {
    buf.lock(cx, |_, cx| {
        Exported::new(cx, exporter, storage)?;
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `ResvHeld`
        Ok(())
    })
}
