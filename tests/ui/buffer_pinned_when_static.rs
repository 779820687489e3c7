// SPDX-License-Identifier: GPL-2.0

//! A static attachment is pinned: the exporter does that for it, and the kernel warns of who does so
//! too.

use kernel::prelude::*;
use strata::{
    dma_buf::{
        Attachment,
        Static, //
    },
    prelude::*,
};

fn pin(cx: &mut Cx<'_, Process>, attachment: &mut Attachment<Static>) -> Result {
    attachment.pin(cx)?.close(cx);
    //~^ ERROR E0599: no method named `pin` found
    Ok(())
}
