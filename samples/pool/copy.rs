// SPDX-License-Identifier: GPL-2.0

//! What the pool itself does with contents: `STRATA_POOL_CHECKSUM` and `STRATA_POOL_COPY`.
//!
//! Of two buffers, only ever one is locked: what is copied is taken out first, a piece at a time.

use crate::{
    buffer::{
        self,
        Buffer, //
    },
    uapi, //
};
use kernel::{
    alloc::KVVec,
    prelude::*, //
};
use strata::{
    dma_buf::{
        Bytes,
        DmaBuf,
        Read,
        Write, //
    },
    lru::Object,
    plan::window::Window,
    prelude::*,
    shmem::Shmem, //
};

/// How much is copied under one lock, as a power of two: others may need it, and some exporters map
/// all of a buffer each time.
const PIECE: u32 = 22;

/// So many bytes are cleared at once.
const LINE: usize = 256;

/// Room for what is taken out of one buffer: `length` bytes, or as much as a piece has.
fn bounce(cx: &mut Cx<'_, Process>, length: u64) -> Result<KVVec<[u8; LINE]>> {
    let count = length.min(1 << PIECE).div_ceil(LINE as u64) as usize;
    let mut lines = gfp::kernel(cx).large_vec(count)?;
    for _ in 0..count {
        // There is room.
        lines.push_within_capacity([0; LINE]).map_err(|_| ENOMEM)?;
    }
    Ok(lines)
}

/// Runs `f` with the contents, and where in them it is to look.
fn look<O>(
    buf: &DmaBuf,
    cx: &mut Cx<'_, Process>,
    offset: u64,
    f: impl FnOnce(Bytes<'_, Read>, usize) -> Result<O>,
) -> Result<O> {
    let offset = usize::try_from(offset).map_err(|_| EINVAL)?;
    buf.access(cx, Read, |access, cx| {
        buf.lock(cx, |held, cx| {
            let map = buf.vmap(cx, held)?;
            f(map.contents(access)?, offset)
        })
    })?
}

fn read(buf: &DmaBuf, cx: &mut Cx<'_, Process>, offset: u64, to: &mut [u8]) -> Result {
    look(buf, cx, offset, |bytes, offset| bytes.read(offset, to))
}

fn write(buf: &DmaBuf, cx: &mut Cx<'_, Process>, offset: u64, from: &[u8]) -> Result {
    let offset = usize::try_from(offset).map_err(|_| EINVAL)?;
    buf.access(cx, Write, |access, cx| {
        buf.lock(cx, |held, cx| {
            let map = buf.vmap(cx, held)?;
            map.contents(access)?.write(offset, from)
        })
    })?
}

/// Where the contents of a buffer are, for who may look at them there.
enum Place<'a> {
    /// In its own pages, which they do not leave meanwhile.
    Home(&'a Shmem),
    /// Where its dma-buf says.
    Shared(&'a DmaBuf),
}

fn access<O>(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, Process>,
    f: impl FnOnce(&mut Cx<'_, Process>, Place<'_>) -> Result<O>,
) -> Result<O> {
    if let Some(exported) = buffer::begin_access(buffer, cx)? {
        return f(cx, Place::Shared(&exported));
    }
    let result = f(cx, Place::Home(buffer.item().memory()));
    buffer::end_access(buffer, cx);
    result
}

/// The CRC-32C of a part of the buffer.
pub(crate) fn checksum(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, Process>,
    offset: u64,
    length: u64,
) -> Result<u32> {
    access(buffer, cx, |cx, place| match place {
        Place::Home(memory) => memory.crc32c(cx, offset, length),
        Place::Shared(buf) => checksum_of(buf, cx, offset, length),
    })
}

fn checksum_of(buf: &DmaBuf, cx: &mut Cx<'_, Process>, offset: u64, length: u64) -> Result<u32> {
    let window = Window::within(buf.size() as u64, offset, length).map_err(|_| EINVAL)?;
    let mut crc = !0;
    for part in window.blocks(PIECE) {
        cx.give_way()?;
        let (at, length) = ((part.block << PIECE) + part.offset, part.length as usize);
        crc = look(buf, cx, at, |bytes, at| bytes.crc32c(crc, at, length))?;
    }
    Ok(!crc)
}

/// `STRATA_POOL_COPY`, between the buffer and `foreign`, which may be a dma-buf of the same one.
pub(crate) fn copy(
    buffer: &Object<Buffer>,
    cx: &mut Cx<'_, Process>,
    foreign: &DmaBuf,
    request: &uapi::Copy,
) -> Result {
    let size = foreign.size() as u64;
    let own = Window::within(buffer.item().size(), request.offset, request.length);
    let theirs = Window::within(size, request.foreign_offset, request.length);
    let (Ok(own), Ok(theirs)) = (own, theirs) else {
        return Err(EINVAL);
    };
    let mut bounce = bounce(cx, request.length)?;
    let bounce = bounce.as_flattened_mut();
    for part in own.blocks(PIECE) {
        cx.give_way()?;
        let piece = bounce.get_mut(..part.length as usize).ok_or(EINVAL)?;
        let here = (part.block << PIECE) + part.offset;
        let there = theirs.start() + (here - own.start());
        if request.flags & uapi::STRATA_POOL_COPY_OUT == 0 {
            read(foreign, cx, there, piece)?;
            access(buffer, cx, |cx, place| match place {
                Place::Home(memory) => memory.write(cx, here, piece),
                Place::Shared(buf) => write(buf, cx, here, piece),
            })?;
        } else {
            access(buffer, cx, |cx, place| match place {
                Place::Home(memory) => memory.read(cx, here, piece),
                Place::Shared(buf) => read(buf, cx, here, piece),
            })?;
            write(foreign, cx, there, piece)?;
        }
    }
    Ok(())
}
