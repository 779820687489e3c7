// SPDX-License-Identifier: GPL-2.0

//! What a device and the kernel see of a buffer is looked at after its reservation was let go: the
//! buffer may be somewhere else.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::DataDirection,
    prelude::*, //
};
use strata::{
    dma_buf::{
        Attachment,
        DmaBuf,
        Mapped,
        Static,
        VmapLocked, //
    },
    prelude::*,
};

fn device<'a>(
    cx: &mut Cx<'_, Process>,
    buf: &DmaBuf,
    attachment: &'a mut Attachment<Static>,
    device: &'a Device<Bound>,
) -> Result<Mapped<'a>> {
    buf.lock(cx, |held, cx| {
        attachment.map(cx, held, device, DataDirection::ToDevice)
        //~^ ERROR lifetime may not live long enough
    })
}

fn kernel<'a>(cx: &mut Cx<'_, Process>, buf: &'a DmaBuf) -> Result<VmapLocked<'a>> {
    buf.lock(cx, |held, cx| buf.vmap(cx, held))
    //~^ ERROR lifetime may not live long enough
}
