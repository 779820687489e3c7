// SPDX-License-Identifier: GPL-2.0

//! An attachment is mapped while it is mapped: exporters that keep one table for each would map that
//! twice.

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
        Static, //
    },
    prelude::*,
};

fn twice(
    cx: &mut Cx<'_, Process>,
    buf: &DmaBuf,
    attachment: &mut Attachment<Static>,
    device: &Device<Bound>,
) -> Result<usize> {
    buf.lock(cx, |held, cx| {
        let read = attachment.map(cx, held, device, DataDirection::ToDevice)?;
        let write = attachment.map(cx, held, device, DataDirection::FromDevice)?;
        //~^ ERROR E0499: cannot borrow `*attachment` as mutable more than once at a time
        Ok(read.ranges().count() + write.ranges().count())
    })
}
