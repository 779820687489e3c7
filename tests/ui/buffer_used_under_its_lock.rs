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
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `ResvHeld`
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
    attachment: &mut Attachment<'_, Dynamic<I>>,
) -> Result {
    buf.lock(cx, |_, cx| {
        attachment.pin(cx)?;
        //~^ ERROR E0277: a `ResvHeld` context may not acquire `ResvHeld`
        Ok(())
    })
}

fn map(cx: &mut Cx<'_, Process>, buf: &DmaBuf, attachment: &mut Attachment<'_, Static>) -> Result {
    buf.lock(cx, |_, cx| {
        attachment.map_pinned(cx, DataDirection::ToDevice)?;
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
