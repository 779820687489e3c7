// SPDX-License-Identifier: GPL-2.0

//! The contents of a buffer are used for more than they were handed over for, and as if nobody else
//! had them.

use kernel::prelude::*;
use strata::{
    dma_buf::{
        Bytes,
        DmaBuf,
        Read,
        ReadWrite,
        VmapPinned,
        Write, //
    },
    prelude::*,
};

fn write(cx: &mut Cx<'_, Process>, buf: &DmaBuf, map: &VmapPinned<'_>) -> Result {
    buf.access(cx, Read, |access, _| {
        let bytes = map.contents(access)?;
        bytes.store(0, 1)
        //~^ ERROR E0277: the buffer was handed over for `Read`, not for writing
    })?
}

fn read(cx: &mut Cx<'_, Process>, buf: &DmaBuf, map: &VmapPinned<'_>) -> Result<u32> {
    buf.access(cx, Write, |access, _| {
        let bytes = map.contents(access)?;
        bytes.load(0)
        //~^ ERROR E0277: the buffer was handed over for `Write`, not for reading
    })?
}

fn slice(bytes: &Bytes<'_, ReadWrite>) -> u8 {
    bytes[0]
    //~^ ERROR E0608: cannot index into a value of type
}
