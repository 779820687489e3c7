// SPDX-License-Identifier: GPL-2.0

//! Legal: an allocation that fails gives its value back.

use kernel::prelude::*;
use strata::{
    gfp::NoMemory,
    prelude::*, //
};

struct Request {
    id: u64,
}

fn keep(cx: &mut Cx<'_, Process>, request: Request) -> Result<KBox<Request>, Request> {
    match cx.atomic(|cx| gfp::nowait(cx).boxed(request)) {
        Ok(kept) => Ok(kept),
        Err(NoMemory { value }) => cx.alloc(value).map_err(|NoMemory { value }| value),
    }
}

fn queue(cx: &mut Cx<'_, Process>, all: &mut KVec<Request>, request: Request) -> Option<u64> {
    gfp::kernel(cx)
        .push(all, request)
        .err()
        .map(|NoMemory { value }| value.id)
}
